//! A list of networks, as settings have it: addresses and networks, separated by commas.
//!
//! What being in the list means is the business of whoever holds it: `client_addr` believes proxies
//! in it, `agent::relay` dials bots in it.

use std::{net::IpAddr, ops::Deref, str::FromStr, sync::Arc};

use ipnet::IpNet;

/// Networks. Cheap to clone; empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Arc<[IpNet]>);

/// An entry of the list is neither an address nor a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("entry {0} is neither an address nor a network such as 10.0.0.0/8")]
pub struct BadNetworks(usize);

impl FromStr for Networks {
    type Err = BadNetworks;

    /// Addresses and networks, separated by commas; an empty text is no network.
    fn from_str(text: &str) -> Result<Self, BadNetworks> {
        let entries = text.split(',').map(str::trim).enumerate().filter(|(_, e)| !e.is_empty());
        let nets = entries.map(|(at, entry)| {
            let net = match entry.parse::<IpAddr>() {
                Ok(address) => Ok(IpNet::from(address.to_canonical())),
                Err(_) => entry.parse::<IpNet>(),
            };
            net.map_err(|_| BadNetworks(at + 1))
        });
        nets.collect::<Result<Vec<_>, _>>().map(|nets| Self(nets.into()))
    }
}

impl Networks {
    /// Whether the address lies in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.iter().any(|net| net.contains(&address))
    }
}

impl Deref for Networks {
    type Target = [IpNet];

    fn deref(&self) -> &[IpNet] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_its_bad_entry() {
        assert!("".parse::<Networks>().unwrap().is_empty());
        assert_eq!("10.0.0.0/8, 127.0.0.1,::1,".parse::<Networks>().unwrap().len(), 3);
        assert_eq!("10.0.0.0/8,proxy".parse::<Networks>().err(), Some(BadNetworks(2)));
        assert_eq!("10.0.0.0/33".parse::<Networks>().err(), Some(BadNetworks(1)));
    }

    #[test]
    fn an_address_is_in_the_list_or_not() {
        let networks: Networks = "10.0.0.0/8, ::ffff:192.0.2.7".parse().unwrap();
        for (address, inside) in
            [("10.1.2.3", true), ("192.0.2.7", true), ("192.0.2.8", false), ("::1", false)]
        {
            assert_eq!(networks.contain(address.parse().unwrap()), inside, "{address}");
        }
    }
}
