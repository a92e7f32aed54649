//! The steps of CI, in their order: what is quick or fails often comes first, and steps with the same
//! features follow each other, so that Burn is built once for each set of features.

use std::time::Instant;

use super::Step;
use crate::shell::{
    During, Failure, Outcome, Written, cargo, exists, program, quietly, say, target, watched,
};
use crate::{check, consumers, table};

pub(super) const STEPS: &[Step] = &[
    Step { name: "fmt", shows: "the code is formatted", run: fmt },
    Step { name: "test", shows: "the README's test command passes", run: test },
    Step {
        name: "demo",
        shows: "the README's demo runs, and builds Burn no second time",
        run: demo,
    },
    Step {
        name: "consumers",
        shows: "each crate's README program runs outside the workspace",
        run: consumers,
    },
    Step { name: "assets", shows: "the checks that need fetched assets pass", run: assets },
    Step { name: "table", shows: "a cell of each table, computed again, is the same", run: verify },
    Step { name: "sanitizer", shows: "the kernels touch no memory but their own", run: sanitizer },
    Step { name: "neon", shows: "the kernels compile for NEON (nothing is run)", run: neon },
    Step { name: "clippy", shows: "no warning", run: clippy },
    Step { name: "docs", shows: "the documentation builds without a warning", run: docs },
    Step { name: "cuda", shows: "the cuda feature type-checks (nothing is run)", run: cuda },
    Step { name: "wgpu", shows: "ndarray and wgpu (software Vulkan) agree with flex", run: wgpu },
    Step {
        name: "hub",
        shows: "weights are fetched from a hub on the loopback interface",
        run: hub,
    },
];

/// The feature set of the steps `wgpu` and `hub`: one build of Burn serves both.
const BACKENDS: [&str; 8] = [
    "test",
    "--release",
    "--package",
    "tl",
    "--package",
    "tl-models",
    "--features",
    "tl/wgpu,tl/ndarray,tl-models/hub",
];

fn fmt() -> Outcome<usize> {
    watched(cargo(&["fmt", "--all", "--check"])).map(|_| 1)
}

