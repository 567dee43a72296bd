//! The types of single values in the file: how each is read, checked and described.

use std::net::IpAddr;
use std::str::FromStr;

use schemars::{Schema, json_schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::charts::{ChartName, ChartRepo, ChartVersion};
use crate::formats::helm_chart::FailurePolicy;
use crate::local_file::is_network_path_of_windows;
use crate::source::k3s_version::K3sVersionReq;
use crate::value::*;

use super::model::{Component, FlannelBackend, Format, WifiSecurity};
use super::problem::InvalidValue;

/// The value of one key.
pub(super) trait FieldType: Sized {
    /// Its type in TOML.
    type Raw: DeserializeOwned;

    /// Reads it. The error has the cause and the fix.
    fn from_raw(raw: Self::Raw) -> Result<Self, InvalidValue>;

    /// Describes it.
    fn schema() -> Schema;
}

/// Checks a string of one type; the error has the cause and the fix.
type Check = fn(&str) -> Result<(), InvalidValue>;

/// The check for the type with this `title` in the schema.
pub(super) fn check_of(title: &str) -> Option<Check> {
    // A folder is named as a file is.
    let title = if title == "folder" { "file" } else { title };
    CHECKS.iter().find(|(known, _)| *known == title).map(|(_, check)| *check)
}

fn read<T: FromStr<Err: Into<InvalidValue>>>(text: &str) -> Result<T, InvalidValue> {
    text.parse().map_err(Into::into)
}

/// Types that are strings, each with its name in the schema and the reference.
macro_rules! texts {
    ($($type:ty: $title:literal),* $(,)?) => {
        $(impl FieldType for $type {
            type Raw = String;

            fn from_raw(raw: String) -> Result<Self, InvalidValue> {
                read(&raw)
            }

            fn schema() -> Schema {
                json_schema!({ "type": "string", "title": $title })
            }
        })*

        const CHECKS: &[(&str, Check)] = &[
            $(($title, |text| read::<$type>(text).map(drop)),)*
        ];
    };
}

texts! {
    BoardName: "board",
    BoardSerial: "serial number",
    CaHash: "CA hash",
    ChartName: "chart name",
    ChartRepo: "chart repository",
    ChartVersion: "chart version",
    CountryCode: "country",
    DatastoreEndpoint: "datastore endpoint",
    DomainName: "domain name",
    EmailAddress: "mail address",
    FileName: "file",
    DirMode: "directory mode",
    DirName: "directory",
    FsLabel: "file system label",
    Gateway: "IP address",
    Host: "name or address",
    Hostname: "host name",
    ImageReference: "container image",
    InterfaceAddress: "address with prefix length",
    InterfaceName: "interface name",
    JoinToken: "token of a cluster",
    K3sVersionReq: "version or channel",
    KubeconfigMode: "file mode",
    LabelKey: "label key",
    LabelValue: "label value",
    MacAddress: "MAC address",
    MountPoint: "mount point",
    NodeAddress: "address or dhcp",
    PackageName: "package",
    DnsLabel: "name",
    PasswordHash: "password hash",
    Psk: "Wi-Fi password",
    Quantity: "quantity",
    RegistryName: "registry",
    RegistryUrl: "registry address",
    ServerAddress: "server address",
    SettingKey: "k3s key",
    SshKey: "SSH public key",
    Ssid: "Wi-Fi name",
    Subnet: "network",
    Taint: "taint",
    TimeServer: "time server",
    TimeZone: "time zone",
    TokenPassword: "token",
    UnitName: "unit",
    UserName: "user name",
    Word: "text",
    Line: "line of text",
}

/// A plain address: of a router or name server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gateway(pub(super) IpAddr);

impl FromStr for Gateway {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refusal =
            |_| InvalidValue::new(format!("invalid IP address {text:?}"), "use the form 192.168.1.1");
        text.parse().map(Self).map_err(refusal)
    }
}

/// Text that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word(pub(super) String);

impl FromStr for Word {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "" => Err(InvalidValue::new("the text is empty", "set a value or remove the key")),
            text if text.contains('\0') => {
                Err(InvalidValue::new("the text has a NUL character", "remove it"))
            }
            text => Ok(Self(text.to_owned())),
        }
    }
}

/// Text of one line that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line(pub(super) String);

impl FromStr for Line {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let Word(text) = read::<Word>(text)?;
        match text.chars().any(char::is_control) {
            true => Err(InvalidValue::new(
                "the text has a line break, a tab or another control character",
                "write it without",
            )),
            false => Ok(Self(text)),
        }
    }
}

/// The name of a board, as for `--board`. Whether it exists is checked against the profiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BoardName(pub(super) String);

impl FromStr for BoardName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        read::<Word>(text).map(|Word(text)| Self(text))
    }
}

/// A path; relative to the directory of the cluster file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName(pub(super) String);

impl FileName {
    /// What is behind the last separator of this system: on Windows also `\`.
    pub(super) fn last(&self) -> &str {
        self.0.rsplit(std::path::is_separator).next().unwrap_or_default()
    }
}

