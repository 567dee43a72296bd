//! The life of a cluster: begun before its database is on, a server lost and made anew, the database killed.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::cards::{Card, Images};
use crate::control_plane::ControlPlane;
use crate::databases::{
    Authority, Database, MYSQL_PASSWORD, POSTGRES_PASSWORD, mysql_endpoint, postgres_endpoint,
};
use crate::in_own_network;
use crate::kine::{Given, Kine, LIMIT};

const OBJECTS: &str = "/api/v1/namespaces/default/configmaps";

/// A server that runs: what its card has, kine and kube-apiserver.
struct Server {
    plane: ControlPlane,
    kine: Kine,
    _card: Card,
}

impl Server {
    /// kine alone, from the files of its card and nothing else.
    fn power_on(images: &Images, number: usize) -> Self {
        let card = images.flash(number);
        let kine = Kine::start(card.dir.path(), &Given::of(&card));
        Self { plane: ControlPlane::without_etcd(), kine, _card: card }
    }

    /// Waits for kine, then starts kube-apiserver on its socket.
    fn go_on(&mut self) {
        self.kine.wait_until_it_serves();
        // As k3s has it with a database elsewhere.
        let more = [
            ("etcd-servers", self.kine.socket()),
            ("disable-admission-plugins", "ServiceAccount".to_owned()),
        ];
        self.plane.start_with(&more);
    }

    fn try_create(&self, name: &str) -> u16 {
        let object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}});
        self.plane.try_write("POST", OBJECTS, "application/json", &object.to_string()).0
    }

    fn create(&self, name: &str) {
        assert_eq!(self.try_create(name), 201, "{name}");
    }

    fn must_have(&self, names: &[&str]) {
        for name in names {
            let (status, object) = self.plane.asker().ask("admin", &format!("{OBJECTS}/{name}"));
            assert_eq!((status, object["data"]["a"].as_str()), (200, Some("b")), "{name}: {object}");
        }
    }
}

fn life(images: &Images, database: &mut Database) {
    println!("the servers are on before the database:");
    database.kill();
    let [mut first, mut second] = [1, 2].map(|number| Server::power_on(images, number));
    for server in [&mut first, &mut second] {
        server.kine.wait("kine to miss its database", |kine| kine.diagnosis().1.is_some());
        assert_eq!(server.kine.diagnosis().1.unwrap().0, "the cluster's database does not answer");
    }
    println!(
        "  {}: k3s {}",
        first.kine.log().last().unwrap(),
        match first.kine.has_ended() {
            true => "ends, and systemd starts it again",
            false => "tries again by itself",
        }
    );
    database.serve();
    first.go_on();
    second.go_on();

    println!("what one writes the other reads:");
    first.create("shop");
    second.must_have(&["shop"]);
    second.create("garden");
    first.must_have(&["garden"]);

    println!("the first is lost with all its files, and made anew from its image:");
    drop(first);
    second.create("meanwhile");
    let mut first = Server::power_on(images, 1);
    first.go_on();
    first.must_have(&["shop", "garden", "meanwhile"]);
    first.create("again");
    second.must_have(&["again"]);

    println!("the database is killed, and comes back:");
    database.kill();
    assert_ne!(first.try_create("lost"), 201, "there is no database");
    database.serve();
    for (server, name) in [(&mut first, "after-1"), (&mut second, "after-2")] {
        let began = Instant::now();
        while server.try_create(name) != 201 {
            assert!(began.elapsed() < LIMIT, "{}", server.kine.log().join("\n"));
            std::thread::sleep(Duration::from_millis(200));
        }
        println!("  a server writes again after {:.1} s", began.elapsed().as_secs_f32());
        assert!(!server.kine.has_ended(), "kine outlives it: {}", server.kine.log().join("\n"));
    }
    for server in [&first, &second] {
        server.must_have(&["shop", "garden", "meanwhile", "again", "after-1", "after-2"]);
    }
}

#[test]
#[ignore = "needs kube-apiserver and kine: make database-test"]
fn a_cluster_lives_in_postgresql() {
    in_own_network("life::a_cluster_lives_in_postgresql", || {
        let (dir, cluster, authority) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Authority::new());
        let mut database = Database::postgres(dir.path(), &authority);
        let endpoint = postgres_endpoint("k3s", POSTGRES_PASSWORD, "k3s");
        let client = authority.client("k3s");
        life(&Images::build(cluster.path(), &endpoint, &authority.pem, Some(&client)), &mut database);
    });
}

#[test]
#[ignore = "needs kube-apiserver and kine: make database-test"]
fn a_cluster_lives_in_mariadb() {
    in_own_network("life::a_cluster_lives_in_mariadb", || {
        let (dir, cluster, authority) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Authority::new());
        let mut database = Database::mariadb(dir.path(), &authority);
        let endpoint = mysql_endpoint("k3s", MYSQL_PASSWORD, "k3s");
        life(&Images::build(cluster.path(), &endpoint, &authority.pem, None), &mut database);
    });
}
