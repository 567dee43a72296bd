//! What k3s says of a database elsewhere that has the cluster's state.

use super::Sign;

const NO_ANSWER: &str = "the cluster's database does not answer";
const LET_IT_ANSWER: &str = "check that it runs, and endpoint and certificates in [external-datastore] of the cluster file; k3s tries again by itself";

/// The advice where the database has answered.
macro_rules! in_database {
    ($cure:literal) => {
        concat!($cure, "; k3s tries again by itself; a change of the cluster file needs a new image")
    };
}

const NO_NAME: &str = "the name of the cluster's database cannot be resolved";
const FIND_NAME: &str =
    "check the host in endpoint of [external-datastore], and the name server; k3s tries again by itself";

const NO_LOGIN: &str = "the cluster's database refuses the user or the password of the endpoint";
const LET_IT_IN: &str = in_database!(
    "check both in endpoint of [external-datastore] (percent-encoded for PostgreSQL, as they are for MySQL) and in the database; \
     MySQL says the same of a user who must come with TLS or a certificate"
);

const NO_DATABASE: &str = "the database that the endpoint names is not there, or not this user's";
const MAKE_DATABASE: &str =
    in_database!("create it and make the user its owner, or correct its name at the end of the endpoint");

const CLIENT_REFUSED: &str = "the cluster's database does not accept this server's client certificate";
const GIVE_CLIENT: &str = in_database!(
    "set cert-file and key-file in [external-datastore], signed by the CA that the database has for its clients"
);

const ENDED: &str = "the cluster's database ends the connection: it does not accept the client certificate, or it is stopping";

const NO_TLS: &str = "the cluster's database speaks no TLS, which ca-file or the endpoint asks for";
const SWITCH_TLS: &str = in_database!("switch it on in the database");

/// A word, its meaning and the fix.
const fn sign(word: &'static str, meaning: &'static str, advice: &'static str) -> Sign {
    Sign { word, meaning, advice }
}

/// Messages of kine v0.16 with PostgreSQL 15 and MariaDB 10.11, and of etcd's client; the most specific first.
const OF_DATABASE: [Sign; 32] = [
    sign("password authentication failed", NO_LOGIN, LET_IT_IN),
    sign("Error 1045 (28000)", NO_LOGIN, LET_IT_IN),
    sign("requires a valid client certificate", CLIENT_REFUSED, GIVE_CLIENT),
    sign("certificate authentication failed", CLIENT_REFUSED, GIVE_CLIENT),
    // By an alert after the database's own certificate was accepted, of many names.
    sign("remote error: tls: ", CLIENT_REFUSED, GIVE_CLIENT),
    // All that go-sql-driver says of that in the line of k3s, and what pgx says where the end of the connection comes first.
    sign("invalid connection", ENDED, GIVE_CLIENT),
    sign("bad connection", ENDED, GIVE_CLIENT),
    sign("connection reset by peer", ENDED, GIVE_CLIENT),
    sign(
        "no pg_hba.conf entry",
        "the cluster's database does not let this user in from this address, or not without encryption",
        in_database!(
            "add a line to its pg_hba.conf; if it wants encryption, set ca-file in [external-datastore]"
        ),
    ),
    sign("SQLSTATE 3D000", NO_DATABASE, MAKE_DATABASE),
    sign("Error 1044 (42000)", NO_DATABASE, MAKE_DATABASE),
    sign("Error 1049 (42000)", NO_DATABASE, MAKE_DATABASE),
    sign(
        "SQLSTATE 42501",
        "the user of the endpoint may not create tables in the cluster's database",
        in_database!("make it the owner of that database"),
    ),
    sign(
        "certificate signed by unknown authority",
        "the certificate of the cluster's database is not signed by the CA in ca-file",
        in_database!("set ca-file in [external-datastore] to the CA that signed it"),
    ),
    sign(
        "certificate is valid for",
        "the certificate of the cluster's database does not have the name in the endpoint",
        in_database!("use a name that it has, or make the database a certificate with this one"),
    ),
    sign(
        "cannot validate certificate for",
        "the certificate of the cluster's database does not have the address in the endpoint",
        in_database!("use a name that it has, or make the database a certificate with this address"),
    ),
    sign(
        "certificate has expired or is not yet valid",
        "the certificate of the cluster's database is not valid at the time of this node's clock",
        in_database!("renew it, or correct the clock"),
    ),
    sign("server refused TLS connection", NO_TLS, SWITCH_TLS),
    sign("server does not support TLS", NO_TLS, SWITCH_TLS),
    // PostgreSQL that starts or stops, and too many connections to it or to MySQL.
    sign("SQLSTATE 57P0", NO_ANSWER, LET_IT_ANSWER),
    sign("SQLSTATE 53300", NO_ANSWER, LET_IT_ANSWER),
    sign("Error 1040", NO_ANSWER, LET_IT_ANSWER),
    // As pgx, Go and libc say it.
    sign("hostname resolving error", NO_NAME, FIND_NAME),
    sign("no such host", NO_NAME, FIND_NAME),
    sign("failure in name resolution", NO_NAME, FIND_NAME),
    sign("connection refused", NO_ANSWER, LET_IT_ANSWER),
    sign("no route to host", NO_ANSWER, LET_IT_ANSWER),
    sign("network is unreachable", NO_ANSWER, LET_IT_ANSWER),
    sign("i/o timeout", NO_ANSWER, LET_IT_ANSWER),
    sign("context deadline exceeded", NO_ANSWER, LET_IT_ANSWER),
    // etcd's client hides a refused certificate behind a time that is over.
    sign("data store connection", NO_ANSWER, LET_IT_ANSWER),
    sign(
        "failed to create driver for configured endpoint",
        "k3s cannot use the cluster's database",
        in_database!("check [external-datastore] of the cluster file against what k3s says in the report"),
    ),
];

