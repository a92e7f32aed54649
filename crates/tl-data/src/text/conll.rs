//! Files of tagged words: a word a line, its tag in the last column, sentences apart by empty lines.

use std::path::{Path, PathBuf};

use super::read::read;
use super::scheme::mark_and_type;
use super::tagged::{Read, Tagged};
use crate::table::part_of;
use crate::{DataError, Part};

/// The word of a line that begins a document in the files of CoNLL-2003.
const DOCUMENT: &str = "-DOCSTART-";

impl Tagged {
    /// Reads the file at `path`, or of a folder the files `train`, `valid` or `dev`, and `test`, whatever their endings.
    ///
    /// A line holds a word in its first column and its tag in the last, between tabs or spaces; a line of spaces and
    /// tabs alone ends a sentence. Lines of a `#` before a sentence that end in no tag are comments, lines that begin with `-DOCSTART-` are passed
    /// over. Tags are IOB1 (taken over as IOB2), IOB2, BIOES or BILOU.
    ///
    /// # Errors
    /// No such path, bytes that are no UTF-8, lines of different columns, a last column that is no tag; each with its
    /// line.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let mut sentences = Vec::new();
        for (file, part) in files(path)? {
            let text = read(&file)?;
            let found = parse(&text).map_err(|(line, problem)| DataError::TextFile {
                path: file.clone(),
                line,
                problem,
            })?;
            let named = found.into_iter().map(|(line, words, tags)| {
                let name = match part {
                    Some(_) => {
                        let file = file.file_name().unwrap_or_default();
                        format!("{}:{line}", file.to_string_lossy())
                    }
                    None => line.to_string(),
                };
                Read { name, words, tags, part }
            });
            sentences.extend(named);
        }
        match sentences.is_empty() {
            true => Err(DataError::NoTexts(path.to_path_buf())),
            false => Ok(Self::of(sentences)),
        }
    }

    /// Whether the file at `path` looks like one of tagged words: the last columns of its first lines are tags.
    pub fn is_kind_of(path: &Path) -> bool {
        let Ok(files) = files(path) else { return false };
        let Some((first, _)) = files.first() else { return false };
        let Ok(text) = read(first) else { return false };
        let lines =
            text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with(['#', '-']));
        let mut lines = lines.take(50).peekable();
        let tagged = |line: &str| {
            let columns = columns(line);
            columns.len() > 1 && columns.last().is_some_and(|tag| mark_and_type(tag).is_some())
        };
        lines.peek().is_some() && lines.all(tagged)
    }
}

