//! A set of texts: each with its class and its part.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::join::check;
use crate::relabel::{in_order, places};
use crate::{DataError, Items, Part};

/// One text or a pair of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextItem {
    /// The number of its line in a file, or its path below a folder.
    pub name: String,
    pub text: String,
    /// The second text of a pair.
    pub pair: Option<String>,
    /// The index into [`Texts::classes`].
    pub label: Option<usize>,
    /// The part, where the data come already split.
    pub part: Option<Part>,
}

/// A set of texts.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// The names of the classes, sorted; by value where all of them are numbers.
    pub classes: Vec<String>,
    pub items: Vec<TextItem>,
    /// What a reader should be told, one line each.
    pub notes: Vec<String>,
    first_alike: Vec<usize>,
}

/// A text with the name of its class, before the classes are known.
pub(super) struct Named {
    pub item: TextItem,
    pub class: Option<String>,
}

impl Texts {
    /// One text for each line, without labels.
    pub fn lines(text: &str) -> Self {
        let item = |(number, line): (usize, &str)| TextItem {
            name: (number + 1).to_string(),
            text: line.to_string(),
            pair: None,
            label: None,
            part: None,
        };
        let items = text.lines().enumerate().map(item);
        Self::of(items.map(|item| Named { item, class: None }).collect())
    }

    /// Numbers the classes and finds texts that stand there more than once.
    pub(super) fn of(named: Vec<Named>) -> Self {
        let classes = in_order(named.iter().filter_map(|it| it.class.as_deref()));
        let number: HashMap<String, usize> =
            classes.iter().enumerate().map(|(number, class)| (class.clone(), number)).collect();
        let items: Vec<TextItem> = named
            .into_iter()
            .map(|Named { item, class }| {
                let label = class.and_then(|class| number.get(&class).copied());
                TextItem { label, ..item }
            })
            .collect();
        let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
        let mut first_alike = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let key = (item.text.trim(), item.pair.as_deref().unwrap_or_default().trim());
            first_alike.push(*seen.entry(key).or_insert(index));
        }
        let mut notes = Vec::new();
        let mut note = |count: usize, what: &str| {
            if count > 0 {
                notes.push(format!("{count} {what}"));
            }
        };
        let again = || first_alike.iter().enumerate().filter(|(index, first)| index != *first);
        if items.iter().any(|item| item.part.is_some()) {
            let apart = again().filter(|(index, first)| items[*index].part != items[**first].part);
            let what = "texts stand in two parts of the data: what is measured on them was trained on; leave them in one";
            note(apart.count(), what);
        } else {
            note(again().count(), "texts stand there more than once; each stays in one part");
        }
        let empty = items.iter().filter(|item| item.text.trim().is_empty()).count();
        note(empty, "texts are empty");
        let unlabelled = items.iter().filter(|item| item.label.is_none()).count();
        if !classes.is_empty() {
            note(unlabelled, "texts have no label");
        }
        Self { classes, items, notes, first_alike }
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The texts of several sets, each called by the set's name and its own: `tweets.csv/7`.
    ///
    /// # Errors
    /// No set, the same name twice, other classes than the first set has, some sets divided into parts
    /// and others not.
    pub fn joined(sets: Vec<(String, Self)>) -> Result<Self, DataError> {
        let all: Vec<(&str, &dyn Items)> =
            sets.iter().map(|(name, set)| (name.as_str(), set as &dyn Items)).collect();
        check(&all)?;
        let mut named = Vec::new();
        for (name, set) in sets {
            for (index, item) in set.items.iter().enumerate() {
                let class = item.label.map(|_| set.class(index).to_string());
                let item = TextItem { name: format!("{name}/{}", item.name), ..item.clone() };
                named.push(Named { item, class });
            }
        }
        Ok(Self::of(named))
    }

    /// The texts of one part, divided no more.
    pub fn of_part(&self, part: Part) -> Self {
        let own = self.items.iter().enumerate().filter(|(_, item)| item.part == Some(part));
        let named = own.map(|(index, item)| Named {
            item: TextItem { part: None, ..item.clone() },
            class: item.label.map(|_| self.class(index).to_string()),
        });
        Self::of(named.collect())
    }

    /// The texts of all pairs one by one, without labels: first the first ones, then the second ones in the same order. Of a text
    /// that is no pair the second one is empty.
    pub fn sides(&self) -> Self {
        let single = |item: &TextItem, text: &str| TextItem {
            text: text.to_string(),
            pair: None,
            label: None,
            ..item.clone()
        };
        let first = self.items.iter().map(|item| single(item, &item.text));
        let second = self.items.iter().map(|it| single(it, it.pair.as_deref().unwrap_or_default()));
        Self::of(first.chain(second).map(|item| Named { item, class: None }).collect())
    }

    /// The same texts without labels and classes.
    pub fn unlabelled(&self) -> Self {
        let items = self.items.iter().map(|item| TextItem { label: None, ..item.clone() });
        Self { classes: Vec::new(), items: items.collect(), ..self.clone() }
    }

    /// The same texts, each with the number that its class has among `classes`.
    ///
    /// # Errors
    /// [`DataError::UnknownClass`] for a class that is none of them.
    pub fn with_classes(&self, classes: &[String]) -> Result<Self, DataError> {
        let numbers = places(&self.classes, classes)?;
        let items = self.items.iter().map(|item| {
            let label = item.label.and_then(|label| numbers.get(label).copied());
            TextItem { label, ..item.clone() }
        });
        Ok(Self { classes: classes.to_vec(), items: items.collect(), ..self.clone() })
    }
}

