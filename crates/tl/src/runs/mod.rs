//! Finished runs side by side: what they are, how good, and which of them can be compared at all.
//!
//! | module | what it holds |
//! |---|---|
//! | `find` | [`runs_in`]: the runs that folders hold |
//! | `line` | [`RunLine`]: a run in a line; [`PartFigure`], how good it is on a part |
//! | `side_by_side` | [`SideBySide`], [`RunGroup`]: runs that differ in the seed alone, the best by the validation part |
//! | `page` | its `report.html` |

mod find;
mod line;
mod page;
mod side_by_side;

pub use find::{FoundRuns, runs_in};
pub use line::{PartFigure, RunLine, Unit};
pub use side_by_side::{RunGroup, SideBySide, Spread};
