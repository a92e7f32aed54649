//! The table of general and specific: a network that was trained on many classes, moved to others with few labels.

use std::path::Path;

use super::grey::{Counts, Origin, put};
use super::ways::{Asked, Before, Data, Task, Way, Ways, way};
use crate::shell::Outcome;

/// The table of general and specific.
pub struct Specific;

/// The classes that the general network never sees: sandals and sneakers. Of shoes it knows ankle boots alone.
const APART: [usize; 2] = [5, 7];
/// The classes of an origin.
const CLASSES: usize = 10;
/// All that there are.
const ALL: usize = usize::MAX;

impl Ways for Specific {
    const NAME: &'static str = "specific";
    const ABOUT: &'static str = "A residual network of 1.2 million parameters learns eight classes of Fashion-MNIST from random weights, \
        48,000 images less the 304 that choose the epoch: `general`. Then it is moved to two classes that it has not seen, and to digits, with \
        few labels, beside the same network from random weights. No label but the few is used there: none chooses an epoch or a strength.";
    const TASKS: &'static [Task] = &[
        Task {
            name: "shoes",
            title: "Sandal or sneaker",
            data: Data::Made("shoes"),
            words: FEW,
            shots: SHOTS,
            seeds: 3,
            ways: WAYS,
        },
        Task {
            name: "digits",
            title: "Digits of MNIST",
            data: Data::Made("digits"),
            words: FEW,
            shots: SHOTS,
            seeds: 3,
            ways: WAYS,
        },
    ];
    const ASKED: Option<Asked> = Some(Asked { shots: 5, points: 10.0, over: "scratch" });

    fn make(folder: &Path) -> Outcome<()> {
        let missing = |name: &str| !folder.join(name).join("classes.txt").exists();
        if missing("clothes") || missing("shoes") {
            let fashion = Origin::Fashion.images()?;
            let (apart, general): (Vec<usize>, Vec<usize>) =
                (0..CLASSES).partition(|class| APART.contains(class));
            let counts = Counts { validation: 38, training: ALL, test: ALL, apart: false };
            put(&folder.join("clothes"), &fashion, &general, counts)?;
            put(&folder.join("shoes"), &fashion, &apart, Counts { validation: 0, ..counts })?;
        }
        if missing("digits") {
            let all: Vec<usize> = (0..CLASSES).collect();
            let counts = Counts { validation: 0, training: ALL, test: ALL, apart: false };
            put(&folder.join("digits"), &Origin::Mnist.images()?, &all, counts)?;
        }
        Ok(())
    }
}

const SHOTS: &[usize] = &[1, 5, 20];
const FEW: &str = "--model resnet10 --image-size 28 --split 100,0,0 --keep last";

const GENERAL: Before = Before {
    makes: "general",
    words: "finetune $TABLE/clothes --model resnet10 --image-size 28 --weights random --recipe finetune --epochs 12 \
            --batch-size 128 --lr 3e-3 --seed 0",
};

const WAYS: &[Way] = &[
    way("scratch", "finetune DATA --weights random --recipe finetune --epochs 60"),
    Way {
        name: "finetune",
        words: "finetune DATA --weights $TABLE/before/general --recipe finetune --epochs 60",
        before: &[GENERAL],
    },
    Way {
        name: "probe",
        words: "finetune DATA --weights $TABLE/before/general --recipe probe",
        before: &[GENERAL],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_names_a_way_and_a_number_of_every_task() {
        let asked = Specific::ASKED.unwrap();
        for task in Specific::TASKS {
            assert!(task.shots.contains(&asked.shots), "{}", task.name);
            assert!(task.ways.iter().any(|way| way.name == asked.over), "{}", task.name);
        }
    }

    #[test]
    fn every_way_but_the_one_from_scratch_begins_from_the_general_network() {
        for way in WAYS {
            let general = way.before.iter().any(|before| before.makes == GENERAL.makes);
            assert_eq!(general, way.name != "scratch", "{}", way.name);
            assert_eq!(general, !way.words.contains("--weights random"), "{}", way.name);
        }
    }
}
