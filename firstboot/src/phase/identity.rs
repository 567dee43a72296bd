//! The machine has its name, and an id of its own.

use std::path::Path;
use std::time::Duration;

use super::Phase;
use crate::context::Context;
use crate::durable;
use crate::state::PhaseName;
use crate::trouble::Trouble;

const HOSTNAME_PATH: &str = "/etc/hostname";
const MACHINE_ID_PATH: &str = "/etc/machine-id";

pub(super) struct Identity;

impl Phase for Identity {
    fn name(&self) -> PhaseName {
        PhaseName::Identity
    }

    /// systemd writes the machine id early in every boot; a minute is plenty.
    fn limit(&self, _cx: &Context<'_>) -> Duration {
        Duration::from_secs(60)
    }

    fn is_true(&self, cx: &Context<'_>) -> Result<bool, Trouble> {
        Ok(is_named(cx) && has_machine_id(cx))
    }

    /// Names the machine now and for later boots (cloud-init may have put back another name).
    fn act(&self, cx: &mut Context<'_>) -> Result<(), Trouble> {
        let name = &cx.seed.node.hostname;
        let failed = |e| {
            let advice =
                "check that the card is not full or worn out (dmesg), then power the node off and on";
            Trouble::lasting(format!("setting the host name to {name}: {e}"), advice)
        };
        if stored_name(cx) != *name {
            let content = format!("{name}\n");
            durable::replace(cx.sys, Path::new(HOSTNAME_PATH), content.as_bytes(), 0o644).map_err(failed)?;
        }
        if cx.sys.hostname() != *name {
            cx.sys.set_hostname(name).map_err(failed)?;
        }
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, Trouble> {
        if !is_named(cx) {
            let what = format!("the host name is {} and not {}", cx.sys.hostname(), cx.seed.node.hostname);
            return Err(Trouble::passing(
                what,
                "look for a program that sets another one (cloud-init, DHCP)",
            ));
        }
        if !has_machine_id(cx) {
            let what = format!("{MACHINE_ID_PATH} holds no machine id yet");
            return Err(Trouble::passing(
                what,
                "check that /etc is writable, then power the node off and on",
            ));
        }
        Ok(Vec::new())
    }
}

fn is_named(cx: &Context<'_>) -> bool {
    let name = &cx.seed.node.hostname;
    cx.sys.hostname() == *name && stored_name(cx) == *name
}

fn stored_name(cx: &Context<'_>) -> String {
    text(cx, HOSTNAME_PATH)
}

/// 32 hex digits (machine-id(5)); before that the file is empty or says `uninitialized`.
fn has_machine_id(cx: &Context<'_>) -> bool {
    let id = text(cx, MACHINE_ID_PATH);
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The trimmed content; empty where the file is missing, which is judged the same.
fn text(cx: &Context<'_>, path: &str) -> String {
    let bytes = cx.sys.read(Path::new(path)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
