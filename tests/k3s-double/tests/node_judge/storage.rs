//! Volumes of local-path on the data disk.

use std::fs;

use serde_json::json;

use crate::applications::CURL;
use crate::apply::run_pod;
use crate::node::Node;
use crate::{LIMIT, wait};

pub(crate) fn judge(node: &Node) {
    for (class, stays) in [("local-path", false), ("local-path-retain", true)] {
        let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": class, "namespace": "default"},
            "spec": {"storageClassName": class, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
        });
        node.make(claims, &claim);
        let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": class}}]);
        let (done, said) = run_pod(node, "default", &json!({}), CURL, "echo kept >/data/file", &volumes);
        assert!(done, "{said}");
        // Another pod finds it.
        let (_, said) = run_pod(node, "default", &json!({}), CURL, "cat /data/file", &volumes);
        assert_eq!(said, "kept\n");
        let folders = || -> Vec<String> {
            let all = fs::read_dir("/srv/k8s-data/volumes").unwrap();
            all.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .filter(|name| name.ends_with(&format!("_default_{class}")))
                .collect()
        };
        assert_eq!(folders().len(), 1, "on the data disk");
        node.api.delete(&format!("{claims}/{class}"));
        wait("the claim to go", LIMIT, || {
            if node.api.get(&format!("{claims}/{class}")).is_none() { Ok(()) } else { Err(String::new()) }
        });
        if stays {
            std::thread::sleep(std::time::Duration::from_secs(10));
            assert_eq!(folders().len(), 1, "its data stays");
        } else {
            wait("the folder to go", LIMIT, || {
                if folders().is_empty() {
                    Ok(())
                } else {
                    Err(format!("{:?}\n{}", folders(), node.why("kube-system")))
                }
            });
        }
        println!(
            "  {class}: a claim gets a folder on the data disk, the next pod finds its file, and without the claim it {}",
            if stays { "stays" } else { "goes" }
        );
    }
}
