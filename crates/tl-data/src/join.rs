//! Several sets of images as one.

use crate::images::Item;
use crate::{DataError, Images, Items};

impl Images {
    /// The images of several sets, each called by the set's name and its own: `berlin/cat/1.png`.
    ///
    /// # Errors
    /// No set, the same name twice, other classes than the first set has, some sets divided into parts
    /// and others not.
    pub fn joined(sets: Vec<(String, Self)>) -> Result<Self, DataError> {
        let all: Vec<(&str, &dyn Items)> =
            sets.iter().map(|(name, set)| (name.as_str(), set as &dyn Items)).collect();
        let classes = check(&all)?;
        let mut joined = Self { classes, items: Vec::new(), notes: Vec::new() };
        for (name, set) in sets {
            // Folders number their classes by name, IDX data as they like.
            let set = set.with_classes(&joined.classes)?;
            let called = |item: Item| Item { name: format!("{name}/{}", item.name), ..item };
            joined.items.extend(set.items.into_iter().map(called));
            joined.notes.extend(set.notes.iter().map(|note| format!("{name}: {note}")));
        }
        joined.items.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(joined)
    }
}

/// Succeeds with the classes of sets that can be joined.
///
/// # Errors
/// No set, the same name twice, other classes than the first set has, some sets divided into parts and others not.
pub(crate) fn check(sets: &[(&str, &dyn Items)]) -> Result<Vec<String>, DataError> {
    let Some((first_name, first)) = sets.first() else {
        return Err(DataError::Join("no set of examples was given".into()));
    };
    let divided = |set: &dyn Items| (0..set.count()).any(|index| set.part(index).is_some());
    let (classes, parts) = (first.classes(), divided(*first));
    for (number, (name, set)) in sets.iter().enumerate() {
        if sets[..number].iter().any(|(earlier, _)| earlier == name) {
            return Err(DataError::Join(format!("{name} was given twice: give each once")));
        }
        let alone = |all: &[String], other: &[String]| {
            all.iter().find(|class| !other.contains(class)).cloned()
        };
        for (has, lacks, class) in [
            (name, first_name, alone(set.classes(), classes)),
            (first_name, name, alone(classes, set.classes())),
        ] {
            if let Some(class) = class {
                return Err(DataError::Join(format!(
                    "{has} has a class {class:?} that {lacks} does not have: give all the same classes"
                )));
            }
        }
        if divided(*set) != parts {
            let (with, without) = if parts { (first_name, name) } else { (name, first_name) };
            return Err(DataError::Join(format!(
                "{with} is divided into parts and {without} is not: divide both or neither"
            )));
        }
    }
    Ok(classes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Part;

    fn set(classes: &[&str], part: Option<Part>) -> Images {
        let (pixels, labels) = (
            [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 9, 8],
            [0, 0, 8, 1, 0, 0, 0, 2, 0, 1],
        );
        let classes = classes.iter().map(|class| class.to_string()).collect();
        let mut images = Images::idx(&[(Part::Train, &pixels, &labels)], classes).unwrap();
        images.items.iter_mut().for_each(|item| item.part = part);
        images
    }

    fn joined(sets: &[(&str, Images)]) -> Result<Images, DataError> {
        Images::joined(sets.iter().map(|(name, set)| (name.to_string(), set.clone())).collect())
    }

    #[test]
    fn labels_follow_the_names_of_classes_and_items_the_names_of_sets() {
        let found = joined(&[("b", set(&["cat", "dog"], None)), ("a", set(&["dog", "cat"], None))])
            .unwrap();
        assert_eq!(found.classes, ["cat", "dog"]);
        let of = |name: &str| {
            let items = found.items.iter().filter(|item| item.name.starts_with(name));
            items.map(|item| item.label).collect::<Vec<_>>()
        };
        assert_eq!((of("a/"), of("b/")), (vec![Some(1), Some(0)], vec![Some(0), Some(1)]));
        assert!(found.items.is_sorted_by_key(|item| item.name.clone()));
    }

    #[test]
    fn sets_that_do_not_fit_are_named() {
        let message = |sets: &[(&str, Images)]| joined(sets).unwrap_err().to_string();
        let one = set(&["cat", "dog"], None);
        let other = set(&["cat", "eel"], None);
        assert!(
            message(&[("a", one.clone()), ("b", other)]).contains("b has a class \"eel\" that a")
        );
        assert!(message(&[("a", one.clone()), ("a", one.clone())]).contains("a was given twice"));
        let divided = set(&["cat", "dog"], Some(Part::Train));
        assert!(
            message(&[("a", one), ("b", divided)]).contains("b is divided into parts and a is not")
        );
        assert!(message(&[]).contains("no set"));
    }
}
