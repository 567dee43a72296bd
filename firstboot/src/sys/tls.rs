//! One request over TLS, to a server with a pinned CA or, to fetch that CA, to an unverified server.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};

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

/// A client certificate and its private key, both PEM. `Debug` is not implemented: the key is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those between it and the root.
    pub certificates: Vec<u8>,
    /// PKCS#8, SEC1 or PKCS#1.
    pub key: Vec<u8>,
}

/// One request over TLS, and its limits.
pub struct TlsRequest<'a> {
    /// The address of the server.
    pub server: SocketAddr,
    /// The name or address that its certificate must have.
    pub name: &'a str,
    /// How it is verified.
    pub trust: &'a Trust,
    /// How the client is known to it; `None` for a client without a certificate.
    pub identity: Option<&'a Identity>,
    /// The bytes that are sent.
    pub message: &'a [u8],
    /// The time limit for everything: connection, handshake, request and answer.
    pub wait: Duration,
    /// The maximum size of the answer, in bytes.
    pub answer_limit: usize,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// No connection for another reason.
    #[error("{0}")]
    Connect(String),
    /// There was a connection, and no complete answer within so many seconds.
    #[error("timed out after {0} s")]
    Timeout(u64),
    /// The certificate is not valid at that time.
    #[error("its certificate is not valid at this time")]
    Time,
    /// The certificate does not have the name.
    #[error("its certificate does not have this name")]
    Name,
    /// The certificate is not signed by the cluster's CA.
    #[error("invalid certificate ({0})")]
    Untrusted(String),
    /// The connection failed, or the other end does not speak TLS.
    #[error("{0}")]
    Talk(String),
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// When there is no connection, no trust, or no complete answer.
pub fn ask(request: &TlsRequest<'_>) -> Result<Vec<u8>, TlsError> {
    let clock = Clock { start: Instant::now(), wait: request.wait };
    let talk = |e: &dyn std::fmt::Display| TlsError::Talk(e.to_string());
    let name = ServerName::try_from(request.name.to_owned()).map_err(|e| talk(&e))?;
    let config = config(request.trust, request.identity).map_err(|e| talk(&e))?;
    let tls = ClientConnection::new(config, name).map_err(|e| talk(&e))?;
    let socket = TcpStream::connect_timeout(&request.server, request.wait).map_err(|e| match e.kind() {
        io::ErrorKind::ConnectionRefused => TlsError::Refused,
        io::ErrorKind::TimedOut => TlsError::Connect(format!("no connection within {} s", clock.seconds())),
        _ => TlsError::Connect(e.to_string()),
    })?;
    let mut stream = StreamOwned::new(tls, Bounded { socket, clock });
    let sent = stream.write_all(request.message).and_then(|()| stream.flush());
    sent.and_then(|()| read_all(&mut stream, request.answer_limit)).map_err(|e| broken(&e, clock))
}

/// The time limit of a request.
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
    wait: Duration,
}

impl Clock {
    fn left(&self) -> io::Result<Duration> {
        let left = self.wait.saturating_sub(self.start.elapsed());
        // A time limit of zero would mean none for a socket.
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    /// Rounded, for a message.
    fn seconds(&self) -> u64 {
        self.wait.saturating_add(Duration::from_millis(500)).as_secs().max(1)
    }
}

/// A connection on which everything together has one time limit. With a limit for each read and write alone, a server that
/// sends a byte now and then could hold its client for ever.
struct Bounded {
    socket: TcpStream,
    clock: Clock,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.clock.left()?))?;
        self.socket.read(buffer).map_err(in_time)
    }
}

impl Write for Bounded {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.clock.left()?))?;
        self.socket.write(buffer).map_err(in_time)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// A socket reports its time limit as "would block" (EAGAIN).
fn in_time(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

/// Reads to the end. A missing close_notify of TLS is not checked here: the length in the answer detects truncation.
fn read_all(stream: &mut impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut piece = vec![0; 8192];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(count) => answer.extend(piece.iter().take(count)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(answer),
            Err(e) => return Err(e),
        }
        if answer.len() > limit {
            return Err(io::Error::other(format!("the answer is longer than {limit} bytes")));
        }
    }
}

/// Unwraps the errors of rustls from I/O errors.
fn broken(error: &io::Error, clock: Clock) -> TlsError {
    if error.kind() == io::ErrorKind::TimedOut {
        return TlsError::Timeout(clock.seconds());
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(reason)) => match reason {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsError::Time,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsError::Name
            }
            other => TlsError::Untrusted(other.to_string()),
        },
        _ => TlsError::Talk(error.to_string()),
    }
}

fn config(trust: &Trust, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = CertificateVerifier { inner: verify_at(trust, &provider)?, provider: provider.clone() };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let Some(own) = identity else { return Ok(Arc::new(builder.with_no_client_auth())) };
    let damaged = |e: pem::Error| rustls::Error::General(format!("damaged client certificate or key ({e})"));
    let certificates =
        CertificateDer::pem_slice_iter(&own.certificates).collect::<Result<_, _>>().map_err(damaged)?;
    let key = PrivateKeyDer::from_pem_slice(&own.key).map_err(damaged)?;
    Ok(Arc::new(builder.with_client_auth_cert(certificates, key)?))
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
