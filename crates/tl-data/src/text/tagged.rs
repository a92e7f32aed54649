//! Sentences whose words have tags: named entities.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use sha2::{Digest, Sha256};

use super::scheme::{Scheme, broken, from_iob1, mark_and_type};
use super::words::words;
use crate::relabel::places;
use crate::{DataError, Items, Part};

/// The tag of a word outside of all entities.
pub const OUTSIDE: &str = "O";

/// One sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The number of its first line, behind its file's name where there are several.
    pub name: String,
    pub text: String,
    /// The words, as bytes of the text.
    pub words: Vec<Range<usize>>,
    /// For each word the index into [`Tagged::classes`]; none where there are no tags.
    pub tags: Vec<usize>,
    /// The part, where the data come already split.
    pub part: Option<Part>,
}

/// Sentences and the tags of their words.
#[derive(Clone, Debug, Default)]
pub struct Tagged {
    /// The names of the tags: `O`, then the others by type and mark.
    pub classes: Vec<String>,
    pub scheme: Scheme,
    pub items: Vec<Sentence>,
    /// What a reader should be told, one line each.
    pub notes: Vec<String>,
    first_alike: Vec<usize>,
}

/// A sentence with the names of its tags, before the tags are numbered.
pub(super) struct Read {
    pub name: String,
    pub words: Vec<String>,
    pub tags: Vec<String>,
    pub part: Option<Part>,
}

impl Tagged {
    /// One sentence for each line, without tags; its words are those of [`words`](super::words()).
    pub fn lines(text: &str) -> Self {
        let items = text.lines().enumerate().map(|(number, line)| Sentence {
            name: (number + 1).to_string(),
            text: line.to_string(),
            words: words(line),
            tags: Vec::new(),
            part: None,
        });
        Self { items: items.collect(), ..Self::default() }.with_notes(Vec::new())
    }

    /// Finds the scheme, numbers the tags, and finds sentences that stand there more than once.
    pub(super) fn of(mut read: Vec<Read>) -> Self {
        let all = |read: &[Read]| -> Vec<String> {
            let one = |it: &Read| {
                it.tags.iter().cloned().chain([OUTSIDE.to_string()]).collect::<Vec<_>>()
            };
            read.iter().flat_map(one).collect()
        };
        let mut scheme = Scheme::of(all(&read).iter().map(String::as_str));
        let mut notes = Vec::new();
        if scheme == Scheme::Iob1 {
            read.iter_mut().for_each(|it| from_iob1(&mut it.tags));
            notes.push(
                "the tags are IOB1; they are taken as IOB2, every entity beginning with B".into(),
            );
            scheme = Scheme::Iob2;
        }
        let faults = broken(all(&read).iter().map(String::as_str));
        if faults > 0 {
            let name = scheme.name();
            notes.push(format!("{faults} tags go on with an entity that nothing began: no {name}"));
        }
        let tagged = read.iter().any(|it| !it.tags.is_empty());
        let known: BTreeSet<(&str, &str)> = read
            .iter()
            .flat_map(|it| &it.tags)
            .filter_map(|tag| tag.split_once('-'))
            .map(|(mark, kind)| (kind, mark))
            .collect();
        let mut classes = if tagged { vec![OUTSIDE.to_string()] } else { Vec::new() };
        classes.extend(known.into_iter().map(|(kind, mark)| format!("{mark}-{kind}")));
        let number: HashMap<&String, usize> =
            classes.iter().enumerate().map(|(number, tag)| (tag, number)).collect();
        let items = read
            .iter()
            .map(|it| {
                let mut text = String::new();
                let words = it.words.iter().map(|word| {
                    if !text.is_empty() {
                        text.push(' ');
                    }
                    let from = text.len();
                    text += word;
                    from..text.len()
                });
                let words = words.collect();
                let tags = it.tags.iter().filter_map(|tag| number.get(tag).copied()).collect();
                Sentence { name: it.name.clone(), text, words, tags, part: it.part }
            })
            .collect();
        Self { items, scheme, classes, ..Self::default() }.with_notes(notes)
    }

    fn with_notes(mut self, mut notes: Vec<String>) -> Self {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let items = self.items.iter().enumerate();
        let first: Vec<usize> =
            items.map(|(index, item)| *seen.entry(item.text.trim()).or_insert(index)).collect();
        let again = || first.iter().enumerate().filter(|(index, first)| index != *first);
        if self.items.iter().any(|item| item.part.is_some()) {
            let apart =
                again().filter(|(it, first)| self.items[*it].part != self.items[**first].part);
            let count = apart.count();
            if count > 0 {
                notes.push(format!("{count} sentences stand in two parts of the data: what is measured on them was trained on; leave them in one"));
            }
        } else if again().count() > 0 && !self.classes.is_empty() {
            let count = again().count();
            notes.push(format!(
                "{count} sentences stand there more than once; each stays in one part"
            ));
        }
        self.first_alike = first;
        self.notes = notes;
        self
    }

    /// The types of the entities, sorted.
    pub fn types(&self) -> Vec<&str> {
        let kinds = self.classes.iter().filter_map(|tag| mark_and_type(tag));
        kinds
            .map(|(_, kind)| kind)
            .filter(|kind| !kind.is_empty())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// The same sentences, each tag by the number that it has among `classes`.
    ///
    /// # Errors
    /// [`DataError::UnknownClass`] for a tag that is none of them.
    pub fn with_classes(&self, classes: &[String]) -> Result<Self, DataError> {
        let numbers = places(&self.classes, classes)?;
        let of = |item: &Sentence| {
            item.tags.iter().filter_map(|tag| numbers.get(*tag).copied()).collect()
        };
        let items = self.items.iter().map(|item| Sentence { tags: of(item), ..item.clone() });
        Ok(Self { classes: classes.to_vec(), items: items.collect(), ..self.clone() })
    }

    /// The same sentences without tags.
    pub fn unlabelled(&self) -> Self {
        let items = self.items.iter();
        let items = items.map(|item| Sentence { tags: Vec::new(), ..item.clone() });
        Self { classes: Vec::new(), items: items.collect(), ..self.clone() }
    }
}

/// A sentence's class is its first tag that is not `O`, so that a split holds every type in all parts.
impl Items for Tagged {
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
        let tags = &self.items.get(index)?.tags;
        let outside = |tag: &usize| self.classes.get(*tag).is_none_or(|tag| tag == OUTSIDE);
        tags.iter().find(|tag| !outside(tag)).or(tags.first()).copied()
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
        for item in &self.items {
            take(&item.name);
            take(&item.text);
            take(&format!("{:?} {:?}", item.words, item.tags));
            take(item.part.map_or("", Part::name));
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
