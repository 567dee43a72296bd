//! A real TLS connection: a server with a certificate signed by the server CA, and the administrator as its client.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Output, Stdio};

use hcimage::secrets::{Item, Rotation};

use super::*;
use hcimage_testkit::tools::run;

/// `openssl s_server` with a certificate for hc-1, which accepts clients of the client CA only.
struct Server {
    child: Child,
    port: String,
}

impl Server {
    fn start(cluster: &Cluster) -> Self {
        let (key, request, leaf) =
            (cluster.file("leaf.key"), cluster.file("leaf.csr"), cluster.file("leaf.crt"));
        let names = cluster.file("leaf.ext");
        fs::write(&names, "subjectAltName=DNS:hc-1\nextendedKeyUsage=serverAuth\n").unwrap();
        run(&mut openssl("ecparam -name prime256v1 -genkey -noout -out", &[&key]));
        run(openssl("req -new -subj /CN=k3s -key", &[&key]).arg("-out").arg(&request));
        let mut sign = openssl("x509 -req -days 30 -CAcreateserial -in", &[&request]);
        sign.arg("-CA").arg(cluster.tls("server-ca.crt")).arg("-CAkey").arg(cluster.tls("server-ca.key"));
        run(sign.arg("-extfile").arg(&names).arg("-out").arg(&leaf));

        let mut serve =
            openssl("s_server -www -Verify 1 -verify_return_error -accept 127.0.0.1:0 -cert", &[&leaf]);
        serve.arg("-key").arg(&key).arg("-CAfile").arg(cluster.tls("client-ca.crt"));
        let mut child =
            serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:").map(str::to_owned));
        // Without a reader it would block when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port: port.expect("the port of s_server") }
    }

    /// A GET by curl that trusts `ca` and authenticates as `client`.
    fn get(&self, ca: &Path, client: Option<&Cluster>) -> Output {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "30", "--cacert"]).arg(ca);
        if let Some(client) = client {
            command.arg("--cert").arg(client.file("admin.crt")).arg("--key").arg(client.file("admin.key"));
        }
        let port = &self.port;
        command.arg("--resolve").arg(format!("hc-1:{port}:127.0.0.1")).arg(format!("https://hc-1:{port}/"));
        command.output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn server_and_administrator_accept_only_each_other() {
    let (cluster, other) = (Cluster::new("home"), Cluster::new("home"));
    let server = Server::start(&cluster);
    let ca = cluster.tls("server-ca.crt");
    let served = server.get(&ca, Some(&cluster));
    let page = String::from_utf8_lossy(&served.stdout);
    assert!(served.status.success() && page.contains("system:admin"), "{served:?}");
    assert!(!server.get(&ca, None).status.success(), "a client without a certificate");
    assert!(!server.get(&ca, Some(&other)).status.success(), "the administrator of another cluster");
    // curl: 60, the peer's certificate cannot be verified.
    assert_eq!(server.get(&other.tls("server-ca.crt"), Some(&cluster)).status.code(), Some(60));
}

#[test]
fn a_renewed_administrator_certificate_is_accepted() {
    let mut cluster = Cluster::new("home");
    let server = Server::start(&cluster);
    let old = fs::read(cluster.file("admin.crt")).unwrap();
    let Rotation::Renewed { secrets, .. } = cluster.secrets.rotate(&Item::AdminCertificate, *NOW).unwrap()
    else {
        panic!("not renewed")
    };
    cluster.secrets = *secrets;
    cluster.unpack();
    assert_ne!(fs::read(cluster.file("admin.crt")).unwrap(), old);
    assert!(server.get(&cluster.tls("server-ca.crt"), Some(&cluster)).status.success());
}
