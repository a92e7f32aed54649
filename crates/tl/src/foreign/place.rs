//! Where adapters and their bases lie, by the words of `--weights`.

use std::path::{Path, PathBuf};

use tl_models::weights::Source;
use tl_peft::PeftFolder;
use tl_peft::file::{PEFT_CONFIG, PEFT_MODEL};
use tl_peft::folder::OLD_PEFT_MODEL;

use crate::Error;
use crate::record::MODEL_FILE;

/// What says that a source of weights is a folder of adapters, and what names their base behind it:
/// `adapter:FOLDER,base=SRC`.
pub(super) const PREFIX: &str = "adapter:";
pub(super) const BASE: &str = ",base=";

/// The folder of the adapters that `text` is, and the base that it names; nothing where it is another source.
///
/// # Errors
/// A folder that holds whole weights too; a hub's files that cannot be had.
pub(super) fn said(text: &str) -> Result<Option<(PathBuf, Option<String>)>, Error> {
    let Some(rest) = text.strip_prefix(PREFIX) else {
        return Ok(implied(text)?.map(|folder| (folder, None)));
    };
    let (folder, base) = match rest.split_once(BASE) {
        Some((folder, base)) => (folder, Some(base.to_string())),
        None => (rest, None),
    };
    let folder = match folder.parse::<Source>()? {
        Source::File(path) if path.is_file() => path.parent().map(Path::to_path_buf),
        source @ Source::Hub { .. } => fetched(&source)?,
        _ => Some(PathBuf::from(folder)),
    };
    Ok(Some((folder.unwrap_or_default(), base)))
}

/// The folder of the adapters that a source without prefix is.
fn implied(text: &str) -> Result<Option<PathBuf>, Error> {
    let is_model = |name: &str| [PEFT_MODEL, OLD_PEFT_MODEL].contains(&name);
    match text.parse::<Source>()? {
        Source::Run(folder) if PeftFolder::lies_in(&folder) => {
            let whole = [MODEL_FILE, "pytorch_model.bin"].map(|name| folder.join(name));
            match whole.iter().find(|path| path.is_file()) {
                None => Ok(Some(folder)),
                Some(path) => Err(Error::options(
                    format!("{} holds adapters and whole weights", folder.display()),
                    format!("give {PREFIX}{text} for those, or {} for these", path.display()),
                )),
            }
        }
        Source::File(path) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let folder = path.parent().filter(|folder| PeftFolder::lies_in(folder));
            Ok(folder.filter(|_| is_model(&name) && path.is_file()).map(Path::to_path_buf))
        }
        source @ Source::Hub { .. } => {
            let Source::Hub { file, .. } = &source else { return Ok(None) };
            let name = file.rsplit('/').next().unwrap_or_default();
            if is_model(name) { fetched(&source) } else { Ok(None) }
        }
        _ => Ok(None),
    }
}

/// The folder on this machine of a hub's file, with the configuration beside it.
fn fetched(source: &Source) -> Result<Option<PathBuf>, Error> {
    source.fetch_beside(&[PEFT_CONFIG])?;
    let file = source.open()?;
    Ok(file.as_ref().and_then(|file| file.path()?.parent()).map(Path::to_path_buf))
}

/// The source of the base that a configuration calls `name`, in its `revision`: a file or folder that is there, other
/// adapters and their base, or `owner/repo` of a hub; nothing where it is none of these.
pub(super) fn of_base(name: &str, revision: Option<&str>) -> Option<String> {
    if name.starts_with(PREFIX) || Path::new(name).exists() {
        return Some(name.to_string());
    }
    let hub = match revision {
        Some(revision) => format!("hub:{name}/{MODEL_FILE}@{revision}"),
        None => format!("hub:{name}/{MODEL_FILE}"),
    };
    let two_parts = name.split('/').count() == 2 && !name.contains(':');
    hub.parse::<Source>().is_ok_and(|_| two_parts).then_some(hub)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_what_is_there_or_a_repository() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().to_string_lossy().into_owned();
        assert_eq!(of_base(&here, None), Some(here));
        let of = |name| of_base(name, None);
        assert_eq!(of("adapter:a,base=b").unwrap(), "adapter:a,base=b");
        assert_eq!(of("owner/repo").unwrap(), "hub:owner/repo/model.safetensors");
        let found = of_base("owner/repo", Some("v2"));
        assert_eq!(found.unwrap(), "hub:owner/repo/model.safetensors@v2");
        for name in ["gpt2", "/nowhere/gpt2", "../gpt2", "a/b/c", "random:some/folder", "a/b?x"] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn the_words_of_adapters_are_told_from_those_of_other_weights() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = folder.path().to_string_lossy().into_owned();
        assert_eq!(said(&text).unwrap(), None);
        std::fs::write(path(PEFT_CONFIG), "{}").unwrap();
        std::fs::write(path(PEFT_MODEL), "").unwrap();
        let here = folder.path().to_path_buf();
        let alone = Some((here.clone(), None));
        assert_eq!(said(&text).unwrap(), alone);
        assert_eq!(said(&path(PEFT_MODEL).to_string_lossy()).unwrap(), alone);
        assert_eq!(said(&format!("adapter:{text}")).unwrap(), alone);
        assert_eq!(said(&format!("adapter:{text}/{PEFT_MODEL}")).unwrap(), alone);
        let with_base = said(&format!("adapter:{text},base=random:x")).unwrap();
        assert_eq!(with_base, Some((here, Some("random:x".into()))));
        for other in ["random", "embedded", "hub:owner/repo/model.safetensors", "no/such/file"] {
            assert_eq!(said(other).unwrap(), None, "{other}");
        }
        std::fs::write(path(MODEL_FILE), "").unwrap();
        let message = said(&text).unwrap_err().to_string();
        assert!(message.contains("adapters and whole weights"), "{message}");
        assert_eq!(said(&path(MODEL_FILE).to_string_lossy()).unwrap(), None);
        assert_eq!(said(&format!("adapter:{text}")).unwrap(), alone);
    }
}
