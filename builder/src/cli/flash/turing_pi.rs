//! A module in a slot of a Turing Pi 2.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use hc_common::text::printable::printable;
use zeroize::Zeroizing;

use crate::disk::{ByteSize, PartitionTable, Window};
use crate::interrupt::Interrupt;
use crate::local_file;
use crate::progress;
use crate::turing_pi::{self, Access, Client, Host, Pins, Slot};
use crate::user_dirs;

use super::super::ask::confirm;
use super::super::output::{self, Usage};
use super::Args;

/// The most bytes of a file with a password.
const LONGEST_PASSWORD: u64 = 1024;

impl Args {
    pub(super) fn to_turing_pi(&self, what: &Path, host: &Host, slot: Slot) -> anyhow::Result<()> {
        if self.delta {
            return Err(Usage(
                "--delta reads the disk, and the controller only writes: leave it out".to_owned(),
            )
            .into());
        }
        let chosen = self.node.image(what)?;
        refuse_board(chosen.board.as_deref(), slot)?;
        let image = chosen.path.as_path();
        let shown = image.display().to_string();
        let file = local_file::open(image).with_context(|| format!("opening {shown}"))?;
        let window = Window::whole(Arc::new(file)).with_context(|| format!("reading {shown}"))?;
        // A packed image would be written as it is.
        PartitionTable::read(&window).with_context(|| format!("not writing {shown}"))?;
        self.confirm_module(host, slot, &shown, window.len())?;
        let dir = user_dirs::settings(|name| std::env::var_os(name));
        let pins = Pins::below(&dir.context("no directory for settings: set HOME")?);
        let kept = pins.path().display().to_string();
        let pinned = pins.get(host).with_context(|| format!("reading {kept}: fix or remove it"))?;
        let (progress, interrupt) = (progress::on_stderr(), Interrupt::install()?);
        let (user, password) = (self.controller.user.clone(), self.password(host)?);
        let client =
            Client::login(Access { host: host.clone(), user, password, pinned, pins: kept.clone() })?;
        if let (None, Some(seen)) = (pinned, client.certificate()) {
            pins.put(host, seen).with_context(|| format!("writing {kept}"))?;
            progress.message(&format!(
                "first contact with {host}: its certificate, SHA-256 {seen}, is kept in {kept}"
            ));
        }
        turing_pi::flash(client, slot, &window, &*progress, &interrupt)
            .with_context(|| format!("writing {shown} to slot {slot} of {host}"))?;
        let mut out = output::stdout();
        let (shown, size) = (printable(&shown), ByteSize(window.len()));
        writeln!(
            out,
            "slot {slot} of {host}: {size} of {shown} written, and read back by the controller; the module is on"
        )?;
        Ok(out.flush()?)
    }

    /// Asks once. A script says the place: HOST:SLOT.
    fn confirm_module(&self, host: &Host, slot: Slot, image: &str, size: u64) -> anyhow::Result<()> {
        let lost = format!(
            "The module in slot {slot} of {host} is powered off, and all that is on its eMMC will be lost."
        );
        let question = format!("Write {image} ({}) to it?", ByteSize(size));
        confirm(self.yes.as_deref(), &format!("{host}:{slot}"), &[lost], &question)
    }

    fn password(&self, host: &Host) -> anyhow::Result<Zeroizing<String>> {
        if let Some(path) = &self.controller.password_file {
            let text = local_file::read_text(path, LONGEST_PASSWORD).map(Zeroizing::new);
            let text = text.with_context(|| format!("reading {}", path.display()))?;
            return Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()));
        }
        if !io::stdin().is_terminal() {
            return Err(
                Usage("nobody is there to type the password: add --password-file FILE".to_owned()).into()
            );
        }
        let asked = rpassword::prompt_password(format!("Password of {} at {host}: ", self.controller.user));
        Ok(Zeroizing::new(asked.context("reading the password")?))
    }
}

/// The controller knows the CM4 and the RK1: said before anything is powered off, where the board is known.
fn refuse_board(board: Option<&str>, slot: Slot) -> anyhow::Result<()> {
    let Some(board) = board.filter(|board| board.ends_with("cm5")) else { return Ok(()) };
    bail!(
        "the controller of a Turing Pi cannot write to a CM5, and the image for slot {slot} is for {board}: write to it by rpiboot on a \
         carrier board of its own, or put its card or NVMe into a reader; see docs/flash.md"
    )
}
