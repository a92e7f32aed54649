//! What can be wrong with data, where, and the mend.

use std::path::PathBuf;

/// Everything this crate reports; each message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    #[error("{} does not exist: check the path", .0.display())]
    NoSuchPath(PathBuf),

    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },

    #[error("{} is a folder where an image file was expected: open the folder by itself", .0.display())]
    IsFolder(PathBuf),

    #[error("{} is neither a file nor a folder: give an image, a folder of images or a folder of IDX files", .0.display())]
    NotAFile(PathBuf),

    #[error(
        "no image in {}: expected one folder per class, a folder of images (.jpg .png .bmp .gif .webp) or IDX files",
        .0.display()
    )]
    NothingToRead(PathBuf),

    #[error("class {class:?} has no image in {}: add images or remove the folder", path.display())]
    EmptyClass { class: String, path: PathBuf },

    #[error(
        "class {class:?} of {part} has no folder under train: a class that is tested must be trained"
    )]
    UntrainedClass { class: String, part: String },

    #[error("{} stands beside the folders train, validation and test: move it away, or rename those", .0.display())]
    BesideParts(PathBuf),

    #[error("{} and {} are the same part twice: keep one", first.display(), second.display())]
    PartTwice { first: PathBuf, second: PathBuf },

    #[error(
        "{} holds images directly: inside train, validation and test each class needs a folder of its own",
        .0.display()
    )]
    PartWithoutClasses(PathBuf),

    #[error(
        "the data have no classes: put images into one folder per class, or name the column of labels"
    )]
    NoClasses,

    #[error("{0:?} is the only class: telling apart needs two or more")]
    OneClass(String),

    #[error("IDX {what}: {problem}")]
    Idx { what: String, problem: String },

    #[error("{}: {problem}: fetch the file anew", path.display())]
    Cifar { path: PathBuf, problem: String },

    #[error("{what}: {problem}: fetch the file anew")]
    Digits { what: String, problem: String },

    #[error(
        "the fractions {fractions:?} of train, validation and test must each lie in 0..=1 and sum to 1"
    )]
    Fractions { fractions: [f64; 3] },

    #[error("nothing is marked for training: add a train part, or evaluate only")]
    NoTrainPart,

    #[error(
        "class {class:?} has {available} in the training part, {wanted} shots were asked for: ask for at most {available}"
    )]
    TooFewShots { class: String, available: usize, wanted: usize },

    #[error("0 shots per class leave nothing to train on: ask for 1 or more")]
    ZeroShots,

    #[error("split file, line {line}: {problem}")]
    SplitFile { line: usize, problem: String },

    #[error("preprocessing: {0}")]
    Preprocess(String),

    #[error("augmentation: {0}")]
    Augment(String),

    #[error("shift: {0}")]
    Shift(String),

    #[error("style: {0}")]
    Style(String),

    #[error("the {domain} domain has no image: give it at least one")]
    EmptyDomain { domain: String },

    #[error(
        "the source's images become {source_side}×{source_side} pixels, the target's {target_side}×{target_side}: use the same crop for both"
    )]
    UnequalCrops { source_side: usize, target_side: usize },

    #[error("{name} of the source domain has no label: give it one or leave it out")]
    NoLabel { name: String },

    #[error(
        "class {class:?} is none of those that were trained ({known}): rename or remove its examples"
    )]
    UnknownClass { class: String, known: String },

    #[error("there is no class {class:?}: name some of {known}")]
    NoSuchClass { class: String, known: String },

    #[error("{0}")]
    Join(String),

    #[error("{}, line {line}: {problem}", path.display())]
    TextFile { path: PathBuf, line: usize, problem: String },

    #[error("{} holds no text: give a table (.csv .tsv .jsonl), lines, or a folder of .txt files per class", .0.display())]
    NoTexts(PathBuf),

    #[error("{}: {problem}", path.display())]
    Tokenizer { path: PathBuf, problem: String },

    #[error("{0}")]
    Windows(String),

    #[error("batch size 0: use 1 or more")]
    ZeroBatch,

    #[error("image {index} was asked for, but there are {count}")]
    NoSuchItem { index: usize, count: usize },

    #[error("{name}: {reason}")]
    Broken { name: String, reason: String },

    #[error("cannot start a decoding thread: {0}")]
    Thread(std::io::Error),
}

impl DataError {
    pub(crate) fn read(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            std::io::ErrorKind::NotFound => Self::NoSuchPath(path),
            _ => Self::Read { path, source },
        }
    }

    pub(crate) fn idx(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Idx { what: what.into(), problem: problem.into() }
    }
}
