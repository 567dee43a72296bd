//! `mysql://user:password@tcp(host:port)/database?parameter=value`: a data source name of go-sql-driver, which is no URL. User and
//! password are taken as they are; the password ends at the last `@` before the last `/`.

use super::{LOCAL, NO_USER, Refusal, encoded_byte, is_percent_encoded, parameters, server};

/// Parameters of pgx, which MySQL would refuse as variables that it does not know.
const OF_POSTGRES: [&str; 6] =
    ["sslmode", "sslcert", "sslkey", "sslrootcert", "connect_timeout", "target_session_attrs"];

const DURATIONS: [&str; 3] = ["timeout", "readTimeout", "writeTimeout"];

const FORM: &str = "use the form mysql://user:password@tcp(db.home.lan:3306)/k3s";

pub(super) fn check(rest: &str) -> Result<Option<Refusal>, Refusal> {
    let (left, right) = rest.rsplit_once('/').ok_or(Refusal("has no / before the database", FORM))?;
    let (who, address) = left.rsplit_once('@').ok_or(NO_USER)?;
    if address.contains(")/") {
        return Err(Refusal("has a / in a parameter", "write / there as %2F, as in loc=Europe%2FBerlin"));
    }
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    if user.is_empty() {
        return Err(NO_USER);
    }
    if looks_encoded(password) {
        return Err(Refusal(
            "has a percent-encoded character in the password, which MySQL's driver takes as it is",
            "write the character itself; a password that really has such a % in it must be changed",
        ));
    }
    if address.is_empty() || address.starts_with("unix(") || address == "tcp" || address == "tcp()" {
        return Err(LOCAL);
    }
    let host = address.strip_prefix("tcp(").and_then(|host| host.strip_suffix(')'));
    server(host.ok_or(Refusal("does not have its host in tcp(...)", FORM))?)?;
    let (database, query) = right.split_once('?').unwrap_or((right, ""));
    // None is `kubernetes` for kine.
    if !database.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) {
        return Err(Refusal(
            "has an unusual database name",
            "use a name of letters, digits, _ and -, such as /k3s",
        ));
    }
    check_parameters(query)
}

/// Whether a character is encoded that must be in a URL. That a password has such a row of characters by chance is most unlikely.
fn looks_encoded(password: &str) -> bool {
    let special = |byte: u8| !byte.is_ascii_alphanumeric() && byte.is_ascii() && byte >= b' ';
    is_percent_encoded(password) && password.split('%').skip(1).filter_map(encoded_byte).any(special)
}

fn check_parameters(query: &str) -> Result<Option<Refusal>, Refusal> {
    let mut own_encryption = None;
    for (key, value) in parameters(query)? {
        match (key, value) {
            ("tls", "true" | "false" | "skip-verify" | "preferred") => {
                // With true and skip-verify the driver would not even look at the files.
                own_encryption = Some(Refusal(
                    "has tls= against ca-file or cert-file, which would not be used",
                    "remove tls= from it: with the files the database is verified",
                ));
            }
            ("tls", _) => {
                let hint = "use true, skip-verify or preferred, or set ca-file in [external-datastore]";
                return Err(Refusal("has an unknown value of tls", hint));
            }
            (key, value) if DURATIONS.contains(&key) && !is_duration(value) => {
                return Err(Refusal("has a timeout without a unit", "write it as 30s"));
            }
            (key, _) if OF_POSTGRES.contains(&key) => {
                return Err(Refusal("has a parameter of PostgreSQL", "use those of MySQL: tls, timeout"));
            }
            _ => {}
        }
    }
    Ok(own_encryption)
}

/// One number with a unit, of what Go's `time.ParseDuration` takes.
fn is_duration(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(number.len()..).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && ["ms", "s", "m", "h"].contains(&unit)
}
