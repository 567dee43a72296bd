//! cloud-init's own configuration: its data sources, and what it says of swap.

use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

use super::EditError;
use super::cloud_swap;
use super::yaml_load;

/// The main file.
pub const PATH: &str = "/etc/cloud/cloud.cfg";
/// The directory of further files, which are read in the order of their names.
pub const DIR: &str = "/etc/cloud/cloud.cfg.d";

/// The data sources of a set of configuration files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataSources {
    /// The sources, in order.
    pub list: Vec<String>,
    /// The additional place of NoCloud, as written.
    pub seed: Option<String>,
}

/// Reads the files in the order of cloud-init's merge (`cloud.cfg`, then `cloud.cfg.d/*.cfg` by name): the last value
/// wins. A file that is not valid YAML is ignored, as by cloud-init.
pub fn datasources<'t>(files: impl IntoIterator<Item = &'t str>) -> DataSources {
    let mut found = DataSources::default();
    for document in files.into_iter().filter_map(|text| yaml_load::load(text).ok()).flatten() {
        if let Some(list) = document["datasource_list"].as_vec() {
            found.list = list.iter().filter_map(Yaml::as_str).map(str::to_owned).collect();
        }
        let nocloud = &document["datasource"]["NoCloud"];
        for key in ["fs_label", "seedfrom"] {
            if let Some(value) = nocloud[key].as_str() {
                found.seed = Some(format!("{key} {value}"));
            }
        }
    }
    found
}

/// The keys by which these files switch swap on, each with the number of its file. Of several values of `swap` the last wins.
pub fn swap_keys<'t>(files: impl IntoIterator<Item = &'t str>) -> Vec<(usize, &'static str)> {
    let mut found: Vec<(usize, &'static str)> = Vec::new();
    for (number, text) in files.into_iter().enumerate() {
        let Some(settings) = settings(text) else { continue };
        if settings.contains_key(&Yaml::String(cloud_swap::SWAP.to_owned())) {
            found.retain(|(_, key)| *key != cloud_swap::SWAP);
        }
        found.extend(cloud_swap::keys(&settings).into_iter().map(|key| (number, key)));
    }
    found
}

/// The text without lines for swap in `mounts`; the key `swap` is overruled by a file of ours.
pub fn without_swap_lines(text: &str) -> Result<String, EditError> {
    let Some(original) = settings(text) else { return Ok(text.to_owned()) };
    let mut wanted = original.clone();
    if !cloud_swap::without_swap_lines(&mut wanted) {
        return Ok(text.to_owned());
    }
    let edited = cloud_swap::edit(text, &original)?;
    // Nothing is left of a file that had nothing else.
    if settings(&edited).unwrap_or_default() == wanted {
        return Ok(edited);
    }
    Err(EditError::UnusualYaml { key: cloud_swap::MOUNTS.to_owned() })
}

/// The settings of a file; none where it is not valid, and ignored by cloud-init.
fn settings(text: &str) -> Option<Hash> {
    yaml_load::load(text).ok()?.into_iter().next()?.into_hash()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_of_the_last_file_counts_and_lines_of_each() {
        let (swap, lines) = ("swap: {size: 1G}\n", "mounts: [[a, none, swap]]\n");
        assert_eq!(swap_keys([swap, lines]), [(0, "swap"), (1, "mounts")]);
        assert_eq!(swap_keys([swap, lines, "swap: {size: 0}\n"]), [(1, "mounts")]);
        assert_eq!(swap_keys([swap, "swap: {size: 2G}\n", "a: b: c\n"]), [(1, "swap")]);
        assert_eq!(
            without_swap_lines("a: 1\nmounts:\n- [b, none, swap]\n- [c, /c]\n").as_deref(),
            Ok("a: 1\nmounts:\n- [c, /c]\n")
        );
        assert_eq!(without_swap_lines("mounts:\n- [b, none, swap]\n").as_deref(), Ok(""));
        assert_eq!(without_swap_lines("a: b: c\n").as_deref(), Ok("a: b: c\n"));
        assert!(without_swap_lines("mounts: [[c, /c], [b, none, swap]]\n").is_err());
    }

    #[test]
    fn the_last_value_wins() {
        let ubuntu =
            "datasource_list: [ NoCloud, None ]\ndatasource:\n  NoCloud:\n    fs_label: system-boot\n";
        let found = datasources(["datasource_list: [ Ec2 ]\n", "users: [default]\n", ubuntu, "a: b: c\n"]);
        assert_eq!(found.list, ["NoCloud", "None"]);
        assert_eq!(found.seed.as_deref(), Some("fs_label system-boot"));
        let pi_os = datasources(["datasource:\n  NoCloud:\n    seedfrom: file:///boot/firmware\n"]);
        assert_eq!(pi_os.seed.as_deref(), Some("seedfrom file:///boot/firmware"));
        assert_eq!(datasources([]), DataSources::default());
        assert_eq!(datasources(["- a list\n", ""]), DataSources::default());
        for deep in ["- ", "? ", "[", "{a: "] {
            assert_eq!(datasources([deep.repeat(100_000).as_str()]), DataSources::default());
        }
        let steps: String = (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert_eq!(datasources([steps.as_str()]), DataSources::default());
    }
}
