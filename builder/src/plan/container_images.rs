//! Whether the nodes have all images that the manifests ask for: what is not there would be pulled, and where there is no
//! network the pod would never start.

use crate::cluster::Container;
use crate::source::k3s_release::K3sBundle;
use crate::value::ImageReference;

use super::error::PlanError;
use super::request::Request;

/// All images that manifests name are on the nodes.
pub(super) fn check(request: &Request<'_>) -> Result<(), PlanError> {
    if request.cluster.online {
        return Ok(());
    }
    let there = there(request);
    let manifests = request.cluster.manifests.iter();
    let missing: Vec<String> =
        manifests.flat_map(|manifest| pulled(manifest.name(), manifest.containers(), &there)).collect();
    if missing.is_empty() { Ok(()) } else { Err(PlanError::Pulled { missing }) }
}

/// The user's images, and those of k3s itself.
fn there(request: &Request<'_>) -> Vec<ImageReference> {
    let own = request.images.map(|bundle| bundle.names.as_slice()).unwrap_or_default();
    of_k3s(request.k3s).chain(own.iter().cloned()).collect()
}

/// The images in k3s' own archive.
pub fn of_k3s(k3s: &K3sBundle) -> impl Iterator<Item = ImageReference> + '_ {
    k3s.airgap_images.image_names.iter().filter_map(|name| name.parse().ok())
}

/// A line for each container whose image is not among those that are `there`: where it is, the image, and the fix. `place` is
/// the file that the containers are in.
pub fn pulled(place: &str, containers: &[Container], there: &[ImageReference]) -> Vec<String> {
    let mut said = Vec::new();
    for container in containers {
        let Some(problem) = problem(container, there) else { continue };
        let Container { workload, name, .. } = container;
        let line = format!("{place}: {workload}, container {name}: {problem}");
        if !said.contains(&line) {
            said.push(line);
        }
    }
    said
}

/// Why a container would need a registry.
fn problem(container: &Container, there: &[ImageReference]) -> Option<String> {
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
    if there.iter().any(|there| image.is_met_by(there)) {
        return None;
    }
    Some(format!("{image} is not on the nodes: add it to [[images]]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Manifest;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// What is said of a container with this image and these other fields.
    fn said(image: &str, more: &str) -> Vec<String> {
        let text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec:\n  template:\n    \
             spec:\n      containers:\n      - {{name: nginx, image: {image:?}{more}}}\n"
        );
        let pinned = format!("quay.io/a/b:1@sha256:{DIGEST}");
        let there = ["docker.io/library/nginx:1.31", &pinned].map(|name| name.parse().unwrap());
        pulled("shop.yaml", Manifest::new("shop.yaml", text).unwrap().containers(), &there)
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
            assert!(said[0].starts_with("shop.yaml: Deployment shop/web, container nginx: "), "{said:?}");
            assert!(said[0].contains(words), "{image}: {said:?}");
        }
    }
}
