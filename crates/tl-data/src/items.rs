//! What items of any kind have in common: names, classes, parts.

use crate::{DataError, Part};

/// A list of items, some of them with a class: images or texts.
pub trait Items {
    /// The number of items.
    fn count(&self) -> usize;

    /// The names of the classes.
    fn classes(&self) -> &[String];

    /// The name of an item, which no other has; empty for one that does not exist.
    fn name(&self, index: usize) -> &str;

    /// The index of an item's class.
    fn label(&self, index: usize) -> Option<usize>;

    /// The part, where the data come already split.
    fn part(&self, index: usize) -> Option<Part>;

    /// A hash over everything that tells these data from others, 64 hexadecimal digits.
    fn fingerprint(&self) -> String;

    /// The first item that is the same as this one but for its name: they are divided together.
    fn first_alike(&self, index: usize) -> usize {
        index
    }

    /// What the item has in common with others, such as a patient: all of these are divided together.
    fn group(&self, index: usize) -> Option<&str> {
        let _ = index;
        None
    }

    /// The indices of the classes of an item that may have several or none; nothing where it has one label at most.
    fn several(&self, index: usize) -> Option<&[usize]> {
        let _ = index;
        None
    }

    /// The name of an item's class; empty without one.
    fn class(&self, index: usize) -> &str {
        self.label(index).and_then(|label| self.classes().get(label)).map_or("", String::as_str)
    }

    /// The label of every item.
    fn labels(&self) -> Vec<Option<usize>> {
        (0..self.count()).map(|index| self.label(index)).collect()
    }

    /// How many of the items `indices` each class has; one of several classes counts for each.
    fn class_counts(&self, indices: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.classes().len()];
        let single = indices.iter().filter_map(|&index| self.label(index));
        let several = indices.iter().filter_map(|&index| self.several(index)).flatten().copied();
        for label in single.chain(several) {
            if let Some(count) = counts.get_mut(label) {
                *count += 1;
            }
        }
        counts
    }

    /// Succeeds when there are classes to tell apart, which training a classifier needs.
    ///
    /// # Errors
    /// No labels, or one class only.
    fn require_classes(&self) -> Result<(), DataError> {
        match self.classes() {
            [] => Err(DataError::NoClasses),
            [only] => Err(DataError::OneClass(only.clone())),
            _ => Ok(()),
        }
    }
}
