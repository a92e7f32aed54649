//! `cargo xtask consumers`: every library crate, used from outside the workspace.

mod align;
mod readme;

use std::path::{Path, PathBuf};

use crate::shell::{During, Failure, Outcome, cargo, read, root, say, target, watched, write};

/// Build and run each library crate's README program from outside the workspace.
///
/// For each crate the first Rust block with `fn main` in its README becomes a package that depends on
/// that crate alone, and on what a comment line `// needs: burn, serde_json` names (with the workspace's
/// version and features). Each is built by itself, so that it shows what its crate asks for and not what
/// a neighbour does.
///
/// To build Burn once and not once a crate, packages that a crate does not depend on directly get the
/// features that they have in the workspace; what the crate itself names in its Cargo.toml stays as it is
/// there.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask consumers\n  cargo xtask consumers tl-core tl-data"
)]
pub struct Arguments {
    /// Names of crates; all library crates without one
    #[arg(value_name = "CRATE")]
    names: Vec<String>,
    /// Only write the packages, and say where
    #[arg(long)]
    prepare: bool,
}

/// Runs the task.
///
/// # Errors
/// When a README has no program, or one does not build or run.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    if arguments.prepare {
        say(prepared(&libraries(&arguments.names)?)?.display());
        return Ok(());
    }
    let ran = all(&arguments.names)?;
    say(format_args!("{ran} passed, 0 failed"));
    Ok(())
}

/// Builds and runs the programs of the crates `names` (all, if empty) and returns how many ran.
///
/// # Errors
/// As [`run`].
pub fn all(names: &[String]) -> Outcome<usize> {
    let crates = libraries(names)?;
    let folder = prepared(&crates)?;
    for name in &crates {
        // One at a time: in one command cargo would unify the features of all.
        let arguments = ["run", "--release", "--package", &consumer(name), "--manifest-path"];
        let mut command = cargo(&arguments);
        command.arg(folder.join("Cargo.toml")).env("CARGO_TARGET_DIR", target());
        // Where a program that writes files leaves them.
        command.current_dir(folder.join(name));
        watched(command)?;
    }
    Ok(crates.len())
}

/// Writes a workspace with a consumer of each of `crates` and returns its folder.
fn prepared(crates: &[String]) -> Outcome<PathBuf> {
    let workspace = Workspace::read()?;
    let folder = target().join("consumers");
    let mut manifests = Vec::new();
    for name in crates {
        let readme = read(&root().join("crates").join(name).join("README.md"))?;
        let program = readme::program(&readme).ok_or_else(|| {
            Failure::new(format!("crates/{name}/README.md: no Rust block with `fn main`"))
        })?;
        let package = folder.join(name);
        write(&package.join("src").join("main.rs"), program.code.as_bytes())?;
        let manifest = workspace.package(name, &program.needs)?;
        write(&package.join("Cargo.toml"), manifest.to_string().as_bytes())?;
        manifests.push((name, manifest));
    }
    write(&folder.join("Cargo.toml"), workspace.manifest(crates).as_bytes())?;
    write(&folder.join("Cargo.lock"), read(&root().join("Cargo.lock"))?.as_bytes())?;
    let aligner = align::Aligner::new(&folder)?;
    for (name, mut manifest) in manifests {
        aligner.align(name, &consumer(name), &mut manifest)?;
    }
    Ok(folder)
}

fn consumer(name: &str) -> String {
    format!("consumer-of-{name}")
}

/// The crates with a library, in the order of their names.
fn libraries(names: &[String]) -> Outcome<Vec<String>> {
    let folder = root().join("crates");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).during("cannot read crates")? {
        let path = entry.during("cannot read crates")?.path();
        if path.join("src").join("lib.rs").is_file() {
            found.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    found.sort();
    if let Some(unknown) = names.iter().find(|name| !found.contains(name)) {
        return Err(Failure::new(format!(
            "no library crate \"{unknown}\"; there are {}",
            found.join(", ")
        )));
    }
    found.retain(|name| names.is_empty() || names.contains(name));
    Ok(found)
}

/// What the consumers take over from the workspace.
struct Workspace {
    manifest: toml::Table,
}

impl Workspace {
    fn read() -> Outcome<Self> {
        let manifest = toml::from_str(&read(&root().join("Cargo.toml"))?).during("Cargo.toml")?;
        Ok(Self { manifest })
    }

    /// A workspace of consumers with the same resolver and profile, so that they share what is built.
    fn manifest(&self, crates: &[String]) -> String {
        let members: Vec<toml::Value> = crates.iter().map(|name| name.as_str().into()).collect();
        let mut workspace = toml::Table::new();
        workspace.insert("resolver".into(), self.field(&["workspace", "resolver"]));
        workspace.insert("members".into(), members.into());
        let mut manifest = toml::Table::new();
        manifest.insert("workspace".into(), workspace.into());
        manifest.insert("profile".into(), self.field(&["profile"]));
        manifest.to_string()
    }

    fn field(&self, path: &[&str]) -> toml::Value {
        let mut value = toml::Value::Table(self.manifest.clone());
        for name in path {
            value = value.get(name).cloned().unwrap_or(toml::Value::Table(toml::Table::new()));
        }
        value
    }

    /// The Cargo.toml of the consumer of crate `name`.
    fn package(&self, name: &str, needs: &[String]) -> Outcome<toml::Table> {
        let mut dependencies = toml::Table::new();
        dependencies.insert(name.into(), at(&root().join("crates").join(name)));
        for need in needs {
            let value = self.field(&["workspace", "dependencies", need]);
            let value = match value {
                toml::Value::Table(table) if table.is_empty() => {
                    let reason = "is not among the workspace's dependencies";
                    return Err(Failure::new(format!(
                        "crates/{name}/README.md needs {need}, which {reason}"
                    )));
                }
                toml::Value::Table(mut table) => {
                    if let Some(path) = table.get("path").and_then(toml::Value::as_str) {
                        let path = root().join(path).to_string_lossy().into_owned();
                        table.insert("path".into(), path.into());
                    }
                    table.into()
                }
                version => version,
            };
            dependencies.insert(need.clone(), value);
        }
        let mut package = toml::Table::new();
        package.insert("name".into(), consumer(name).into());
        for field in ["version", "edition", "publish"] {
            package.insert(field.into(), self.field(&["workspace", "package", field]));
        }
        let mut manifest = toml::Table::new();
        manifest.insert("package".into(), package.into());
        manifest.insert("dependencies".into(), dependencies.into());
        Ok(manifest)
    }
}

fn at(path: &Path) -> toml::Value {
    let mut table = toml::Table::new();
    let path: PathBuf = path.to_path_buf();
    table.insert("path".into(), path.to_string_lossy().into_owned().into());
    table.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_crate_has_a_program_in_its_readme() {
        for name in libraries(&[]).unwrap() {
            let text = read(&root().join("crates").join(&name).join("README.md")).unwrap();
            assert!(readme::program(&text).is_some(), "{name}");
        }
    }

    #[test]
    fn the_program_of_tl_is_no_library() {
        assert!(!libraries(&[]).unwrap().contains(&"tl-cli".to_string()));
        assert!(libraries(&["tl-cli".to_string()]).is_err());
    }
}
