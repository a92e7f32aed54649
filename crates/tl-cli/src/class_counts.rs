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

/// A line for each class, and one for all.
pub fn table(classes: &[ClassCounts<'_>]) -> String {
    let width = classes.iter().map(|row| row.class.chars().count()).max().unwrap_or(0).max(5);
    let mut text = format!("{:width$}  training  validation  test\n", "class");
    let mut all = ClassCounts { class: "all", train: 0, validation: 0, test: 0 };
    let line = |counts: &ClassCounts<'_>| {
        let ClassCounts { class, train, validation, test } = counts;
        format!("{class:width$}  {train:>8}  {validation:>10}  {test:>4}\n")
    };
    for counts in classes {
        all.train += counts.train;
        all.validation += counts.validation;
        all.test += counts.test;
        text += &line(counts);
    }
    text + &line(&all)
}
