//! Templates of an overlay: Jinja's language, as minijinja has it.
//!
//! In YAML each `{{ value }}` is written as JSON, which is YAML too: a text from the cluster file stays one text, whatever is in
//! it. In `files/` nothing is escaped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hc_common::text::yaml::quoted;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter};
use serde::Serialize;

use crate::source::digest::Sha256Digest;
use crate::value::Secret;

use super::definition::Overlay;
use super::needs::folders_of;
use super::parameter::ParameterValue;

/// What a template may do, in minijinja's own units, some for each step: those here do below ten thousand.
const FUEL: u64 = 1_000_000;

/// The longest text that a template makes, in bytes.
const LONGEST: usize = 1 << 20;

/// The longest template in bytes, and the longest text with expressions in `overlay.toml`.
const TEMPLATE_LIMIT: usize = 64 << 10;
const EXPRESSION_LIMIT: usize = 4 << 10;

/// Enough for a template that is one operator after the other, with room to spare.
const STACK: usize = 256 << 20;

/// Texts that a template may take in as templates, and hashes that it may make.
const MOST_RENDERED: usize = 50;
const MOST_HASHES: usize = 50;

/// What several overlays have in common.
const SHARED: [(&str, &str); 1] = [("mariadb.yaml", include_str!("shared/mariadb.yaml"))];

/// How masks of secrets begin.
const MASK: &str = "<secret ";

/// `htpasswd -B` takes 5; each step doubles the work. A login takes a tenth of a second on a Pi with 8.
const BCRYPT_COST: u32 = 8;

/// The secrets of an overlay while a template is filled in.
#[derive(Debug, Clone)]
pub enum SecretValues {
    /// For people and checks: a mask takes the place of each.
    Masked,
    /// For the image.
    Real {
        /// By name.
        values: BTreeMap<String, Secret>,
        /// What hashes are salted with, so that a rebuild gives the same ones. Known as little as the secrets; none where the
        /// overlay has no secrets.
        salt: Option<Secret>,
    },
}

/// What templates are filled in with.
pub(super) struct Templates<'a> {
    overlay: &'a Overlay,
    context: Value,
    secrets: SecretValues,
}

/// A text, or where and why it could not be made.
type Made<T> = Result<T, String>;

impl<'a> Templates<'a> {
    /// `facts`, parameters and secrets, of which the user has set those in `given`, are known by their names, with `_` for `-`.
    pub(super) fn new(
        overlay: &'a Overlay,
        parameters: &BTreeMap<String, ParameterValue>,
        facts: &impl Serialize,
        given: &BTreeMap<String, Secret>,
        secrets: SecretValues,
    ) -> Self {
        let named = |(name, value): (&String, &ParameterValue)| (word(name), Value::from(Serde(value)));
        let mut context: BTreeMap<String, Value> = parameters.iter().map(named).collect();
        context.insert("cluster".to_owned(), Value::from(Serde(facts)));
        context.insert("overlay".to_owned(), Value::from_pairs([("folders", folders_of(&overlay.name))]));
        let texts = overlay.secrets.iter().map(|(name, of)| {
            let text = match &secrets {
                SecretValues::Masked if of.optional && !given.contains_key(name) => String::new(),
                SecretValues::Masked => format!("{MASK}{name} of {}>", overlay.name),
                SecretValues::Real { values, .. } => {
                    values.get(name).map(|secret| secret.expose().to_owned()).unwrap_or_default()
                }
            };
            (word(name), Value::from(text))
        });
        // Where there are none, a name below it is an error whatever is done with it.
        if !overlay.secrets.is_empty() {
            context.insert("secret".to_owned(), Value::from_pairs(texts));
        }
        Self { overlay, context: Value::from_pairs(context), secrets }
    }

