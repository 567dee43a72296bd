//! Parameters of an overlay, which the cluster file sets in `[overlays.NAME]`.

use serde::{Deserialize, Serialize};

use super::user_folder::UserFolder;

/// A parameter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Parameter {
    /// What it may be.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// What it means, for its user.
    pub help: String,
    /// What it is where nobody sets it. Without a default it must be set, unless it is optional.
    pub default: Option<ParameterValue>,
    /// Whether it may be left out: templates then see an empty text or list, 0 or
    /// `false`.
    #[serde(default)]
    pub optional: bool,
    /// A value for documents.
    pub example: Option<ParameterValue>,
    /// The least that a number may be.
    pub minimum: Option<i64>,
    /// The most that a number may be.
    pub maximum: Option<i64>,
    /// The only texts that it may be.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterType {
    /// A text of one line.
    Text,
    /// Such texts.
    Texts,
    /// A text of several lines, such as a certificate.
    Lines,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// A name such as `cloud.example.org`.
    DomainName,
    /// Such names.
    DomainNames,
    /// A name or an address.
    Host,
    /// An IP address.
    Address,
    /// An address with its prefix length, such as `192.168.1.0/24`.
    Network,
    /// Such networks.
    Networks,
    /// A name of one word, as of a namespace.
    Name,
    /// Such names.
    Names,
    /// The name of a node of the cluster.
    Node,
    /// Such names.
    Nodes,
    /// Disks that the overlay takes whole, each as `NODE:PATH`.
    Disks,
    /// An address of the nodes' network that nothing else has.
    FreeAddress,
    /// Networks or ranges of such addresses, such as `192.168.1.240-192.168.1.250`.
    FreeAddresses,
    /// An amount as Kubernetes writes it, such as `10Gi`.
    Quantity,
    /// An address for mail.
    Email,
    /// A folder of the user's, relative to the cluster file, whose files go onto nodes.
    Folder,
}

impl Parameter {
    /// Whether the cluster file must set it.
    pub fn is_required(&self) -> bool {
        self.default.is_none() && !self.optional
    }

    /// Whether a list must have something in it: one that may be left out, or is empty by default, means nothing where it is empty.
    pub fn is_never_empty(&self) -> bool {
        let is_empty =
            |value: &ParameterValue| matches!(value, ParameterValue::List(items) if items.is_empty());
        !self.optional && !self.default.as_ref().is_some_and(is_empty)
    }

    /// Default, example and choices are what the type says.
    pub(super) fn check(&self) -> Result<(), String> {
        let (kind, _) = self.kind.schema();
        // Which files of a machine go into an image is for its user to say.
        if self.kind == ParameterType::Folder && self.default.is_some() {
            return Err("a folder has no default: give it an example".to_owned());
        }
        if !self.choices.is_empty() && !matches!(self.kind, ParameterType::Text | ParameterType::Texts) {
            return Err("choices are for the types text and texts".to_owned());
        }
        let is_choice = |text: &String| self.choices.is_empty() || self.choices.contains(text);
        for (what, value) in [("default", &self.default), ("example", &self.example)] {
            let Some(value) = value else { continue };
            let fits = match value {
                ParameterValue::Switch(_) => kind == "boolean",
                ParameterValue::Number(number) => {
                    kind == "integer"
                        && self.minimum.is_none_or(|least| *number >= least)
                        && self.maximum.is_none_or(|most| *number <= most)
                }
                ParameterValue::Text(text) => kind == "string" && is_choice(text),
                ParameterValue::Folder(_) => false,
                ParameterValue::List(items) => kind == "array" && items.iter().all(is_choice),
            };
            if !fits {
                return Err(format!("its {what} is no value that it may have"));
            }
        }
        Ok(())
    }
}

impl ParameterType {
    /// Its type and title in the schema of the cluster file; the title names the check.
    pub fn schema(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Text => ("string", Some("line of text")),
            Self::Texts => ("array", Some("line of text")),
            Self::Lines => ("string", Some("text")),
            Self::Number => ("integer", None),
            Self::Switch => ("boolean", None),
            Self::DomainName => ("string", Some("domain name")),
            Self::DomainNames => ("array", Some("domain name")),
            Self::Host => ("string", Some("name or address")),
            Self::Address => ("string", Some("IP address")),
            Self::Network => ("string", Some("network")),
            Self::Networks => ("array", Some("network")),
            Self::Name => ("string", Some("name")),
            Self::Names => ("array", Some("name")),
            Self::Node => ("string", Some("host name")),
            Self::Nodes => ("array", Some("host name")),
            Self::Disks => ("array", Some("line of text")),
            Self::FreeAddress => ("string", Some("IP address")),
            Self::FreeAddresses => ("array", Some("line of text")),
            Self::Quantity => ("string", Some("quantity")),
            Self::Email => ("string", Some("mail address")),
            Self::Folder => ("string", Some("folder")),
        }
    }

    /// What templates see where an optional one is not set.
    pub fn nothing(self) -> ParameterValue {
        if self == Self::Folder {
            return ParameterValue::Folder(UserFolder::default());
        }
        match self.schema().0 {
            "array" => ParameterValue::List(Vec::new()),
            "integer" => ParameterValue::Number(0),
            "boolean" => ParameterValue::Switch(false),
            _ => ParameterValue::Text(String::new()),
        }
    }
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum ParameterValue {
    /// `true` or `false`.
    Switch(bool),
    /// A whole number.
    Number(i64),
    /// A text, whatever it means.
    Text(String),
    /// Texts.
    List(Vec<String>),
    /// A folder of the user's, which was looked at: no text becomes one.
    #[serde(skip_deserializing)]
    Folder(UserFolder),
}
