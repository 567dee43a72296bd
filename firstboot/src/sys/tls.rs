//! One request over TLS, to a server with a pinned CA or, to fetch that CA, to an unverified server.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};

/// The maximum size of an answer: more than a CA bundle or an error message has.
const ANSWER_BYTES: u64 = 256 * 1024;

/// How a server is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Not at all: only for answers that are verified otherwise.
    Anybody,
    /// By a certificate that is signed by one of these CAs, has the name, and is valid at the given time. To set the
    /// clock, this is the time that the server claims, not that of the clock.
    Ca {
        /// The CAs' certificates, as DER.
        roots: Vec<Vec<u8>>,
        /// Since 1970.
        at: Duration,
    },
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// No connection.
    #[error("{0}")]
    Connect(String),
    /// The certificate is not valid at that time.
    #[error("its certificate is not valid at this time")]
    Time,
    /// The certificate does not have the name.
    #[error("its certificate does not have this name")]
    Name,
    /// The certificate is not signed by the cluster's CA, or the connection failed.
    #[error("{0}")]
    Talk(String),
}

pub(super) fn ask(
    server: SocketAddr,
    name: &str,
    trust: &Trust,
    request: &[u8],
    wait: Duration,
) -> Result<Vec<u8>, TlsError> {
    let end = Instant::now().checked_add(wait);
    let name = ServerName::try_from(name.to_owned()).map_err(|e| TlsError::Talk(e.to_string()))?;
    let config = config(trust).map_err(|e| TlsError::Talk(e.to_string()))?;
    let tls = ClientConnection::new(config, name).map_err(|e| TlsError::Talk(e.to_string()))?;
    let connect = |e: io::Error| TlsError::Connect(e.to_string());
    let socket = TcpStream::connect_timeout(&server, wait).map_err(connect)?;
    socket.set_read_timeout(Some(wait)).map_err(connect)?;
    socket.set_write_timeout(Some(wait)).map_err(connect)?;
    let mut stream = StreamOwned::new(tls, socket);
    stream.write_all(request).and_then(|()| stream.flush()).map_err(|e| broken(&e))?;
    read_all(&mut stream, end).map_err(|e| broken(&e))
}

/// Reads to the end. A missing close_notify of TLS is not checked here: the length in the answer detects truncation.
fn read_all(stream: &mut impl Read, end: Option<Instant>) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut stream = stream.take(ANSWER_BYTES);
    let mut piece = vec![0; 8192];
    loop {
        if end.is_none_or(|end| Instant::now() > end) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match stream.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(count) => answer.extend(piece.iter().take(count)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(answer),
            Err(e) => return Err(e),
        }
    }
}

/// Unwraps the errors of rustls from I/O errors.
fn broken(error: &io::Error) -> TlsError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(reason)) => match reason {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsError::Time,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsError::Name
            }
            other => TlsError::Talk(format!("invalid certificate ({other})")),
        },
        _ => TlsError::Talk(error.to_string()),
    }
}

fn config(trust: &Trust) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = CertificateVerifier { inner: verify_at(trust, &provider)?, provider: provider.clone() };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn verify_at(
    trust: &Trust,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<(Arc<WebPkiServerVerifier>, UnixTime)>, rustls::Error> {
    let Trust::Ca { roots, at } = trust else { return Ok(None) };
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(CertificateDer::from(root.as_slice()))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map_err(|e| rustls::Error::General(e.to_string()))?;
    Ok(Some((verifier, UnixTime::since_unix_epoch(*at))))
}

/// Verifies a certificate at a given time instead of now. The server must have the certificate's key in any case.
#[derive(Debug)]
struct CertificateVerifier {
    inner: Option<(Arc<WebPkiServerVerifier>, UnixTime)>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for CertificateVerifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.inner {
            Some((verifier, at)) => verifier.verify_server_cert(own, above, name, ocsp, *at),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
