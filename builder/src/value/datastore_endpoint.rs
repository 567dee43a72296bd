//! Where an external datastore answers.

use std::str::FromStr;

use hc_common::value::Secret;
use hc_common::value::ValueError;

/// A value of k3s's `--datastore-endpoint`. It may hold a password and so does not print.
#[derive(Debug, Clone)]
pub struct DatastoreEndpoint(Secret);

/// What the endpoint may begin with (k3s's kine drivers), and etcd's plain addresses.
const SCHEMES: [&str; 6] = ["postgres://", "postgresql://", "mysql://", "nats://", "https://", "http://"];

impl DatastoreEndpoint {
    /// The endpoint, to be written where k3s reads it.
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
                "write kind = \"sqlite\" and leave the endpoint out",
            );
        }
        let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
        let Some(rest) = rest else {
            return refuse(
                "begins with no scheme that k3s knows",
                "begin it with postgres://, mysql://, nats:// or, for etcd, https://",
            );
        };
        if rest.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return refuse("is not complete", "write it like postgres://user:password@host:5432/k3s");
        }
        if ["@localhost", "@127.0.0.1", "@tcp(localhost", "@tcp(127.0.0.1"]
            .iter()
            .any(|local| rest.contains(local))
        {
            return refuse("is on the server itself", "name a host that every server can reach");
        }
        Ok(Self(Secret::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_checked_and_never_shown() {
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
