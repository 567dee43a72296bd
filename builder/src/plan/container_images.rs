//! Whether the nodes have all images that the manifests ask for: what is not there would be pulled, and where there is no
//! network the pod would never start.

use crate::cluster::{Container, Node};
use crate::source::k3s_release::K3sBundle;
use crate::value::ImageReference;

/// A node, and the container images that it has from the start.
#[derive(Debug, Clone)]
pub struct NodeImages<'a> {
    /// The node.
    pub node: &'a Node,
    /// Its processor as Go names it: `arm64`.
    pub arch: &'static str,
    /// The images of k3s, and the user's.
    pub names: Vec<ImageReference>,
}

/// The images in k3s' own archive.
pub fn of_k3s(k3s: &K3sBundle) -> impl Iterator<Item = ImageReference> + '_ {
    k3s.airgap_images.image_names.iter().filter_map(|name| name.parse().ok())
}

/// A line for each container that may run where its image is not: where it is, the image, and the fix. `place` is the file that
/// the containers are in.
pub fn pulled(place: &str, containers: &[Container], nodes: &[NodeImages<'_>]) -> Vec<String> {
    let mut said = Vec::new();
    for container in containers {
        let Some(problem) = problem(container, nodes) else { continue };
        let Container { workload, name, .. } = container;
        let line = format!("{place}: {workload}, container {name}: {problem}");
        if !said.contains(&line) {
            said.push(line);
        }
    }
    said
}

/// Why a container would need a registry.
fn problem(container: &Container, nodes: &[NodeImages<'_>]) -> Option<String> {
    let image = match container.image.parse::<ImageReference>() {
        Ok(image) => image,
        Err(invalid) => return Some(invalid.to_string()),
    };
    if container.always_pulls {
        return Some(format!(
            "{image} is asked of its registry at every start: set imagePullPolicy to IfNotPresent"
        ));
    }
    if image.floats() {
        return Some(format!("{image} has no fixed version: name a tag other than latest, or a digest"));
    }
    let has = |of: &&NodeImages<'_>| of.names.iter().any(|name| image.is_met_by(name));
    let Some(one) = nodes.iter().find(has) else {
        return Some(format!("{image} is not on the nodes: add it to [[images]]"));
    };
    // Without a node for it, its labels come later.
    let may_run = |of: &&NodeImages<'_>| container.placement.allows(of.node, of.arch);
    let lack: Vec<&str> =
        nodes.iter().filter(|of| may_run(of) && !has(of)).map(|of| of.node.name.as_str()).collect();
    if lack.is_empty() || container.placement.has_node_affinity() {
        return None;
    }
    Some(format!(
        "{image} is not on {}, where its pod may run: keep it off by a nodeSelector, such as kubernetes.io/hostname: {}, or \
         give all nodes the image",
        some_of(&lack),
        one.node.name
    ))
}

/// Names in a message: a cluster may have a hundred.
fn some_of(names: &[&str]) -> String {
    const MOST: usize = 3;
    let shown: Vec<&str> = names.iter().copied().take(MOST).collect();
    match names.len().saturating_sub(MOST) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::board::Boards;
    use crate::cluster::{self, LoadContext, Manifest};
    use crate::overlays::Library;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// What is said of a pod with these fields in a cluster whose agents `a` and `b` have other images than the server `s`.
    fn said_of_pod(fields: &str) -> Vec<String> {
        let manifest = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: shop}}\nspec: {{{fields}}}\n"
        );
        let pinned = format!("quay.io/a/b:1@sha256:{DIGEST}");
        let everywhere = ["docker.io/library/nginx:1.31", &pinned].map(|name| name.parse().unwrap());
        let text = "schema = 1\nname = \"lab\"\napi = \"10.0.0.1\"\n\
             [[nodes]]\nname = \"s\"\nrole = \"server\"\nboard = \"cm4\"\ntaints = [\"only=x:NoExecute\"]\n\
             [[nodes]]\nname = \"a\"\nrole = \"agent\"\nboard = \"cm4\"\nlabels = { disk = \"ssd\" }\n\
             [[nodes]]\nname = \"b\"\nrole = \"agent\"\nboard = \"pc\"\ntaints = [\"soft:PreferNoSchedule\"]\n";
        let boards = Boards::load(None).unwrap();
        let context = LoadContext {
            boards: &boards,
            overlays: &Library::default(),
            dir: Path::new(""),
            read: &|_| Ok(Vec::new()),
            list: &|_| Err("no folder is named".to_owned()),
            is_outside: &|_| false,
            is_shared: false,
        };
        let cluster = cluster::parse(text, "cluster.toml", &context).unwrap().cluster;
        let of = |node| {
            let name = cluster.nodes.get(node).unwrap();
            let own = if node == "s" { None } else { Some(format!("x/{node}:1").parse().unwrap()) };
            let agents = if node == "s" { None } else { Some("x/agents:1".parse().unwrap()) };
            let names = everywhere.iter().cloned().chain(own).chain(agents).collect();
            NodeImages { node: name, arch: if node == "b" { "amd64" } else { "arm64" }, names }
        };
        pulled(
            "shop.yaml",
            Manifest::new("shop.yaml", manifest).unwrap().containers(),
            &["s", "a", "b"].map(of),
        )
    }

    fn said(image: &str, more: &str) -> Vec<String> {
        said_of_pod(&format!("containers: [{{name: nginx, image: {image:?}{more}}}]"))
    }

    #[test]
    fn an_image_that_is_on_the_nodes_is_fine_however_it_is_named() {
        for image in ["nginx:1.31", "library/nginx:1.31", "docker.io/library/nginx:1.31", "quay.io/a/b:1"] {
            assert_eq!(said(image, ""), [""; 0], "{image}");
        }
        assert_eq!(said(&format!("quay.io/a/b@sha256:{DIGEST}"), ", imagePullPolicy: IfNotPresent"), [""; 0]);
    }

    #[test]
    fn what_would_be_pulled_is_told_with_file_workload_and_fix() {
        for (image, more, words) in [
            ("nginx:1.30", "", "nginx:1.30 is not on the nodes: add it to [[images]]"),
            ("nginx", "", "nginx:latest has no fixed version: name a tag"),
            ("nginx:latest", "", "nginx:latest has no fixed version"),
            ("nginx:1.31", ", imagePullPolicy: Always", "set imagePullPolicy to IfNotPresent"),
            ("ghcr.io/library/nginx:1.31", "", "is not on the nodes"),
            ("NGINX:1.31", "", "invalid"),
            ("${IMAGE}", "", "invalid"),
        ] {
            let said = said(image, more);
            assert_eq!(said.len(), 1, "{image}: {said:?}");
            assert!(said[0].starts_with("shop.yaml: Pod shop/web, container nginx: "), "{said:?}");
            assert!(said[0].contains(words), "{image}: {said:?}");
        }
    }

    #[test]
    fn an_image_of_some_nodes_is_for_pods_that_run_only_there() {
        let lacks = |image: &str, placed: &str| {
            let said = said_of_pod(&format!("{placed} containers: [{{name: c, image: 'x/{image}:1'}}]"));
            let nodes = said.first().map(|line| line.split(" is not on ").nth(1).unwrap().to_owned());
            nodes.map(|rest| rest.split(", where").next().unwrap().to_owned()).unwrap_or_default()
        };
        // The taint of the server keeps pods off, the one of the agent does not.
        assert_eq!(lacks("agents", ""), "");
        assert_eq!(lacks("a", ""), "b");
        for tolerated in [
            "{operator: Exists}",
            "{key: only, operator: Exists}",
            "{key: only, value: x}",
            "{key: only, value: x, effect: NoExecute}",
        ] {
            assert_eq!(lacks("a", &format!("tolerations: [{tolerated}],")), "s, b", "{tolerated}");
        }
        for other in [
            "{key: only, value: y}",
            "{key: only, value: x, effect: NoSchedule}",
            "{key: other, operator: Exists}",
        ] {
            assert_eq!(lacks("agents", &format!("tolerations: [{other}],")), "", "{other}");
        }
        for (placed, missing) in [
            ("nodeSelector: {disk: ssd},", ""),
            ("nodeSelector: {kubernetes.io/hostname: a, kubernetes.io/os: linux},", ""),
            ("nodeSelector: {kubernetes.io/arch: arm64},", ""),
            ("nodeSelector: {kubernetes.io/arch: amd64},", "b"),
            // Somebody gives a node this label later.
            ("nodeSelector: {later: 'yes'},", ""),
            ("nodeName: a,", ""),
            // That does not ask the scheduler, which looks at taints.
            ("nodeName: s,", "s"),
            (
                "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}},",
                "",
            ),
            ("affinity: {podAntiAffinity: {}},", "b"),
        ] {
            assert_eq!(lacks("a", placed), missing, "{placed}");
        }
        let line = &said_of_pod("containers: [{name: c, image: 'x/a:1'}]")[0];
        assert!(line.contains("such as kubernetes.io/hostname: a"), "{line}");
    }
}