/// The files at `path` and their parts.
fn files(path: &Path) -> Result<Vec<(PathBuf, Option<Part>)>, DataError> {
    if !path.is_dir() {
        return Ok(vec![(path.to_path_buf(), None)]);
    }
    let entries = std::fs::read_dir(path).map_err(|source| DataError::read(path, source))?;
    let mut found = Vec::new();
    for entry in entries {
        let file = entry.map_err(|source| DataError::read(path, source))?.path();
        let part = part_of(&file.file_stem().unwrap_or_default().to_string_lossy());
        if file.is_file() && part.is_some() {
            found.push((file, part));
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(DataError::NoTexts(path.to_path_buf())),
        false => Ok(found),
    }
}

fn columns(line: &str) -> Vec<&str> {
    match line.contains('\t') {
        true => line.split('\t').map(str::trim).collect(),
        false => line.split_whitespace().collect(),
    }
}

/// The line of a sentence's first word, its words and their tags.
type Words = (usize, Vec<String>, Vec<String>);

fn parse(text: &str) -> Result<Vec<Words>, (usize, String)> {
    let mut sentences: Vec<Words> = Vec::new();
    let mut open = false;
    // How many columns the first line has, and where that stands.
    let mut usual: Option<(usize, usize)> = None;
    // The first line with a mark of BIOES, and one of BILOU.
    let mut marks: [Option<usize>; 2] = [None; 2];
    for (number, line) in text.lines().enumerate().map(|(number, line)| (number + 1, line)) {
        let columns = columns(line);
        let tag = columns.last().copied().unwrap_or_default();
        let comment = !open && line.starts_with('#') && mark_and_type(tag).is_none();
        if line.trim().is_empty() || line.starts_with(DOCUMENT) {
            open = false;
            continue;
        }
        if comment {
            continue;
        }
        let (expected, first) = *usual.get_or_insert((columns.len(), number));
        if columns.len() != expected {
            let found = columns.len();
            return Err((
                number,
                format!(
                    "has {found} columns, and line {first} has {expected}; give every word the same"
                ),
            ));
        }
        if expected < 2 {
            return Err((
                number,
                "holds no tag; write a word and its tag, such as B-person or O".into(),
            ));
        }
        if mark_and_type(tag).is_none() {
            return Err((
                number,
                format!(
                    "ends in {tag:?}, which is no tag; tags are O and a mark of BIO, BIOES or BILOU with a type, such as B-person"
                ),
            ));
        }
        let (place, other) = match tag.as_bytes()[0] {
            b'E' | b'S' => (0, 1),
            b'L' | b'U' => (1, 0),
            _ => (2, 2),
        };
        if let Some(mark) = marks.get_mut(place) {
            mark.get_or_insert(number);
            if let Some(before) = marks[other] {
                return Err((
                    number,
                    format!(
                        "has a mark of {} and line {before} one of {}; a file keeps to one scheme",
                        ["BIOES", "BILOU"][place],
                        ["BIOES", "BILOU"][other]
                    ),
                ));
            }
        }
        let word = columns[0];
        if word.is_empty() {
            return Err((
                number,
                "has a tag without a word; put the word into its first column".into(),
            ));
        }
        if !open {
            sentences.push((number, Vec::new(), Vec::new()));
            open = true;
        }
        if let Some((_, words, tags)) = sentences.last_mut() {
            words.push(word.to_string());
            tags.push(tag.to_string());
        }
    }
    Ok(sentences)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Scheme;
    use crate::{Items, Split};

    fn opened(bytes: &[u8]) -> Result<Tagged, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conll");
        std::fs::write(&path, bytes).unwrap();
        Tagged::open(&path).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_file_of_spaces_and_one_of_tabs_hold_the_same_sentences() {
        let spaces =
            "-DOCSTART- -X- O O\n\nAnna NNP I-NP B-PER\nruns VB I-VP O\n\n\nBonn NNP I-NP B-LOC\n";
        let tabs = "# id 1\nAnna\tB-PER\r\nruns\tO\r\n\t\r\nBonn\tB-LOC\r\n\t";
        for text in [spaces, tabs] {
            let found = opened(text.as_bytes()).unwrap();
            assert_eq!(found.classes, ["O", "B-LOC", "B-PER"]);
            let texts: Vec<&str> = found.items.iter().map(|it| it.text.as_str()).collect();
            assert_eq!(texts, ["Anna runs", "Bonn"]);
            assert_eq!(found.items[0].tags, [2, 0]);
            assert_eq!(found.items[0].words, [0..4, 5..9]);
            assert_eq!(found.labels(), [Some(2), Some(1)]);
            assert_eq!(found.types(), ["LOC", "PER"]);
        }
    }

    #[test]
    fn schemes_are_told_apart_and_iob1_becomes_iob2() {
        let found = opened(b"a I-x\nb I-x\nc B-x\nd O\n").unwrap();
        assert_eq!(
            (found.scheme, &found.classes[..]),
            (Scheme::Iob2, &["O", "B-x", "I-x"].map(String::from)[..])
        );
        assert_eq!(found.items[0].tags, [1, 2, 1, 0]);
        assert!(found.notes[0].contains("IOB1"));
        assert_eq!(opened(b"a B-x\nb E-x\nc S-y\n").unwrap().scheme, Scheme::Bioes);
        assert_eq!(opened(b"a B-x\nb L-x\nc U-y\n").unwrap().scheme, Scheme::Bilou);
        let found = opened(b"a B-x\nb O\nc I-x\n").unwrap();
        assert!(found.notes[0].contains("1 tags go on with an entity"), "{:?}", found.notes);
    }

    #[test]
    fn a_word_of_a_number_sign_is_no_comment() {
        let found = opened(b"# O\n#go B-x\n\n# a comment here\n# O\n").unwrap();
        let texts: Vec<&str> = found.items.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, ["# #go", "#"]);
    }

    #[test]
    fn what_cannot_be_read_is_one_line_that_says_where() {
        for (bytes, part) in [
            (&b"a O\nb NN O\n"[..], "line 2: has 3 columns, and line 1 has 2"),
            (b"a O\nb\n", "line 2: has 1 columns"),
            (b"a\nb\n", "line 1: holds no tag"),
            (b"a O\nb person\n", "line 2: ends in \"person\""),
            (b"a O\nb X-person\n", "line 2: ends in \"X-person\""),
            (b"a O\nb B-\n", "line 2: ends in \"B-\""),
            (b"a S-x\nb L-x\n", "line 2: has a mark of BILOU and line 1 one of BIOES"),
            (b"\tO\n", "line 1: has a tag without a word"),
            (b"a O\n\xff O\n", "line 2: holds bytes that are no UTF-8"),
            (b"\n\n", "holds no text"),
        ] {
            let message = opened(bytes).unwrap_err();
            assert!(message.contains(part), "{message}");
            assert_eq!(message.lines().count(), 1);
        }
    }

    #[test]
    fn a_folder_of_parts_is_read_as_divided() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("train.txt", "a B-x\n"), ("dev.txt", "b O\n"), ("test.conll", "a B-x\n")]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        std::fs::write(folder.path().join("README.md"), "no data").unwrap();
        let found = Tagged::open(folder.path()).unwrap();
        let split = Split::of(&found, [0.7, 0.15, 0.15], 0).unwrap();
        assert_eq!([split.train.len(), split.validation.len(), split.test.len()], [1, 1, 1]);
        assert!(found.notes[0].contains("1 sentences stand in two parts"), "{:?}", found.notes);
    }

    #[test]
    fn sentences_that_are_the_same_stay_in_one_part() {
        let text: String = (0..40).map(|at| format!("w{} B-x\nruns O\n\n", at % 20)).collect();
        let found = opened(text.as_bytes()).unwrap();
        let split = Split::of(&found, [0.5, 0.25, 0.25], 1).unwrap();
        for part in [&split.train, &split.validation, &split.test] {
            assert!(part.iter().all(|it| part.contains(&((it + 20) % 40))), "{part:?}");
        }
    }
}
