//! Overlays of an earlier image, where the cluster is older than the card: k3s does not notice that their files are gone, and the cluster
//! goes on with them. Nothing is taken away here: their data may be wanted.

use hc_common::overlay::{EMPTIED_TEXT, RECORD_PREFIX};

use crate::digest::sha256;
use crate::kube::{Addon, bounded};

/// A sentence on them, if there are any.
pub(super) fn note(addons: &[Addon], own: &[String]) -> Option<String> {
    let names = names(addons, own);
    (!names.is_empty()).then(|| {
        let text = format!(
            "the cluster still has overlays that this image has not ({}): `hcimage overlays remove NAME --files-are-gone`",
            names.join(", ")
        );
        bounded(&text)
    })
}

/// Their names, in order.
fn names<'a>(addons: &'a [Addon], own: &[String]) -> Vec<&'a str> {
    let emptied = sha256(EMPTIED_TEXT.as_bytes());
    let others = addons.iter().filter(|addon| !own.contains(&addon.metadata.name));
    let mut names: Vec<&str> = others
        .filter(|addon| addon.spec.checksum != emptied)
        .filter_map(|addon| addon.metadata.name.strip_prefix(RECORD_PREFIX))
        .collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_that_are_neither_ones_own_nor_emptied_are_left_over() {
        let addon = |name: &str, checksum: &str| -> Addon {
            let spec = json!({"metadata": {"name": name}, "spec": {"checksum": checksum}});
            serde_json::from_value(spec).unwrap()
        };
        // By coreutils: printf '# removed\n' | sha256sum.
        let emptied = "74a316c45666e9f76fd9a6943f3b2b405f17b3f967af5572a0b7c19dd1b6b991";
        let addons = [
            addon("coredns", "00"),
            addon("shop", "00"),
            addon("hcimage-overlay-shop", "00"),
            addon("hcimage-overlay-mosquitto", ""),
            addon("hcimage-overlay-dyndns", "00"),
            addon("hcimage-overlay-backup", emptied),
        ];
        let own = ["shop", "hcimage-overlay-shop"].map(str::to_owned);
        assert_eq!(names(&addons, &own), ["dyndns", "mosquitto"]);
        let own = ["hcimage-overlay-dyndns", "hcimage-overlay-mosquitto", "hcimage-overlay-shop"];
        assert!(names(&addons, &own.map(str::to_owned)).is_empty());
    }
}
