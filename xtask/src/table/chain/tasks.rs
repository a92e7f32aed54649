//! The five tasks, in their order.

use std::path::Path;

use crate::shell::Outcome;
use crate::table::grey::{self, Counts, Origin};

/// Some classes of an origin.
pub struct Task {
    pub name: &'static str,
    /// What the page says of it.
    pub about: &'static str,
    pub origin: Origin,
    pub classes: &'static [usize],
}

pub const TASKS: [Task; 5] = [
    Task {
        name: "tops",
        about: "T-shirt, trouser, pullover and dress of Fashion-MNIST",
        origin: Origin::Fashion,
        classes: &[0, 1, 2, 3],
    },
    Task {
        name: "coats",
        about: "coat, sandal and shirt of it",
        origin: Origin::Fashion,
        classes: &[4, 5, 6],
    },
    Task {
        name: "bags",
        about: "sneaker, bag and ankle boot of it",
        origin: Origin::Fashion,
        classes: &[7, 8, 9],
    },
    Task {
        name: "mnist",
        about: "the ten digits of MNIST",
        origin: Origin::Mnist,
        classes: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    },
    Task {
        name: "uci",
        about: "the ten digits of UCI",
        origin: Origin::Uci,
        classes: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    },
];

/// Images of each class; of the UCI digits there are 21 to 52 for test. Of those for training [`SHOTS`] are drawn.
pub const COUNTS: Counts = Counts { validation: 20, training: 100, test: 100, apart: false };
/// The same where strengths are tried: of training parts alone.
pub const APART: Counts = Counts { validation: 20, training: 60, test: 40, apart: true };
/// Training images of each class, drawn anew with each seed.
pub const SHOTS: usize = 60;

/// Writes the data of all tasks below `folder`, unless they are there; answers how many images all test parts have.
///
/// # Errors
/// When an origin cannot be fetched or read, or the folder not be written.
pub fn put(folder: &Path, counts: Counts) -> Outcome<u64> {
    let mut read = None;
    let mut count = 0;
    for task in &TASKS {
        let own = folder.join(task.name);
        if !own.join("classes.txt").exists() {
            let images = match read.take() {
                Some((origin, images)) if origin == task.origin => images,
                _ => task.origin.images()?,
            };
            grey::put(&own, &images, task.classes, counts)?;
            read = Some((task.origin, images));
        }
        count += grey::tests(&own)? as u64;
    }
    Ok(count)
}

// As many images are there as are drawn; the rarest UCI digit has 127 in the training part.
const _: () = assert!(SHOTS <= COUNTS.training && SHOTS <= APART.training);
const _: () = assert!(APART.validation + APART.training + APART.test <= 127 && APART.apart);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_tasks_share_the_clothes_and_no_class_is_learnt_twice() {
        let clothes = TASKS.iter().filter(|task| task.origin == Origin::Fashion);
        let classes: Vec<usize> = clothes.flat_map(|task| task.classes).copied().collect();
        assert_eq!(classes, (0..10).collect::<Vec<_>>());
        for task in TASKS.iter().filter(|task| task.origin != Origin::Fashion) {
            assert_eq!(task.classes, (0..10).collect::<Vec<_>>(), "{}", task.name);
        }
        let mut names: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TASKS.len());
    }
}
