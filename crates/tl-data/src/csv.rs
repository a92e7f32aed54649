//! A split as comma-separated values (RFC 4180).

use std::collections::HashMap;

use crate::table::{quote, records};
use crate::{DataError, Items, Part, Split};

const HEADER: &str = "name,label,part";

impl Split {
    /// The split as a table of `name,label,part`, one line per item that is used.
    pub fn to_csv(&self, items: &dyn Items) -> String {
        let mut rows: Vec<(usize, Part)> = Vec::new();
        for (indices, part) in self.parts() {
            rows.extend(indices.iter().map(|&index| (index, part)));
        }
        rows.sort_unstable();
        let mut text = format!("{HEADER}\n");
        for (index, part) in rows {
            if index < items.count() {
                let (name, label) = (quote(items.name(index)), quote(items.class(index)));
                text.push_str(&format!("{name},{label},{part}\n"));
            }
        }
        text
    }

    /// Reads what [`Split::to_csv`] wrote, for the same items.
    ///
    /// # Errors
    /// A malformed line, an unknown item, a label that is not the item's, an item named twice;
    /// each with its line.
    pub fn from_csv(text: &str, items: &dyn Items) -> Result<Self, DataError> {
        let known: HashMap<&str, usize> =
            (0..items.count()).map(|index| (items.name(index), index)).collect();
        let records =
            records(text, ',').map_err(|(line, problem)| DataError::SplitFile { line, problem })?;
        let mut records = records.into_iter();
        if records.next().is_none_or(|(_, fields)| fields.join(",") != HEADER) {
            let problem = format!("the first line must be `{HEADER}`");
            return Err(DataError::SplitFile { line: 1, problem });
        }
        let mut split = Self::default();
        let mut used = vec![false; items.count()];
        for (line, fields) in records {
            let wrong = |problem: String| DataError::SplitFile { line, problem };
            let [name, label, part] = fields.as_slice() else {
                return Err(wrong(format!("{} fields instead of 3", fields.len())));
            };
            let Some(&index) = known.get(name.as_str()) else {
                return Err(wrong(format!(
                    "the data hold no {name:?}: the split belongs to other data"
                )));
            };
            let own = items.class(index);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Images;
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