fn clippy() -> Outcome<usize> {
    let arguments =
        ["clippy", "--release", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    watched(cargo(&arguments)).map(|_| 1)
}

fn test() -> Outcome<usize> {
    tests_of(&watched(cargo(&["test", "--release", "--workspace"]))?)
}

fn demo() -> Outcome<usize> {
    // Built apart from the run, so that the seconds below are the demo's.
    let built = watched(cargo(&["build", "--release"]))?;
    if let Some(line) = burn_compiled(&built.stderr) {
        return Err(Failure::new(format!(
            "the tests had built Burn, the demo builds it again: {line}"
        )));
    }
    let start = Instant::now();
    let written = watched(cargo(&["run", "--release", "--", "demo"]))?;
    let seconds = start.elapsed().as_secs_f64();
    if written.stdout.trim().is_empty() {
        return Err(Failure::new("the demo printed nothing"));
    }
    say(format_args!("the demo took {seconds:.0} s"));
    // 90 seconds are promised on 2 cores; twice that leaves room for a busy machine.
    if seconds > 180.0 {
        return Err(Failure::new(format!("the demo took {seconds:.0} s; 90 are promised")));
    }
    Ok(1)
}

fn docs() -> Outcome<usize> {
    let mut command = cargo(&["doc", "--release", "--no-deps", "--workspace"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    watched(command).map(|_| 1)
}

fn consumers() -> Outcome<usize> {
    consumers::all(&[])
}

fn assets() -> Outcome<usize> {
    let counted = check::assets()?;
    say(&counted);
    Ok(counted.ran)
}

fn sanitizer() -> Outcome<usize> {
    Ok(check::sanitizer()?.unwrap_or_default())
}

/// Compiles the kernels for 64-bit ARM, whose standard library is fetched if it is absent and can be had.
fn neon() -> Outcome<usize> {
    const ARM: &str = "aarch64-unknown-linux-gnu";
    let there = || {
        let folder = quietly(program("rustc", &["--print", "target-libdir", "--target", ARM]));
        folder.is_ok_and(|folder| std::path::Path::new(folder.trim()).is_dir())
    };
    if !there() {
        // What matters is whether it is there afterwards.
        let _ = quietly(program("rustup", &["target", "add", ARM]));
    }
    if !there() {
        say(format_args!("neon: not run: the toolchain has no {ARM}"));
        return Ok(0);
    }
    let mut command = cargo(&["check", "--release", "--package", "tl-simd", "--target", ARM]);
    command.env("RUSTFLAGS", "-D warnings").env("CARGO_TARGET_DIR", target().join("neon"));
    watched(command).map(|_| 1)
}

fn verify() -> Outcome<usize> {
    table::verify_demo()?;
    watched(cargo(&["xtask", "table", "adapt", "--verify-one"])).map(|_| 2)
}

/// Building for CUDA fetches a compiler bundle; `DOCS_RS` leaves that out, so that types are checked alone.
fn cuda() -> Outcome<usize> {
    let mut command = cargo(&["check", "--release", "--package", "tl-cli", "--features", "cuda"]);
    command.env("DOCS_RS", "1");
    watched(command).map(|_| 1)
}

fn wgpu() -> Outcome<usize> {
    installed(&["mesa-vulkan-drivers", "libvulkan1"])?;
    let mut command = cargo(&BACKENDS);
    command.args(["--test", "backends"]);
    tests_of(&watched(command)?)
}

fn hub() -> Outcome<usize> {
    let mut command = cargo(&BACKENDS);
    command.args(["--test", "hub"]);
    tests_of(&watched(command)?)
}

/// Installs those of the Debian `packages` that are absent.
fn installed(packages: &[&str]) -> Outcome<()> {
    let there = |package: &&&str| {
        let asked = quietly(program("dpkg-query", &["--show", "--showformat=${Status}", package]));
        asked.is_ok_and(|status| status.trim() == "install ok installed")
    };
    let absent: Vec<&str> = packages.iter().filter(|package| !there(package)).copied().collect();
    if absent.is_empty() {
        return Ok(());
    }
    if !exists("apt-get") {
        return Err(Failure::new(format!(
            "install {} with your package manager",
            absent.join(" and ")
        )));
    }
    let root = quietly(program("id", &["--user"]))?.trim() == "0";
    let apt = |arguments: &[&str]| {
        let mut words = if root { vec![] } else { vec!["sudo", "--non-interactive"] };
        words.push("apt-get");
        words.extend(arguments);
        let mut command = program(words[0], &words[1..]);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        watched(command)
    };
    apt(&["update", "--quiet"])?;
    let mut install = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    install.extend(&absent);
    apt(&install).map(|_| ()).during(format_args!("cannot install {}", absent.join(" and ")))
}

/// The number of tests that passed.
fn tests_of(written: &Written) -> Outcome<usize> {
    match tests_passed(&written.stdout) {
        0 => Err(Failure::new("no test ran")),
        passed => Ok(passed),
    }
}

/// The sum over lines such as `test result: ok. 12 passed; 0 failed; …`.
pub(crate) fn tests_passed(stdout: &str) -> usize {
    let count = |line: &str| -> Option<usize> {
        let rest = line.strip_prefix("test result: ok. ")?;
        rest.split_once(" passed")?.0.parse().ok()
    };
    stdout.lines().filter_map(count).sum()
}

/// The first line by which cargo says that it compiles a crate of Burn.
fn burn_compiled(stderr: &str) -> Option<&str> {
    let crates = ["burn", "cubecl"];
    stderr.lines().map(str::trim).find(|line| {
        let name = line.strip_prefix("Compiling ").unwrap_or_default();
        crates.iter().any(|start| name.starts_with(start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::root;

    #[test]
    fn tests_are_counted_over_all_binaries() {
        let text = "test result: ok. 12 passed; 0 failed; 1 ignored\nother\ntest result: ok. 3 passed; 0 failed";
        assert_eq!(tests_passed(text), 15);
        assert_eq!(tests_passed("test result: FAILED. 3 passed; 1 failed"), 0);
    }

    /// A crate's tests are one program, so a file of them that it does not name would never run.
    #[test]
    fn every_file_of_tests_is_part_of_its_crates_program() {
        let mut programs = 0;
        for package in std::fs::read_dir(root().join("crates")).unwrap() {
            let package = package.unwrap().path();
            let Ok(program) = std::fs::read_to_string(package.join("tests/main.rs")) else {
                continue;
            };
            programs += 1;
            let manifest = std::fs::read_to_string(package.join("Cargo.toml")).unwrap();
            for file in std::fs::read_dir(package.join("tests")).unwrap() {
                let file = file.unwrap().file_name().into_string().unwrap();
                let Some(name) = file.strip_suffix(".rs") else { continue };
                let named = program.contains(&format!("\nmod {name};\n"))
                    || manifest.contains(&format!("path = \"tests/{file}\"\n"));
                assert!(named, "{}: {file} is never run", package.display());
            }
        }
        assert_eq!(programs, 9);
    }

    #[test]
    fn a_second_build_of_burn_is_noticed() {
        let quiet = "   Compiling tl-core v0.1.0\n    Finished `release` profile\n   Running burn";
        assert_eq!(burn_compiled(quiet), None);
        assert!(burn_compiled(&format!("{quiet}\n   Compiling burn-core v0.22.1")).is_some());
    }
}
