//! The controller's certificate: it makes one itself, so nobody has signed it. It is known from its first use, as ssh knows hosts, and
//! another one is refused.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use crate::local_file;
use crate::source::digest::Sha256Digest;

use super::Host;

/// The most bytes of the file.
const LONGEST: u64 = 1 << 20;

/// The certificates of controllers that were used before: a line each, the host and the certificate's SHA-256.
#[derive(Debug, Clone)]
pub struct Pins {
    path: PathBuf,
}

impl Pins {
    /// Those in a directory.
    pub fn below(dir: &Path) -> Self {
        Self { path: dir.join("turing-pi-certificates") }
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The certificate of a host, where it was used before.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn get(&self, host: &Host) -> io::Result<Option<Sha256Digest>> {
        Ok(self.read()?.get(&host.to_string()).copied())
    }

    /// Keeps the certificate of a host.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put(&self, host: &Host, digest: Sha256Digest) -> io::Result<()> {
        let mut all = self.read()?;
        all.insert(host.to_string(), digest);
        let dir = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir)?;
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        for (host, digest) in all {
            writeln!(file, "{host} {digest}")?;
        }
        file.persist(&self.path)?;
        Ok(())
    }

    fn read(&self) -> io::Result<BTreeMap<String, Sha256Digest>> {
        let text = match local_file::read_text(&self.path, LONGEST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            text => text?,
        };
        let mut all = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let read = line
                .split_once(' ')
                .and_then(|(host, digest)| Some((host.to_owned(), digest.trim().parse().ok()?)));
            let (host, digest) = read.ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("invalid line {line:?}"))
            })?;
            all.insert(host, digest);
        }
        Ok(all)
    }
}

/// Takes one certificate, or where none is known the first one that it sees.
#[derive(Debug)]
pub(super) struct PinVerifier {
    provider: Arc<CryptoProvider>,
    pinned: Option<Sha256Digest>,
    seen: Arc<Mutex<Option<Sha256Digest>>>,
}

impl PinVerifier {
    /// The second value gets what was seen.
    pub(super) fn new(
        provider: Arc<CryptoProvider>,
        pinned: Option<Sha256Digest>,
    ) -> (Self, Arc<Mutex<Option<Sha256Digest>>>) {
        let seen = Arc::new(Mutex::new(None));
        (Self { provider, pinned, seen: Arc::clone(&seen) }, seen)
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let digest = Sha256Digest::of(certificate);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Within one run as well: a second connection meets the same controller.
        let known = self.pinned.or(*seen);
        *seen = Some(digest);
        if known.is_some_and(|known| known != digest) {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_from_its_first_use() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::below(&dir.path().join("hcimage"));
        let (one, other): (Host, Host) = ("turingpi.local".parse().unwrap(), "10.0.0.2".parse().unwrap());
        assert_eq!(pins.get(&one).unwrap(), None);
        pins.put(&one, Sha256Digest::of(b"one")).unwrap();
        pins.put(&other, Sha256Digest::of(b"other")).unwrap();
        assert_eq!(pins.get(&one).unwrap(), Some(Sha256Digest::of(b"one")));
        assert_eq!(pins.get(&other).unwrap(), Some(Sha256Digest::of(b"other")));
        fs::write(pins.path(), "turingpi.local\n").unwrap();
        assert!(pins.get(&one).is_err(), "a damaged file does not forget");
    }
}
