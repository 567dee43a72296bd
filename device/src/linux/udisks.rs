//! UDisks2, which a desktop has: it opens disks for those who may not, and lets polkit ask them for the password.
//!
//! The interfaces: `org.freedesktop.UDisks2.Manager`, `.Block` and `.Drive`, as its documentation has them. `OpenForRestore` is
//! deprecated since 2.7.3, and knows no flags; `OpenDevice` takes those of open(2).

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use zbus::{Connection, ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

const SERVICE: &str = "org.freedesktop.UDisks2";
const MANAGER: &str = "/org/freedesktop/UDisks2/Manager";

type Options<'a> = HashMap<&'a str, Variant<'a>>;

/// Opens a disk for reading and writing, with flags of open(2).
pub(super) fn open(path: &Path, flags: i32) -> io::Result<File> {
    let opened = zruntime::block_on(async {
        let bus = Connection::system().await?;
        let block = block(&bus, path).await?;
        let options = Options::from([("flags", Variant::from(flags))]);
        let interface = Some("org.freedesktop.UDisks2.Block");
        let answer =
            bus.call_method(Some(SERVICE), &block, interface, "OpenDevice", &("rw", options)).await?;
        let fd: zbus::OwnedFd = answer.body().deserialize()?;
        Ok(File::from(OwnedFd::from(fd)))
    });
    opened.map_err(|error: zbus::Error| {
        // What the kernel said to UDisks2 is in its words only.
        let busy = error.to_string().contains("busy");
        let kind = if busy { io::ErrorKind::ResourceBusy } else { io::ErrorKind::PermissionDenied };
        io::Error::new(kind, format!("UDisks2: {error}"))
    })
}

/// Ejects the drive that a disk is in.
pub(super) fn eject(path: &Path) -> zbus::Result<()> {
    zruntime::block_on(async {
        let bus = Connection::system().await?;
        let block = block(&bus, path).await?;
        let properties = Some("org.freedesktop.DBus.Properties");
        let wanted = ("org.freedesktop.UDisks2.Block", "Drive");
        let answer = bus.call_method(Some(SERVICE), &block, properties, "Get", &wanted).await?;
        let value: OwnedVariant = answer.body().deserialize()?;
        let drive = ObjectPath::try_from(value)?;
        let options = Options::new();
        bus.call_method(Some(SERVICE), &drive, Some("org.freedesktop.UDisks2.Drive"), "Eject", &(options,))
            .await?;
        Ok(())
    })
}

/// The object of a disk.
async fn block(bus: &Connection, path: &Path) -> zbus::Result<OwnedObjectPath> {
    let path = path.display().to_string();
    let wanted = Options::from([("path", Variant::from(path.as_str()))]);
    let arguments = (wanted, Options::new());
    let interface = Some("org.freedesktop.UDisks2.Manager");
    let answer = bus.call_method(Some(SERVICE), MANAGER, interface, "ResolveDevice", &arguments).await?;
    let found: Vec<OwnedObjectPath> = answer.body().deserialize()?;
    found.into_iter().next().ok_or_else(|| zbus::Error::Failure(format!("it does not know {path}")))
}
