//! `cargo xtask check-device`: a short check on hardware that CI does not have.

use crate::shell::{Failure, Outcome, cargo, line, program, quietly, say, watched};

/// Check a device: the same logits and the same training as on the CPU.
///
/// Builds the example backend_swap with the backend's feature, runs it on the device, and prints what to
/// paste into a report. The first build of a backend takes long (wgpu: over 20 minutes on 2 cores).
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask check-device --device wgpu\n  cargo xtask check-device --device cuda:1"
)]
pub struct Arguments {
    /// flex, ndarray, wgpu or cuda, with a number for one of several (cuda:1)
    #[arg(long)]
    device: String,
}

/// Runs the check.
///
/// # Errors
/// When the device's name is unknown, or the example does not build or fails.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    let feature = feature(&arguments.device)?;
    let mut command =
        cargo(&["run", "--release", "--package", "examples", "--example", "backend_swap"]);
    command.args(["--features", feature, "--", "--device", &arguments.device]);
    let shown = line(&command);
    let written = watched(command)?;
    let version = |name: &str| {
        quietly(program(name, &["--version"]))
            .map_or_else(|_| name.to_string(), |text| text.trim().to_string())
    };
    say(format_args!("\n--- paste from here ---"));
    say(format_args!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    say(version("rustc"));
    say(format_args!("tl {}", env!("CARGO_PKG_VERSION")));
    say(format_args!("$ {shown}"));
    say(written.stdout.trim_end());
    say("--- to here ---");
    Ok(())
}

fn feature(device: &str) -> Outcome<&str> {
    let backend = device.split(':').next().unwrap_or_default();
    if ["flex", "ndarray", "wgpu", "cuda"].contains(&backend) {
        return Ok(backend);
    }
    Err(Failure::new(format!(
        "no device \"{device}\"; there are flex, ndarray, wgpu and cuda (cuda:1)"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_names_its_feature() {
        assert_eq!(feature("cuda:1").unwrap(), "cuda");
        assert!(feature("tpu").is_err());
    }
}
