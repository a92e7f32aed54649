//! The book and the README say what is there: flags of the program, lines of the code, pages and their headings.
//!
//! A quotation is a block of code under the line `<!-- from PATH -->`; lines of `…` in it stand for what is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The README and every chapter: path from the root, text.
fn pages() -> Vec<(String, String)> {
    let mut names = vec!["README.md".to_string()];
    for entry in fs::read_dir(root().join("docs/src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            names.push(format!("docs/src/{name}"));
        }
    }
    names.sort();
    let read = |name: &String| fs::read_to_string(root().join(name)).unwrap();
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

/// Every command of a page and the number of its line: those in blocks of `sh`, and spans of code that begin with `tl`.
fn commands(page: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut block: Option<bool> = None;
    let mut goes_on = false;
    for (number, line) in page.lines().enumerate() {
        let line = line.trim();
        if let Some(language) = line.strip_prefix("```") {
            block = if block.is_none() { Some(language.trim() == "sh") } else { None };
            goes_on = false;
        } else if block == Some(true) {
            let said = line.split(" #").next().unwrap_or_default();
            let part = said.trim_end_matches('\\').trim().to_string();
            match found.last_mut() {
                Some((_, command)) if goes_on => *command = format!("{command} {part}"),
                _ => found.push((number + 1, part)),
            }
            goes_on = said.ends_with('\\');
        } else if block.is_none() {
            let spans = line.split('`').skip(1).step_by(2);
            found.extend(spans.map(|span| (number + 1, span.to_string())));
        }
    }
    found.retain(|(_, command)| command.starts_with("tl "));
    found
}

/// The verb of a command and its long flags; nothing where a placeholder such as VERB, or no verb, follows `tl`.
fn verb_and_flags(command: &str) -> Option<(String, Vec<String>)> {
    let own = command.split([';', '|', '>']).next()?;
    let mut words = own.split_whitespace().skip(1);
    let verb =
        words.next().filter(|verb| verb.chars().all(|letter| letter.is_ascii_lowercase()))?;
    let flags = words.filter(|word| word.starts_with("--"));
    let name = |word: &str| word.split(['=', ',', '[']).next().unwrap_or_default().to_string();
    Some((verb.to_string(), flags.map(name).collect()))
}

/// The long flags that `tl VERB --help` lists; nothing where there is no such verb.
fn known(verb: &str) -> Option<BTreeSet<String>> {
    let output = Command::new(env!("CARGO_BIN_EXE_tl")).args([verb, "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let lines = help.lines().map(str::trim).filter(|line| line.starts_with('-'));
    let words = lines.flat_map(str::split_whitespace).filter(|word| word.starts_with("--"));
    let end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '-';
    let names = words.map(|word| word.split(end).next().unwrap_or_default().to_string());
    output.status.success().then(|| names.collect())
}

#[test]
fn every_flag_of_the_book_is_one_that_the_program_has() {
    let mut verbs: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (name, text) in pages() {
        for (line, command) in commands(&text) {
            let Some((verb, flags)) = verb_and_flags(&command) else { continue };
            let Some(known) = verbs.entry(verb.clone()).or_insert_with(|| known(&verb)) else {
                wrong.push(format!("{name}:{line}: the program has no verb {verb}"));
                continue;
            };
            checked += flags.len();
            let strange = flags.iter().filter(|flag| !known.contains(*flag));
            wrong.extend(strange.map(|flag| format!("{name}:{line}: tl {verb} has no {flag}")));
        }
    }
    assert!(checked > 100, "only {checked} flags were found: are the pages still where they were?");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn commands_are_found_with_their_lines_and_without_their_remarks() {
    let page = "Say `tl VERB --help` or `tl rank --only`.\n```sh\ntl fit a \\\n    --one 1 --two=2   # not --three\n\
                cargo run -- --four\n```\n```text\ntl fit --five\n```\n";
    let found = commands(page);
    let read: Vec<_> = found.iter().map(|(line, said)| (*line, verb_and_flags(said))).collect();
    let of = |verb: &str, flags: &[&str]| {
        Some((verb.to_string(), flags.iter().map(ToString::to_string).collect()))
    };
    let expected = [(1, None), (1, of("rank", &["--only"])), (3, of("fit", &["--one", "--two"]))];
    assert_eq!(read, expected);
    assert!(known("finetune").unwrap().contains("--freeze-through"));
    assert!(!known("finetune").unwrap().contains("--thaw"));
    assert_eq!(known("boil"), None);
}

/// The quotations of a page: the number of the line that names the file, the file, the lines.
fn quotations(page: &str) -> Vec<(usize, String, Vec<String>)> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let path = line.strip_prefix("<!-- from ").and_then(|rest| rest.strip_suffix(" -->"));
        let Some(path) = path else { continue };
        let block = lines.by_ref().skip_while(|(_, line)| !line.starts_with("```")).skip(1);
        let quoted = block.take_while(|(_, line)| !line.starts_with("```"));
        let quoted = quoted.map(|(_, line)| line.trim().to_string()).collect();
        found.push((number + 1, path.to_string(), quoted));
    }
    found
}

/// The first quoted line that the text does not have where it should stand; nothing where it has all of them. Indentation does
/// not count; what stands between two lines of `…` follows each other in the text.
fn missing(text: &str, quoted: &[String]) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut from = 0;
    for piece in quoted.split(|line| line == "…") {
        let Some(first) = piece.first() else { continue };
        let mut places = (from..lines.len()).filter(|&place| lines[place] == first);
        let same = |place: usize| {
            piece.iter().enumerate().all(|(at, line)| lines.get(place + at) == Some(&line.as_str()))
        };
        match places.find(|&place| same(place)) {
            Some(place) => from = place + piece.len(),
            None => return Some(first.clone()),
        }
    }
    None
}

#[test]
fn what_the_book_quotes_stands_in_the_code() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (name, text) in pages() {
        for (line, path, quoted) in quotations(&text) {
            checked += 1;
            let Ok(code) = fs::read_to_string(root().join(&path)) else {
                wrong.push(format!("{name}:{line}: {path} is not there"));
                continue;
            };
            if let Some(first) = missing(&code, &quoted) {
                wrong.push(format!("{name}:{line}: {path} has no passage that begins {first:?}"));
            }
        }
    }
    assert!(checked > 3, "only {checked} quotations were found");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_quotation_that_was_changed_is_told() {
    let lines = |text: &str| text.lines().map(str::to_string).collect::<Vec<_>>();
    let code = "a\n  b\nc\nd\n";
    assert_eq!(missing(code, &lines("a\nb\n…\nd")), None);
    assert_eq!(missing(code, &lines("a\nc")), Some("a".into()));
    assert_eq!(missing(code, &lines("c\n…\nb")), Some("b".into()));
    let page = "<!-- from x.rs -->\n```rust,ignore\na\n```\n";
    assert_eq!(quotations(page), [(1, "x.rs".to_string(), lines("a"))]);
}

/// The anchors of a page's headings, as mdBook makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let kept = line.trim_start_matches('#').trim().to_lowercase();
            let kept =
                kept.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
            kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
        })
        .collect()
}

#[test]
fn links_lead_to_what_is_there_and_the_summary_has_every_chapter() {
    let pages: BTreeMap<String, String> = pages().into_iter().collect();
    let mut wrong = Vec::new();
    for (name, text) in &pages {
        let folder = Path::new(name).parent().unwrap();
        for (line, target) in text.lines().enumerate().flat_map(|(number, line)| {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            targets.map(move |target| (number + 1, target))
        }) {
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() {
                name.clone()
            } else {
                folder.join(path).display().to_string()
            };
            if !root().join(&path).exists() {
                wrong.push(format!("{name}:{line}: {path} is not there"));
            } else if !anchor.is_empty()
                && pages.get(&path).is_some_and(|page| !anchors(page).contains(anchor))
            {
                wrong.push(format!("{name}:{line}: {path} has no heading for #{anchor}"));
            }
        }
    }
    let summary = &pages["docs/src/SUMMARY.md"];
    let chapters = pages.keys().filter_map(|name| name.strip_prefix("docs/src/"));
    let lost =
        chapters.filter(|name| *name != "SUMMARY.md" && !summary.contains(&format!("({name})")));
    wrong.extend(lost.map(|name| format!("docs/src/SUMMARY.md: {name} is not in it")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
