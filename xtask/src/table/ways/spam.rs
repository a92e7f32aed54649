//! E-mails that are spam or not as lines of JSON: from the archive of SpamAssassin's public corpus.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;

use crate::assets::untar;
use crate::shell::{During, Outcome, read};

/// The folders of the archive, and whether their e-mails are spam.
const GROUPS: [(&str, &str); 5] = [
    ("easy-ham-1", "ham"),
    ("easy-ham-2", "ham"),
    ("hard-ham-1", "ham"),
    ("spam-1", "spam"),
    ("spam-2", "spam"),
];

/// A file of the archive.
#[derive(Deserialize)]
struct Mail {
    text: String,
}

/// Writes `path` with a line of JSON for each e-mail in `archive`, its text and its label, unless it is there. Of the head only the
/// subject is taken: the rest tells which server collected it.
///
/// # Errors
/// When the archive cannot be unpacked or read, or the file not be written.
pub fn put(archive: &Path, path: &Path) -> Outcome<()> {
    if path.exists() {
        return Ok(());
    }
    let folder = tempfile::tempdir().during("cannot make a folder")?;
    untar(archive, folder.path())?;
    let mut lines = String::new();
    for (group, label) in GROUPS {
        let group = folder.path().join("package").join("data").join(group);
        let files: Result<Vec<PathBuf>, _> = std::fs::read_dir(&group)
            .during(group.display())?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect();
        let mut files = files.during(group.display())?;
        files.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
        files.sort();
        for file in files {
            let mail: Mail = serde_json::from_str(&read(&file)?).during(file.display())?;
            let line = json!({ "text": readable(&mail.text), "label": label });
            writeln!(lines, "{line}").during("cannot write a line")?;
        }
    }
    let aside = path.with_extension("tmp");
    std::fs::write(&aside, lines).during(aside.display())?;
    std::fs::rename(&aside, path).during(path.display())
}

/// The subject and the body of an e-mail without marks of HTML, with single spaces.
fn readable(mail: &str) -> String {
    let (head, body) = mail.split_once("\n\n").unwrap_or((mail, ""));
    let mut subject = String::new();
    let mut inside = false;
    for line in head.lines() {
        let continued = line.starts_with([' ', '\t']);
        let begins = line.get(..8).is_some_and(|name| name.eq_ignore_ascii_case("subject:"));
        inside = begins || inside && continued;
        if inside {
            subject += if begins { &line[8..] } else { line };
        }
    }
    let body = without_marks(&body.replace("=\n", ""));
    [subject.as_str(), body.as_str()]
        .iter()
        .flat_map(|text| text.split_whitespace())
        .collect::<Vec<_>>()
        .join(" ")
}

/// `text` with a space in place of each mark of HTML.
fn without_marks(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('<') {
        found += &rest[..place];
        let mark = &rest[place + 1..];
        let is_mark = mark.starts_with(|first: char| first.is_alphabetic() || "/!".contains(first));
        match mark.find('>').filter(|_| is_mark) {
            Some(end) => {
                found.push(' ');
                rest = &mark[end + 1..];
            }
            None => {
                found.push('<');
                rest = mark;
            }
        }
    }
    found + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_as_its_subject_and_its_words() {
        let mail = "From a@b  Thu\nSubject: Life\n\tInsurance\nTo: <c@d>\n\n<HTML>\n<p class=3D\"x\">Why pay=\n more?</p> 1 < 2";
        assert_eq!(readable(mail), "Life Insurance Why pay more? 1 < 2");
        assert_eq!(readable("Subject: alone"), "alone");
        assert_eq!(readable("no head\n\n<never closed"), "<never closed");
    }
}
