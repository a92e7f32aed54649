//! What the program prints: results on standard output, everything else on standard error.

use std::io::{ErrorKind, Write};

use serde::Serialize;
use tl::data::Skipped;
use tl::train::metrics::{Estimate, Evaluation};

use crate::failure::Failure;

/// Prints a result. A reader that went away (`tl … | head`) has what it wanted.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(reason) if reason.kind() != ErrorKind::BrokenPipe => Err(Failure::input(format!(
            "cannot write to standard output: {reason}; check where it goes"
        ))),
        _ => Ok(()),
    }
}

/// Prints one object of JSON.
///
/// # Errors
/// As [`print`].
pub fn object(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|reason| {
        Failure::input(format!("the result cannot be written as JSON: {reason}"))
    })?;
    print(&(text + "\n"))
}

/// Tells a person something on standard error; where that is closed nobody listens.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Tells notes on the data, a line each.
pub fn notes(notes: &[String]) {
    notes.iter().for_each(|note| tell(&format!("note: {note}")));
}

/// `91.7 % (95 % interval 64.6–98.5 %, n = 12)`
pub fn accuracy(found: &Evaluation) -> String {
    share(found.accuracy, found.interval, found.n)
}

/// A share with its interval and what it was counted over.
pub fn share(value: f64, [low, high]: [f64; 2], n: u64) -> String {
    format!(
        "{:.1} % (95 % interval {:.1}–{:.1} %, n = {})",
        100.0 * value,
        100.0 * low,
        100.0 * high,
        n
    )
}

/// Further figures with their 95 % intervals, in two lines; nothing where they were not measured.
pub fn figures(found: &Evaluation) -> String {
    let Some(figures) = &found.figures else { return String::new() };
    let one = |(name, Estimate { value, interval }): &(String, Estimate)| match interval {
        Some([low, high]) => format!("{name} {value:.3} ({low:.3}–{high:.3})"),
        None => format!("{name} {value:.3}"),
    };
    let all: Vec<String> = figures.named().iter().map(one).collect();
    let (first, second) = all.split_at(all.len().saturating_sub(3));
    format!("{}\n{}\n", first.join(" · "), second.join(" · "))
}

/// How many images were left out, and the first of them with the reason; nothing where there is none.
pub fn skipped(images: &[Skipped]) -> String {
    const NAMED: usize = 3;
    let Some(_) = images.first() else {
        return String::new();
    };
    let mut text = format!(
        "{} image{} could not be read and {} skipped:\n",
        images.len(),
        if images.len() == 1 { "" } else { "s" },
        if images.len() == 1 { "was" } else { "were" }
    );
    for image in images.iter().take(NAMED) {
        text += &format!("  {}: {}\n", image.name, image.reason);
    }
    if images.len() > NAMED {
        text += &format!("  and {} more\n", images.len() - NAMED);
    }
    text
}

/// Rows below each other; a column whose name ends in `#` stands at the right.
pub fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let names: Vec<String> =
        columns.iter().map(|name| name.trim_end_matches('#').to_string()).collect();
    let lines = || std::iter::once(&names).chain(rows);
    let length = |row: &Vec<String>, at: usize| row.get(at).map_or(0, |cell| cell.chars().count());
    let wide = |at: usize| lines().map(|row| length(row, at)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(wide).collect();
    let mut text = String::new();
    for row in lines() {
        let cells =
            row.iter().zip(&widths).zip(columns).map(|((cell, &wide), column)| {
                match column.ends_with('#') {
                    true => format!("{cell:>wide$}"),
                    false => format!("{cell:<wide$}"),
                }
            });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// `2,227,715`
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        // Digits are ASCII.
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

/// A command line that a shell reads as these words.
pub fn command_line<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quote(word.as_ref())).collect();
    quoted.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_given_to_a_shell() {
        let words = ["tl", "finetune", "my photos", "--freeze", "features.[0-3]", "it's", ""];
        assert_eq!(
            command_line(&words),
            r"tl finetune 'my photos' --freeze 'features.[0-3]' 'it'\''s' ''"
        );
    }

    #[test]
    fn names_stand_at_the_left_and_numbers_at_the_right() {
        let rows = [["a ± b", "7"], ["c", "1,000"]].map(|row| row.map(str::to_string).to_vec());
        assert_eq!(table(&["run", "n#"], &rows), "run        n\na ± b      7\nc      1,000\n");
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        let texts = [0, 999, 1000, 2_227_715].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "2,227,715"]);
    }

    #[test]
    fn skipped_images_are_counted_and_the_first_are_named() {
        assert_eq!(skipped(&[]), "");
        let image =
            |name: &str| Skipped { name: name.to_string(), reason: "the file is empty".into() };
        assert_eq!(
            skipped(&[image("a/1.png")]),
            "1 image could not be read and was skipped:\n  a/1.png: the file is empty\n"
        );
        let many: Vec<Skipped> = (0..5).map(|number| image(&number.to_string())).collect();
        assert!(skipped(&many).starts_with("5 images"));
        assert!(skipped(&many).ends_with("and 2 more\n"));
    }
}
