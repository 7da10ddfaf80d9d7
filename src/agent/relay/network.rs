//! Which addresses a bot may have: public ones, and what the operator has let in.
//!
//! Accounts choose where their bots are, so without this they could make the server speak to its own
//! network: to databases, to neighbours, to the cloud's metadata service. Pure; the address that is
//! judged here is the very one that [`super::dial`] connects to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Where one bot may be.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// The operator chose the address: it may be anywhere.
    pub(super) trusted: bool,
    /// Networks that are let in although they are not public.
    pub(super) networks: Vec<IpNet>,
    /// The connection is without TLS, and so for this machine only.
    pub(super) plain: bool,
}

impl Reach {
    /// Whether the bot may be at this address.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.plain && !address.is_loopback() {
            return false;
        }
        self.trusted
            || is_public(address)
            || self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Whether the address belongs to the public internet, by the registries of special addresses
/// (RFC 6890). An IPv6 address that carries an IPv4 one is as public as that.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    !matches!(
        (a, b, c, d),
        (0 | 10 | 127, ..)          // this network, private, loopback
        | (100, 64..=127, ..)       // carrier-grade NAT
        | (169, 254, ..)            // link-local, with the metadata of most clouds
        | (172, 16..=31, ..)        // private
        | (192, 0, 0 | 2, _)        // protocol assignments, documentation
        | (192, 88, 99, _)          // 6to4 relays
        | (192, 168, ..)            // private
        | (198, 18 | 19, ..)        // benchmarks
        | (198, 51, 100, _)         // documentation
        | (203, 0, 113, _)          // documentation
        | (168, 63, 129, 16)        // the metadata of a cloud that has it among public addresses
        | (224..=255, ..) // multicast, reserved, broadcast
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let carried = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => carried(high, low), // NAT64
        [0x2002, high, low, ..] => carried(high, low),               // 6to4
        [0x2001, 0..=0x1ff, ..] => false, // protocol assignments: Teredo, benchmarks, ORCHID
        [0x2001, 0xdb8, ..] => false,     // documentation
        [0x3fff, 0..=0xfff, ..] => false, // documentation
        [0x2000..=0x3fff, ..] => true,    // global unicast
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(trusted: bool, networks: &[&str], plain: bool) -> Reach {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        Reach { trusted, networks, plain }
    }

    const INWARD: [&str; 49] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "ff02::1",
    ];

    const PUBLIC: [&str; 16] = [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "168.63.129.15",
        "169.253.1.1",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "198.20.0.1",
        "223.255.255.255",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::1",
        "2606:4700::1111",
    ];

    #[test]
    fn what_leads_inward_is_out_of_reach() {
        for address in INWARD {
            assert!(!reach(false, &[], false).has(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn public_addresses_are_within_reach() {
        for address in PUBLIC {
            assert!(reach(false, &[], false).has(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_operator_lets_networks_in_and_no_others() {
        let own = reach(false, &["10.1.0.0/16", "fd12::/16"], false);
        for address in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "1.1.1.1"] {
            assert!(own.has(address.parse().unwrap()), "{address}");
        }
        for address in ["10.2.2.3", "fd13::1", "127.0.0.1", "64:ff9b::a01:203", "2002:a01:203::"] {
            assert!(!own.has(address.parse().unwrap()), "{address}");
        }
        for address in INWARD {
            assert!(reach(true, &[], false).has(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn without_tls_only_this_machine_is_within_reach() {
        for plain in [reach(true, &[], true), reach(false, &["0.0.0.0/0", "::/0"], true)] {
            for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
                assert!(plain.has(address.parse().unwrap()), "{address}");
            }
            for address in ["10.0.0.1", "1.1.1.1", "2606:4700::1111", "0.0.0.0", "::"] {
                assert!(!plain.has(address.parse().unwrap()), "{address}");
            }
        }
        assert!(!reach(false, &[], true).has("127.0.0.1".parse().unwrap()));
    }
}
