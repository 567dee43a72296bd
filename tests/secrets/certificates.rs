//! Certificates and keys, read by openssl.

use super::*;
use hcimage_testkit::tools::run;

const AUTHORITIES: [(&str, &str); 5] = [
    ("server-ca", "k3s-server-ca@"),
    ("client-ca", "k3s-client-ca@"),
    ("request-header-ca", "k3s-request-header-ca@"),
    ("etcd/peer-ca", "etcd-peer-ca@"),
    ("etcd/server-ca", "etcd-server-ca@"),
];

#[test]
fn the_cas_have_the_properties_of_k3s_s_own() {
    let cluster = Cluster::new("home");
    let now = *NOW;
    for (name, prefix) in AUTHORITIES {
        let (certificate, key) = (cluster.tls(&format!("{name}.crt")), cluster.tls(&format!("{name}.key")));
        let text = run(&mut openssl("x509 -noout -text -in", &[&certificate]));
        for part in [
            "ASN1 OID: prime256v1",
            "Not Before: Jan  1 00:00:00 2020 GMT",
            "X509v3 Basic Constraints: critical\n                CA:TRUE",
            "Digital Signature, Key Encipherment, Certificate Sign",
            "ecdsa-with-SHA256",
            &format!("Subject: CN = {prefix}"),
            &format!("Issuer: CN = {prefix}"),
        ] {
            assert!(text.contains(part), "{name}: no {part:?} in\n{text}");
        }
        let public = run(&mut openssl("x509 -noout -pubkey -in", &[&certificate]));
        assert_eq!(run(&mut openssl("pkey -pubout -in", &[&key])), public, "{name}: its own key");
        run(openssl("verify -x509_strict -check_ss_sig -CAfile", &[&certificate]).arg(&certificate));
        // Ten years of 365 days: valid a day before the end, and expired a day after.
        let end = now + 3650 * 86_400;
        let verify_at = |time: i64| {
            openssl(&format!("verify -attime {time} -CAfile"), &[&certificate])
                .arg(&certificate)
                .output()
                .unwrap()
        };
        assert!(
            verify_at(end - 86_400).status.success() && !verify_at(end + 86_400).status.success(),
            "{name}"
        );
        // A node that starts with the clock of an old base.
        assert!(
            verify_at(1_600_000_000).status.success() && !verify_at(1_500_000_000).status.success(),
            "{name}"
        );
    }
}

#[test]
fn every_ca_has_a_different_key() {
    let cluster = Cluster::new("home");
    let mut keys: Vec<_> = AUTHORITIES
        .iter()
        .map(|(name, _)| {
            run(&mut openssl("x509 -noout -pubkey -in", &[&cluster.tls(&format!("{name}.crt"))]))
        })
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), AUTHORITIES.len());
}

#[test]
fn the_service_key_is_rsa_2048_in_the_format_of_k3s() {
    let cluster = Cluster::new("home");
    let key = cluster.tls("service.key");
    let text = run(&mut openssl("rsa -check -noout -text -in", &[&key]));
    assert!(text.contains("Private-Key: (2048 bit, 2 primes)") && text.contains("RSA key ok"), "{text}");
    assert!(fs::read_to_string(key).unwrap().starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
}

#[test]
fn the_administrator_is_signed_by_the_client_ca_only() {
    let cluster = Cluster::new("home");
    let admin = cluster.file("admin.crt");
    let text = run(&mut openssl("x509 -noout -text -in", &[&admin]));
    for part in ["Subject: O = system:masters, CN = system:admin", "TLS Web Client Authentication", "CA:TRUE"]
    {
        assert_eq!(text.contains(part), part != "CA:TRUE", "{part:?} in\n{text}");
    }
    let verify = |purpose: &str, ca: &str| {
        let words = format!("verify -x509_strict -purpose {purpose} -CAfile");
        openssl(&words, &[&cluster.tls(ca)]).arg(&admin).output().unwrap().status.success()
    };
    assert!(verify("sslclient", "client-ca.crt"));
    assert!(!verify("sslserver", "client-ca.crt"), "it is for clients only");
    assert!(!verify("sslclient", "server-ca.crt"));
    assert!(!verify("sslclient", "request-header-ca.crt"));
}

#[test]
fn the_hash_in_the_tokens_is_the_sha256sum_of_the_file() {
    let cluster = Cluster::new("home");
    let sum = run(Command::new("sha256sum").arg(cluster.tls("server-ca.crt")));
    let hash = sum.split(' ').next().unwrap();
    let token = fs::read_to_string(cluster.file("etc/rancher/k3s/token")).unwrap();
    assert!(token.starts_with(&format!("K10{hash}::server:")));
    assert!(cluster.secrets.agent_token().expose().starts_with(&format!("K10{hash}::node:")));
}
