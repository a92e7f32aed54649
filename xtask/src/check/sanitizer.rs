//! The slice kernels under AddressSanitizer.

use crate::ci::tests_passed;
use crate::shell::{Outcome, cargo, program, target, watched};

/// Runs the tests of `tl-simd` with every load and store checked; returns how many passed, or nothing where the
/// toolchain has no AddressSanitizer for this machine.
///
/// # Errors
/// When a test fails, or touches memory that is not its own.
pub fn run() -> Outcome<Option<usize>> {
    let host = watched(program("rustc", &["--print", "host-tuple"]))?.stdout;
    let libraries = watched(program("rustc", &["--print", "target-libdir"]))?.stdout;
    let runtime = std::fs::read_dir(libraries.trim()).into_iter().flatten().flatten();
    let names = runtime.map(|entry| entry.file_name().to_string_lossy().into_owned());
    if !names.into_iter().any(|name| name.contains("rt.asan")) {
        return Ok(None);
    }
    // A target of its own name, so that build scripts and macros are built without the sanitizer.
    let words = ["test", "--release", "--package", "tl-simd", "--lib", "--target", host.trim()];
    let mut command = cargo(&words);
    command.arg("--target-dir").arg(target().join("sanitizer"));
    // The option is not stable, the sanitizer's runtime comes with every toolchain.
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    // With every load instrumented, optimisation of the unrolled kernels takes more than ten minutes; without, half a minute.
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
    watched(command).map(|written| Some(tests_passed(&written.stdout)))
}
