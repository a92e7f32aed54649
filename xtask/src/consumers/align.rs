//! Features of packages that a crate does not name, as the workspace has them.
//!
//! Burn is built once for the workspace because all its members agree about features. A crate alone
//! would bring some package far below Burn with a feature less (`libc` without `extra_traits`), and
//! with it a second Burn, 4 to 8 minutes on 2 cores. So these packages are brought up to the workspace's
//! features. A crate cannot lean on them: it can only name what stands in its own Cargo.toml, and those
//! packages are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::shell::{Outcome, cargo, quietly, write};

/// A package by name and version.
type Package = (String, String);

/// Packages with their features.
type Features = BTreeMap<Package, BTreeSet<String>>;

/// A feature may bring in a package of its own, which then has to be aligned too; this many rounds are
/// more than were ever needed.
const ROUNDS: usize = 4;

/// Brings the consumers in one folder up to the workspace's features.
pub struct Aligner {
    folder: PathBuf,
    everywhere: Features,
}

impl Aligner {
    /// For the consumers in `folder`.
    ///
    /// # Errors
    /// When cargo cannot list the workspace's dependencies.
    pub fn new(folder: &Path) -> Outcome<Self> {
        Ok(Self { folder: folder.to_path_buf(), everywhere: features(&["--workspace"], None)? })
    }

    /// Adds to the `manifest` of the `consumer` of crate `name` what it takes, and writes it.
    ///
    /// # Errors
    /// When cargo cannot list its dependencies, or the manifest cannot be written.
    pub fn align(&self, name: &str, consumer: &str, manifest: &mut toml::Table) -> Outcome<()> {
        let direct = features(&["--package", name, "--depth", "1"], None)?;
        for _ in 0..ROUNDS {
            let own = features(&["--package", consumer], Some(&self.folder))?;
            let missing: Vec<_> = own
                .iter()
                .filter(|(package, _)| !direct.contains_key(*package))
                .filter_map(|(package, own)| Some((package, own, self.everywhere.get(package)?)))
                .filter(|(_, own, wanted)| !wanted.is_subset(own))
                .collect();
            let dependencies = manifest.get_mut("dependencies").and_then(toml::Value::as_table_mut);
            let (Some(dependencies), false) = (dependencies, missing.is_empty()) else {
                break;
            };
            for (package, _, wanted) in missing {
                let (key, value) = dependency(package, wanted);
                dependencies.insert(key, value);
            }
            write(&self.folder.join(name).join("Cargo.toml"), manifest.to_string().as_bytes())?;
        }
        Ok(())
    }
}

fn dependency((name, version): &Package, features: &BTreeSet<String>) -> (String, toml::Value) {
    let list: Vec<toml::Value> = features.iter().map(|feature| feature.as_str().into()).collect();
    let mut value = toml::Table::new();
    value.insert("package".into(), name.as_str().into());
    value.insert("version".into(), format!("={version}").into());
    value.insert("default-features".into(), false.into());
    value.insert("features".into(), list.into());
    (format!("aligned-{name}-{}", version.replace(['.', '+'], "-")), value.into())
}

/// The packages that are linked into a selection of cargo's, in `folder` or the workspace.
fn features(selection: &[&str], folder: Option<&Path>) -> Outcome<Features> {
    let mut command = cargo(&["tree", "--edges", "normal,no-proc-macro", "--prefix", "none"]);
    command.args(["--format", "{p}|{f}"]).args(selection);
    if let Some(folder) = folder {
        command.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    }
    Ok(parse(&quietly(command)?))
}

/// Lines such as `libc v0.2.191|default,std (*)`; the workspace's own packages, which have a path, are left out.
fn parse(text: &str) -> Features {
    let mut found = Features::new();
    for line in text.lines() {
        let line = line.trim_end_matches(" (*)");
        let Some((package, list)) = line.split_once('|') else {
            continue;
        };
        let Some((name, version)) = package.split_once(" v") else {
            continue;
        };
        if version.contains(' ') {
            continue;
        }
        let features = list.split(',').filter(|feature| !feature.is_empty()).map(str::to_string);
        found.entry((name.to_string(), version.to_string())).or_default().extend(features);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_with_their_features_and_own_ones_left_out() {
        let found = parse(
            "tl-core v0.1.0 (/somewhere)|flex\nlibc v0.2.1|default,std (*)\nadler2 v2.0.1|\n",
        );
        assert_eq!(found.len(), 2);
        assert_eq!(found[&("libc".into(), "0.2.1".into())].len(), 2);
        assert!(found[&("adler2".into(), "2.0.1".into())].is_empty());
    }
}