    /// Whether an expression is true.
    pub(super) fn holds(&self, expression: &str) -> Made<bool> {
        // As a condition in a template, where a name that is not known is an error.
        self.bounded(expression, EXPRESSION_LIMIT, |environment| {
            let made =
                environment.render_str(&format!("{{% if {expression} %}}1{{% endif %}}"), &self.context);
            made.map(|made| !made.is_empty())
        })
    }

    /// A text with its expressions evaluated.
    pub(super) fn text(&self, text: &str) -> Made<String> {
        self.bounded(text, EXPRESSION_LIMIT, |environment| environment.render_str(text, &self.context))
    }

    /// A file of the folder.
    pub(super) fn file(&self, name: &str) -> Made<String> {
        let source = self.overlay.folder.file(name).ok_or("the overlay has no such file")?;
        let made = self.bounded(source, TEMPLATE_LIMIT, |environment| {
            environment.render_named_str(name, source, &self.context)
        })?;
        if made.len() > LONGEST {
            return Err(format!("it makes {} bytes, expected at most {LONGEST}", made.len()));
        }
        Ok(made)
    }

    /// The parser goes one level deeper for each operator in a row, so what it reads has a limit, and it has a stack for that.
    fn bounded<T: Send>(
        &self,
        source: &str,
        limit: usize,
        make: impl FnOnce(&Environment<'_>) -> Result<T, Error> + Send,
    ) -> Made<T> {
        if source.len() > limit {
            return Err(format!(
                "a template of {} bytes, expected at most {limit}: move texts to files/",
                source.len()
            ));
        }
        let run = || {
            let environment = self.environment();
            make(&environment).map_err(|error| told(source, &error))
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
            let thread = thread.map_err(|error| format!("no thread for a template: {error}"))?;
            thread.join().unwrap_or_else(|_| Err("the template engine has failed".to_owned()))
        })
    }

    fn environment(&self) -> Environment<'static> {
        let mut environment = self.plain();
        let files = Arc::clone(&self.overlay.folder.files);
        let find = move |name: &str| {
            let found = files.get(&format!("files/{name}")).cloned();
            found.ok_or_else(|| invalid(format!("the overlay has no files/{name}")))
        };
        let (inner, context, of_render) = (self.plain(), self.context.clone(), find.clone());
        let calls = AtomicUsize::new(0);
        environment.add_function("fail", |problem: String| -> Result<(), Error> { Err(invalid(problem)) });
        environment.add_function("shared", shared);
        environment.add_function("file", move |name: String| find(&name));
        environment.add_function("render", move |name: String| {
            counted(&calls, MOST_RENDERED, "render")?;
            let source = of_render(&name)?;
            if source.len() > TEMPLATE_LIMIT {
                return Err(invalid(format!(
                    "files/{name}: expected at most {TEMPLATE_LIMIT} bytes in a template"
                )));
            }
            let made = inner.render_str(&source, &context);
            made.map_err(|error| invalid(format!("files/{name}: {}", told(&source, &error))))
        });
        environment
    }

    fn plain(&self) -> Environment<'static> {
        let mut environment = Environment::new();
        settle(&mut environment);
        // minijinja's own takes a name that is not known for null.
        environment.add_filter("tojson", |value: Value| match value.is_undefined() {
            true => Err(invalid("a value that is not known".to_owned())),
            false => serde_json::to_string(&value)
                .map(Value::from_safe_string)
                .map_err(|error| invalid(error.to_string())),
        });
        let (secrets, calls) = (self.secrets.clone(), AtomicUsize::new(0));
        environment.add_filter("bcrypt", move |text: String| {
            counted(&calls, MOST_HASHES, "bcrypt")?;
            bcrypt_of(&secrets, &text)
        });
        let secrets = self.secrets.clone();
        environment.add_filter("derive", move |text: String, name: String| derived(&secrets, &text, &name));
        environment
    }
}

