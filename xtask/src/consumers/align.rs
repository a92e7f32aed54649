//! Features of packages that a crate does not name, as the workspace has them.
//!
//! Burn is built once for the workspace because all its members agree about features. A crate alone
//! would bring some package far below Burn with a feature less (`libc` without `extra_traits`), and
//! with it a second Burn, 4 to 8 minutes on 2 cores. So these packages are brought up to the workspace's
//! features. A crate cannot lean on them: it can only name what stands in its own Cargo.toml, and those
//! packages are left alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::shell::{Outcome, cargo, quietly};

/// A package by name and version.
type Package = (String, String);

/// Adds to the `dependencies` of the consumer of `name` what brings indirect ones to the workspace's features.
///
/// # Errors
/// When cargo cannot list the dependencies.
pub fn indirect(name: &str, dependencies: &mut toml::Table) -> Outcome<()> {
    let everywhere = features(&["--workspace"])?;
    let direct = features(&["--package", name, "--depth", "1"])?;
    for (package, own) in features(&["--package", name])? {
        let wanted = everywhere.get(&package);
        let (Some(wanted), false) = (wanted, direct.contains_key(&package)) else {
            continue;
        };
        if wanted.is_subset(&own) {
            continue;
        }
        let (called, version) = package;
        let list: Vec<toml::Value> = wanted
            .iter()
            .map(|feature| feature.as_str().into())
            .collect();
        let mut value = toml::Table::new();
        value.insert("package".into(), called.as_str().into());
        value.insert("version".into(), format!("={version}").into());
        value.insert("default-features".into(), false.into());
        value.insert("features".into(), list.into());
        dependencies.insert(
            format!("aligned-{called}-{}", version.replace(['.', '+'], "-")),
            value.into(),
        );
    }
    Ok(())
}

/// Packages that are linked, with their features.
fn features(selection: &[&str]) -> Outcome<BTreeMap<Package, BTreeSet<String>>> {
    let mut command = cargo(&[
        "tree",
        "--locked",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
    ]);
    command.args(["--format", "{p}|{f}"]).args(selection);
    Ok(parse(&quietly(command)?))
}

/// Lines such as `libc v0.2.191|default,std (*)`; the workspace's own packages, which have a path, are left out.
fn parse(text: &str) -> BTreeMap<Package, BTreeSet<String>> {
    let mut found: BTreeMap<Package, BTreeSet<String>> = BTreeMap::new();
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
        let features = list
            .split(',')
            .filter(|feature| !feature.is_empty())
            .map(str::to_string);
        found
            .entry((name.to_string(), version.to_string()))
            .or_default()
            .extend(features);
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
