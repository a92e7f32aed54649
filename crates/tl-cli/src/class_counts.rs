//! How many items of each class each part has, for a look before a run.

use serde::Serialize;
use tl::data::{Items, Split};

/// The items of one class in each part.
#[derive(Serialize)]
pub struct ClassCounts<'a> {
    class: &'a str,
    train: usize,
    validation: usize,
    test: usize,
}

impl<'a> ClassCounts<'a> {
    /// Of every class.
    pub fn all(items: &'a dyn Items, split: &Split) -> Vec<Self> {
        let [train, validation, test] =
            [&split.train, &split.validation, &split.test].map(|part| items.class_counts(part));
        let counts = train.into_iter().zip(validation).zip(test);
        let of = |(class, ((train, validation), test)): (&'a String, _)| Self {
            class,
            train,
            validation,
            test,
        };
        items.classes().iter().zip(counts).map(of).collect()
    }
}

/// How many items of each part have a label, those that may have several or none included.
pub fn labelled(items: &dyn Items, split: &Split) -> [usize; 3] {
    let known = |item: &&usize| items.label(**item).is_some() || items.several(**item).is_some();
    [&split.train, &split.validation, &split.test].map(|part| part.iter().filter(known).count())
}

/// A line for each class, and one for all: the [labelled] items, of which one may be of several classes.
pub fn table(classes: &[ClassCounts<'_>], [train, validation, test]: [usize; 3]) -> String {
    let width = classes.iter().map(|row| row.class.chars().count()).max().unwrap_or(0).max(5);
    let mut text = format!("{:width$}  training  validation  test\n", "class");
    let all = ClassCounts { class: "all", train, validation, test };
    let line = |counts: &ClassCounts<'_>| {
        let ClassCounts { class, train, validation, test } = counts;
        format!("{class:width$}  {train:>8}  {validation:>10}  {test:>4}\n")
    };
    for counts in classes {
        text += &line(counts);
    }
    text + &line(&all)
}
