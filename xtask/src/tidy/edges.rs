//! Which crate of the workspace may depend on which, and who may use the async runtime.

use serde_json::Value;

/// The allowed edges. The lower crates must not learn of sockets, files or commands through the back door.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("ochre-resp", &[]),
    ("ochre-store", &[]),
    ("ochre-persist", &["ochre-store", "ochre-resp"]),
    ("ochre-replication", &["ochre-persist", "ochre-resp"]),
    ("ochre-cluster", &["ochre-resp", "ochre-store"]),
    ("ochre-scripting", &["ochre-resp"]),
    ("ochre-tls", &[]),
    (
        "ochre-server",
        &[
            "ochre-resp",
            "ochre-store",
            "ochre-persist",
            "ochre-replication",
            "ochre-cluster",
            "ochre-scripting",
            "ochre-tls",
        ],
    ),
    ("ochre-cli", &["ochre-resp", "ochre-persist", "ochre-cluster", "ochre-tls"]),
    ("ochre-tests", &["ochre-resp"]),
    ("xtask", &[]),
];

/// The crates that may use tokio.
const ASYNC: [&str; 3] = ["ochre-server", "ochre-cli", "ochre-tests"];

/// Checks what `cargo metadata --no-deps` says against the lists above.
pub(crate) fn check(metadata: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    for package in packages {
        let Some(name) = package["name"].as_str() else { continue };
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            problems.push(format!("{name}: a crate that the list of allowed edges does not know"));
            continue;
        };
        let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        for dependency in dependencies.iter().filter_map(|d| d["name"].as_str()) {
            // A crate may name itself to switch on features for its own tests.
            if names.contains(&dependency) && dependency != name && !allowed.contains(&dependency) {
                problems.push(format!("{name} must not depend on {dependency}"));
            }
            if dependency.starts_with("tokio") && !ASYNC.contains(&name) {
                problems.push(format!("{name} must not depend on {dependency}: only {} may", ASYNC.join(", ")));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workspace(package: &str, dependency: &str) -> Value {
        json!({"packages": [
            {"name": "ochre-store", "dependencies": []},
            {"name": "ochre-server", "dependencies": [{"name": "ochre-store"}, {"name": "tokio"}]},
            {"name": package, "dependencies": [{"name": dependency}]},
        ]})
    }

    #[test]
    fn allowed_edges_pass() {
        assert_eq!(check(&workspace("ochre-persist", "ochre-store")), Vec::<String>::new());
    }

    #[test]
    fn an_edge_upwards_fails() {
        assert_eq!(
            check(&workspace("ochre-persist", "ochre-server")),
            ["ochre-persist must not depend on ochre-server"]
        );
        assert_eq!(check(&workspace("xtask", "ochre-store")).len(), 1);
    }

    #[test]
    fn tokio_in_a_lower_crate_fails() {
        assert_eq!(check(&workspace("ochre-cluster", "tokio")).len(), 1);
    }

    #[test]
    fn a_new_crate_needs_a_line_here() {
        assert_eq!(check(&workspace("ochre-new", "ochre-store")).len(), 1);
    }
}