/// How all templates are read and written.
fn settle(environment: &mut Environment<'_>) {
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // A line with nothing but a `{% block %}` leaves no line behind.
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    if let Ok(syntax) = syntax.build() {
        environment.set_syntax(syntax);
    }
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".yaml") { AutoEscape::Json } else { AutoEscape::None }
    });
    // What JSON leaves as it is, and YAML does not print.
    environment.set_formatter(|out, state, value| match (state.auto_escape(), value.as_str()) {
        (AutoEscape::Json, Some(text)) if !value.is_safe() => {
            out.write_str(&quoted(text)).map_err(Error::from)
        }
        _ => escape_formatter(out, state, value),
    });
}

/// Objects that several overlays have, with what differs as arguments: `shared("mariadb.yaml", namespace="shop", …)`.
fn shared(name: &str, arguments: Kwargs) -> Result<Value, Error> {
    let (_, source) = SHARED
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| invalid(format!("there is no shared {name}")))?;
    let known: Vec<(&str, Value)> =
        arguments.args().map(|key| Ok((key, arguments.get(key)?))).collect::<Result<_, Error>>()?;
    let mut environment = Environment::new();
    settle(&mut environment);
    let made = environment.render_named_str(name, source, Value::from_pairs(known));
    // It is YAML already.
    made.map(Value::from_safe_string)
        .map_err(|error| invalid(format!("shared {name}: {}", told(source, &error))))
}

/// Counts what takes its time.
fn counted(calls: &AtomicUsize, most: usize, what: &str) -> Result<(), Error> {
    if calls.fetch_add(1, Ordering::Relaxed) < most {
        return Ok(());
    }
    Err(invalid(format!("{what} is used more than {most} times in a template")))
}

/// A name as templates can write it.
fn word(name: &str) -> String {
    name.replace('-', "_")
}

/// The hash that Apache's htpasswd makes with `-B`. The salt follows from the text and a secret, so that it tells nothing of the
/// text and stays the same.
fn bcrypt_of(secrets: &SecretValues, text: &str) -> Result<String, Error> {
    let salt = match secrets {
        SecretValues::Masked if !text.starts_with(MASK) => {
            return Err(invalid("bcrypt is for secrets, and for them alone".to_owned()));
        }
        SecretValues::Masked => return Ok(format!("{MASK}hash of {text}>")),
        SecretValues::Real { salt, .. } => {
            salt.as_ref().ok_or_else(|| invalid("bcrypt is for secrets".to_owned()))?
        }
    };
    let digest = Sha256Digest::of(format!("{}\0{text}", salt.expose()).as_bytes());
    let mut salt = [0; 16];
    salt.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
    let hash = bcrypt::hash_with_salt(text, BCRYPT_COST, salt);
    let hash = hash.map_err(|error| invalid(format!("a password cannot be hashed: {error}")))?;
    Ok(hash.format_for_version(bcrypt::Version::TwoY))
}

/// A password of its own for each name, as long as those that are made. Who knows one learns neither the secret nor another.
fn derived(secrets: &SecretValues, secret: &str, name: &str) -> Result<String, Error> {
    if matches!(secrets, SecretValues::Masked) {
        return match secret.starts_with(MASK) {
            true => Ok(format!("{MASK}{name} from {secret}>")),
            false => Err(invalid("derive is for secrets, and for them alone".to_owned())),
        };
    }
    // 128 of 256 bits: nothing can be put behind what was hashed, and the length says where the secret ends.
    let digest = Sha256Digest::of(format!("hcimage derive {}\0{secret}\0{name}", secret.len()).as_bytes());
    Ok(digest.as_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

fn invalid(problem: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem)
}

/// Line, cause, and the part of the template that it is about.
fn told(source: &str, error: &Error) -> String {
    let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    let part = error.range().and_then(|range| source.get(range)).map(str::trim).unwrap_or_default();
    let part = if part.is_empty() { String::new() } else { format!(" in {part:?}") };
    // One of our own says all.
    if let (ErrorKind::InvalidOperation, Some(detail)) = (error.kind(), error.detail()) {
        return format!("{line}{detail}");
    }
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{line}{}{detail}{part}", error.kind())
}
