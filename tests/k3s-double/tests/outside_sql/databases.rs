//! The databases, with TLS by an authority that knows nothing of k3s.

use std::fs;
use std::path::{Path, PathBuf};

use hcimage_testkit::servers::{MariaDb, Place, Postgres, give};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::DATABASE;

pub(crate) const ADMIN_PASSWORD: &str = "of-the-administrator";

/// Of the user k3s. MySQL's may have what a data source name itself is made of; a blank is PostgreSQL's alone.
pub(crate) const POSTGRES_PASSWORD: &str = "p@ss:w/rd%#? ^x";
pub(crate) const MYSQL_PASSWORD: &str = "p@ss:w/rd%#?)(^x";

/// An authority for the database and its clients.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "databases");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, mut params: CertificateParams, name: &str, usage: ExtendedKeyUsagePurpose) -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        params.extended_key_usages = vec![usage];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        [params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem()]
    }

    /// Certificate and key of a user of the database.
    pub(crate) fn client(&self, name: &str) -> [String; 2] {
        self.sign(CertificateParams::default(), name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Writes what a database at its address needs, for the user that it runs as. CA, certificate and key.
    fn put(&self, dir: &Path) -> [PathBuf; 3] {
        let params = CertificateParams::new(vec![DATABASE.to_owned()]).unwrap();
        let [certificate, key] = self.sign(params, "database", ExtendedKeyUsagePurpose::ServerAuth);
        let tls = dir.join("tls");
        fs::create_dir(&tls).unwrap();
        let files = ["ca.pem", "server.pem", "server.key"].map(|name| tls.join(name));
        for (file, text) in files.iter().zip([&self.pem, &certificate, &key]) {
            fs::write(file, text).unwrap();
            fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        give(&tls);
        files
    }
}

/// Either of them.
pub(crate) enum Database {
    Postgres(Postgres),
    MariaDb(MariaDb),
}

impl Database {
    /// PostgreSQL, whose user k3s must have a certificate with that name; `guest` needs none. All must come with TLS.
    pub(crate) fn postgres(dir: &Path, authority: &Authority) -> Self {
        let [ca, certificate, key] = authority.put(dir);
        let rules = dir.join("pg_hba.conf");
        fs::write(
            &rules,
            "hostssl all k3s all scram-sha-256 clientcert=verify-full\nhostssl all all all scram-sha-256\n",
        )
        .unwrap();
        let setting = |name: &str, value: &Path| ["-c".to_owned(), format!("{name}={}", value.display())];
        let more = [
            ["-c".to_owned(), "ssl=on".to_owned()],
            setting("ssl_ca_file", &ca),
            setting("ssl_cert_file", &certificate),
            setting("ssl_key_file", &key),
            setting("hba_file", &rules),
        ];
        let place = Place { address: DATABASE, port: 5432, more: more.concat() };
        let made = Postgres::start_at(place, dir, "other", "admin", ADMIN_PASSWORD);
        let admin = |sql: &str| made.psql("admin", ADMIN_PASSWORD, "postgres", sql).unwrap();
        for user in ["k3s", "guest"] {
            admin(&format!("CREATE ROLE {user} LOGIN PASSWORD '{POSTGRES_PASSWORD}'"));
        }
        admin("CREATE DATABASE k3s OWNER k3s");
        Self::Postgres(made)
    }

    /// MariaDB, which takes connections with TLS only; `certified` must have a certificate too.
    pub(crate) fn mariadb(dir: &Path, authority: &Authority) -> Self {
        let [ca, certificate, key] = authority.put(dir);
        let setting = |name: &str, value: &Path| format!("--{name}={}", value.display());
        let more = vec![
            setting("ssl-ca", &ca),
            setting("ssl-cert", &certificate),
            setting("ssl-key", &key),
            "--require-secure-transport=ON".to_owned(),
        ];
        let place = Place { address: DATABASE, port: 3306, more };
        let statements = format!(
            "CREATE DATABASE k3s;\n\
             CREATE USER 'k3s'@'%' IDENTIFIED BY '{MYSQL_PASSWORD}';\nGRANT ALL ON k3s.* TO 'k3s'@'%';\n\
             CREATE USER 'certified'@'%' IDENTIFIED BY '{MYSQL_PASSWORD}' REQUIRE X509;\n\
             GRANT ALL ON k3s.* TO 'certified'@'%';\n"
        );
        Self::MariaDb(MariaDb::start_at(place, dir, &statements))
    }

    pub(crate) fn kill(&mut self) {
        match self {
            Self::Postgres(made) => made.kill(),
            Self::MariaDb(made) => made.kill(),
        }
    }

    pub(crate) fn serve(&mut self) {
        match self {
            Self::Postgres(made) => made.serve(),
            Self::MariaDb(made) => made.serve(),
        }
    }
}

/// As a person percent-encodes it for a URL.
pub(crate) fn encoded(password: &str) -> String {
    password
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

pub(crate) fn postgres_endpoint(user: &str, password: &str, database: &str) -> String {
    format!("postgres://{user}:{}@{DATABASE}:5432/{database}", encoded(password))
}

pub(crate) fn mysql_endpoint(user: &str, password: &str, database: &str) -> String {
    format!("mysql://{user}:{password}@tcp({DATABASE}:3306)/{database}")
}
