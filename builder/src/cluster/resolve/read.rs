//! Reading the files that the cluster file names.

use std::io;
use std::path::Path;

use hc_common::text::decode;

use crate::cluster::field::{Field, Span};
use crate::cluster::field_type::{FileName, SecretSource, SecretText};
use crate::cluster::load::LoadContext;
use crate::cluster::problem::Problems;
use crate::overlays::UserFolder;
use crate::value::{Secret, is_private_key};

/// The most bytes of all files together that a cluster file may name: they are in memory until the images are built.
const MOST_BYTES: usize = 64 << 20;

/// Reads files and reports their problems at the place that names them.
pub(super) struct Reader<'a, 'p> {
    pub(super) context: &'a LoadContext<'a>,
    pub(super) problems: &'a mut Problems<'p>,
    /// Bytes that may still be read.
    left: usize,
}

/// What a file is read for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Its text goes into the image.
    Content,
    /// Only public keys in it do: wherever it lies, nothing secret can be read by it.
    PublicKeys,
}

impl<'a, 'p> Reader<'a, 'p> {
    pub(super) fn new(context: &'a LoadContext<'a>, problems: &'a mut Problems<'p>) -> Self {
        Self { context, problems, left: MOST_BYTES }
    }

    /// The text of a file.
    pub(super) fn text(&mut self, file: &FileName, span: &Span) -> Option<String> {
        self.text_for(Use::Content, file, span)
    }

    /// The text of a file with public SSH keys; a private one is reported, and not shown.
    pub(super) fn public_keys(&mut self, file: &FileName, span: &Span) -> Option<String> {
        let text = self.text_for(Use::PublicKeys, file, span)?;
        self.is_public(&text, file, span, "public key: the file with the same name and .pub").then_some(text)
    }

    fn is_public(&mut self, text: &str, file: &FileName, span: &Span, instead: &str) -> bool {
        let is_private = is_private_key(text);
        if is_private {
            let message = format!("{} has a private key, which must not leave its machine", file.0);
            self.problems.error(span, message, format!("name the {instead}"));
        }
        !is_private
    }

    fn text_for(&mut self, purpose: Use, file: &FileName, span: &Span) -> Option<String> {
        let path = self.context.dir.join(&file.0);
        let bytes = match (self.context.read)(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("cannot read {}: {error}", file.0);
                let dir = self.context.dir.display().to_string();
                let dir = if dir.is_empty() { String::new() } else { format!(", {dir}") };
                let hint = match error.kind() {
                    io::ErrorKind::NotFound => {
                        format!("paths are relative to the cluster file's directory{dir}")
                    }
                    _ => "name a regular file that you may read".to_owned(),
                };
                self.problems.error(span, message, hint);
                return None;
            }
        };
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            let message =
                format!("{} is too much: all files together have more than {} MiB", file.0, MOST_BYTES >> 20);
            self.problems.error(span, message, "name fewer or smaller files");
            return None;
        };
        self.left = left;
        if purpose == Use::Content {
            self.tell_outside(file, span);
        }
        match decode(&bytes) {
            Ok(text) => Some(text.to_owned()),
            Err(problem) => {
                let hint = "name the right file, or save it anew";
                self.problems.error(span, format!("cannot read {}: {problem}", file.0), hint);
                None
            }
        }
    }

    /// Warns of a file outside of the project: a stranger's cluster file may name any.
    pub(super) fn tell_outside(&mut self, file: &FileName, span: &Span) {
        if (self.context.is_outside)(Path::new(&file.0)) {
            let message = format!(
                "{} is outside of the project's directory, and its content goes into the image",
                file.0
            );
            let hint = "if you did not write the cluster file, remove the line; to keep it, copy the file into the project";
            self.problems.warning(span, message, hint);
        }
    }

    /// What is in a folder.
    pub(super) fn folder(&mut self, folder: &FileName, span: &Span) -> Option<UserFolder> {
        match (self.context.list)(&self.context.dir.join(&folder.0)) {
            Ok(found) => {
                self.tell_outside(folder, span);
                Some(found)
            }
            Err(problem) => {
                let hint = "name a folder with files; its path is relative to the cluster file";
                self.problems.error(span, format!("cannot use the folder {}: {problem}", folder.0), hint);
                None
            }
        }
    }

    /// A secret from the cluster file or from a separate file, which is no private key.
    pub(super) fn secret<T: SecretText>(&mut self, field: Field<SecretSource<T>>) -> Option<T> {
        self.secret_that(field, false)
    }

    /// A secret of an overlay, which may well be a private key, or have one in it.
    pub(super) fn secret_or_key<T: SecretText>(&mut self, field: Field<SecretSource<T>>) -> Option<T> {
        self.secret_that(field, true)
    }

    fn secret_that<T: SecretText>(&mut self, field: Field<SecretSource<T>>, may_be_key: bool) -> Option<T> {
        let file = match field.value {
            SecretSource::Here(secret) => {
                if self.context.is_shared {
                    let message = "a secret stands in the cluster file, which others may read";
                    let hint = "put it into a file of its own, { file = \"…\" }, or take the right to read from others: \
                                chmod 600";
                    self.problems.warning(&field.span, message, hint);
                }
                return Some(secret);
            }
            SecretSource::File(file) => file,
        };
        let text = self.text(&file, &field.span)?;
        if !may_be_key && !self.is_public(&text, &file, &field.span, "file that holds the secret itself") {
            return None;
        }
        let text =
            text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        match T::read(text) {
            Ok(secret) => Some(secret),
            Err(refusal) => {
                self.problems.error(&field.span, format!("in {}: {}", file.0, refusal.message), refusal.hint);
                None
            }
        }
    }

    /// A certificate, or several, in PEM.
    pub(super) fn certificate(&mut self, field: &Field<FileName>) -> Option<String> {
        let text = self.pem(field, "-----BEGIN CERTIFICATE-----", "certificate")?;
        self.is_public(&text, &field.value, &field.span, "certificate alone: its key is another file")
            .then_some(text)
    }

    /// A certificate and its key.
    pub(super) fn client(
        &mut self,
        certificate: Option<&Field<FileName>>,
        key: Option<&Field<FileName>>,
    ) -> Option<(String, Secret)> {
        let certificate = certificate.and_then(|field| self.certificate(field));
        let key = key.and_then(|field| self.tls_key(field));
        Some((certificate?, Secret::new(key?)))
    }

    /// The key of a client's certificate. It goes into the image, so a key that is for something else is refused.
    fn tls_key(&mut self, field: &Field<FileName>) -> Option<String> {
        let text = self.pem(field, "PRIVATE KEY-----", "private key")?;
        let real = self.context.dir.join(&field.value.0);
        let real = real.canonicalize().unwrap_or(real);
        let other = if text.contains("OPENSSH") || real.components().any(|part| part.as_os_str() == ".ssh") {
            "an SSH key"
        } else if text.contains("ENCRYPTED") {
            "an encrypted key, which k3s cannot read"
        } else {
            return Some(text);
        };
        let message = format!("{} is {other}", field.value.0);
        self.problems.error(&field.span, message, "name the key of the certificate, in PEM format");
        None
    }

    fn pem(&mut self, field: &Field<FileName>, mark: &str, what: &str) -> Option<String> {
        let text = self.text(&field.value, &field.span)?;
        if !text.contains(mark) {
            let hint = "name a PEM file, which has a line \"-----BEGIN …-----\"";
            self.problems.error(&field.span, format!("{} has no {what} in PEM format", field.value.0), hint);
            return None;
        }
        Some(text)
    }
}
