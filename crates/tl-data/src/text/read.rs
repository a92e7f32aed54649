//! Texts from files and folders.

use std::path::Path;

use serde_json::{Map, Value};

use super::texts::{Named, TextItem, Texts};
use crate::DataError;
use crate::folder::scan_for;
use crate::images::Source;
use crate::listing::TEXTS;
use crate::table::{Fault, PART, Record, Table, part_in, part_of, separator_of};

/// Which columns of a table (or keys of JSON lines) hold what.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    pub text: String,
    /// The second text of a pair.
    pub pair: Option<String>,
    pub label: String,
    /// Of images: the column of their paths, which is found by its name where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of images: the column of what some of them have in common, such as a patient or a video; they stay in one part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Of images: what stands between the labels of one, which may have several or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// Of images: the columns of the classes, each with 1 where an image is of it and else 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl Columns {
    /// Whether an image may have several labels or none.
    pub fn are_several(&self) -> bool {
        self.separator.is_some() || !self.labels.is_empty()
    }
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            text: "text".into(),
            pair: None,
            label: "label".into(),
            path: None,
            group: None,
            separator: None,
            labels: Vec::new(),
        }
    }
}

impl Texts {
    /// Reads what is at `path`: a table with a first line of names (`.csv`, `.tsv`), JSON objects one a line
    /// (`.jsonl`), plain lines without labels (any other file), or a folder of `.txt` files with a folder per
    /// class, perhaps inside folders `train`, `validation` and `test`.
    ///
    /// A column `split` with `train`, `validation` and `test` divides the texts of a table. Where `labelled` is
    /// not asked for, a table may lack the column of labels.
    ///
    /// # Errors
    /// No such path, bytes that are no UTF-8, a ragged table, a column that is not there; each with its line.
    pub fn open(path: &Path, columns: &Columns, labelled: bool) -> Result<Self, DataError> {
        if path.is_dir() {
            return from_folder(path);
        }
        let text = read(path)?;
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let named = match (separator_of(path), extension.as_str()) {
            (Some(separator), _) => from_table(&text, separator, columns, labelled),
            (None, "jsonl" | "ndjson") => from_json_lines(&text, columns, labelled),
            _ => return Ok(Self::lines(&text)),
        };
        let named = named.map_err(|(line, problem)| DataError::TextFile {
            path: path.to_path_buf(),
            line,
            problem,
        })?;
        if named.is_empty() {
            return Err(DataError::NoTexts(path.to_path_buf()));
        }
        Ok(Self::of(named))
    }
}

/// The file as text, without a byte order mark.
pub(crate) fn read(path: &Path) -> Result<String, DataError> {
    let bytes = std::fs::read(path).map_err(|source| DataError::read(path, source))?;
    let text = String::from_utf8(bytes).map_err(|fault| {
        let before = &fault.as_bytes()[..fault.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let problem = "holds bytes that are no UTF-8; save the file as UTF-8".to_string();
        DataError::TextFile { path: path.to_path_buf(), line, problem }
    })?;
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_string))
}

type Read = Result<Vec<Named>, Fault>;

fn from_table(text: &str, separator: char, columns: &Columns, labelled: bool) -> Read {
    let mut table = Table::read(text, separator)?;
    if table.is_empty() {
        return Ok(Vec::new());
    }
    let text = table.needed(&columns.text, "--text-column")?;
    let pair = columns.pair.as_deref().map(|name| table.needed(name, "--pair-column"));
    let pair = pair.transpose()?;
    let label = match table.find(&columns.label) {
        None if !labelled => None,
        _ => Some(table.needed(&columns.label, "--label-column")?),
    };
    let part = table.find(PART);
    let kinds = if separator == '\t' { of_orange(&table.rows) } else { 0 };
    let rows = std::mem::take(&mut table.rows);
    rows.into_iter()
        .skip(kinds)
        .map(|(line, mut fields)| {
            table.check_width(line, &fields)?;
            let mut take = |at: usize| std::mem::take(&mut fields[at]);
            let part = part.map(&mut take).map(|part| part_in(line, &part)).transpose()?;
            Ok(Named {
                class: label.map(&mut take).map(|class| class.trim().to_string()),
                item: TextItem {
                    name: line.to_string(),
                    pair: pair.map(&mut take),
                    text: take(text),
                    label: None,
                    part: part.flatten(),
                },
            })
        })
        .map(|row| row.map(without_empty_class))
        .collect()
}

/// How many records behind the names say of what kind the columns are: two in tables of Orange, none in others.
fn of_orange(records: &[Record]) -> usize {
    let all = |record: Option<&Record>, words: &[&str]| {
        record.is_some_and(|(_, fields)| fields.iter().all(|it| words.contains(&it.trim())))
    };
    let kinds = ["", "d", "c", "s", "t", "discrete", "continuous", "string", "time"];
    let roles = ["", "class", "meta", "ignore", "i", "m"];
    if all(records.first(), &kinds) && all(records.get(1), &roles) { 2 } else { 0 }
}

fn without_empty_class(named: Named) -> Named {
    Named { class: named.class.filter(|class| !class.is_empty()), ..named }
}

