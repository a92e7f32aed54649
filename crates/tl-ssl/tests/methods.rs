//! What all methods have in common: short runs of each.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::support::{StopAfter, bits, fashion, plan, small_vit, training};
use burn::prelude::*;
use tl_core::Backbone;
use tl_models::{Architecture, SmallConv, Vit};
use tl_ssl::methods::{BarlowTwins, Byol, Dino, Mae, SimClr, SimMim, SimSiam, VicReg, names};
use tl_ssl::{Method, Pretrained, Settings, SslError, Task, pretrain};
use tl_train::{Conduct, Progress, Silent, TrainError};

fn conv() -> SmallConv {
    let device = Device::flex();
    SmallConv::new(&device).with_head(2, 1, &device).backbone
}

fn settings() -> Settings {
    Settings { seed: 2, batch_size: 16, ..Settings::default() }
}

fn run<B: Backbone + Sync + 'static, M: Method<B>>(
    backbone: B,
    method: &M,
    settings: &Settings,
    conduct: &Conduct,
    progress: &mut dyn Progress,
) -> Result<Pretrained<B>, SslError> {
    let loader = fashion(2);
    let images = training(&loader, 0, 48);
    let task = Task { loader: &loader, images: &images, probe: None };
    pretrain(backbone, task, method, &plan(2, 1e-3), settings, conduct, progress)
}

#[test]
fn every_method_stops_and_goes_on_to_the_same_bits() {
    fn check<B: Backbone + Sync + 'static, M: Method<B>>(network: fn() -> B, method: &M) {
        let conduct = Conduct::default();
        let whole = run(network(), method, &settings(), &conduct, &mut Silent).unwrap();
        assert_eq!(whole.rows.len(), 3, "{}", method.name());
        let folder = tempfile::tempdir().unwrap();
        let mut stops = 0;
        let pieced = loop {
            let stop = Arc::new(AtomicBool::new(false));
            let out = Some(folder.path().to_path_buf());
            let conduct =
                Conduct { out, resume: stops > 0, stop: stop.clone(), ..Conduct::default() };
            let mut progress = StopAfter { left: 2, stop };
            match run(network(), method, &settings(), &conduct, &mut progress) {
                Ok(found) => break found,
                Err(SslError::Train(TrainError::Interrupted { .. })) => stops += 1,
                Err(error) => panic!("{}: {error}", method.name()),
            }
            assert!(stops < 9);
        };
        assert!(stops >= 2 && pieced.resumed, "{}: {stops}", method.name());
        assert_eq!(bits(&whole.backbone), bits(&pieced.backbone), "{}", method.name());
        // And it did learn something.
        assert_ne!(bits(&whole.backbone), bits(&network()), "{}", method.name());
    }
    check(conv, &SimClr::default());
    check(conv, &Byol::default());
    check(conv, &SimSiam::default());
    check(conv, &BarlowTwins::default());
    check(conv, &VicReg::default());
    check(conv, &Dino { local_views: 2, prototypes: 32, ..Dino::default() });
    check(|| small_vit(1), &SimMim { square: Some(7), ..SimMim::default() });
}

#[test]
fn every_method_works_on_a_transformer_with_other_sized_views() {
    fn check<M: Method<Vit>>(method: &M) {
        assert!(names().contains(&method.name()));
        let found = run(small_vit(1), method, &settings(), &Conduct::default(), &mut Silent);
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", method.name()));
        assert!(found.rows[2].terms.values().all(|value| value.is_finite()));
    }
    // Small views have to divide into patches of 7 pixels.
    check(&Dino { local_views: 2, local_size: Some(14), prototypes: 32, ..Dino::default() });
    check(&SimMim { square: Some(7), ..SimMim::default() });
    check(&SimClr::default());
    check(&Byol::default());
    check(&SimSiam::default());
    check(&BarlowTwins::default());
    check(&VicReg::default());
    check(&Mae::default());
}

