//! Names of bots, as addresses: looked up with a deadline, and in turn by account.
//!
//! Accounts choose the names, so some never resolve, and some are chosen because they never do. Each
//! account has a few places, a look-up that is not waited for any more gives its place back, and a name that
//! took its time to fail is not asked for again at once. Where the addresses may lead is for
//! [`super::network`].

use std::{
    collections::HashMap,
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    system_conf::read_system_conf,
};
use tokio::time::timeout;

use crate::{
    id::AccountId,
    turns::{Crowded, Rule, Turns},
};

/// Look-ups at once.
const PLACES: Rule = Rule { places: 64, of_one: 4, waiting_of_one: 256 };
/// The longest that one look-up may take.
const LONGEST: Duration = Duration::from_secs(5);
/// How long one name server is waited for, each time it is asked.
const ANSWER: Duration = Duration::from_secs(2);
/// A look-up that took this long in vain is remembered.
const SLOW: Duration = Duration::from_secs(1);
/// How long it is remembered.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Failures that are remembered at most, of all accounts.
const MOST_REMEMBERED: usize = 4096;
/// The longest that a found address is kept, whatever its own time to live is.
const KEPT: Duration = Duration::from_secs(60);
/// The files whose change is noticed: what the system says of its name servers and of names of its own.
const SYSTEM: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Looks names up. Clones share all of it.
#[derive(Clone)]
pub struct Names(Arc<Inner>);

struct Inner {
    servers: Vec<SocketAddr>,
    places: Turns<AccountId>,
    resolver: Mutex<Option<Configured>>,
    failures: Mutex<HashMap<(AccountId, String), Instant>>,
}

/// A resolver, and the state of the system's files that it was made from.
struct Configured {
    resolver: TokioResolver,
    of: [Option<SystemTime>; 2],
}

/// Why there is no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAddress {
    #[error(transparent)]
    Crowded(#[from] Crowded),
    #[error("the name was not found a moment ago")]
    Remembered,
    #[error("the name servers do not answer in time")]
    TooLong,
    #[error(transparent)]
    Failed(#[from] NetError),
}

impl Names {
    /// Asks these name servers; without any, those of `/etc/resolv.conf`, as it is at the time. Names of
    /// `/etc/hosts` are not asked for.
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        let (resolver, failures) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { servers, places: Turns::new(PLACES), resolver, failures }))
    }

    /// The addresses of a name, those of both families by turns.
    pub(super) async fn look_up(
        &self,
        account: AccountId,
        name: &str,
    ) -> Result<Vec<IpAddr>, NoAddress> {
        if self.failed_lately(account, name) {
            return Err(NoAddress::Remembered);
        }
        let _place = self.0.places.take(account).await?;
        let mut asked = Asked { names: self, account, name, began: Instant::now(), in_vain: true };
        let found = timeout(LONGEST, self.resolver()?.lookup_ip(name)).await;
        let found = found.map_err(|_| NoAddress::TooLong)??;
        asked.in_vain = false;
        Ok(by_turns(found.iter()))
    }

    /// As the system is configured now.
    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let of = SYSTEM.map(|file| fs::metadata(file).and_then(|file| file.modified()).ok());
        let mut current = self.0.resolver.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(configured) = current.as_ref().filter(|configured| configured.of == of) {
            return Ok(configured.resolver.clone());
        }
        let (config, mut options) = configuration(&self.0.servers);
        options.timeout = ANSWER;
        options.attempts = options.attempts.clamp(1, 2);
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.positive_max_ttl = Some(KEPT);
        options.negative_max_ttl = Some(REMEMBERED);
        let provider = TokioRuntimeProvider::default();
        let builder = TokioResolver::builder_with_config(config, provider).with_options(options);
        let resolver = builder.build()?;
        *current = Some(Configured { resolver: resolver.clone(), of });
        Ok(resolver)
    }

    fn failed_lately(&self, account: AccountId, name: &str) -> bool {
        let failures = self.failures();
        failures.get(&(account, name.to_owned())).is_some_and(|at| at.elapsed() < REMEMBERED)
    }

    fn remember(&self, account: AccountId, name: &str) {
        let mut failures = self.failures();
        if failures.len() >= MOST_REMEMBERED {
            failures.retain(|_, at| at.elapsed() < REMEMBERED);
        }
        if failures.len() < MOST_REMEMBERED {
            failures.insert((account, name.to_owned()), Instant::now());
        }
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<(AccountId, String), Instant>> {
        self.0.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Names({:?})", self.0.servers)
    }
}

/// A look-up in progress; also one that is dropped has been in vain.
struct Asked<'a> {
    names: &'a Names,
    account: AccountId,
    name: &'a str,
    began: Instant,
    in_vain: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.in_vain && self.began.elapsed() >= SLOW {
            self.names.remember(self.account, self.name);
        }
    }
}

fn configuration(servers: &[SocketAddr]) -> (ResolverConfig, ResolverOpts) {
    if servers.is_empty() {
        return read_system_conf().unwrap_or_else(|error| {
            // As the C library does it where the file is missing or names no server.
            tracing::debug!(%error, "this machine's own name server is asked");
            let own = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
            (ResolverConfig::from_parts(None, Vec::new(), vec![own]), ResolverOpts::default())
        });
    }
    let servers = servers.iter().map(|server| {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        connections.iter_mut().for_each(|connection| connection.port = server.port());
        NameServerConfig::new(server.ip(), true, connections)
    });
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
    (config, ResolverOpts::default())
}

/// Of both families one after the other, so that a machine without one of them finds the other early.
fn by_turns(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let (four, six): (Vec<_>, Vec<_>) = addresses.partition(IpAddr::is_ipv4);
    let longest = four.len().max(six.len());
    (0..longest).flat_map(|at| [four.get(at), six.get(at)]).flatten().copied().collect()
}

impl From<NoAddress> for io::Error {
    fn from(error: NoAddress) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_come_by_turns() {
        let addresses = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let found = addresses(&["::1", "::2", "::3", "1.1.1.1", "1.1.1.2"]);
        let expected = addresses(&["1.1.1.1", "::1", "1.1.1.2", "::2", "::3"]);
        assert_eq!(by_turns(found.into_iter()), expected);
    }
}