fn from_json_lines(text: &str, columns: &Columns, labelled: bool) -> Read {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let number = number + 1;
            let wrong = |problem: String| (number, problem);
            let object: Map<String, Value> = serde_json::from_str(line)
                .map_err(|reason| wrong(format!("is no JSON object ({reason})")))?;
            let word = |key: &str| match object.get(key) {
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Null) | None => None,
                Some(Value::Array(_) | Value::Object(_)) => None,
                Some(other) => Some(other.to_string()),
            };
            let needed = |key: &str, flag: &str| {
                word(key)
                    .ok_or_else(|| wrong(format!("has no text {key:?}; name a key with {flag}")))
            };
            let class = word(&columns.label).filter(|class| !class.trim().is_empty());
            if labelled && !object.contains_key(&columns.label) {
                let key = &columns.label;
                return Err(wrong(format!("has no {key:?}; name a key with --label-column")));
            }
            let part = word(PART);
            let item = TextItem {
                name: number.to_string(),
                text: needed(&columns.text, "--text-column")?,
                pair: columns
                    .pair
                    .as_deref()
                    .map(|key| needed(key, "--pair-column"))
                    .transpose()?,
                label: None,
                part: part.map(|part| part_of(&part).ok_or(part)).transpose().map_err(|part| {
                    wrong(format!("{PART} is {part:?}, none of train, validation, test"))
                })?,
            };
            Ok(Named { item, class: class.map(|class| class.trim().to_string()) })
        })
        .collect()
}

fn from_folder(path: &Path) -> Result<Texts, DataError> {
    let none = || DataError::NoTexts(path.to_path_buf());
    let found = scan_for(path, TEXTS).map_err(|fault| match fault {
        DataError::NothingToRead(_) => none(),
        other => other,
    })?;
    let named = found.items.iter().map(|file| {
        let Source::File { path, .. } = &file.source else { return Err(none()) };
        let (name, text) = (file.name.clone(), read(path)?);
        let class = file.label.and_then(|label| found.classes.get(label)).cloned();
        let item = TextItem { name, text, pair: None, label: None, part: file.part };
        Ok(Named { item, class })
    });
    Ok(Texts::of(named.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Items, Part};

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn opened(name: &str, bytes: &[u8], labelled: bool) -> Result<Texts, String> {
        let (_folder, path) = written(name, bytes);
        Texts::open(&path, &Columns::default(), labelled).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_table_and_json_lines_hold_the_same_texts() {
        let table = "label,text,split\nyes,\"a, b\",train\nno,c,test\n,d,train\n";
        let lines = "{\"text\": \"a, b\", \"label\": \"yes\", \"split\": \"train\"}\n\n\
            {\"text\": \"c\", \"label\": \"no\", \"split\": \"test\"}\n\
            {\"text\": \"d\", \"label\": null, \"split\": \"train\"}\n";
        for (name, text) in [("a.csv", table), ("a.jsonl", lines)] {
            let texts = opened(name, text.as_bytes(), true).unwrap();
            assert_eq!(texts.classes, ["no", "yes"], "{name}");
            assert_eq!(texts.labels(), [Some(1), Some(0), None]);
            assert_eq!(texts.items[0].text, "a, b");
            assert_eq!(texts.part(1), Some(Part::Test));
            assert!(texts.notes[0].contains("1 texts have no label"));
        }
    }

    #[test]
    fn what_cannot_be_read_is_one_line_that_says_where() {
        for (name, bytes, part) in [
            ("a.csv", &b"text,label\na,b\nc,d,e\n"[..], "line 3: has 3 fields, not 2"),
            ("a.csv", b"text,label\na,\"b\n", "line 2: a quotation mark"),
            ("a.csv", b"sentence,label\na,b\n", "no column \"text\" among sentence, label"),
            ("a.csv", b"text,class\na,b\n", "--label-column"),
            ("a.csv", b"text,label,split\na,b,dev2\n", "line 2: split is"),
            ("a.csv", b"text,label\na,b\n\xff,c\n", "line 3: holds bytes that are no UTF-8"),
            ("a.csv", b"text,label\n", "holds no text"),
            ("a.tsv", b"text\tlabel\na\tb\tc\n", "line 2: has 3 fields"),
            ("a.jsonl", b"{\"text\": \"a\", \"label\": 1}\n{\"text\"\n", "line 2: is no JSON"),
            ("a.jsonl", b"{\"label\": 1}\n", "line 1: has no text"),
            ("a.jsonl", b"{\"text\": \"a\"}\n", "line 1: has no \"label\""),
        ] {
            let message = opened(name, bytes, true).unwrap_err();
            assert!(message.contains(part), "{message}");
            assert_eq!(message.lines().count(), 1);
        }
    }

    #[test]
    fn a_table_of_orange_says_of_what_kind_its_columns_are() {
        let table = b"label\ttext\nd\tstring\nclass\t\n\nyes\ta b\nd\tstring\n";
        let texts = opened("a.tab", table, true).unwrap();
        assert_eq!(
            (texts.classes.as_slice(), texts.items.len()),
            (&["d".into(), "yes".into()][..], 2)
        );
    }

    #[test]
    fn plain_lines_are_texts_without_labels_whatever_they_hold() {
        let texts = opened("a.txt", "one\r\n\n three, \"3\"\n".as_bytes(), false).unwrap();
        let lines: Vec<&str> = texts.items.iter().map(|item| item.text.as_str()).collect();
        assert_eq!(lines, ["one", "", " three, \"3\""]);
        assert_eq!(texts.items[2].name, "3");
        assert!(texts.notes[0].contains("1 texts are empty"));
    }

    #[test]
    fn a_folder_per_class_is_read_like_one_of_images() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("train/a/1.txt", "x"), ("train/b/2.txt", "y"), ("test/a/3.txt", "z")]
        {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let texts = Texts::open(folder.path(), &Columns::default(), true).unwrap();
        let names: Vec<&str> = texts.items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["test/a/3.txt", "train/a/1.txt", "train/b/2.txt"]);
        assert_eq!(texts.labels(), [Some(0), Some(0), Some(1)]);
        let empty = tempfile::tempdir().unwrap();
        let message = Texts::open(empty.path(), &Columns::default(), true).unwrap_err();
        assert!(message.to_string().contains("holds no text"));
    }
}
