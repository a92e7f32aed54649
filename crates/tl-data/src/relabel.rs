//! Labels that two data sets share, and none at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::images::Item;
use crate::{DataError, Images};

/// The number that each of `own` has among `classes`.
///
/// # Errors
/// [`DataError::UnknownClass`] for one that is none of them.
pub(crate) fn places(own: &[String], classes: &[String]) -> Result<Vec<usize>, DataError> {
    let place = |class: &String| {
        let known = || classes.join(", ");
        let unknown = || DataError::UnknownClass { class: class.clone(), known: known() };
        classes.iter().position(|known| known == class).ok_or_else(unknown)
    };
    own.iter().map(place).collect()
}

/// Names of classes in the order of their numbers: sorted, by value where all of them are whole numbers.
pub(crate) fn in_order<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let known: BTreeSet<&str> = names.into_iter().collect();
    let mut classes: Vec<String> = known.into_iter().map(str::to_string).collect();
    if classes.iter().all(|class| class.parse::<i64>().is_ok()) {
        classes.sort_by_key(|class| class.parse::<i64>().unwrap_or_default());
    }
    classes
}

impl Images {
    /// The same images with their labels numbered as in `classes`, by name: what evaluating on
    /// other data than those of training needs, since folders number the classes that they have.
    ///
    /// Classes without an image here are fine. Images without a label stay without.
    ///
    /// # Errors
    /// [`DataError::UnknownClass`] for images of a class that is not in `classes`.
    pub fn with_classes(&self, classes: &[String]) -> Result<Self, DataError> {
        let places: Vec<Option<usize>> = self
            .classes
            .iter()
            .map(|class| classes.iter().position(|known| known == class))
            .collect();
        let items = self.items.iter().map(|item| {
            let place = |label: &usize| {
                let unknown = || DataError::UnknownClass {
                    class: self.classes.get(*label).cloned().unwrap_or_else(|| label.to_string()),
                    known: classes.join(", "),
                };
                places.get(*label).copied().flatten().ok_or_else(unknown)
            };
            let label = item.label.as_ref().map(place).transpose()?;
            let several = item.several.as_ref().map(|own| {
                let mut own: Vec<usize> =
                    own.iter().map(place).collect::<Result<_, DataError>>()?;
                own.sort_unstable();
                Ok::<_, DataError>(Arc::from(own))
            });
            Ok(Item { label, several: several.transpose()?, ..item.clone() })
        });
        let items = items.collect::<Result<_, _>>()?;
        Ok(Self { classes: classes.to_vec(), items, notes: self.notes.clone() })
    }

    /// The images of `classes` alone, by name, numbered in their order: one task out of data that hold several.
    ///
    /// # Errors
    /// [`DataError::NoSuchClass`] for one that these images do not have.
    pub fn only(&self, classes: &[String]) -> Result<Self, DataError> {
        let place = |class: &String| {
            let missing =
                || DataError::NoSuchClass { class: class.clone(), known: self.classes.join(", ") };
            self.classes.iter().position(|known| known == class).ok_or_else(missing)
        };
        let wanted: Vec<usize> = classes.iter().map(place).collect::<Result<_, _>>()?;
        let items = self.items.iter().filter_map(|item| {
            let label = wanted.iter().position(|class| Some(*class) == item.label)?;
            Some(Item { label: Some(label), ..item.clone() })
        });
        Ok(Self { classes: classes.to_vec(), items: items.collect(), notes: self.notes.clone() })
    }

    /// The same images without labels and classes.
    pub fn unlabelled(&self) -> Self {
        let bare = |item: &Item| Item { label: None, several: None, ..item.clone() };
        let items = self.items.iter().map(bare);
        Self { classes: Vec::new(), items: items.collect(), notes: self.notes.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::folder_with;

    #[test]
    fn labels_are_matched_by_name_when_a_class_is_missing() {
        let folder = folder_with(&["bus/1.png", "tram/1.png", "tram/2.png"]);
        let images = Images::open(folder.path()).unwrap();
        let classes: Vec<String> = ["bus", "car", "tram"].map(String::from).to_vec();
        let matched = images.with_classes(&classes).unwrap();
        let labels: Vec<_> = matched.items.iter().map(|item| item.label).collect();
        assert_eq!(labels, [Some(0), Some(2), Some(2)]);
        assert_eq!(matched.classes, classes);
    }

    #[test]
    fn a_class_that_was_not_trained_is_named() {
        let folder = folder_with(&["bus/1.png", "tram/1.png"]);
        let images = Images::open(folder.path()).unwrap();
        let error = images.with_classes(&["bus".into(), "car".into()]).unwrap_err().to_string();
        assert!(error.contains("\"tram\"") && error.contains("bus, car"), "{error}");
    }

    #[test]
    fn only_the_images_of_some_classes_stay_and_are_numbered_in_their_order() {
        let folder = folder_with(&["bus/1.png", "car/1.png", "tram/1.png", "tram/2.png"]);
        let images = Images::open(folder.path()).unwrap();
        let classes = ["tram".to_string(), "bus".to_string()];
        let some = images.only(&classes).unwrap();
        let found: Vec<(&str, Option<usize>)> =
            some.items.iter().map(|item| (item.name.as_str(), item.label)).collect();
        assert_eq!(
            found,
            [("bus/1.png", Some(1)), ("tram/1.png", Some(0)), ("tram/2.png", Some(0))]
        );
        assert_eq!(some.classes, classes);
        let error = images.only(&["boat".to_string()]).unwrap_err().to_string();
        assert!(error.contains("\"boat\"") && error.contains("bus, car, tram"), "{error}");
    }

    #[test]
    fn unlabelled_images_have_neither_labels_nor_classes() {
        let folder = folder_with(&["bus/1.png", "tram/1.png"]);
        let images = Images::open(folder.path()).unwrap().unlabelled();
        assert!(images.classes.is_empty() && images.items.iter().all(|item| item.label.is_none()));
        assert_eq!(images.with_classes(&["bus".into()]).unwrap().items[0].label, None);
    }
}
