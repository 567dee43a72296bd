//! The overlay `smtp-relay`: its configuration as the cluster gets it, in Debian's Exim (4.96; the image has 4.99), before another Exim
//! that plays the provider: with TLS by a CA of the test, and an account.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage::formats::yaml_load;
use hcimage::overlays::SecretValues;
use hcimage::value::Secret;
use hcimage_testkit::proof::{OverlayLevel, Proof};

use super::servers::{Programs, Running, free_port, give, log_to, user, wait, wait_for_port};
use super::{ONE, load};

const PACKAGES: [&str; 9] = [
    "exim4-daemon-light",
    "libnss-wrapper",
    "libgnutls-dane0",
    "libunbound8",
    "libidn12",
    "libevent-2.1-7",
    "libprotobuf-c1",
    "libspf2-2",
    "openssl",
];

/// With what means something to Exim.
const PASSWORD: &str = "s3cr^t: ${env}\\n\"x";

/// A relay and a provider.
struct Post {
    dir: tempfile::TempDir,
    programs: Programs,
    port: u16,
    provider_port: u16,
    relay: Option<Running>,
}

impl Post {
    fn new(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let programs = Programs::new(dir.path(), &PACKAGES);
        let post = Self { programs, port: free_port(), provider_port: free_port(), relay: None, dir };
        for folder in ["queue", "provider", "box", "log"] {
            fs::create_dir(post.path(folder)).unwrap();
            give(&post.path(folder));
        }
        certificates(post.dir.path());
        for file in ["password", "server.key"] {
            if file == "password" {
                fs::write(post.path(file), PASSWORD).unwrap();
            }
            give(&post.path(file));
        }
        fs::write(post.path("relay.conf"), post.configuration(more)).unwrap();
        fs::write(post.path("provider.conf"), post.provider_configuration()).unwrap();
        post
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What the cluster gets, with the places and ports of the test.
    fn configuration(&self, more: &str) -> String {
        let tables = format!(
            "[overlays.smtp-relay]\nsmarthost = \"localhost\"\nport = {}\nuser = \"kim@example.org\"\npassword = {}\n{more}\n",
            self.provider_port,
            toml::Value::String(PASSWORD.to_owned())
        );
        let checked = load(Path::new("/nowhere"), &tables, ONE).unwrap_or_else(|report| panic!("{report}"));
        let active = &checked.cluster.overlays[0];
        let values = SecretValues::Real { values: active.given.clone(), salt: Some(Secret::new("salt")) };
        let filled = active.render(values).unwrap();
        let objects: Vec<_> =
            filled.files.iter().flat_map(|file| yaml_load::load(&file.text).unwrap()).collect();
        let find = |kind: &str| objects.iter().find(|object| object["kind"].as_str() == Some(kind)).unwrap();
        assert_eq!(find("Secret")["stringData"]["password"].as_str(), Some(PASSWORD));
        let text = find("ConfigMap")["data"]["exim.conf"].as_str().unwrap().to_owned();
        assert!(!text.contains("s3cr"), "the password is in a config map");
        let (id, port) = (user(), self.port);
        let mut made = text;
        for (from, to) in [
            ("/var/spool/exim", self.path("queue").display().to_string()),
            ("/tmp/log/%slog", self.path("log/%slog").display().to_string()),
            ("/run/secrets/smtp-relay/password", self.path("password").display().to_string()),
            ("/etc/ssl/certs/ca-certificates.crt", self.path("ca.pem").display().to_string()),
            ("exim_user = 100", format!("exim_user = {id}")),
            ("exim_group = 101", format!("exim_group = {id}")),
            ("daemon_smtp_ports = 8025", format!("daemon_smtp_ports = {port}")),
            ("local_interfaces = 0.0.0.0", "local_interfaces = 127.0.0.1".to_owned()),
        ] {
            assert!(made.contains(from), "{from}: {made}");
            made = made.replace(from, &to);
        }
        made
    }

    fn provider_configuration(&self) -> String {
        let (dir, id) = (self.dir.path().display(), user());
        format!(
            "primary_hostname = localhost\nspool_directory = {dir}/provider\nlog_file_path = {dir}/log/provider-%s\n\
             exim_user = {id}\nexim_group = {id}\ndeliver_drop_privilege = true\nlocal_interfaces = 127.0.0.1\n\
             daemon_smtp_ports = {port}\ntls_advertise_hosts = *\ntls_certificate = {dir}/server.pem\n\
             tls_privatekey = {dir}/server.key\nauth_advertise_hosts = ${{if def:tls_in_cipher{{*}}{{}}}}\n\
             acl_smtp_rcpt = recipient\nkeep_environment =\nbegin acl\nrecipient:\n  accept authenticated = *\n\
             \x20 deny message = authenticate first\nbegin routers\nall:\n  driver = accept\n  transport = box\n\
             begin transports\nbox:\n  driver = appendfile\n  file = {dir}/box/mail\n  return_path_add\n  envelope_to_add\n\
             begin authenticators\nplain:\n  driver = plaintext\n  public_name = PLAIN\n  server_prompts = :\n\
             \x20 server_condition = ${{if and {{{{eq{{$auth2}}{{kim@example.org}}}}{{eq{{$auth3}}{{${{readfile{{{dir}/password}}}}}}}}}}}}\n\
             \x20 server_set_id = $auth2\n",
            port = self.provider_port
        )
    }

    /// Debian's program knows its user by a name.
    fn exim(&self, configuration: &str) -> Command {
        let users = format!("Debian-exim:x:{id}:{id}::/:/bin/sh\nmail:x:8:8::/:/bin/sh\n", id = user());
        let mut command = self.programs.server_with_users("usr/sbin/exim4", &users, self.dir.path());
        command.arg("-C").arg(self.path(configuration));
        command
    }

    fn start(&self, configuration: &str, port: u16) -> Running {
        let mut command = self.exim(configuration);
        let log = self.path("log/output");
        log_to(&mut command, &log);
        let running = Running(command.args(["-bdf", "-q5m"]).spawn().unwrap());
        wait_for_port(port, &log);
        running
    }

    fn start_relay(&mut self) {
        self.relay = Some(self.start("relay.conf", self.port));
    }

    fn start_provider(&self) -> Running {
        self.start("provider.conf", self.provider_port)
    }

    /// Tries all that waits until something is so. A run of the daemon may have a message at that moment, and then leaves it for later.
    fn run_queue_until(&self, what: impl Fn(&Self) -> bool) {
        self.wait_for(|post| {
            post.run_queue();
            what(post)
        });
    }

    fn run_queue(&self) {
        assert!(self.exim("relay.conf").arg("-qff").status().unwrap().success());
    }

    /// Sends a mail as an application would; returns the last answer.
    fn send(&self, from: &str, to: &str, header: &str) -> String {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        let mut answer = || {
            let mut all = String::new();
            loop {
                let mut line = String::new();
                answers.read_line(&mut line).unwrap();
                all.push_str(&line);
                if line.len() < 4 || line.as_bytes()[3] != b'-' {
                    return all;
                }
            }
        };
        let mut last = answer();
        let mail = format!("From: {header}\r\nTo: <{to}>\r\nSubject: it is {to}\r\n\r\nBody.\r\n.\r\n");
        let steps = [
            "EHLO app\r\n".to_owned(),
            format!("MAIL FROM:<{from}>\r\n"),
            format!("RCPT TO:<{to}>\r\n"),
            "DATA\r\n".to_owned(),
            mail,
        ];
        for step in steps {
            if !last.starts_with(['2', '3']) {
                return last;
            }
            stream.write_all(step.as_bytes()).unwrap();
            last = answer();
        }
        last
    }

    fn box_of_provider(&self) -> String {
        fs::read_to_string(self.path("box/mail")).unwrap_or_default()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log/mainlog")).unwrap_or_default()
    }

    fn wait_for(&self, what: impl Fn(&Self) -> bool) {
        wait(|| what(self), &self.path("log/mainlog"));
    }
}

/// A CA, and a certificate for localhost.
fn certificates(dir: &Path) {
    fs::write(dir.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for line in [
        format!("req -x509 {new} -keyout ca.key -out ca.pem -days 30 -subj /CN=ca"),
        format!("req {new} -keyout server.key -out request -subj /CN=localhost"),
        "x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.pem".to_owned(),
        format!("req -x509 {new} -keyout other.key -out other.pem -days 30 -subj /CN=other"),
    ] {
        let output = Command::new("openssl").args(line.split(' ')).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn mail_waits_for_the_provider_and_arrives_by_tls_with_the_account() {
    let proof = Proof::of_overlay(OverlayLevel::Programs, "smtp-relay");
    let mut post = Post::new("from = \"kim@example.org\"");
    post.start_relay();
    // Nobody is there: it is taken, and waits.
    assert!(post.send("www-data", "bob@other.example", "Nextcloud <www-data@pod>").starts_with("250"));
    assert!(
        post.send("alerts@pod.cluster.local", "eve@other.example", "alerts@pod.cluster.local")
            .starts_with("250")
    );
    post.wait_for(|post| post.log().matches("Connection refused").count() > 0);
    assert_eq!(post.box_of_provider(), "");
    // The power goes, and comes back.
    post.relay.take().unwrap().kill();
    post.start_relay();
    let _provider = post.start_provider();
    post.run_queue_until(|post| post.log().matches("Completed").count() == 2);
    // The provider has taken them, and puts them into the box.
    post.wait_for(|post| post.box_of_provider().matches("Return-path:").count() == 2);
    let got = post.box_of_provider();
    assert_eq!(got.matches("Return-path: <kim@example.org>").count(), 2, "{got}");
    assert_eq!(got.matches("(TLS1.3)").count(), 2, "{got}");
    // Each is from the one address, with the name beside it, and does not say where in the cluster it comes from.
    assert!(
        got.contains("From: Nextcloud <kim@example.org>") && got.contains("From: kim@example.org"),
        "{got}"
    );
    assert!(!got.contains("pod") && got.matches("Received:").count() == 2, "{got}");
    assert!(
        got.contains("Envelope-to: bob@other.example") && got.contains("Subject: it is bob@other.example"),
        "{got}"
    );
    // Mail to names that the relay itself has goes the same way.
    assert!(post.send("a@b.example", "kim@example.org", "a@b.example").starts_with("250"));
    post.wait_for(|post| {
        post.log().matches("A=plain").count() == 3 && post.log().matches("Completed").count() == 3
    });
    post.wait_for(|post| post.box_of_provider().contains("Envelope-to: kim@example.org"));
    assert_eq!(said(&mut post.exim("relay.conf")), "0", "the queue");
    proof.holds();
}

/// How much waits.
fn said(exim: &mut Command) -> String {
    let output = exim.arg("-bpc").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn nothing_is_sent_to_another_server_or_without_tls() {
    let mut post = Post::new("from = \"kim@example.org\"");
    post.start_relay();
    // Somebody else's certificate.
    let right = fs::read(post.path("server.pem")).unwrap();
    let right_key = fs::read(post.path("server.key")).unwrap();
    fs::copy(post.path("other.pem"), post.path("server.pem")).unwrap();
    fs::copy(post.path("other.key"), post.path("server.key")).unwrap();
    let provider = post.start_provider();
    assert!(post.send("a@b.example", "bob@other.example", "a@b.example").starts_with("250"));
    post.wait_for(|post| post.log().contains("certificate verification failed"));
    drop(provider);
    // No TLS at all.
    fs::write(post.path("server.pem"), right).unwrap();
    fs::write(post.path("server.key"), right_key).unwrap();
    let conf = post.provider_configuration();
    fs::write(post.path("provider.conf"), conf.replace("tls_advertise_hosts = *", "tls_advertise_hosts ="))
        .unwrap();
    let provider = post.start_provider();
    post.run_queue_until(|post| post.log().contains("TLS session is required"));
    drop(provider);
    // Another password than the provider's.
    fs::write(post.path("provider.conf"), conf.replace("eq{$auth3}", "eq{x$auth3}")).unwrap();
    let provider = post.start_provider();
    post.run_queue_until(|post| post.log().contains("535"));
    drop(provider);
    assert_eq!(post.box_of_provider(), "");
    assert_eq!(said(&mut post.exim("relay.conf")), "1", "it waits");
    fs::write(post.path("provider.conf"), conf).unwrap();
    let _provider = post.start_provider();
    post.run_queue_until(|post| post.box_of_provider().contains("bob@other.example"));
}

#[test]
fn a_program_that_runs_wild_is_put_off_and_strangers_are_refused() {
    let mut post = Post::new("hourly = 5\nfrom = \"kim@example.org\"");
    post.start_relay();
    let answers: Vec<String> =
        (0..8).map(|_| post.send("a@b.example", "bob@other.example", "a@b.example")).collect();
    let taken = answers.iter().filter(|answer| answer.starts_with("250")).count();
    assert!((5..=6).contains(&taken), "{answers:?}");
    assert!(answers.last().unwrap().contains("more than 5 mails in an hour"), "{answers:?}");
    drop(post);
    // Who is not of the pods' networks: the test is 127.0.0.1, which is taken out.
    let mut post = Post::new("");
    let conf = fs::read_to_string(post.path("relay.conf")).unwrap();
    assert!(conf.contains("<; 127.0.0.1 ; 10.42.0.0/16"), "{conf}");
    fs::write(post.path("relay.conf"), conf.replace("<; 127.0.0.1 ; ", "<; ")).unwrap();
    post.start_relay();
    let answer = post.send("a@b.example", "bob@other.example", "a@b.example");
    assert!(answer.starts_with("550") && answer.contains("for pods of the cluster"), "{answer}");
}

#[test]
fn without_an_address_of_its_own_each_application_keeps_its_own() {
    let mut post = Post::new("size-mib = 1");
    post.start_relay();
    let _provider = post.start_provider();
    assert!(post.send("shop@example.org", "bob@other.example", "Shop <shop@example.org>").starts_with("250"));
    post.wait_for(|post| post.box_of_provider().contains("From: Shop <shop@example.org>"));
    assert!(post.box_of_provider().contains("Return-path: <shop@example.org>"), "{}", post.box_of_provider());
    let big = format!("a@b.example\r\nX: {}", "y".repeat(900)).repeat(1400);
    let answer = post.send("shop@example.org", "bob@other.example", &big);
    assert!(answer.starts_with("552"), "{answer}");
}

#[test]
fn exim_takes_the_configuration_of_every_choice() {
    let mut post = Post::new("");
    for (port, more) in [
        (465, "from = \"kim@example.org\"\n"),
        (587, "hourly = 0\nname = \"home.example.org\"\nsize-mib = 1\ndays = 30\n"),
        (25, "namespaces = [\"a\", \"b\"]\nhourly = 100000\n"),
    ] {
        post.provider_port = port;
        fs::write(post.path("relay.conf"), post.configuration(more)).unwrap();
        let output = post.exim("relay.conf").args(["-bP", "transport", "smarthost"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && wrong.is_empty(), "{port}: {wrong}");
        assert!(said.contains("hosts_require_tls = *") && said.contains("hosts_require_auth = *"), "{said}");
        assert_eq!(said.contains("protocol = smtps"), port == 465, "{said}");
    }
}

#[test]
fn what_would_mean_something_to_exim_is_refused_in_parameters() {
    for (user, more, words) in [
        ("kim", "", "name is missing"),
        ("kim", "name = \"home.example.org\"\n", "from is missing"),
        ("k${run{/bin/sh}}@example.org", "", "must have none of"),
        ("k\\\"@example.org", "", "must have none of"),
    ] {
        let tables = format!(
            "[overlays.smtp-relay]\nsmarthost = \"smtp.example.org\"\nuser = \"{user}\"\npassword = \"x\"\n{more}"
        );
        let said = load(Path::new("/nowhere"), &tables, ONE)
            .map(|_| String::new())
            .unwrap_or_else(|report| report.to_string());
        assert!(said.contains(words), "{user}: {said}");
    }
}
