//! `cargo xtask book`: the book in docs/.

use crate::shell::{Failure, Outcome, exists, program, say, watched};

/// Build the book from docs/ with mdBook.
///
/// The pages are plain Markdown and read well without it, from docs/src/SUMMARY.md on.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask book        # writes target/book/index.html")]
pub struct Arguments {}

/// Builds the book.
///
/// # Errors
/// When mdBook is not installed or fails.
pub fn run(_: &Arguments) -> Outcome<()> {
    if !exists("mdbook") {
        return Err(Failure::new(
            "mdbook is not installed; `cargo install mdbook --locked` brings it",
        ));
    }
    watched(program("mdbook", &["build", "docs"]))?;
    say("target/book/index.html");
    Ok(())
}
