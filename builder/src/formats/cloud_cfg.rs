//! cloud-init's configuration: its data sources. Read only.

use yaml_rust2::Yaml;

use super::yaml_load;

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

#[cfg(test)]
mod tests {
    use super::*;

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
