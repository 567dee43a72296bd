//! Signatures by OpenPGP: whether a text is signed by a key that somebody trusts.
//!
//! What counts is what counts for gpgv: a key that signs, bound to its primary key, neither revoked nor expired now, and a
//! signature with a digest that nobody can forge. The packets themselves are rPGP's.

use pgp::composed::{
    CleartextSignedMessage, Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, VerifyingKey};
use thiserror::Error;

/// The farthest that the clock of a signer may be ahead, in seconds.
const AHEAD: i64 = 24 * 3600;

/// Why a signature does not count. It follows the name of what is signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenPgpError {
    /// There is no signature, or none in a form that can be read.
    #[error("it has no OpenPGP signature that can be read ({0})")]
    Unreadable(String),
    /// Keys that cannot be read.
    #[error("the keys cannot be read ({0})")]
    Keys(String),
    /// No signature is by a key that is trusted; `keys` are those that made one.
    #[error("it is signed by no trusted key (signed by {keys})")]
    Untrusted {
        /// Their fingerprints or IDs.
        keys: String,
    },
    /// By a trusted key, and invalid all the same.
    #[error("its signature by the key {key} is invalid: {problem}")]
    Invalid {
        /// The key's fingerprint.
        key: String,
        /// What is wrong.
        problem: String,
    },
}

/// Keys whose signatures count.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Keyring(Vec<SignedPublicKey>);

impl TryFrom<String> for Keyring {
    type Error = OpenPgpError;

    fn try_from(armour: String) -> Result<Self, OpenPgpError> {
        Self::read(armour.as_bytes())
    }
}

impl Keyring {
    /// The keys of a file, in binary form or in ASCII armour.
    ///
    /// # Errors
    /// [`OpenPgpError::Keys`] when there is none, or one is damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, OpenPgpError> {
        let failed = |error: pgp::errors::Error| OpenPgpError::Keys(error.to_string());
        let found: Vec<Result<SignedPublicKey, _>> = if is_binary(bytes) {
            SignedPublicKey::from_bytes_many(bytes).map_err(failed)?.collect()
        } else {
            let mut found = Vec::new();
            for block in blocks(&String::from_utf8_lossy(bytes)) {
                found.extend(SignedPublicKey::from_armor_many(block.as_bytes()).map_err(failed)?.0);
            }
            found
        };
        // A key of a kind that is not known is nobody's loss, where there are others.
        let (keys, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
        let keys: Vec<SignedPublicKey> = keys.into_iter().flatten().collect();
        match bad.into_iter().find_map(Result::err) {
            Some(error) if keys.is_empty() => Err(failed(error)),
            None if keys.is_empty() => Err(OpenPgpError::Keys("there is none".to_owned())),
            _ => Ok(Self(keys)),
        }
    }

    /// The keys of both.
    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of a message in the clear that a key of this ring has signed, with lines that end in a line feed. `now` is in
    /// seconds since 1970.
    ///
    /// # Errors
    /// When no signature of it counts; a text without a signature is such a one.
    pub fn verify_inline(&self, message: &str, now: i64) -> Result<String, OpenPgpError> {
        let (message, _) = CleartextSignedMessage::from_string(message)
            .map_err(|error| OpenPgpError::Unreadable(error.to_string()))?;
        let text = message.signed_text();
        self.verify(message.signatures(), text.as_bytes(), now)?;
        Ok(text.replace("\r\n", "\n"))
    }

    /// The fingerprint of the key of this ring that has signed `data`, by a signature of its own file.
    ///
    /// # Errors
    /// When no signature of the file counts.
    pub fn verify_detached(&self, data: &[u8], signature: &[u8], now: i64) -> Result<String, OpenPgpError> {
        let unreadable = |error: pgp::errors::Error| OpenPgpError::Unreadable(error.to_string());
        let found: Result<Vec<DetachedSignature>, _> = if is_binary(signature) {
            DetachedSignature::from_bytes_many(signature).map_err(unreadable)?.collect()
        } else {
            DetachedSignature::from_armor_many(signature).map_err(unreadable)?.0.collect()
        };
        let signatures: Vec<Signature> =
            found.map_err(unreadable)?.into_iter().map(|detached| detached.signature).collect();
        self.verify(&signatures, data, now)
    }

    /// The key by which the first signature counts.
    fn verify(&self, signatures: &[Signature], data: &[u8], now: i64) -> Result<String, OpenPgpError> {
        let mut problem = None;
        for signature in signatures {
            for key in &self.0 {
                match verify_by(key, signature, data, now) {
                    Some(Ok(fingerprint)) => return Ok(fingerprint),
                    Some(Err(error)) => problem = Some(error),
                    None => {}
                }
            }
        }
        Err(problem.unwrap_or_else(|| OpenPgpError::Untrusted { keys: issuers(signatures) }))
    }
}

/// A packet begins with a bit that no text has (RFC 9580, section 4.2).
fn is_binary(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 0x80 != 0)
}

/// A file may have several blocks, one behind the other.
fn blocks(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    text.split(BEGIN).skip(1).map(|rest| format!("{BEGIN}{rest}")).collect()
}

fn issuers(signatures: &[Signature]) -> String {
    let mut all = Vec::new();
    for signature in signatures {
        let prints = signature.issuer_fingerprint().into_iter().map(|print| print.to_string());
        let ids = signature.issuer_key_id().into_iter().map(|id| id.to_string());
        all.extend(prints.chain(ids).next());
    }
    if all.is_empty() { "nobody who is named".to_owned() } else { all.join(", ") }
}

