//! The forms that a single value of the file can have: how each is read, checked and described.

use std::net::IpAddr;
use std::str::FromStr;

use schemars::{Schema, json_schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::source::k3s_version::K3sVersionReq;
use crate::value::*;

use super::model::{Component, FlannelBackend, Format};
use super::problem::InvalidValue;

/// A value that stands behind one key.
pub(super) trait FieldType: Sized {
    /// What TOML has for it.
    type Raw: DeserializeOwned;

    /// Reads it. The message says what is wrong and what to write instead.
    fn from_raw(raw: Self::Raw) -> Result<Self, InvalidValue>;

    /// Describes it.
    fn schema() -> Schema;
}

/// Checks a text of one form; the error says what is wrong and what to write instead.
type Check = fn(&str) -> Result<(), InvalidValue>;

/// The check for the form that a schema calls by this `title`.
pub(super) fn check_of(title: &str) -> Option<Check> {
    CHECKS.iter().find(|(known, _)| *known == title).map(|(_, check)| *check)
}

fn read<T: FromStr<Err: Into<InvalidValue>>>(text: &str) -> Result<T, InvalidValue> {
    text.parse().map_err(Into::into)
}

/// Forms that are text, each with its name in documents.
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
    CountryCode: "country",
    DatastoreEndpoint: "datastore endpoint",
    DomainName: "domain name",
    FileName: "file",
    DirMode: "directory mode",
    DirName: "folder",
    FsLabel: "file system label",
    Gateway: "IP address",
    Host: "name or address",
    Hostname: "host name",
    InterfaceName: "interface name",
    K3sVersionReq: "version or channel",
    KubeconfigMode: "file mode",
    LabelKey: "label key",
    LabelValue: "label value",
    MacAddress: "MAC address",
    MountPoint: "mount point",
    NodeAddress: "address or dhcp",
    DnsLabel: "name",
    PasswordHash: "password hash",
    Psk: "Wi-Fi password",
    RegistryName: "registry",
    RegistryUrl: "registry address",
    SettingKey: "key of k3s",
    SshKey: "SSH public key",
    Ssid: "Wi-Fi name",
    Subnet: "network",
    Taint: "taint",
    TimeServer: "time server",
    TimeZone: "time zone",
    UserName: "user name",
    Word: "text",
}

/// An address as it stands: a router or name server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gateway(pub(super) IpAddr);

impl FromStr for Gateway {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refusal =
            |_| InvalidValue::new(format!("{text:?} is not an IP address"), "write it like 192.168.1.1");
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
            "" => Err(InvalidValue::new("the text is empty", "write something or leave the key out")),
            text if text.contains('\0') => {
                Err(InvalidValue::new("the text has a NUL character", "leave it out"))
            }
            text => Ok(Self(text.to_owned())),
        }
    }
}

/// A board, as `--board` takes it. Whether there is one, the profiles know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BoardName(pub(super) String);

impl FromStr for BoardName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        read::<Word>(text).map(|Word(text)| Self(text))
    }
}

/// A file of the user's; relative paths begin at the cluster file's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName(pub(super) String);

impl FromStr for FileName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.starts_with("~/") {
            let message = format!("{text:?} begins with ~, which only a shell replaces");
            return Err(InvalidValue::new(message, "write the whole path"));
        }
        read::<Word>(text).map(|Word(text)| Self(text))
    }
}

/// A key of k3s's configuration file: a long flag without its hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SettingKey(pub(super) String);

impl FromStr for SettingKey {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if text.is_empty() || text.starts_with('-') || !text.bytes().all(plain) {
            let hint = "write a flag of k3s without its two hyphens, such as kubelet-arg";
            return Err(InvalidValue::new(format!("{text:?} is not a key of k3s"), hint));
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

impl FieldType for VlanId {
    type Raw = u32;

    fn from_raw(raw: u32) -> Result<Self, InvalidValue> {
        Self::try_from(raw).map_err(Into::into)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": Self::LEAST, "maximum": Self::MOST })
    }
}

/// Forms that are one of a few words.
macro_rules! choices {
    ($($type:ty { $($word:literal => $value:expr),* $(,)? })*) => {
        $(impl FieldType for $type {
            type Raw = String;

            fn from_raw(raw: String) -> Result<Self, InvalidValue> {
                match raw.as_str() {
                    $($word => Ok($value),)*
                    _ => {
                        let hint = format!("write one of: {}", [$($word),*].join(", "));
                        Err(InvalidValue::new(format!("{raw:?} is not known here"), hint))
                    }
                }
            }

            fn schema() -> Schema {
                json_schema!({ "type": "string", "enum": [$($word),*] })
            }
        })*
    };
}

/// Which datastore, before its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatastoreKind {
    Sqlite,
    Etcd,
    External,
}

choices! {
    Role { "server" => Self::Server, "agent" => Self::Agent }
    DatastoreKind { "sqlite" => Self::Sqlite, "etcd" => Self::Etcd, "external" => Self::External }
    Format { "never" => Self::Never, "if-blank" => Self::IfBlank }
    FlannelBackend {
        "vxlan" => Self::Vxlan,
        "host-gw" => Self::HostGw,
        "wireguard-native" => Self::WireguardNative,
        "none" => Self::None,
    }
    Component {
        "coredns" => Self::Coredns,
        "local-storage" => Self::LocalStorage,
        "metrics-server" => Self::MetricsServer,
        "runtimes" => Self::Runtimes,
        "servicelb" => Self::Servicelb,
        "traefik" => Self::Traefik,
    }
}

/// A secret as it is written, or the file that holds it.
#[derive(Debug, Clone)]
pub(super) enum SecretSource<T> {
    /// In the cluster file itself.
    Here(T),
    /// In a file of its own, whose closing line end does not count.
    File(FileName),
}

/// What TOML has for a secret.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawSecret {
    Here(String),
    File { file: String },
}

/// A secret that the cluster file may hold.
pub(super) trait SecretText: Sized {
    /// How documents call it.
    const TITLE: &'static str;

    /// Reads it; the message does not repeat it.
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
    PasswordHash: "password hash",
    Psk: "Wi-Fi password",
}

impl SecretText for Secret {
    const TITLE: &'static str = "text";

    fn read(text: &str) -> Result<Self, InvalidValue> {
        read::<Word>(text).map(|Word(text)| Secret::new(text))
    }
}
