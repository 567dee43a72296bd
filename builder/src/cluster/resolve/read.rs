//! Reading the files that the cluster file names.

use hc_common::text::decode;

use crate::cluster::field::{Field, Span};
use crate::cluster::field_type::{FileName, SecretSource, SecretText};
use crate::cluster::load::LoadContext;
use crate::cluster::problem::Problems;
use crate::value::Secret;

/// Reads files and reports their problems at the place that names them.
pub(super) struct Reader<'a, 'p> {
    pub(super) context: &'a LoadContext<'a>,
    pub(super) problems: &'a mut Problems<'p>,
}

impl Reader<'_, '_> {
    /// The text of a file.
    pub(super) fn text(&mut self, file: &FileName, span: &Span) -> Option<String> {
        let path = self.context.dir.join(&file.0);
        let bytes = match (self.context.read)(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("cannot read {}: {error}", file.0);
                let dir = self.context.dir.display().to_string();
                let dir = if dir.is_empty() { String::new() } else { format!(", {dir}") };
                self.problems.error(
                    span,
                    message,
                    format!("paths are relative to the cluster file's directory{dir}"),
                );
                return None;
            }
        };
        match decode(&bytes) {
            Ok(text) => Some(text.to_owned()),
            Err(problem) => {
                let hint = "name the right file, or save it anew";
                self.problems.error(span, format!("cannot read {}: {problem}", file.0), hint);
                None
            }
        }
    }

    /// A secret from the cluster file or from a separate file.
    pub(super) fn secret<T: SecretText>(&mut self, field: Field<SecretSource<T>>) -> Option<T> {
        let file = match field.value {
            SecretSource::Here(secret) => return Some(secret),
            SecretSource::File(file) => file,
        };
        let text = self.text(&file, &field.span)?;
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
        self.pem(field, "-----BEGIN CERTIFICATE-----", "certificate")
    }

    /// A certificate and its key.
    pub(super) fn client(
        &mut self,
        certificate: Option<&Field<FileName>>,
        key: Option<&Field<FileName>>,
    ) -> Option<(String, Secret)> {
        let certificate = certificate.and_then(|field| self.certificate(field));
        let key = key.and_then(|field| self.pem(field, "PRIVATE KEY-----", "private key"));
        Some((certificate?, Secret::new(key?)))
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
