//! A split as comma-separated values (RFC 4180).

use std::collections::HashMap;

use crate::{DataError, Images, Part, Split};

const HEADER: &str = "name,label,part";

impl Split {
    /// The split as a table of `name,label,part`, one line per image that is used.
    pub fn to_csv(&self, images: &Images) -> String {
        let mut rows: Vec<(usize, Part)> = Vec::new();
        for (indices, part) in self.parts() {
            rows.extend(indices.iter().map(|&index| (index, part)));
        }
        rows.sort_unstable();
        let mut text = format!("{HEADER}\n");
        for (index, part) in rows {
            let Some(item) = images.items.get(index) else {
                continue;
            };
            let label =
                item.label.and_then(|label| images.classes.get(label)).map_or("", String::as_str);
            text.push_str(&format!("{},{},{part}\n", quote(&item.name), quote(label)));
        }
        text
    }

    /// Reads what [`Split::to_csv`] wrote, for the same images.
    ///
    /// # Errors
    /// A malformed line, an unknown image, a label that is not the image's, an image named twice;
    /// each with its line.
    pub fn from_csv(text: &str, images: &Images) -> Result<Self, DataError> {
        let known: HashMap<&str, usize> = images
            .items
            .iter()
            .enumerate()
            .map(|(index, item)| (item.name.as_str(), index))
            .collect();
        let mut records = records(text)?.into_iter();
        if records.next().is_none_or(|(_, fields)| fields.join(",") != HEADER) {
            let problem = format!("the first line must be `{HEADER}`");
            return Err(DataError::SplitFile { line: 1, problem });
        }
        let mut split = Self::default();
        let mut used = vec![false; images.len()];
        for (line, fields) in records {
            let wrong = |problem: String| DataError::SplitFile { line, problem };
            let [name, label, part] = fields.as_slice() else {
                return Err(wrong(format!("{} fields instead of 3", fields.len())));
            };
            let Some(&index) = known.get(name.as_str()) else {
                return Err(wrong(format!(
                    "the data hold no image {name:?}: the split belongs to other data"
                )));
            };
            let own = images.items[index]
                .label
                .and_then(|label| images.classes.get(label))
                .map_or("", String::as_str);
            if own != label {
                return Err(wrong(format!("{name:?} is labelled {label:?}, in the data {own:?}")));
            }
            if std::mem::replace(&mut used[index], true) {
                return Err(wrong(format!("{name:?} stands here a second time")));
            }
            match part.as_str() {
                "train" => split.train.push(index),
                "validation" => split.validation.push(index),
                "test" => split.test.push(index),
                other => {
                    return Err(wrong(format!(
                        "part {other:?} is none of train, validation, test"
                    )));
                }
            }
        }
        split.sort();
        Ok(split)
    }

    fn parts(&self) -> [(&Vec<usize>, Part); 3] {
        [(&self.train, Part::Train), (&self.validation, Part::Validation), (&self.test, Part::Test)]
    }
}

/// A field of a CSV file (RFC 4180).
fn quote(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_string(),
    }
}

/// The records of a CSV file (RFC 4180), each with the number of its first line.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, DataError> {
    let mut records = Vec::new();
    let (mut fields, mut field) = (Vec::new(), String::new());
    let (mut line, mut first_line, mut quoted) = (1, 1, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        line += usize::from(character == '\n');
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            _ if quoted => field.push(character),
            ',' => fields.push(std::mem::take(&mut field)),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                fields.push(std::mem::take(&mut field));
                let record = std::mem::take(&mut fields);
                if record != [""] {
                    records.push((first_line, record));
                }
                first_line = line;
            }
            _ => field.push(character),
        }
    }
    if quoted {
        return Err(DataError::SplitFile {
            line: first_line,
            problem: "a quotation mark is not closed".into(),
        });
    }
    if !fields.is_empty() || !field.is_empty() {
        fields.push(field);
        records.push((first_line, fields));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{folder_with, unsplit};

    #[test]
    fn a_split_comes_back_from_its_table_whatever_the_names() {
        let names = ["a,b/x \"1\".png", "a,b/ß.png", "plain/1.png", "plain/2.png"];
        let folder = folder_with(&names);
        let images = Images::open(folder.path()).unwrap();
        let split = images.split([0.5, 0.5, 0.0], 1).unwrap();
        let table = split.to_csv(&images);
        assert_eq!(Split::from_csv(&table, &images).unwrap(), split);
        let windows = table.replace('\n', "\r\n");
        assert_eq!(Split::from_csv(&windows, &images).unwrap(), split);
    }

    #[test]
    fn a_table_that_does_not_fit_is_refused_with_its_line() {
        let images = unsplit(2, 2);
        let bad = [
            ("", "line 1"),
            ("name;label;part\n", "line 1"),
            ("name,label,part\ntrain/000009,0,train\n", "line 2"),
            ("name,label,part\n\ntrain/000000,1,train\n", "line 3"),
            ("name,label,part\ntrain/000000,0,dev\n", "line 2"),
            ("name,label,part\ntrain/000000,0\n", "line 2"),
            ("name,label,part\ntrain/000000,0,test\ntrain/000000,0,train\n", "line 3"),
            ("name,label,part\n\"train/000000,0,test\n", "line 2"),
        ];
        for (table, line) in bad {
            let error = Split::from_csv(table, &images).unwrap_err().to_string();
            assert!(error.contains(line), "{table:?}: {error}");
        }
    }
}
