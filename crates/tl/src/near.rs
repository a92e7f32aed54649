//! Images of two parts that look alike: when they are looked for, and where it is told.

use tl_data::{Items, NearDuplicates, Split, USUAL_DISTANCE};
use tl_train::SeveralDataset;
use tl_train::report::Section;

use crate::FinetuneOptions;
use crate::examples::Input;

/// The most images that are read for this alone, unless it was asked for.
pub const UNASKED: usize = 5000;

/// What came of looking for images that look alike in two parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lookout {
    pub found: Option<NearDuplicates>,
    /// For a reader, a line each.
    pub lines: Vec<String>,
}

/// `data`, which notes down how images look while they are decoded: where that was asked for, or all of them are files.
pub(crate) fn hashed(data: Input, options: &FinetuneOptions) -> Input {
    match data {
        Input::Images(loader)
            if options.near_duplicates.is_some() || loader.images().are_files() =>
        {
            Input::Images(loader.hashed())
        }
        Input::Several(images)
            if options.near_duplicates.is_some() || images.loader.images().are_files() =>
        {
            Input::Several(SeveralDataset::new(images.loader.hashed()))
        }
        other => other,
    }
}

/// Looks for images of the validation and the test part that look like one of another part.
///
/// Images that were decoded before are not read again. Images in memory, as of IDX files, are compared only if it was asked for: small ones
/// that are drawn alike look alike.
/// `within` a time that is up nothing is read for it.
pub(crate) fn look(
    data: &Input,
    split: &Split,
    options: &FinetuneOptions,
    within: bool,
) -> Lookout {
    let loader = match data {
        Input::Images(loader) => loader,
        Input::Several(images) => &images.loader,
        _ => return Lookout::default(),
    };
    let asked = options.near_duplicates;
    let alone = split.validation.is_empty() && split.test.is_empty();
    if alone || asked.is_none() && !loader.images().are_files() {
        return Lookout::default();
    }
    let unseen = loader.without_hash(split);
    if within && unseen > 0 {
        let line = format!(
            "images that look alike in two parts were not looked for: {unseen} of {} would be read for it after the time is up",
            loader.images().count()
        );
        return Lookout { found: None, lines: vec![line] };
    }
    if asked.is_none() && unseen > UNASKED {
        let line = format!(
            "images that look alike in two parts were not looked for: {unseen} of {} would be read for it; ask with \
             --near-duplicates {USUAL_DISTANCE}",
            loader.images().count()
        );
        return Lookout { found: None, lines: vec![line] };
    }
    let found = loader.near_duplicates(split, asked.unwrap_or(USUAL_DISTANCE));
    Lookout { lines: found.lines(), found: Some(found) }
}

/// What the report says of it.
pub(crate) fn section(found: &NearDuplicates) -> Option<Section> {
    let lines = found.lines();
    let title = "Images that look alike in two parts".to_string();
    (!lines.is_empty()).then(|| Section { title, lines, ..Section::default() })
}
