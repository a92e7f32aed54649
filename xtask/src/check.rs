//! `cargo xtask check`: checks beyond `cargo test`.

pub mod cost;
mod origin;
mod photos;
mod sanitizer;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::assets::{chosen, fetched};
use crate::ci::tests_passed;
use crate::shell::{During, Failure, Outcome, cache, cargo, read, root, say, watched};

/// Run checks that take longer or need more than `cargo test` does.
///
/// --assets runs the tests marked #[ignore = "needs fetched assets: NAME, NAME"], where the names are
/// those of assets.toml. Each asset is fetched if it is not in the cache folder yet; a test whose asset no
/// source brings is not run, and counted as such with the reason. Tests find the assets in $TL_CACHE.
///
/// --cost fits 1,000 photos for 20 epochs with a frozen network, with the cache and without: how much the
/// later epochs take, whether memory grows, and whether it was foretold. Two minutes on one core.
///
/// --origin opens fitted networks in torchvision, timm and transformers, strictly, and compares logits. It needs a
/// Python with torch, torchvision, timm, transformers, safetensors and Pillow, and is not run without one.
///
/// --sanitizer runs the tests of the slice kernels under AddressSanitizer, in a build of their own.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask check\n  cargo xtask check --assets\n  cargo xtask check --origin --python venv/bin/python"
)]
pub struct Arguments {
    /// Run the tests that need fetched assets
    #[arg(long)]
    assets: bool,
    /// Measure time and memory of a probe of 20 epochs
    #[arg(long)]
    cost: bool,
    /// Open fitted networks in the libraries that they came from
    #[arg(long)]
    origin: bool,
    /// Run the slice kernels' tests under AddressSanitizer
    #[arg(long)]
    sanitizer: bool,
    /// The Python that has torchvision
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
}

/// How many tests ran, and why the others did not.
#[derive(Debug, Default)]
pub struct Counted {
    pub ran: usize,
    /// Reason to number of tests.
    not_run: BTreeMap<String, usize>,
}

impl fmt::Display for Counted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left: usize = self.not_run.values().sum();
        write!(out, "{} ran, {left} not run", self.ran)?;
        let reasons: Vec<&str> = self.not_run.keys().map(String::as_str).collect();
        if left > 0 { write!(out, ": {}", reasons.join("; ")) } else { Ok(()) }
    }
}

/// A test that needs assets.
#[derive(Debug, PartialEq)]
struct Marked {
    test: String,
    assets: Vec<String>,
}

/// Runs the checks that `arguments` name, or all.
///
/// # Errors
/// When a check fails, or a mark names an asset that is not listed.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    let all = !(arguments.assets || arguments.cost || arguments.origin || arguments.sanitizer);
    if all || arguments.assets {
        say(format_args!("assets: {}", assets()?));
    }
    if all || arguments.cost {
        say(format_args!("cost: {} within their limits", cost::run()?));
    }
    if all || arguments.origin {
        match &arguments.python {
            Some(python) => say(format_args!("origin: {} passed", origin::run(python)?)),
            None => say("origin: not run: no --python"),
        }
    }
    if all || arguments.sanitizer {
        sanitizer()?;
    }
    Ok(())
}

/// Runs the slice kernels' tests under AddressSanitizer; returns how many passed, `None` where there is none.
///
/// # Errors
/// When a test fails, or touches memory that is not its own.
pub fn sanitizer() -> Outcome<Option<usize>> {
    let passed = sanitizer::run()?;
    match passed {
        Some(passed) => say(format_args!("sanitizer: {passed} passed")),
        None => say("sanitizer: not run: the toolchain has none for this machine"),
    }
    Ok(passed)
}

/// Runs every test that needs fetched assets and whose assets can be had.
///
/// # Errors
/// As [`run`].
pub fn assets() -> Outcome<Counted> {
    let folder = cache()?;
    let mut counted = Counted::default();
    let mut ready = Vec::new();
    for marked in marked_tests()? {
        let mut reason = None;
        for asset in chosen(&marked.assets)? {
            if let Err(failure) = fetched(&asset, &folder) {
                reason = Some(format!("{} could not be fetched ({failure})", asset.name));
            }
        }
        match reason {
            Some(reason) => *counted.not_run.entry(reason).or_default() += 1,
            None => ready.push(marked.test),
        }
    }
    if ready.is_empty() {
        return Ok(counted);
    }
    // The whole workspace, as the tests are built anyway: another selection would build Burn again.
    let mut command =
        cargo(&["test", "--release", "--workspace", "--lib", "--bins", "--tests", "--"]);
    command.arg("--ignored").args(&ready).env("TL_CACHE", &folder);
    counted.ran = tests_passed(&watched(command)?.stdout);
    if counted.ran < ready.len() {
        let found = format!("{} of {} marked tests ran", counted.ran, ready.len());
        return Err(Failure::new(format!(
            "{found}; is one behind a feature? {}",
            ready.join(", ")
        )));
    }
    Ok(counted)
}

fn marked_tests() -> Outcome<Vec<Marked>> {
    let mut files = Vec::new();
    rust_files(&root().join("crates"), &mut files)?;
    files.sort();
    let mut found = Vec::new();
    for file in files {
        found.extend(marks(&read(&file)?));
    }
    Ok(found)
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome<()> {
    let what = format!("cannot read {}", folder.display());
    for entry in std::fs::read_dir(folder).during(&what)? {
        let path = entry.during(&what)?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The marked tests in a file of Rust.
fn marks(text: &str) -> Vec<Marked> {
    let mark = "#[ignore = \"needs fetched assets: ";
    let mut lines = text.lines().map(str::trim);
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(names) = line.strip_prefix(mark).and_then(|rest| rest.strip_suffix("\"]")) else {
            continue;
        };
        let assets = names.split(',').map(|name| name.trim().to_string()).collect();
        let function = lines.find_map(|line| line.strip_prefix("fn "));
        if let Some((test, _)) = function.and_then(|function| function.split_once('(')) {
            found.push(Marked { test: test.to_string(), assets });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_test_is_found_with_its_assets() {
        // Joined here, so that the search through the sources does not find this text.
        let text =
            ["#[test]\n  #[ignore = \"needs fetched ", "assets: a.pt, b\"]\n  fn it_loads() {}\n"]
                .concat();
        assert_eq!(
            marks(&text),
            [Marked { test: "it_loads".into(), assets: vec!["a.pt".into(), "b".into()] }]
        );
        assert!(marks("#[ignore = \"slow\"]\nfn other() {}\n").is_empty());
    }

    #[test]
    fn every_mark_names_assets_that_are_listed() {
        for marked in marked_tests().unwrap() {
            assert!(chosen(&marked.assets).is_ok(), "{marked:?}");
        }
    }

    #[test]
    fn what_was_not_run_is_counted_with_its_reason() {
        let mut counted = Counted { ran: 2, ..Counted::default() };
        assert_eq!(counted.to_string(), "2 ran, 0 not run");
        counted.not_run.insert("a could not be fetched".into(), 3);
        assert_eq!(counted.to_string(), "2 ran, 3 not run: a could not be fetched");
    }
}