/// None where the signature is not by this key or one of its subkeys.
fn verify_by(
    key: &SignedPublicKey,
    signature: &Signature,
    data: &[u8],
    now: i64,
) -> Option<Result<String, OpenPgpError>> {
    let primary = &key.primary_key;
    if is_by(signature, primary) {
        return Some(judge(primary, signature, data, now, || usable_primary(key, true, now)));
    }
    let subkey = key.public_subkeys.iter().find(|subkey| is_by(signature, &subkey.key))?;
    Some(judge(&subkey.key, signature, data, now, || {
        usable_primary(key, false, now)?;
        usable_subkey(key, subkey, now)
    }))
}

/// By the names in the signature; a signature that names nobody is by nobody.
fn is_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let prints = signature.issuer_fingerprint();
    if prints.is_empty() {
        return signature.issuer_key_id().iter().any(|id| **id == key.legacy_key_id());
    }
    prints.iter().any(|print| **print == key.fingerprint())
}

fn judge(
    key: &impl VerifyingKey,
    signature: &Signature,
    data: &[u8],
    now: i64,
    is_usable: impl FnOnce() -> Result<(), String>,
) -> Result<String, OpenPgpError> {
    let fingerprint = key.fingerprint().to_string();
    let check = || {
        is_usable()?;
        is_strong(signature)?;
        if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
            return Err("it is no signature of a document".to_owned());
        }
        is_current(signature, now)?;
        signature.verify(key, data).map_err(|_| "the text was changed after it was signed".to_owned())
    };
    check().map_err(|problem| OpenPgpError::Invalid { key: fingerprint.clone(), problem })?;
    Ok(fingerprint)
}

fn is_strong(signature: &Signature) -> Result<(), String> {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    match signature.hash_alg() {
        Some(Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512) => Ok(()),
        Some(other) => Err(format!("its digest {other} can be forged")),
        None => Err("its digest is unknown".to_owned()),
    }
}

/// Made already, and not over.
fn is_current(signature: &Signature, now: i64) -> Result<(), String> {
    let Some(made) = signature.created() else { return Err("it has no time".to_owned()) };
    let made = i64::from(made.as_secs());
    if made > now.saturating_add(AHEAD) {
        return Err("it was made after now: check the clock of this machine".to_owned());
    }
    let lasts = signature.signature_expiration_time().map_or(0, |lasts| i64::from(lasts.as_secs()));
    if lasts > 0 && made.saturating_add(lasts) < now { Err("it has expired".to_owned()) } else { Ok(()) }
}

/// The primary key says of itself that it is valid; `signs` asks whether it may sign documents, too.
fn usable_primary(key: &SignedPublicKey, signs: bool, now: i64) -> Result<(), String> {
    let primary = &key.primary_key;
    let details = &key.details;
    if details.revocation_signatures.iter().any(|revoked| revoked.verify_key(primary).is_ok()) {
        return Err("the key is revoked".to_owned());
    }
    let of_users = details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(|signature| {
            signature.is_certification()
                && is_by(signature, primary)
                && signature.verify_certification(primary, pgp::types::Tag::UserId, &user.id).is_ok()
        })
    });
    let direct = details.direct_signatures.iter().filter(|signature| signature.verify_key(primary).is_ok());
    let newest =
        of_users.chain(direct).max_by_key(|signature| signature.created().map(|made| made.as_secs()));
    let Some(own) = newest else { return Err("the key does not say that it is valid".to_owned()) };
    not_expired(primary, own, now)?;
    // A key without flags may do all (RFC 9580, section 5.2.3.29).
    let flags = own.key_flags();
    let is_said = flags.sign() || flags.certify() || flags.encrypt_comms() || flags.encrypt_storage();
    if signs && is_said && !flags.sign() { Err("the key is not for signing".to_owned()) } else { Ok(()) }
}

fn usable_subkey(key: &SignedPublicKey, subkey: &SignedPublicSubKey, now: i64) -> Result<(), String> {
    let is_valid = |signature: &&Signature| {
        signature.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok() && is_strong_enough(signature)
    };
    let revoked =
        subkey.signatures.iter().filter(|found| found.typ() == Some(SignatureType::SubkeyRevocation));
    if revoked.filter(is_valid).count() > 0 {
        return Err("the key is revoked".to_owned());
    }
    let bound = subkey.signatures.iter().filter(|found| found.typ() == Some(SignatureType::SubkeyBinding));
    let newest = bound.filter(is_valid).max_by_key(|found| found.created().map(|made| made.as_secs()));
    let Some(binding) = newest else { return Err("the subkey is not bound to its key".to_owned()) };
    let back = binding.embedded_signature();
    let is_agreed =
        back.is_some_and(|back| back.verify_primary_key_binding(&subkey.key, &key.primary_key).is_ok());
    if !binding.key_flags().sign() || !is_agreed {
        return Err("the key is not for signing".to_owned());
    }
    not_expired(&subkey.key, binding, now)
}

/// Old keys are bound by SHA-1, and gpgv takes that; MD5 counts nowhere.
fn is_strong_enough(signature: &Signature) -> bool {
    signature.hash_alg().is_some_and(|hash| hash != HashAlgorithm::Md5)
}

fn not_expired(key: &impl KeyDetails, own: &Signature, now: i64) -> Result<(), String> {
    let made = i64::from(key.created_at().as_secs());
    let lasts = own.key_expiration_time().map_or(0, |lasts| i64::from(lasts.as_secs()));
    if lasts > 0 && made.saturating_add(lasts) < now { Err("the key has expired".to_owned()) } else { Ok(()) }
}
