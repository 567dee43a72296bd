use super::*;

#[track_caller]
fn refusal(text: &str) -> String {
    let error = text.parse::<DatastoreEndpoint>().unwrap_err().to_string();
    assert!(!error.contains("hunter"), "{error}");
    error
}

#[test]
fn an_endpoint_is_checked_and_never_shown() {
    for good in [
        "postgres://k3s:hunter2@db.home.lan:5432/k3s",
        "postgresql://k3s:hunter2@db/",
        "postgres://k3s@db",
        "postgres://k3s:hun@ter:2%2F%23%25%20!$&'()*+,;=~@[fd00::9]:5432/my-db_2?sslmode=verify-ca&connect_timeout=10",
        "postgres://k3s:hunter2@10.0.0.8:5432,10.0.0.9:5433/k3s?target_session_attrs=read-write",
        "mysql://k3s:hunter2@tcp(db.home.lan:3306)/k3s",
        "mysql://k3s:hunter2@tcp(db)/",
        "mysql://k3s:hun@ter:/2#?%()^|{}@tcp([fd00::9]:3306)/K3s?timeout=30s&loc=Europe%2FBerlin",
        "mysql://k3s:100%zz@tcp(db)/k3s?tls=true",
        "nats://k3s:hunter2@nats.home.lan:4222?bucket=k3s",
        "https://etcd-1:2379,https://etcd-2:2379/",
        "http://etcd-1:2379",
    ] {
        let endpoint: DatastoreEndpoint = good.parse().unwrap_or_else(|error| panic!("{good}: {error}"));
        assert_eq!(endpoint.expose(), good);
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }
}

#[test]
fn what_kine_would_take_for_something_else_is_refused_with_its_cure() {
    for (bad, expected) in [
        ("", "has no scheme"),
        ("hunter2", "has no scheme"),
        ("cassandra://hunter2", "scheme that k3s does not support"),
        ("postgres://", "is incomplete"),
        ("sqlite://hunter2", "is not external"),
        ("postgres://k3s:hunter 2@db/k3s", "a blank is %20"),
        ("mysql://k3s:hüntér@tcp(db)/k3s", "choose another password"),
        // The host is k3s, its port 12, and the rest a name of a database.
        ("postgres://k3s:12/hunter@db:5432/k3s", "write / in the password as %2F"),
        ("postgres://k3s:12?hunter@db:5432/k3s", "? as %3F"),
        ("postgres://k3s:a@hunter/2@db/k3s", "write / in the password as %2F"),
        ("postgres://k3s:hunter#2@db/k3s", "write # in the password as %23"),
        ("postgres://k3s:hunter%2@db/k3s", "write % as %25"),
        ("postgres://k3s:hunter^2@db/k3s", "^ as %5E"),
        ("postgres://db.home.lan:5432/k3s", "names no user"),
        ("postgres://:hunter2@db/k3s", "names no user"),
        ("postgres://k3s:hunter2@/k3s", "no host"),
        ("postgres://k3s:hunter2@DB/k3s", "lowercase letters"),
        ("postgres://k3s:hunter2@db:0/k3s", "port from 1"),
        ("postgres://k3s:hunter2@db:/k3s", "port from 1"),
        ("postgres://k3s:hunter2@fd00::9/k3s", "[fd00::9]:5432"),
        ("postgres://k3s:hunter2@a,b:5433/k3s", "for some of its hosts only"),
        ("postgres://k3s:hunter2@db/K3s", "kine makes lowercase"),
        ("postgres://k3s:hunter2@db/k3s/", "unusual database name"),
        ("postgres://k3s:hunter2@db/k3s?sslmode=yes", "unknown sslmode"),
        ("postgres://k3s:hunter2@db/k3s?connect_timeout=5s", "whole seconds"),
        ("postgres://k3s:hunter2@db/k3s?sslrootcert=/ca.pem", "set ca-file"),
        ("postgres://k3s:hunter2@db/k3s?host=/run/postgresql", "write it before the ?"),
        ("postgres://k3s:hunter2@db/k3s?tls=true", "parameter of MySQL"),
        ("postgres://k3s:hunter2@db/k3s?options=50%", "% is %25"),
        ("mysql://k3s:hunter2@db:3306/k3s", "mysql://user:password@tcp("),
        ("mysql://k3s:hunter2@(db:3306)/k3s", "mysql://user:password@tcp("),
        ("mysql://k3s:hunter2@tcp(db:3306)", "no / before the database"),
        ("mysql://k3s:hunter2@tcp(db:3306)/k3s?loc=Europe/Berlin", "write / there as %2F"),
        ("mysql://tcp(db:3306)/k3s", "names no user"),
        ("mysql://k3s:hunter%402@tcp(db:3306)/k3s", "write the character itself"),
        // go-sql-driver would take the port for the end of the address.
        ("mysql://k3s:hunter2@tcp(fd00::9:3306)/k3s", "[fd00::9]:5432"),
        ("mysql://k3s:hunter2@tcp([fd00::9])/k3s", "[fd00::9]:5432"),
        ("mysql://k3s:hunter2@tcp(a:3306,b:3306)/k3s", "no host"),
        ("mysql://k3s:hunter2@tcp(db)/k3s?sslmode=disable", "parameter of PostgreSQL"),
        ("mysql://k3s:hunter2@tcp(db)/k3s?tls=custom", "unknown value of tls"),
        ("mysql://k3s:hunter2@tcp(db)/k3s?timeout=5", "write it as 30s"),
        ("https://etcd-1:2379,etcd-2:2379", "do not all begin alike"),
        ("https://etcd-1:2379,http://etcd-2:2379", "do not all begin alike"),
        ("https://etcd-1:2379,", "do not all begin alike"),
        ("https://etcd-1", "usually :2379"),
    ] {
        let error = refusal(bad);
        assert!(error.contains(expected), "{bad}: {error}");
    }
    for local in [
        "postgres://k3s:hunter2@localhost/k3s",
        "postgres://k3s:hunter2@127.0.0.1:5432/k3s",
        "postgres://k3s:hunter2@[::1]:5432/k3s",
        "mysql://k3s:hunter2@tcp(localhost:3306)/k3s",
        "mysql://k3s:hunter2@tcp([::1]:3306)/k3s",
        "mysql://k3s:hunter2@unix(/run/mysqld/mysqld.sock)/k3s",
        "mysql://k3s:hunter2@/k3s",
        "nats://k3s:hunter2@localhost:4222",
        "https://127.0.0.1:2379",
    ] {
        assert!(refusal(local).contains("on the server itself"), "{local}: {}", refusal(local));
    }
}

