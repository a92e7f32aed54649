//! Setting images aside for validation and test: stratified and seeded.

use std::collections::{BTreeMap, HashMap};

use crate::{DataError, Images, Part};

/// Which items are for training, which for validation, which for test: ascending indices into
/// [`Images::items`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
}

const CSV_HEADER: &str = "name,label,part";

impl Images {
    /// Divides the images into train, validation and test, every class in the same proportion.
    ///
    /// Where the data come already split, their parts are kept. A validation part that is missing is then
    /// taken out of train, in the proportion of the first two fractions; a test part that is missing stays
    /// empty ([`Split::notes`] says so). Over all classes together each part is within one image of its
    /// fraction, also when the classes are small.
    ///
    /// # Errors
    /// Fractions outside `0..=1` or that do not sum to 1; parts without any training image.
    pub fn split(&self, fractions: [f64; 3], seed: u64) -> Result<Split, DataError> {
        let in_range = fractions
            .iter()
            .all(|fraction| (0.0..=1.0).contains(fraction));
        if !in_range || (fractions.iter().sum::<f64>() - 1.0).abs() > 1e-6 {
            return Err(DataError::Fractions { fractions });
        }
        let of_part = |part| -> Vec<usize> {
            (0..self.len())
                .filter(|&index| self.items[index].part == Some(part))
                .collect()
        };
        if self.items.iter().all(|item| item.part.is_none()) {
            return Ok(self.stratify((0..self.len()).collect(), fractions, seed));
        }
        // An item without a part beside items with one can only come from hand-made data: train.
        let train: Vec<usize> = (0..self.len())
            .filter(|&index| matches!(self.items[index].part, Some(Part::Train) | None))
            .collect();
        let (validation, test) = (of_part(Part::Validation), of_part(Part::Test));
        if train.is_empty() {
            return Err(DataError::NoTrainPart);
        }
        let fitting = fractions[0] + fractions[1];
        if !validation.is_empty() || fractions[1] == 0.0 {
            return Ok(Split {
                train,
                validation,
                test,
            });
        }
        let share = fractions[1] / fitting;
        Ok(Split {
            test,
            ..self.stratify(train, [1.0 - share, share, 0.0], seed)
        })
    }

    /// Divides `indices` class by class.
    fn stratify(&self, indices: Vec<usize>, fractions: [f64; 3], seed: u64) -> Split {
        let mut classes: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for index in indices {
            classes
                .entry(self.items[index].label)
                .or_default()
                .push(index);
        }
        let mut split = Split::default();
        // What is due to a part and not yet given, in images: carried from class to class, so that ten classes of
        // three images yield validation images although a tenth of three rounds to none.
        let [mut due_validation, mut due_test] = [0.0_f64; 2];
        for (class, mut indices) in classes {
            let number = class.map_or(u64::MAX, |class| class as u64);
            tl_random::rng(seed, "split", 0, number).shuffle(&mut indices);
            let count = indices.len();
            // A class keeps one image for training, if there is any training.
            let mut free = if fractions[0] > 0.0 { count - 1 } else { count };
            for (part, due, fraction) in [
                (&mut split.validation, &mut due_validation, fractions[1]),
                (&mut split.test, &mut due_test, fractions[2]),
            ] {
                *due += fraction * count as f64;
                let given = (due.round().max(0.0) as usize).min(free);
                part.extend(indices.drain(..given));
                *due -= given as f64;
                free -= given;
            }
            // Without a training share the rest belongs to whichever part has one.
            match fractions {
                [0.0, _, 0.0] => split.validation.extend(indices),
                [0.0, ..] => split.test.extend(indices),
                _ => split.train.extend(indices),
            }
        }
        split.sort();
        split
    }
}

impl Split {
    /// Keeps `per_class` training images of each class; validation and test stay.
    ///
    /// The images for fewer shots are among those for more, with the same seed.
    ///
    /// # Errors
    /// 0 shots; a class with fewer training images, which is named.
    pub fn shots(
        mut self,
        images: &Images,
        per_class: usize,
        seed: u64,
    ) -> Result<Self, DataError> {
        if per_class == 0 {
            return Err(DataError::ZeroShots);
        }
        let mut kept = Vec::new();
        for (label, class) in images.classes.iter().enumerate() {
            let has_label = |index: &usize| {
                images
                    .items
                    .get(*index)
                    .is_some_and(|item| item.label == Some(label))
            };
            let mut members: Vec<usize> = self.train.iter().copied().filter(has_label).collect();
            if members.len() < per_class {
                let available = members.len();
                return Err(DataError::TooFewShots {
                    class: class.clone(),
                    available,
                    wanted: per_class,
                });
            }
            tl_random::rng(seed, "shots", 0, label as u64).shuffle(&mut members);
            kept.extend_from_slice(&members[..per_class]);
        }
        self.train = kept;
        self.sort();
        Ok(self)
    }

    /// What a reader should be told, one line each: parts that are empty.
    pub fn notes(&self) -> Vec<String> {
        let empty = [
            (
                &self.validation,
                "no validation part: nothing is chosen, the last weights are kept",
            ),
            (
                &self.test,
                "no test part: no figure here speaks for new images",
            ),
        ];
        empty
            .iter()
            .filter(|(part, _)| part.is_empty())
            .map(|(_, note)| (*note).to_string())
            .collect()
    }

    /// The split as a table of `name,label,part`, one line per image that is used.
    pub fn to_csv(&self, images: &Images) -> String {
        let mut rows: Vec<(usize, Part)> = Vec::new();
        for (indices, part) in self.parts() {
            rows.extend(indices.iter().map(|&index| (index, part)));
        }
        rows.sort_unstable();
        let mut text = format!("{CSV_HEADER}\n");
        for (index, part) in rows {
            let Some(item) = images.items.get(index) else {
                continue;
            };
            let label = item
                .label
                .and_then(|label| images.classes.get(label))
                .map_or("", String::as_str);
            text.push_str(&format!("{},{},{part}\n", quote(&item.name), quote(label)));
        }
        text
    }

    /// Reads what [`Split::to_csv`] wrote, for the same images.
    ///
    /// # Errors
    /// A malformed line, an unknown image, a label that is not the image's, an image named twice; each with its line.
    pub fn from_csv(text: &str, images: &Images) -> Result<Self, DataError> {
        let known: HashMap<&str, usize> = images
            .items
            .iter()
            .enumerate()
            .map(|(index, item)| (item.name.as_str(), index))
            .collect();
        let mut records = records(text)?.into_iter();
        if records
            .next()
            .is_none_or(|(_, fields)| fields.join(",") != CSV_HEADER)
        {
            let problem = format!("the first line must be `{CSV_HEADER}`");
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
                return Err(wrong(format!(
                    "{name:?} is labelled {label:?}, in the data {own:?}"
                )));
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
        [
            (&self.train, Part::Train),
            (&self.validation, Part::Validation),
            (&self.test, Part::Test),
        ]
    }

    fn sort(&mut self) {
        for part in [&mut self.train, &mut self.validation, &mut self.test] {
            part.sort_unstable();
        }
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
