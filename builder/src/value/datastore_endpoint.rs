//! The address of an external datastore.

use std::str::FromStr;

use hc_common::value::Secret;
use hc_common::value::ValueError;

/// A value of k3s's `--datastore-endpoint`. `Debug` hides it: it may contain a password.
#[derive(Debug, Clone)]
pub struct DatastoreEndpoint(Secret);

/// The schemes of k3s's kine drivers, and those of etcd.
const SCHEMES: [&str; 6] = ["postgres://", "postgresql://", "mysql://", "nats://", "https://", "http://"];

impl DatastoreEndpoint {
    /// The endpoint, for the file that k3s reads.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl FromStr for DatastoreEndpoint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| Err(ValueError::hidden("datastore endpoint", cause, hint));
        if text.starts_with("sqlite://") {
            return refuse(
                "is SQLite, which is not external",
                "set datastore = \"sqlite\" in [k3s] and remove [external-datastore]",
            );
        }
        let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
        let Some(rest) = rest else {
            return refuse(
                "has a scheme that k3s does not support",
                "begin it with postgres://, mysql://, nats:// or, for etcd, https://",
            );
        };
        if rest.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return refuse("is incomplete", "use the form postgres://user:password@host:5432/k3s");
        }
        if ["@localhost", "@127.0.0.1", "@tcp(localhost", "@tcp(127.0.0.1"]
            .iter()
            .any(|local| rest.contains(local))
        {
            return refuse("is on the server itself", "use a host that every server can reach");
        }
        Ok(Self(Secret::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_checked_and_never_shown() {
        for good in [
            "postgres://k3s:hunter2@db.home.lan:5432/k3s",
            "mysql://k3s:hunter2@tcp(db.home.lan:3306)/k3s",
            "https://etcd-1:2379,https://etcd-2:2379",
        ] {
            let endpoint: DatastoreEndpoint = good.parse().unwrap();
            assert_eq!(endpoint.expose(), good);
            assert!(!format!("{endpoint:?}").contains("hunter2"));
        }
        for bad in [
            "",
            "hunter2",
            "postgres://",
            "sqlite://hunter2",
            "postgres://a:hunter2@localhost/k3s",
            "mysql://a hunter2",
        ] {
            let error = bad.parse::<DatastoreEndpoint>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
