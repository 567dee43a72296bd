//! Endpoints as the builder takes or refuses them, and what the real kine makes of the same text. Nothing listens where they lead.

use std::fs;

use hcimage::value::DatastoreEndpoint;

use crate::in_own_network;
use crate::kine::{Given, Kine};

/// The first lines with which kine fails.
fn said(endpoint: &str, ca: Option<&str>) -> String {
    let dir = tempfile::tempdir().unwrap();
    let ca = ca.map(|text| {
        fs::write(dir.path().join("ca.pem"), text).unwrap();
        dir.path().join("ca.pem")
    });
    let mut kine = Kine::start(dir.path(), &Given { endpoint: endpoint.to_owned(), ca, ..Given::default() });
    let failed = |line: &String| line.starts_with("level=error") || line.starts_with("level=fatal");
    kine.wait("kine to fail", |kine| kine.log().iter().any(failed));
    kine.log().join("\n")
}

#[test]
#[ignore = "needs kine: make database-test"]
fn kine_goes_where_an_endpoint_says() {
    in_own_network("endpoints::kine_goes_where_an_endpoint_says", || {
        for (endpoint, place, more) in [
            ("postgres://me:pw@10.9.0.9:5439/shop", "10.9.0.9:5439", "`user=me database=shop`"),
            ("postgresql://me:p@:s+!s@10.9.0.9/", "10.9.0.9:5432", "`user=me database=kubernetes`"),
            (
                "postgres://m%2Fe:p%2Fw%23@10.9.0.9/my-db_2?sslmode=require",
                "10.9.0.9:5432",
                "`user=m/e database=my-db_2`",
            ),
            ("postgres://me:pw@[::ffff]:5439/shop", "[::ffff]:5439", "database=shop"),
            ("postgres://me:pw@10.9.0.8:5439,10.9.0.9:5440/shop", "10.9.0.9:5440", "10.9.0.8:5439"),
            ("mysql://me:p@:/w#?%@tcp(10.9.0.9:3309)/Shop", "10.9.0.9:3309", "existence of database Shop"),
            ("mysql://me:pw@tcp(10.9.0.9)/?timeout=2s", "10.9.0.9:3306", "existence of database kubernetes"),
            ("mysql://me:pw@tcp([::ffff]:3309)/shop", "[::ffff]:3309", "existence of database shop"),
        ] {
            endpoint.parse::<DatastoreEndpoint>().unwrap_or_else(|error| panic!("{endpoint}: {error}"));
            let told = said(endpoint, None);
            assert!(told.contains(place) && told.contains(more), "{endpoint}:\n{told}");
            println!("  {endpoint}: as it says");
        }
    });
}

#[test]
#[ignore = "needs kine: make database-test"]
fn what_is_refused_at_load_leads_elsewhere() {
    in_own_network("endpoints::what_is_refused_at_load_leads_elsewhere", || {
        for (endpoint, told_by_kine) in [
            // A password with a slash: another host, another user, another database.
            ("postgres://k3s:12/34@10.9.0.9:5432/k3s", "database=34@10.9.0.9:5432/k3s"),
            ("postgres://k3s:pw/d@10.9.0.9:5432/k3s", "invalid port"),
            ("postgres://k3s:pw#d@10.9.0.9:5432/k3s", "invalid port"),
            ("postgres://k3s:100%@10.9.0.9:5432/k3s", "invalid URL escape"),
            ("postgres://k3s:p^w@10.9.0.9:5432/k3s", "invalid userinfo"),
            ("postgres://k3s:pw@10.9.0.8,10.9.0.9:5433/k3s", "10.9.0.8:5433"),
            ("postgres://k3s:pw@10.9.0.9:5432/K3S", "database=k3s"),
            ("postgres://k3s:pw@10.9.0.9:5432/k3s?host=10.9.0.2", "10.9.0.2:5432"),
            ("postgres://k3s:pw@10.9.0.9:5432/k3s?sslmode=on", "sslmode is invalid"),
            ("postgres://k3s:pw@10.9.0.9:5432/k3s?connect_timeout=5s", "invalid connect_timeout"),
            ("mysql://k3s:pw@10.9.0.9:3306/k3s", "default addr for network"),
            ("mysql://k3s:pw@tcp(10.9.0.9:3306)", "missing the slash"),
            ("mysql://k3s:pw@tcp(10.9.0.9:3306)/k3s?loc=Europe/Berlin", "escape a param value"),
            ("mysql://k3s:pw@tcp(::ffff:3306)/k3s", "[::ffff:3306]:3306"),
            ("mysql://k3s:pw@tcp([::ffff])/k3s", "[[::ffff]]:3306"),
            ("mysql://k3s:pw@/k3s", "127.0.0.1:3306"),
            ("mysql://k3s:pw@tcp(10.9.0.9:3306)/k3s?tls=custom", "unknown config name"),
            ("mysql://k3s:pw@tcp(10.9.0.9:3306)/k3s?timeout=5", "missing unit"),
        ] {
            let refused = endpoint.parse::<DatastoreEndpoint>().unwrap_err();
            let told = said(endpoint, None);
            assert!(told.contains(told_by_kine), "{endpoint}: {refused}\n{told}");
            println!("  {endpoint}: {refused}");
        }
    });
}
