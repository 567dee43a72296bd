//! cloud-init's own configuration: where it takes its data from. Read only.

use yaml_rust2::{Yaml, YamlLoader};

/// The data sources of some configuration files together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataSources {
    /// The sources that are tried, in their order.
    pub list: Vec<String>,
    /// Where NoCloud looks besides its own places, as written.
    pub seed: Option<String>,
}

/// Reads the files in the order in which cloud-init merges them (`cloud.cfg`, then `cloud.cfg.d/*.cfg` by name): the
/// last one that says something wins. A file that is no YAML says nothing, as cloud-init passes over it too.
pub fn datasources<'t>(files: impl IntoIterator<Item = &'t str>) -> DataSources {
    let mut found = DataSources::default();
    for document in files.into_iter().filter_map(|text| YamlLoader::load_from_str(text).ok()).flatten() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_file_that_says_something_wins() {
        let ubuntu =
            "datasource_list: [ NoCloud, None ]\ndatasource:\n  NoCloud:\n    fs_label: system-boot\n";
        let found = datasources(["datasource_list: [ Ec2 ]\n", "users: [default]\n", ubuntu, "a: b: c\n"]);
        assert_eq!(found.list, ["NoCloud", "None"]);
        assert_eq!(found.seed.as_deref(), Some("fs_label system-boot"));
        let pi_os = datasources(["datasource:\n  NoCloud:\n    seedfrom: file:///boot/firmware\n"]);
        assert_eq!(pi_os.seed.as_deref(), Some("seedfrom file:///boot/firmware"));
        assert_eq!(datasources([]), DataSources::default());
        assert_eq!(datasources(["- a list\n", ""]), DataSources::default());
    }
}
