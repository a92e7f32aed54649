//! Images that may have several labels or none.

use burn::prelude::*;
use tl_data::{Items, Loader, Skipped, View};

use crate::dataset::Input;
use crate::metrics::SeveralLabels;
use crate::{Dataset, Predictions, TrainError};

/// The classes of items that may be of several or of none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Several {
    /// By item, ascending indices of classes; none where they are not known.
    pub labels: Vec<Option<Vec<usize>>>,
}

impl Several {
    /// Those of these items.
    pub fn of(items: &dyn Items) -> Self {
        let own = |index: usize| items.several(index).map(<[usize]>::to_vec);
        Self { labels: (0..items.count()).map(own).collect() }
    }

    /// For each item 0 where its classes are known: as if all were of one class.
    pub fn labels(&self) -> Vec<Option<usize>> {
        self.labels.iter().map(|own| own.as_ref().map(|_| 0)).collect()
    }

    fn known(&self, item: usize) -> Option<&[usize]> {
        self.labels.get(item)?.as_deref()
    }

    /// What the network is to answer for these items, `[items, classes]` in row order: 1 for each class of an item, else 0.
    pub fn targets(&self, items: &[usize], classes: usize) -> Vec<f32> {
        let mut wanted = vec![0.0; items.len() * classes];
        for (row, item) in wanted.chunks_mut(classes.max(1)).zip(items) {
            for class in self.known(*item).into_iter().flatten() {
                if let Some(place) = row.get_mut(*class) {
                    *place = 1.0;
                }
            }
        }
        wanted
    }

    /// What an item of a class weighs in the loss of that class, so that both sides weigh the same together: of the items
    /// `train` those that are not of it over those that are; 1 where either are none.
    pub fn positive_weights(&self, train: &[usize], classes: usize) -> Vec<f32> {
        let known: Vec<&[usize]> = train.iter().filter_map(|item| self.known(*item)).collect();
        let weight = |class: usize| {
            let ones = known.iter().filter(|own| own.contains(&class)).count();
            let zeros = known.len() - ones;
            if ones == 0 || zeros == 0 { 1.0 } else { zeros as f32 / ones as f32 }
        };
        (0..classes).map(weight).collect()
    }
}

impl Predictions {
    /// How good the answers are for items of these classes; nothing where none is known.
    ///
    /// # Errors
    /// An answer that is not finite.
    pub fn several(
        &self,
        names: &[String],
        several: &Several,
    ) -> Result<Option<SeveralLabels>, TrainError> {
        let (mut logits, mut truth) = (Vec::new(), Vec::new());
        for (item, row) in self.rows() {
            if let Some(own) = several.known(item) {
                logits.extend_from_slice(row);
                truth.extend((0..names.len()).map(|class| own.contains(&class)));
            }
        }
        if truth.is_empty() {
            return Ok(None);
        }
        Ok(Some(SeveralLabels::from_logits(names, &logits, &truth)?))
    }
}

/// Images that may have several labels.
#[derive(Clone, Debug)]
pub struct SeveralDataset {
    /// The images.
    pub loader: Loader,
    several: Several,
}

impl SeveralDataset {
    /// These images, with the classes that each has.
    pub fn new(loader: Loader) -> Self {
        Self { several: Several::of(&**loader.images()), loader }
    }
}

impl Dataset for SeveralDataset {
    fn items(&self) -> &dyn Items {
        Dataset::items(&self.loader)
    }

    fn preprocessing(&self) -> String {
        format!("{} several", self.loader.preprocessing())
    }

    fn several(&self) -> Option<&Several> {
        Some(&self.several)
    }

    fn lengths(&self) -> Option<&[usize]> {
        None
    }

    fn input_bytes(&self) -> u64 {
        self.loader.input_bytes()
    }

    fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        view: Option<View>,
        device: &'b Device,
    ) -> Box<dyn Iterator<Item = Input> + 'b> {
        Dataset::batches(&self.loader, order, batch_size, view, device)
    }

    fn skipped(&self) -> Vec<Skipped> {
        Dataset::skipped(&self.loader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn several() -> Several {
        Several { labels: vec![Some(vec![0, 2]), None, Some(Vec::new()), Some(vec![2])] }
    }

    #[test]
    fn each_class_of_an_item_is_a_one_and_no_class_is_an_answer_too() {
        assert_eq!(several().labels(), [Some(0), None, Some(0), Some(0)]);
        assert_eq!(several().targets(&[3, 0, 2], 3), [0., 0., 1., 1., 0., 1., 0., 0., 0.]);
        // Of the known items of all four class 0 has one of three, class 1 none, class 2 two of three.
        assert_eq!(several().positive_weights(&[0, 1, 2, 3], 3), [2.0, 1.0, 0.5]);
    }

    #[test]
    fn items_that_are_not_known_are_not_measured() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let logits = vec![1.0, -1.0, 1.0, 9.0, 9.0, 9.0, -1.0, -1.0, -1.0];
        let found = Predictions { items: vec![0, 1, 2], logits, classes: 3 };
        let measured = found.several(&names, &several()).unwrap().unwrap();
        assert_eq!((measured.n, measured.micro_f1), (2, 1.0));
        let unknown = Several { labels: vec![None; 3] };
        assert!(found.several(&names, &unknown).unwrap().is_none());
    }
}
