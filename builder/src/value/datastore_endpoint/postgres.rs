//! `postgres://user:password@host:port/database?parameter=value`: a URL of Go's net/url, then of pgx.

use super::{NO_USER, Refusal, is_percent_encoded, parameters, server};

/// Parameters of go-sql-driver, which PostgreSQL would refuse as settings that it does not know.
const OF_MYSQL: [&str; 8] =
    ["tls", "charset", "collation", "parseTime", "loc", "timeout", "readTimeout", "writeTimeout"];

/// What is written before the `?`. In parameters it would take the place of that.
const OF_ADDRESS: [&str; 9] =
    ["host", "hostaddr", "port", "user", "password", "dbname", "database", "service", "servicefile"];

const OF_FILES: [&str; 4] = ["sslcert", "sslkey", "sslrootcert", "sslpassword"];

pub(super) fn check(rest: &str) -> Result<Option<Refusal>, Refusal> {
    if rest.contains('#') {
        return Err(Refusal("has a #, where a URL ends", "write # in the password as %23"));
    }
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if tail.contains('@') {
        return Err(Refusal(
            "has a / or ? before its last @, where the host of a URL ends",
            "write / in the password as %2F and ? as %3F; after the host, write @ as %40",
        ));
    }
    let (who, hosts) = authority.rsplit_once('@').ok_or(NO_USER)?;
    if who.is_empty() || who.starts_with(':') {
        return Err(NO_USER);
    }
    // As Go's validUserinfo has it.
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
    if !who.bytes().all(is_plain) || !is_percent_encoded(who) {
        return Err(Refusal(
            "has a character in user or password that must be percent-encoded there",
            "write % as %25, [ as %5B, ] as %5D, ^ as %5E, | as %7C, { as %7B, } as %7D, \" as %22, and so on",
        ));
    }
    let ports: Vec<_> = hosts.split(',').map(server).collect::<Result<_, _>>()?;
    if ports.iter().any(Option::is_some) && ports.iter().any(Option::is_none) {
        // pgx would give the one port to the other hosts.
        return Err(Refusal("has a port for some of its hosts only", "give each host its port, or none"));
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    database(path.strip_prefix('/').unwrap_or(path))?;
    check_parameters(query)
}

/// None is `kubernetes` for kine.
fn database(name: &str) -> Result<(), Refusal> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(Refusal(
            "has capital letters in the database's name, which kine makes lowercase",
            "use a database whose name has none",
        ));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) {
        return Err(Refusal("has an unusual database name", "use a name of a-z, 0-9, _ and -, such as /k3s"));
    }
    Ok(())
}

fn check_parameters(query: &str) -> Result<Option<Refusal>, Refusal> {
    let mut own_encryption = None;
    for (key, value) in parameters(query)? {
        match (key, value) {
            ("sslmode", "disable" | "allow" | "prefer") => {
                own_encryption = Some(Refusal(
                    "has an sslmode that does not verify the database, against ca-file or cert-file",
                    "remove sslmode from it: with the files it is verify-full",
                ));
            }
            ("sslmode", "require" | "verify-ca" | "verify-full") => {}
            ("sslmode", _) => {
                let hint = "use disable, allow, prefer, require, verify-ca or verify-full";
                return Err(Refusal("has an unknown sslmode", hint));
            }
            ("connect_timeout", value) if value.parse::<u32>().is_err() => {
                return Err(Refusal(
                    "has a connect_timeout that is no number",
                    "write whole seconds, such as 10",
                ));
            }
            _ if OF_FILES.contains(&key) => {
                return Err(Refusal(
                    "names files of certificates, which are not on the node",
                    "set ca-file, cert-file and key-file in [external-datastore]",
                ));
            }
            _ if OF_ADDRESS.contains(&key) => {
                return Err(Refusal(
                    "has a part of the address among its parameters",
                    "write it before the ?: postgres://user:password@host:5432/k3s",
                ));
            }
            _ if OF_MYSQL.contains(&key) => {
                return Err(Refusal(
                    "has a parameter of MySQL",
                    "use those of PostgreSQL: sslmode, connect_timeout",
                ));
            }
            _ => {}
        }
    }
    Ok(own_encryption)
}