impl Items for Texts {
    fn count(&self) -> usize {
        self.items.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> &str {
        self.items.get(index).map_or("", |item| &item.name)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.items.get(index)?.label
    }

    fn part(&self, index: usize) -> Option<Part> {
        self.items.get(index)?.part
    }

    fn first_alike(&self, index: usize) -> usize {
        self.first_alike.get(index).copied().unwrap_or(index)
    }

    fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        let mut take = |text: &str| {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        self.classes.iter().for_each(|class| take(class));
        for (index, item) in self.items.iter().enumerate() {
            take(&item.name);
            take(&item.text);
            take(item.pair.as_deref().unwrap_or("\0"));
            take(self.class(index));
            take(item.part.map_or("", Part::name));
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Split;

    fn texts(rows: &[(&str, &str)]) -> Texts {
        let named = rows.iter().enumerate().map(|(index, (text, class))| Named {
            item: TextItem {
                name: index.to_string(),
                text: text.to_string(),
                pair: None,
                label: None,
                part: None,
            },
            class: (!class.is_empty()).then(|| class.to_string()),
        });
        Texts::of(named.collect())
    }

    #[test]
    fn texts_that_are_the_same_stay_on_one_side_of_a_split() {
        let words: Vec<String> = (0..60).map(|index| format!("text {}", index % 20)).collect();
        let rows: Vec<(&str, &str)> = words
            .iter()
            .enumerate()
            .map(|(index, text)| (text.as_str(), if index % 20 < 10 { "no" } else { "yes" }))
            .collect();
        let texts = texts(&rows);
        let split = Split::of(&texts, [0.6, 0.2, 0.2], 3).unwrap();
        assert_eq!([split.train.len(), split.validation.len(), split.test.len()], [36, 12, 12]);
        for part in [&split.train, &split.validation, &split.test] {
            let firsts = part.iter().filter(|index| **index < 20).count();
            assert_eq!(firsts * 3, part.len());
        }
        assert!(texts.notes[0].contains("40 texts stand there more than once"));
    }

    #[test]
    fn texts_in_two_parts_of_divided_data_are_told() {
        let item = |text: &str, part| TextItem {
            name: String::new(),
            text: text.into(),
            pair: None,
            label: None,
            part: Some(part),
        };
        let named =
            [("a", Part::Train), ("a", Part::Train), ("b", Part::Train), ("b ", Part::Test)];
        let named = named.map(|(text, part)| Named { item: item(text, part), class: None });
        let notes = Texts::of(named.into()).notes;
        assert_eq!(notes.len(), 1);
        assert!(notes[0].starts_with("1 texts stand in two parts"), "{notes:?}");
    }

    #[test]
    fn classes_that_are_numbers_are_in_the_order_of_their_values() {
        assert_eq!(texts(&[("a", "10"), ("b", "9"), ("c", "-1")]).classes, ["-1", "9", "10"]);
        assert_eq!(texts(&[("a", "b"), ("b", "a"), ("c", "")]).classes, ["a", "b"]);
    }

    #[test]
    fn joined_texts_are_called_by_their_set_and_stay_in_one_part_when_they_are_the_same() {
        let sets = ["a", "b"].map(|name| (name.to_string(), texts(&[("x", "no"), ("y", "yes")])));
        let joined = Texts::joined(sets.to_vec()).unwrap();
        let names: Vec<&str> = joined.items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["a/0", "a/1", "b/0", "b/1"]);
        assert_eq!((joined.first_alike(2), joined.labels()[3]), (0, Some(1)));
        let other = texts(&[("x", "no"), ("y", "maybe")]);
        let sets = vec![sets[0].clone(), ("c".to_string(), other)];
        let message = Texts::joined(sets).unwrap_err().to_string();
        assert!(message.contains("c has a class \"maybe\" that a does not have"), "{message}");
    }

    #[test]
    fn the_sides_of_pairs_stand_one_behind_the_other_and_know_their_equals() {
        let mut pairs = texts(&[("x", "no"), ("y", "yes"), ("x", "")]);
        for (item, second) in pairs.items.iter_mut().zip(["one", "x", "two"]) {
            item.pair = Some(second.into());
        }
        let sides = pairs.sides();
        let found: Vec<&str> = sides.items.iter().map(|item| item.text.as_str()).collect();
        assert_eq!(found, ["x", "y", "x", "one", "x", "two"]);
        let alike: Vec<usize> = (0..6).map(|index| sides.first_alike(index)).collect();
        assert_eq!(alike, [0, 1, 0, 3, 0, 5]);
        assert!(sides.classes.is_empty() && sides.items.iter().all(|item| item.pair.is_none()));
    }

    #[test]
    fn a_class_that_a_run_does_not_know_is_named() {
        let found = texts(&[("a", "x"), ("b", "y")]);
        let message = found.with_classes(&["y".into(), "z".into()]).unwrap_err().to_string();
        assert!(message.contains("class \"x\" is none of those"), "{message}");
        let found = found.with_classes(&["y".into(), "z".into(), "x".into()]).unwrap();
        assert_eq!(found.labels(), [Some(2), Some(0)]);
    }
}
