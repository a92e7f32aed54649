//! Adaptation on a stream: a network that was trained by day answers in fog.

use crate::support::fashion::{day, examples, fog, network};
use crate::support::values;
use burn::prelude::*;
use tl_adapt::methods::named;
use tl_adapt::test_time::{AdaBnStream, T3aStream, TentStream, TestTime};
use tl_adapt::{InMemory, LabelledExamples, Settings, Task, adapt};
use tl_core::{NormPolicy, Pass, Phase, Plan};
use tl_data::Part;
use tl_kernels::LinearHead;
use tl_models::{Classifier, SmallConv};
use tl_train::metrics::argmax;
use tl_train::{Conduct, Silent};

fn trained(device: &Device) -> Classifier<SmallConv> {
    let source = examples(Part::Train, 0, 75, day);
    let target = source.examples.clone();
    let validation = examples(Part::Validation, 0, 25, day);
    let domains = InMemory::new(source, validation, target, device).unwrap();
    let mut method = named("source").unwrap();
    let task = Task { domains: &domains, method: &mut *method, oracle: None };
    let phase = Phase::finetune(4).norm(NormPolicy::Train).rates(3e-3, 3e-3);
    let (settings, conduct) = (Settings::default(), Conduct::default());
    let model = network(3, device);
    adapt(model, task, &Plan::new(vec![phase]), &settings, &conduct, &mut Silent).unwrap().model
}

/// The share of the stream that is answered right, in batches of 40 mixed images.
fn stream(
    test: &LabelledExamples,
    mut answer: impl FnMut(tl_core::Activation) -> Tensor<2>,
) -> f64 {
    let order = tl_core::rng(0, "stream", 0, 0).permutation(test.labels.len());
    let mut right = 0;
    for items in order.chunks(40) {
        let logits = values(answer(test.examples.batch(items, &Device::flex()).unwrap()));
        let classes = logits.len() / items.len();
        let rows = logits.chunks(classes).zip(items);
        right += rows.filter(|(row, item)| argmax(row) == test.labels[**item]).count();
    }
    right as f64 / test.labels.len() as f64
}

#[test]
fn a_stream_in_fog_is_answered_better_with_its_own_statistics() {
    let device = Device::flex();
    let model = trained(&device);
    let test = examples(Part::Test, 0, 60, fog);
    let plain = stream(&test, |batch| model.forward(batch, Pass::default()).unwrap());
    let with =
        |mut method: Box<dyn TestTime>| stream(&test, |batch| method.predict(batch).unwrap());
    let adabn = with(Box::new(AdaBnStream::new(model.clone())));
    let tent = with(Box::new(TentStream::new(model.clone(), 1e-3)));
    let t3a = with(Box::new(T3aStream::<SmallConv, LinearHead>::new(model.clone(), 20).unwrap()));
    println!("plain {plain:.3} adabn {adabn:.3} tent {tent:.3} t3a {t3a:.3}");
    assert!(adabn > plain + 0.1 && tent > plain + 0.1);
    assert!(t3a.is_finite());
    // The model that the streams began with is as it was.
    assert_eq!(plain, stream(&test, |batch| model.forward(batch, Pass::default()).unwrap()));
}