impl FromStr for FileName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.starts_with("~/") {
            let message = format!("{text:?} begins with ~, which only a shell expands");
            return Err(InvalidValue::new(message, "use the full path"));
        }
        if cfg!(windows) && is_network_path_of_windows(text) {
            let message = format!(
                "{text:?} is on another machine, at which Windows would log in for whoever wrote this file"
            );
            return Err(InvalidValue::new(
                message,
                "copy it beside the cluster file, or give the share a drive letter",
            ));
        }
        read::<Word>(text).map(|Word(text)| Self(text))
    }
}

/// A key of k3s's configuration file: a long flag without the leading hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SettingKey(pub(super) String);

impl FromStr for SettingKey {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if text.is_empty() || text.starts_with('-') || !text.bytes().all(plain) {
            let hint = "use a k3s flag without the leading hyphens, such as kubelet-arg";
            return Err(InvalidValue::new(format!("invalid k3s key {text:?}"), hint));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FieldType for bool {
    type Raw = Self;

    fn from_raw(raw: Self) -> Result<Self, InvalidValue> {
        Ok(raw)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

impl FieldType for u32 {
    type Raw = Self;

    fn from_raw(raw: Self) -> Result<Self, InvalidValue> {
        Ok(raw)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": Self::MAX })
    }
}

/// Whole numbers of a range.
macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl FieldType for $type {
            type Raw = u32;

            fn from_raw(raw: u32) -> Result<Self, InvalidValue> {
                Self::try_from(raw).map_err(Into::into)
            }

            fn schema() -> Schema {
                json_schema!({ "type": "integer", "minimum": Self::LEAST, "maximum": Self::MOST })
            }
        })*
    };
}

numbers!(Mtu, VlanId);

/// Types with a fixed set of values.
macro_rules! choices {
    ($($type:ty { $($word:literal => $value:expr),* $(,)? })*) => {
        $(impl FieldType for $type {
            type Raw = String;

            fn from_raw(raw: String) -> Result<Self, InvalidValue> {
                match raw.as_str() {
                    $($word => Ok($value),)*
                    _ => {
                        let hint = format!("use one of: {}", [$($word),*].join(", "));
                        Err(InvalidValue::new(format!("unknown value {raw:?}"), hint))
                    }
                }
            }

            fn schema() -> Schema {
                json_schema!({ "type": "string", "enum": [$($word),*] })
            }
        })*
    };
}

/// The kind of datastore, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatastoreKind {
    Sqlite,
    Etcd,
    External,
}

choices! {
    Role { "server" => Self::Server, "agent" => Self::Agent }
    DatastoreKind { "sqlite" => Self::Sqlite, "etcd" => Self::Etcd, "external" => Self::External }
    WifiSecurity { "wpa2" => Self::Wpa2, "wpa3" => Self::Wpa3 }
    Format { "never" => Self::Never, "if-blank" => Self::IfBlank }
    FailurePolicy { "abort" => Self::Abort, "reinstall" => Self::Reinstall, "retry" => Self::Retry }
    FlannelBackend {
        "vxlan" => Self::Vxlan,
        "host-gw" => Self::HostGw,
        "wireguard-native" => Self::WireguardNative,
        "none" => Self::None,
    }
    Component {
        "coredns" => Self::Coredns,
        "gateway-api-crd" => Self::GatewayApiCrd,
        "local-storage" => Self::LocalStorage,
        "metrics-server" => Self::MetricsServer,
        "runtimes" => Self::Runtimes,
        "servicelb" => Self::Servicelb,
        "traefik" => Self::Traefik,
    }
}

/// A secret, or the file that contains it.
#[derive(Debug, Clone)]
pub(super) enum SecretSource<T> {
    /// In the cluster file itself.
    Here(T),
    /// In a separate file, whose final newline is ignored.
    File(FileName),
}

/// The TOML form of a secret.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawSecret {
    Here(String),
    File { file: String },
}

/// A secret that the cluster file can contain.
pub(super) trait SecretText: Sized {
    /// Its name in the schema and the reference.
    const TITLE: &'static str;

    /// Reads it; the error does not repeat it.
    fn read(text: &str) -> Result<Self, InvalidValue>;
}

impl<T: SecretText> FieldType for SecretSource<T> {
    type Raw = RawSecret;

    fn from_raw(raw: RawSecret) -> Result<Self, InvalidValue> {
        match raw {
            RawSecret::Here(text) => T::read(&text).map(Self::Here),
            RawSecret::File { file } => read(&file).map(Self::File),
        }
    }

    fn schema() -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "title": T::TITLE },
                {
                    "type": "object",
                    "properties": { "file": FileName::schema() },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ],
            "writeOnly": true,
        })
    }
}

macro_rules! secrets {
    ($($type:ty: $title:literal),* $(,)?) => {
        $(impl SecretText for $type {
            const TITLE: &'static str = $title;

            fn read(text: &str) -> Result<Self, InvalidValue> {
                read(text)
            }
        })*
    };
}

secrets! {
    DatastoreEndpoint: "datastore endpoint",
    JoinToken: "token of a cluster",
    PasswordHash: "password hash",
    Psk: "Wi-Fi password",
    TokenPassword: "token",
}

impl SecretText for Secret {
    const TITLE: &'static str = "text";

    fn read(text: &str) -> Result<Self, InvalidValue> {
        read::<Word>(text).map(|Word(text)| Secret::new(text))
    }
}
