//! Why the program ends: one line and an exit code.

use std::fmt;

use tl::data::DataError;
use tl::models::weights::WeightsError;
use tl::train::TrainError;

/// The input is at fault.
const INPUT: u8 = 2;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// One line for standard error and an exit code.
#[derive(Debug)]
pub struct Failure {
    message: String,
    pub code: u8,
}

impl Failure {
    /// A fault of the input: exit code 2.
    pub fn input(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: INPUT }
    }

    /// The same, after what it came of.
    pub fn of(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// An end by Ctrl-C: exit code 130.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: INTERRUPTED }
    }
}

/// What clap says in one line, before it repeats the usage, which `--help` shows.
pub fn said(message: &clap::Error) -> String {
    let text = message.render().to_string();
    let said: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect();
    let said = said.join(" ").replace(" tip:", "; tip:");
    said.strip_prefix("error: ").unwrap_or(&said).to_string()
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of files may hold line breaks; a failure is one line.
        let words: Vec<&str> = self.message.split(['\n', '\r']).map(str::trim).collect();
        out.write_str(words.join(" ").trim())
    }
}

impl From<tl::Error> for Failure {
    fn from(error: tl::Error) -> Self {
        Self { code: error.exit_code(), message: error.to_string() }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        tl::Error::from(error).into()
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        tl::Error::from(error).into()
    }
}

impl From<WeightsError> for Failure {
    fn from(error: WeightsError) -> Self {
        tl::Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_whatever_a_name_holds() {
        let failure = Failure::input("a\nb.png cannot\r\nbe read\n");
        assert_eq!(failure.to_string(), "a b.png cannot  be read");
    }
}