/// So many lines of the log are needed for [`of_database`]: kine v0.16 panics when PostgreSQL has not answered for five minutes, and
/// Go's trace of that is longer than what a report shows.
pub(crate) const LINES: u16 = 200;

/// The meaning and the fix on a server whose cluster is in a database elsewhere, where the newest line of an error says that of it: before it has a
/// database, k3s connects to nothing else.
pub fn of_database(lines: &[String]) -> Option<(&'static str, &'static str)> {
    let newest =
        lines.iter().rev().find(|line| line.contains("level=fatal") || line.contains("level=error"))?;
    let known = OF_DATABASE.iter().find(|sign| newest.contains(sign.word))?;
    Some((known.meaning, known.advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_does_not_answer_is_no_server() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let away =
            "level=fatal msg=\"dial tcp 10.0.0.9:2379: connect: connection refused\"\nlevel=info msg=x";
        assert!(of_database(&lines(away)).unwrap().0.contains("database"));
        let other = format!(
            "{away}\nlevel=fatal msg=\"bootstrap data already found and encrypted with different token\""
        );
        assert_eq!(of_database(&lines(&other)), None);
        assert_eq!(of_database(&[]), None);
    }

    /// As k3s logs what kine v0.16.3 said to PostgreSQL 15 and MariaDB 10.11.
    #[test]
    fn what_is_wrong_with_a_database_is_told() {
        let ping = |said: &str| {
            format!(
                "time=\"2026-11-28T15:13:10Z\" level=error msg=\"Failed to ping database connection: failed to connect to \
                 `user=k3s database=k3s`: 10.9.0.9:5432 (10.9.0.9): {said}\""
            )
        };
        let exit = |said: &str| {
            format!(
                "time=\"2026-11-28T15:13:10Z\" level=fatal msg=\"Error: preparing server: failed to bootstrap cluster data: creating \
                 storage endpoint: failed to create driver for configured endpoint: {said}\""
            )
        };
        let tls = "tls: failed to verify certificate: x509: certificate";
        for (line, meaning, advice) in [
            (
                ping(
                    "failed SASL auth: FATAL: password authentication failed for user \\\"k3s\\\" (SQLSTATE 28P01)",
                ),
                "refuses the user or the password",
                "percent-encoded for PostgreSQL",
            ),
            (
                exit("Error 1045 (28000): Access denied for user 'k3s'@'10.9.0.9' (using password: YES)"),
                "refuses the user or the password",
                "must come with TLS",
            ),
            (
                ping("server error: FATAL: database \\\"nope\\\" does not exist (SQLSTATE 3D000)"),
                "is not there",
                "create it",
            ),
            (
                exit("Error 1044 (42000): Access denied for user 'k3s'@'%' to database 'nope'"),
                "not this user's",
                "make the user its owner",
            ),
            (
                exit("ERROR: permission denied for schema public (SQLSTATE 42501)"),
                "may not create tables",
                "the owner",
            ),
            (
                ping(&format!(
                    "failed to write startup message: write failed: {tls} signed by unknown authority"
                )),
                "not signed by the CA in ca-file",
                "set ca-file",
            ),
            (
                exit(&format!("{tls} signed by unknown authority")),
                "not signed by the CA in ca-file",
                "set ca-file",
            ),
            (
                exit(&format!("{tls} is valid for db.home.lan, not db")),
                "does not have the name in the endpoint",
                "use a name that it has",
            ),
            (
                ping("server error: FATAL: connection requires a valid client certificate (SQLSTATE 28000)"),
                "does not accept this server's client certificate",
                "set cert-file and key-file",
            ),
            (
                ping("failed to receive message: remote error: tls: error decrypting message"),
                "does not accept this server's client certificate",
                "set cert-file and key-file",
            ),
            (exit("invalid connection"), "does not accept the client certificate", "set cert-file"),
            (
                ping(
                    "server error: FATAL: no pg_hba.conf entry for host \\\"10.9.0.9\\\", user \\\"k3s\\\", database \\\"k3s\\\", no encryption (SQLSTATE 28000)",
                ),
                "not without encryption",
                "pg_hba.conf",
            ),
            (ping("server refused TLS connection"), "speaks no TLS", "switch it on"),
            (
                ping("dial error: dial tcp 10.9.0.10:5432: connect: connection refused"),
                NO_ANSWER,
                "tries again",
            ),
            (
                ping("server error: FATAL: the database system is starting up (SQLSTATE 57P03)"),
                NO_ANSWER,
                "tries again",
            ),
            (exit("dial tcp 10.9.0.10:3306: connect: network is unreachable"), NO_ANSWER, "tries again"),
            (
                exit(
                    "cannot parse `postgres://k3s:xxxxx@10.9.0.9:5432/k3s`: failed to configure TLS (unable to add CA to cert pool)",
                ),
                "k3s cannot use the cluster's database",
                "check [external-datastore]",
            ),
        ] {
            let told = of_database(std::slice::from_ref(&line)).unwrap_or_else(|| panic!("{line}"));
            assert!(told.0.contains(meaning) && told.1.contains(advice), "{line}: {told:?}");
        }
    }

    /// The end of kine's tries: Go's trace, and nothing more of the database.
    #[test]
    fn a_crash_of_kine_does_not_hide_the_database() {
        let mut lines = vec![
            "level=error msg=\"Failed to ping database connection: dial tcp 10.0.0.9:5432: connect: connection refused\"".to_owned(),
            "panic: runtime error: invalid memory address or nil pointer dereference".to_owned(),
            "[signal SIGSEGV: segmentation violation code=0x1 addr=0x20 pc=0x6a2f61]".to_owned(),
        ];
        lines.extend(
            (0..60).map(|line| format!("\tgithub.com/k3s-io/k3s/pkg/cluster/cluster.go:{line} +0x1")),
        );
        assert_eq!(of_database(&lines), Some((NO_ANSWER, LET_IT_ANSWER)));
    }
}