/// Without batch norms the gradient of a batch in parts is that of the whole batch.
#[test]
fn a_batch_in_parts_has_the_gradient_of_the_whole_batch() {
    fn check<M: Method<Vit>>(method: &M) {
        let of = |parts| {
            let settings = Settings { parts, ..settings() };
            run(small_vit(1), method, &settings, &Conduct::default(), &mut Silent).unwrap()
        };
        // 16 images in parts of 6, 6 and 4.
        let (whole, parts) = (of(1), of(3));
        for (one, other) in whole.rows.iter().zip(&parts.rows) {
            for (name, value) in &one.terms {
                let off = (value - other.terms[name]).abs() / value.abs();
                assert!(off < 1e-4, "{}: {name} {value} {}", method.name(), other.terms[name]);
            }
            let off = (one.gradient_norm - other.gradient_norm).abs();
            assert!(off <= 1e-3 * one.gradient_norm, "{}: {off}", method.name());
        }
    }
    check(&SimClr { temperature: 0.1, ..SimClr::default() });
    check(&Mae::default());
    check(&SimMim { square: Some(7), ..SimMim::default() });
    check(&Dino { local_views: 1, local_size: Some(14), prototypes: 32, ..Dino::default() });
}

/// Parts of a batch would have norms of their own.
#[test]
fn a_batch_in_parts_is_refused_where_norms_look_at_all_of_it() {
    let settings = Settings { parts: 2, ..settings() };
    let refused = |found: Result<(), SslError>| {
        let message = found.unwrap_err().to_string();
        assert!(message.contains("normalises over the batch") && message.lines().count() == 1);
    };
    let conduct = Conduct::default();
    refused(run(conv(), &SimClr::default(), &settings, &conduct, &mut Silent).map(drop));
    refused(run(small_vit(1), &Byol::default(), &settings, &conduct, &mut Silent).map(drop));
    let none = Settings { parts: 0, ..settings };
    let found = run(conv(), &SimClr::default(), &none, &conduct, &mut Silent);
    assert!(found.err().unwrap().to_string().contains("number of parts"));
}

#[test]
fn senseless_settings_are_one_clear_error() {
    fn refused<M: Method<SmallConv>>(method: &M, part: &str) {
        let found = run(conv(), method, &settings(), &Conduct::default(), &mut Silent);
        let message = found.err().unwrap().to_string();
        assert!(message.contains(part) && message.lines().count() == 1, "{message}");
    }
    refused(&SimClr { temperature: 0.0, ..SimClr::default() }, "temperature");
    refused(&SimClr { width: 0, ..SimClr::default() }, "width");
    refused(&Byol { momentum: 1.0, ..Byol::default() }, "momentum");
    refused(&BarlowTwins { redundancy: -1.0, ..BarlowTwins::default() }, "redundancy");
    refused(&VicReg { variance: f64::NAN, ..VicReg::default() }, "weight of the loss");
    refused(&Dino { teacher_temperature: 0.0, ..Dino::default() }, "temperature");
    refused(&Dino { prototypes: 0, ..Dino::default() }, "width");
    refused(&SimMim { mask_ratio: 1.0, ..SimMim::default() }, "mask ratio");
    // This network's embedding has no places left.
    refused(&SimMim::default(), "keeps places");
    refused(&SimMim { square: Some(5), ..SimMim::default() }, "patches of 5 pixels");
    let one = Settings { batch_size: 1, ..settings() };
    let found = run(conv(), &SimClr::default(), &one, &Conduct::default(), &mut Silent);
    assert!(found.err().unwrap().to_string().contains("batch of 1"));
}

/// The decay moves to its last value: with a large one the weights end smaller.
#[test]
fn the_weight_decay_moves_along_half_a_cosine() {
    let of = |last_weight_decay| {
        let settings = Settings { last_weight_decay, ..settings() };
        let found = run(conv(), &SimClr::default(), &settings, &Conduct::default(), &mut Silent);
        let mut squares = 0.0;
        tl_core::parameters::visit_parameters(&found.unwrap().backbone, |info, value| {
            if info.shape.len() > 1 {
                let values = tl_core::parameters::values(value).unwrap();
                squares += values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
            }
        });
        squares
    };
    let (still, rising) = (of(None), of(Some(100.0)));
    assert!(rising < 0.9 * still, "{rising} {still}");
}
