//! Views behind a frozen prefix: which epoch is trained on which, against steps computed by hand.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::toy::{LABELS, VECTORS, Vectors, logits, model, near};
use burn::prelude::*;
use tl_core::parameters::{values, visit_parameters};
use tl_core::{Activation, OptimizerConfig, Phase, Plan, Schedule};
use tl_data::{Augment, Items, Skipped, Split, View};
use tl_train::dataset::Input;
use tl_train::{Conduct, Dataset, Earlier, Keep, Settings, Silent, Task, fit};

const RATE: f64 = 0.25;
const EPOCHS: usize = 5;
const TRAIN: [usize; 3] = [0, 1, 3];
const VALIDATION: usize = 2;

/// The vectors, in view `v` times `v + 1`; and how many were read.
struct Growing(Vectors, AtomicUsize);

impl Dataset for Growing {
    fn items(&self) -> &dyn Items {
        self.0.items()
    }

    fn preprocessing(&self) -> String {
        self.0.preprocessing()
    }

    fn labels(&self) -> Vec<Option<usize>> {
        self.0.labels()
    }

    fn lengths(&self) -> Option<&[usize]> {
        None
    }

    fn input_bytes(&self) -> u64 {
        0
    }

    fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        view: Option<View>,
        device: &'b Device,
    ) -> Box<dyn Iterator<Item = Input> + 'b> {
        self.1.fetch_add(order.len(), Ordering::Relaxed);
        let times = view.map_or(1.0, |view| (view.epoch + 1) as f64);
        let batches = self.0.batches(order, batch_size, None, device);
        Box::new(batches.map(move |batch| {
            let (rows, activation) = batch?;
            let vectors = activation.into_vector("growing").unwrap();
            Ok((rows, Activation::Vector(vectors.mul_scalar(times))))
        }))
    }

    fn skipped(&self) -> Vec<Skipped> {
        Vec::new()
    }
}

/// The weight and bias of the head after [`EPOCHS`] steps over the training part with so many views, and what was read for them.
fn head(views: usize, augment: bool, conduct: &Conduct) -> (Vec<f32>, usize) {
    let data = Growing(Vectors::new(), AtomicUsize::new(0));
    let phase = Phase::probe(EPOCHS).rates(RATE, RATE).label_smoothing(0.0).augment(augment);
    let optimizer = OptimizerConfig::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let plan = Plan::new(vec![phase.schedule(Schedule::Constant)]).optimizer(optimizer);
    let split = Split { train: TRAIN.to_vec(), validation: vec![VALIDATION], ..Split::default() };
    let earlier = Earlier::default();
    let task = Task { data: &data, split: &split, augment: Augment::none(), earlier };
    let settings = Settings { cached_views: views, keep: Keep::Last, ..Settings::default() };
    let found = fit(model(), &task, &plan, &settings, conduct, &mut Silent).unwrap();
    let mut all = Vec::new();
    visit_parameters(&found.model.head, |_, tensor| all.extend(values(tensor).unwrap()));
    (all, data.1.into_inner())
}

/// The same by hand: softmax regression on the vectors that the matrix makes, those of epoch `e` times `e mod views + 1`. The weight
/// is `[input, class]`, as the bias begins at 0 and the weight at the identity.
fn by_hand(views: usize) -> ([f64; 4], [f64; 2]) {
    let (mut weight, mut bias) = ([1.0, 0.0, 0.0, 1.0], [0.0; 2]);
    for epoch in 0..EPOCHS {
        let (mut slopes, mut pulls) = ([0.0; 4], [0.0; 2]);
        for item in TRAIN {
            let input = logits(VECTORS[item]).map(|value| value * (epoch % views + 1) as f64);
            let answer = |class: usize| {
                input[0] * weight[class] + input[1] * weight[2 + class] + bias[class]
            };
            let [one, other] = [0, 1].map(|class| answer(class).exp());
            for (class, share) in [one, other].into_iter().enumerate() {
                let wanted = f64::from(u8::from(LABELS[item] == class));
                let error = (share / (one + other) - wanted) / TRAIN.len() as f64;
                pulls[class] += error;
                slopes[class] += input[0] * error;
                slopes[2 + class] += input[1] * error;
            }
        }
        (0..4).for_each(|at| weight[at] -= RATE * slopes[at]);
        (0..2).for_each(|at| bias[at] -= RATE * pulls[at]);
    }
    (weight, bias)
}

/// Whether the head's parameters, in whichever order they are laid out, are these.
fn is(found: &[f32], (weight, bias): ([f64; 4], [f64; 2])) -> bool {
    let [a, b, c, d] = weight;
    let orders = [[a, b, c, d], [a, c, b, d]];
    orders.iter().any(|weight| near(found, &[&weight[..], &bias].concat()))
        || orders.iter().any(|weight| near(found, &[&bias[..], weight].concat()))
}

#[test]
fn epoch_e_is_trained_on_view_e_mod_n_and_each_view_is_made_once() {
    for views in [1, 2, 3] {
        let (found, read) = head(views, true, &Conduct::default());
        assert!(is(&found, by_hand(views)), "{views}: {found:?} {:?}", by_hand(views));
        // All items as they are, and the training part in each of the other views.
        assert_eq!(read, 4 + TRAIN.len() * (views - 1));
    }
    let [two, three] = [2, 3].map(by_hand);
    assert!((two.0[0] - three.0[0]).abs() > 1e-3, "{two:?} {three:?}");
}

#[test]
fn where_nothing_is_varied_one_view_is_kept() {
    let (plain, read) = head(1, false, &Conduct::default());
    assert_eq!((plain, read), head(3, false, &Conduct::default()));
    assert_eq!(read, 4);
}

#[test]
fn views_on_disk_are_those_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let out = Some(folder.path().to_path_buf());
    let disk = Conduct { out, cache_memory: 0, ..Conduct::default() };
    let memory = head(3, true, &Conduct::default());
    assert_eq!(head(3, true, &disk), memory);
    // What was written serves the next run of the same kind.
    let (again, read) = head(3, true, &disk);
    assert_eq!((again, read), (memory.0, 0));
}
