//! The first-boot service: program, units, and the seed that tells it what to expect.

use std::path::PathBuf;

use hc_firstboot::seed::{self, BundleFile, Clock, K3s, Network, Node, Report, Seed};
use hc_firstboot::{PROGRAM_PATH, UNIT};

use crate::source::k3s_release::ReleaseFile;
use crate::value::FolderName;

use super::draft::Draft;
use super::edit::Content;
use super::error::PlanError;
use super::k3s::{BINARY, ROLE, images_path};
use super::request::Request;

/// Only root looks in here.
const SEED_FOLDER: &str = "/etc/hcimage";

/// systemd enables everything that has an [Install] section when it finds no machine id, unless a preset says no.
const PRESET_PATH: &str = "/etc/systemd/system-preset/00-hcimage.preset";
const PRESET: &str = "# Written by hcimage: firstboot enables k3s, when the node is ready for it.\n\
                      enable hc-firstboot.service\n\
                      disable k3s.service\n\
                      disable k3s-agent.service\n";

pub(super) fn edits(draft: &mut Draft, request: &Request) -> Result<(), PlanError> {
    draft.file(
        PROGRAM_PATH,
        0o755,
        Content::Bytes(request.firstboot.to_vec()),
        "finishes the node on its first boot",
    );
    let unit = format!("/etc/systemd/system/{UNIT}");
    draft.text(&unit, 0o644, hc_firstboot::UNIT_TEXT, "runs firstboot until it is done");
    draft.link(&format!("/etc/systemd/system/multi-user.target.wants/{UNIT}"), &unit, "enabled");
    draft.text(
        &format!("/etc/systemd/system/{}.d/10-hcimage.conf", ROLE.unit()),
        0o644,
        hc_firstboot::CLOCK_GATE_TEXT,
        "k3s waits for a sane clock at every start",
    );
    draft.text(PRESET_PATH, 0o644, PRESET, "systemd's first boot must not enable k3s before firstboot does");
    let seed = seed(draft, request).to_toml()?;
    draft.folder(SEED_FOLDER, 0o700, "for the seed");
    draft.text(seed::SEED_PATH, 0o600, seed, "what firstboot needs to know");
    Ok(())
}

fn seed(draft: &Draft, request: &Request) -> Seed {
    Seed {
        schema: seed::SCHEMA,
        node: Node { hostname: request.hostname.to_string() },
        network: Network { address: request.network.as_ref().map(|n| n.address().ip()), wait_seconds: 120 },
        clock: Clock {
            floor: u64::try_from(request.time).unwrap_or(0),
            ntp: request.ntp.iter().map(ToString::to_string).collect(),
            wait_seconds: 60,
            require_ntp: false,
        },
        data_disk: Some(data_disk(request)),
        // A Pi with a slow card takes minutes to import the images before its node is Ready.
        k3s: K3s { unit: ROLE.unit().to_owned(), ready_seconds: 1800 },
        report: Report { boot_folder: PathBuf::from(draft.facts.boot_folder.as_str()) },
        bundle: vec![
            bundle(BINARY, &request.k3s.binary),
            bundle(&images_path(request), &request.k3s.airgap_images),
        ],
    }
}

fn data_disk(request: &Request) -> seed::DataDisk {
    seed::DataDisk {
        label: request.data_disk.label.to_string(),
        mount: request.data_disk.mount.as_path().to_owned(),
        required: request.data_disk.required,
        wait_seconds: if request.data_disk.required { 60 } else { 5 },
        folders: request.data_disk.folders.iter().map(folder).collect(),
    }
}

fn folder(folder: &FolderName) -> seed::Folder {
    seed::Folder { path: PathBuf::from(folder.as_str()), mode: 0o755, uid: 0, gid: 0 }
}

fn bundle(path: &str, file: &ReleaseFile) -> BundleFile {
    BundleFile { path: PathBuf::from(path), size: file.size, sha256: file.sha256.to_string() }
}
