use thiserror::Error;

/// What can be wrong with a plan, a rate or an activation.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum CoreError {
    /// A stage was named that the network does not have.
    #[error("no stage is called \"{name}\"; the stages are: {}", stages.join(", "))]
    UnknownStage { name: String, stages: Vec<String> },
    /// A pattern selected nothing, so what it asked for would silently not happen.
    #[error("the pattern \"{pattern}\" matches no stage; the stages are: {}", stages.join(", "))]
    PatternMatchesNothing { pattern: String, stages: Vec<String> },
    /// A pattern is not a regular expression.
    #[error("the pattern \"{pattern}\" is not a regular expression: {reason}")]
    BadPattern { pattern: String, reason: String },
    /// A number is outside of what makes sense.
    #[error("{what} is {value}; give {expected}")]
    BadNumber { what: String, value: f64, expected: &'static str },
    /// A plan without a phase, or a phase without an epoch.
    #[error("{what} is empty; give it at least one {needs}")]
    Empty { what: String, needs: &'static str },
    /// A plan written by a later version.
    #[error(
        "the plan has schema version {found}, this program reads up to {known}; use a newer one"
    )]
    Schema { found: u32, known: u32 },
    /// A stage received another kind of activation than it works on.
    #[error("{place} works on {expected} and was given {found}")]
    WrongActivation { place: String, expected: &'static str, found: &'static str },
    /// A layer received vectors of another width than its weights have.
    #[error("{place} works on vectors of width {expected} and was given width {found}")]
    WrongWidth { place: String, expected: usize, found: usize },
    /// The first stage received images that its network cannot work on.
    #[error(
        "{place} works on images of {channels} channels and {smallest} by {smallest} pixels or more; it was given \
         {} channels and {} by {} pixels",
        found[0], found[1], found[2]
    )]
    WrongImages { place: String, channels: usize, smallest: usize, found: [usize; 3] },
    /// Images do not divide into whole patches.
    #[error(
        "{place} divides images into patches of {patch} pixels, which images of {height} by {width} do not fill; give \
         --image-size a multiple of {patch}"
    )]
    NoWholePatches { place: String, patch: usize, height: usize, width: usize },
    /// A network was asked for what only some can do.
    #[error("{network} cannot {what}; give --model {instead}")]
    Unable { network: String, what: &'static str, instead: &'static str },
    /// A text of more pieces than a network has positions for.
    #[error(
        "{place} works on texts of up to {most} pieces and was given {found}; give --max-length up to {most}"
    )]
    TooLong { place: String, found: usize, most: usize },
    /// A piece that no row of a network's tables stands for.
    #[error(
        "{place} knows {known} pieces and was given number {id}; give it the tokenizer that belongs to its weights"
    )]
    UnknownPiece { place: String, id: u32, known: usize },
    /// Visible patches that do not exist, or of another number in another image.
    #[error(
        "the visible patches are no {kept} different ones of {patches} for each of {batch} images"
    )]
    BadVisible { kept: usize, patches: usize, batch: usize },
    /// A term beside the loss that is not known, or has no such number.
    #[error("the regulariser {text:?}: {problem}; there are {known}")]
    BadRegulariser { text: String, problem: String, known: &'static str },
    /// Stages were asked for that do not exist.
    #[error("stages {start}..{end} were asked for, the network has {stages}")]
    BadRange { start: usize, end: usize, stages: usize },
}
