//! A run that several threads ask at once.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tl::burn::tensor::Device;
use tl::calibration::{Calibrated, CalibrationRecord};
use tl::data::Images;
use tl::predict::{Prediction, predictions};
use tl::several::SeveralRecord;
use tl::train::Silent;
use tl::{Batching, FinetuneOptions, Predictor, Recipe, Request, Run, finetune};

/// A folder with a small run on the embedded images and 24 of them as files.
fn place() -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let images = tl::embedded::fashion_mnist().unwrap();
    let mut files = Vec::new();
    for number in 0..24 {
        let path = folder.path().join(format!("{number:02}.png"));
        let picture = images.decode(40 * number).unwrap().to_png().unwrap();
        std::fs::write(&path, picture).unwrap();
        files.push(path);
    }
    let device = Device::flex();
    let mut request = Request::new(images, "fashion-mnist", &device);
    let mut options = FinetuneOptions {
        network: "resnet10".into(),
        weights: "random".into(),
        shots: Some(2),
        image_size: Some(32),
        ..FinetuneOptions::default()
    };
    options.tuning.recipe = Recipe::Probe;
    request.options = options;
    request.out = Some(folder.path().join("run"));
    finetune(request, &mut Silent).unwrap();
    (folder, files)
}

fn bits(found: &[Prediction]) -> Vec<Vec<u32>> {
    found.iter().map(|it| it.logits.iter().map(|logit| logit.to_bits()).collect()).collect()
}

/// Each file alone, as `tl predict` answers it.
fn one_by_one(run: &Run, files: &[PathBuf], device: &Device) -> Vec<Prediction> {
    let one = |file: &PathBuf| {
        let images = Images::from_files(std::slice::from_ref(file)).unwrap();
        let data = run.dataset(&images.into(), 1, true).unwrap();
        let found = run.predict(&*data, &[0], device, &mut Silent).unwrap();
        predictions(&found, data.items(), &run.record.labels).remove(0)
    };
    files.iter().map(one).collect()
}

/// Every file asked about by eight threads at once, three files each.
fn by_eight_threads(predictor: &Predictor, files: &[PathBuf]) -> Vec<Prediction> {
    std::thread::scope(|scope| {
        let asks: Vec<_> = files
            .chunks(3)
            .map(|own| scope.spawn(move || predictor.predict(own.to_vec()).unwrap()))
            .collect();
        assert_eq!(asks.len(), 8);
        asks.into_iter().flat_map(|asked| asked.join().unwrap()).collect()
    })
}

#[test]
fn eight_threads_get_the_answers_of_their_own_images() {
    let (folder, files) = place();
    let device = Device::flex();
    let open = || Run::open(&folder.path().join("run"), &device).unwrap();
    let expected = one_by_one(&open(), &files, &device);
    let distinct: std::collections::HashSet<_> = bits(&expected).into_iter().collect();
    assert!(distinct.len() > 20, "an exchange of two answers would not be seen");

    let alone = Batching { largest: 1, ..Batching::default() };
    let predictor = Predictor::with_batching(open(), alone, &device).unwrap();
    let found = by_eight_threads(&predictor, &files);
    assert_eq!(bits(&found), bits(&expected));
    assert_eq!(found[5].file, expected[5].file);
    assert_eq!(found[5].label, expected[5].label);

    // A batch that may wait for longer than any clock tells goes when it is full.
    let full = Batching { largest: 24, wait: Duration::MAX };
    let predictor = Predictor::with_batching(open(), full, &device).unwrap();
    assert_eq!(by_eight_threads(&predictor, &files).len(), 24);

    // In joined batches, sums may round otherwise.
    let joined = Batching { largest: 7, wait: Duration::from_millis(50) };
    let predictor = Predictor::with_batching(open(), joined, &device).unwrap();
    let found = by_eight_threads(&predictor, &files);
    for (found, expected) in found.iter().zip(&expected) {
        let typical = expected.logits.iter().map(|v| v.abs()).fold(0.0, f32::max).max(1e-3);
        for (one, other) in found.logits.iter().zip(&expected.logits) {
            assert!((one - other).abs() <= 1e-4 * typical, "{one} is not {other}");
        }
    }
}

#[test]
fn pixels_and_their_file_are_answered_alike_and_a_bad_file_is_one_error() {
    let (folder, files) = place();
    let device = Device::flex();
    let predictor = Predictor::open(&folder.path().join("run"), &device).unwrap();
    assert_eq!(predictor.labels().len(), 10);
    let pixels = Images::from_files(&files[..1]).unwrap().decode(0).unwrap();
    let by_pixels = predictor.predict([pixels]).unwrap();
    let by_file = predictor.predict([files[0].clone()]).unwrap();
    assert_eq!(bits(&by_pixels), bits(&by_file));
    assert!(predictor.predict(Vec::<PathBuf>::new()).unwrap().is_empty());

    let bad = folder.path().join("bad.png");
    std::fs::write(&bad, "no image").unwrap();
    let message = predictor.predict([files[0].clone(), bad]).unwrap_err().to_string();
    assert!(message.contains("bad.png") && message.lines().count() == 1, "{message}");
    // The predictor goes on.
    assert_eq!(predictor.predict([files[1].clone()]).unwrap().len(), 1);
}

#[test]
fn a_calibrated_run_is_asked_at_its_temperature_and_one_of_several_labels_is_refused() {
    let (folder, files) = place();
    let device = Device::flex();
    let mut run = Run::open(&folder.path().join("run"), &device).unwrap();
    let validation = Calibrated { n: 1, ece: [0.0; 2], nll: [0.0; 2] };
    run.record.calibration = Some(CalibrationRecord { temperature: 2.0, validation, test: None });
    run.calibrated = true;
    let predictor = Predictor::with_batching(run, Batching::default(), &device).unwrap();
    let found = predictor.predict([files[0].clone()]).unwrap().remove(0);
    let halved: Vec<f64> = found.logits.iter().map(|it| (f64::from(*it) / 2.0).exp()).collect();
    for (found, own) in found.probabilities.iter().zip(&halved) {
        assert!((found - own / halved.iter().sum::<f64>()).abs() < 1e-9);
    }

    let mut run = Run::open(&folder.path().join("run"), &device).unwrap();
    run.record.several = Some(SeveralRecord::default());
    let refused = Predictor::with_batching(run, Batching::default(), &device).err().unwrap();
    let message = refused.to_string();
    assert!(message.contains("several labels") && message.lines().count() == 1, "{message}");
}

#[test]
fn a_predictor_may_be_shared_and_sent() {
    fn shared<T: Send + Sync>() {}
    shared::<Predictor>();
}