#[test]
fn what_files_beside_it_would_contradict_is_known() {
    let contradicts =
        |text: &str| text.parse::<DatastoreEndpoint>().unwrap().contradicts_files().map(|e| e.to_string());
    for (text, cure) in [
        ("postgres://k3s:pw@db/k3s?sslmode=disable", "remove sslmode"),
        ("mysql://k3s:pw@tcp(db)/k3s?tls=skip-verify", "remove tls="),
        ("http://etcd-1:2379", "begin it with https://"),
    ] {
        let told = contradicts(text).unwrap_or_default();
        assert!(told.contains(cure), "{text}: {told}");
    }
    for text in
        ["postgres://k3s:pw@db/k3s?sslmode=verify-ca", "mysql://k3s:pw@tcp(db)/k3s", "https://etcd-1:2379"]
    {
        assert_eq!(contradicts(text), None, "{text}");
    }
}

#[test]
fn only_some_databases_are_verified_without_a_ca() {
    let verifies = |text: &str| text.parse::<DatastoreEndpoint>().unwrap().verifies();
    for text in [
        "postgres://k3s:pw@db/k3s?sslmode=verify-ca",
        "postgresql://k3s:pw@db/k3s?connect_timeout=10&sslmode=verify-full",
        "mysql://k3s:what?ever@tcp(db)/k3s?tls=true",
        "https://etcd-1:2379,https://etcd-2:2379",
    ] {
        assert!(verifies(text), "{text}");
    }
    for text in [
        "postgres://k3s:pw@db/k3s",
        "postgres://k3s:pw@db/k3s?sslmode=require",
        "postgres://k3s:pw@db/k3s?sslmode=disable",
        "mysql://k3s:pw?tls=true&@tcp(db)/k3s",
        "mysql://k3s:pw@tcp(db)/k3s?tls=skip-verify",
        "http://etcd-1:2379",
        "nats://nats-1",
    ] {
        assert!(!verifies(text), "{text}");
    }
}
