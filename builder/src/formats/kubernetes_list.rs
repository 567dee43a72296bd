//! Lists of Kubernetes objects: `kind: List` and the lists of single kinds, such as `ConfigMapList`.
//!
//! Their `items` are objects of their own: k3s applies each (kubectl's `List`, Kubernetes API conventions, "Lists and Simple
//! kinds").

use yaml_rust2::Yaml;

/// The objects of a document: itself, or what is in the list that it is, in lists in lists too.
///
/// The depth is that of the document, which [`super::yaml_load`] bounds.
pub fn objects(document: &Yaml) -> Vec<&Yaml> {
    let mut found = Vec::new();
    collect(document, &mut found);
    found
}

fn collect<'a>(yaml: &'a Yaml, found: &mut Vec<&'a Yaml>) {
    let is_list = yaml["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match yaml["items"].as_vec() {
        Some(items) if is_list => items.iter().for_each(|item| collect(item, found)),
        _ => found.push(yaml),
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml_load;
    use super::*;

    #[test]
    fn lists_in_lists_are_their_items() {
        let text = "kind: List\nitems:\n- {kind: Pod}\n- {kind: PodList, items: [{kind: A}, {kind: B}]}\n---\n\
                    kind: WhiteList\n---\nkind: Menu\nitems: [{kind: Dish}]\n";
        let documents = yaml_load::load(text).unwrap();
        let kinds: Vec<_> =
            documents.iter().flat_map(objects).map(|object| object["kind"].as_str()).collect();
        assert_eq!(kinds, ["Pod", "A", "B", "WhiteList", "Menu"].map(Some));
    }
}
