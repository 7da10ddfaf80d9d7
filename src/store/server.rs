//! A database server as a url names it: whom it is trusted to be, and how many connections it gives.
//!
//! libpq encrypts without asking who is at the other end unless it is asked to verify, and the OpenSSL
//! inside this binary looks for certificates where no machine has them. Pure but for the one question
//! about connections; the certificates' place comes in.

use std::path::Path;

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types::BigInt};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::StoreError;

/// Connections that one process needs at least: one to write and one to read.
pub(super) const FEWEST: u32 = 2;

/// The value of a parameter in a url's query.
fn parameter<'u>(url: &'u str, name: &str) -> Option<&'u str> {
    let (_, query) = url.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The url with `sslrootcert=system` led to the certificates that this machine trusts. libpq allows
/// that word with `verify-full` only, and so do we.
///
/// # Errors
/// When another mode is asked for, or the machine has no such certificates.
pub(super) fn with_certificates(url: &str, system: Option<&Path>) -> Result<String, StoreError> {
    if parameter(url, "sslrootcert") != Some("system") {
        return Ok(url.to_owned());
    }
    let mode = parameter(url, "sslmode");
    if mode.is_some_and(|mode| mode != "verify-full") {
        return Err(StoreError::failed("sslrootcert=system goes with sslmode=verify-full only"));
    }
    let Some(path) = system.and_then(Path::to_str) else {
        return Err(StoreError::failed(
            "sslrootcert=system: this machine has no certificates that it trusts; on Debian they are \
             in the package ca-certificates",
        ));
    };
    let path = utf8_percent_encode(path, NON_ALPHANUMERIC);
    let url = url.replace("sslrootcert=system", &format!("sslrootcert={path}"));
    Ok(if mode.is_some() { url } else { format!("{url}&sslmode=verify-full") })
}

/// The host that this url reaches over a network without proof that it is the right one; `None` where
/// it is this machine, or is verified.
pub(super) fn unverified_host(url: &str) -> Option<String> {
    let mode = parameter(url, "sslmode");
    if mode.is_some_and(|mode| matches!(mode, "verify-full" | "verify-ca")) {
        return None;
    }
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let place = authority.rsplit('@').next().unwrap_or_default();
    let hosts = parameter(url, "host").or_else(|| parameter(url, "hostaddr")).unwrap_or(place);
    hosts.split(',').map(without_port).find(|host| !is_local(host)).map(str::to_owned)
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Nothing, a socket's folder, or an address of this machine.
fn is_local(host: &str) -> bool {
    let socket = host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f");
    let address = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    host.is_empty() || host == "localhost" || socket || address
}

#[derive(QueryableByName)]
struct Limit {
    #[diesel(sql_type = BigInt)]
    connections: i64,
}

/// How many connections the server gives to our user at most, all nodes together.
const LIMIT: &str = "SELECT least(
        current_setting('max_connections')::bigint
            - current_setting('superuser_reserved_connections')::bigint,
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)
    )::bigint AS connections";

/// The number of connections that this process may use: as many as wanted, or as the server gives,
/// which is said then.
///
/// # Errors
/// When the server gives fewer than [`FEWEST`].
pub(super) fn connections(conn: &mut PgConnection, wanted: u32) -> Result<u32, StoreError> {
    let given = sql_query(LIMIT).get_result::<Limit>(conn)?.connections;
    let given = u32::try_from(given).unwrap_or(0);
    if given < FEWEST {
        return Err(StoreError::failed(format!(
            "the server gives {given} connections to this user and database; {FEWEST} are needed"
        )));
    }
    if given < wanted {
        tracing::warn!(
            given,
            wanted,
            "the database server allows fewer connections than UPVOOT_DATABASE_CONNECTIONS"
        );
    }
    Ok(wanted.min(given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_certificates_are_found_for_libpq() {
        let bundle = Some(Path::new("/etc/ssl/certs/ca.crt"));
        let with = |url: &str| with_certificates(url, bundle).map_err(|error| error.to_string());
        let path = "sslrootcert=%2Fetc%2Fssl%2Fcerts%2Fca%2Ecrt";
        assert_eq!(
            with("postgres://h/db?sslmode=verify-full&sslrootcert=system"),
            Ok(format!("postgres://h/db?sslmode=verify-full&{path}"))
        );
        assert_eq!(
            with("postgres://h/db?sslrootcert=system"),
            Ok(format!("postgres://h/db?{path}&sslmode=verify-full")),
            "never less than what libpq does with that word"
        );
        for same in ["postgres://h/db", "postgres://h/db?sslmode=verify-full&sslrootcert=/own.crt"]
        {
            assert_eq!(with(same).as_deref(), Ok(same));
        }
        let weak = with("postgres://h/db?sslmode=require&sslrootcert=system").unwrap_err();
        assert!(weak.contains("verify-full"), "{weak}");
        assert!(with_certificates("postgres://h/db?sslrootcert=system", None).is_err());
    }

    #[test]
    fn a_host_elsewhere_that_proves_nothing_is_named() {
        for local in [
            "postgres:///db",
            "postgres:///db?host=/run/postgresql",
            "postgres://%2Frun%2Fpostgresql/db",
            "postgres://u:p@localhost:5432/db",
            "postgres://127.0.0.1/db",
            "postgres://[::1]:5432/db",
            "postgres://u:p@db.example.com/db?sslmode=verify-full&sslrootcert=system",
        ] {
            assert_eq!(unverified_host(local), None, "{local}");
        }
        for url in [
            "postgres://u:p@db.example.com:5432/db?sslmode=require",
            "postgres://u:p@db.example.com",
            "postgres://u:p@localhost,db.example.com:5433/db",
            "postgres:///db?host=db.example.com",
        ] {
            assert_eq!(unverified_host(url).as_deref(), Some("db.example.com"), "{url}");
        }
        assert_eq!(
            unverified_host("postgres://[2001:db8::1]:5432/x").as_deref(),
            Some("2001:db8::1")
        );
    }
}
