//! Where and with what the numbers were made.

use super::sides::Side;
use crate::shell::{Failure, Outcome, program, quietly};
use crate::table::burn_version;

/// The versions of the peers' libraries, as pip reads them.
const PEERS: &str = include_str!("peers.txt");

/// Libraries without which there are no peers; the others make one column, which may be absent.
const NEEDED: [&str; 2] = ["torch", "torchvision"];

/// Names and versions of our side.
///
/// # Errors
/// When the lock file cannot be read.
pub(super) fn ours() -> Outcome<Vec<(String, String)>> {
    let rustc = quietly(program("rustc", &["--version"])).unwrap_or_default();
    let rustc = rustc.split(' ').nth(1).unwrap_or("unknown").to_string();
    let tl = env!("CARGO_PKG_VERSION").to_string();
    let commit = quietly(program("git", &["rev-parse", "--short", "HEAD"])).unwrap_or_default();
    Ok(vec![
        ("tl".to_string(), format!("{tl} {}", commit.trim()).trim().to_string()),
        ("burn".to_string(), burn_version()?),
        ("rustc".to_string(), rustc),
    ])
}

/// Names and versions of the peers, once they are the ones that the numbers are compared with.
///
/// # Errors
/// When a needed library is absent or one has another version.
pub(super) fn peers(side: &mut Side) -> Outcome<Vec<(String, String)>> {
    let versions = side.versions()?;
    check(&versions)?;
    Ok(versions)
}

/// A version without the name of its build, as in `2.15.0+cpu`.
fn plain(version: &str) -> &str {
    version.split('+').next().unwrap_or(version)
}

fn check(versions: &[(String, String)]) -> Outcome<()> {
    for (name, wanted) in PEERS.lines().filter_map(|line| line.split_once("==")) {
        let found = versions.iter().find(|(known, _)| known == name);
        let found = found.map_or("absent", |(_, version)| version.as_str());
        let optional = found == "absent" && !NEEDED.contains(&name);
        if plain(found) != wanted && !optional {
            return Err(Failure::new(format!(
                "the peers' {name} is {found}, not {wanted}; \
                 `VENV/bin/pip install -r xtask/src/bench/peers.txt` brings it"
            )));
        }
    }
    Ok(())
}

/// The processor, its cores and its memory.
pub(super) fn machine() -> String {
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_string());
    let flags = field("/proc/cpuinfo", "flags").unwrap_or_default();
    let has = |name: &str| flags.split(' ').any(|flag| flag == name);
    let vectors = [("avx512f", "AVX-512"), ("avx512_bf16", "AVX512-BF16"), ("avx2", "AVX2")];
    let vectors: Vec<&str> =
        vectors.iter().filter(|(flag, _)| has(flag)).map(|(_, name)| *name).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(String::new, |kilobytes| format!(", {:.0} GB of memory", kilobytes / 1e6));
    let (system, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    format!(
        "{processor} ({architecture}, {}), cores: {cores}{memory}, {system}",
        vectors.join(", ")
    )
}

/// What stands behind the first `name` and its colon.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_string())
    })
}

/// Processes that were running or waiting to run in the last minute, on average.
pub(super) fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// The day, as in 2026-02-01.
pub(super) fn today() -> String {
    quietly(program("date", &["-u", "+%F"])).unwrap_or_default().trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(changed: &str, version: &str) -> Vec<(String, String)> {
        let lines = PEERS.lines().filter_map(|line| line.split_once("=="));
        lines
            .map(|(name, wanted)| {
                let version = if name == changed { version } else { wanted };
                (name.to_string(), version.to_string())
            })
            .collect()
    }

    #[test]
    fn another_version_is_refused_and_another_build_is_not() {
        assert!(check(&versions("torch", "2.15.0+cpu")).is_ok());
        let failure = check(&versions("torch", "2.14.0")).unwrap_err().to_string();
        assert!(failure.contains("torch is 2.14.0"), "{failure}");
    }

    #[test]
    fn one_column_may_be_absent_and_the_peer_itself_may_not() {
        assert!(check(&versions("onnxruntime", "absent")).is_ok());
        assert!(check(&versions("torch", "absent")).is_err());
    }

    #[test]
    fn the_day_is_a_date() {
        let today = today();
        assert_eq!(today.split('-').map(str::len).collect::<Vec<_>>(), [4, 2, 2], "{today}");
    }
}
