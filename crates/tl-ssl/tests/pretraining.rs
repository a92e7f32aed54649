//! Short runs: what they learn, and that they are the same however often they stop.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::support::{StopAfter, bits, fashion, plan, small_vit, training};
use tl_core::{Phase, Plan};
use tl_data::Images;
use tl_models::Vit;
use tl_ssl::methods::Mae;
use tl_ssl::{PretrainRow, Pretrained, ProbeItems, Settings, SslError, Task, pretrain};
use tl_train::{Conduct, Progress, Silent, TrainError};

fn settings(seed: u64) -> Settings {
    Settings { seed, batch_size: 32, ..Settings::default() }
}

fn run(
    vit: Vit,
    images: usize,
    epochs: usize,
    threads: usize,
    conduct: &Conduct,
    progress: &mut dyn Progress,
) -> Result<Pretrained<Vit>, SslError> {
    let loader = fashion(threads);
    let images = training(&loader, 0, images);
    let (bank, queries) = (training(&loader, 200, 60), training(&loader, 260, 20));
    let probe = ProbeItems { bank, queries };
    let task = Task { loader: &loader, images: &images, probe: Some(&probe) };
    let (method, settings) = (Mae::default(), settings(3));
    pretrain(vit, task, &method, &plan(epochs, 1e-3), &settings, conduct, progress)
}

/// All that must not differ between two runs of the same settings.
fn lasting(rows: &[PretrainRow]) -> Vec<PretrainRow> {
    let still = |row: &PretrainRow| PretrainRow { seconds: 0.0, resident_mb: None, ..row.clone() };
    rows.iter().map(still).collect()
}

#[test]
fn the_loss_falls_and_positions_stand_still() {
    let found = run(small_vit(1), 96, 6, 0, &Conduct::default(), &mut Silent).unwrap();
    let losses: Vec<f64> =
        found.rows.iter().skip(1).map(|row| row.terms["reconstruction"]).collect();
    assert_eq!(losses.len(), 6);
    assert!(losses[5] < 0.97 * losses[0], "{losses:?}");
    assert!(found.rows.iter().all(|row| row.knn.is_some_and(|knn| (0.0..=1.0).contains(&knn))));
    assert_eq!(found.rows[0].epoch, 0);
    assert_eq!(found.rows[6].step, 18);
    // Positions are sines and cosines and stay so; everything else moved.
    let (before, after) = (bits(&small_vit(1)), bits(&found.backbone));
    let positions = tl_core::visible::sine_positions(4, 4, 192);
    let expected: Vec<u32> =
        vec![0.0; 192].into_iter().chain(positions).map(f32::to_bits).collect();
    assert_eq!(after["pos_embed"], expected);
    let same: Vec<&String> = before.keys().filter(|path| before[*path] == after[*path]).collect();
    assert!(same.is_empty(), "{same:?}");
    // Eight images in three states, and eight with their neighbours.
    assert_eq!(found.shown.iter().map(Vec::len).collect::<Vec<_>>(), [[3; 8], [4; 8]].concat());
}

#[test]
fn a_run_is_the_same_for_any_number_of_threads_and_any_number_of_stops() {
    let whole = run(small_vit(1), 96, 2, 2, &Conduct::default(), &mut Silent).unwrap();
    let other = run(small_vit(1), 96, 2, 1, &Conduct::default(), &mut Silent).unwrap();
    assert_eq!(bits(&whole.backbone), bits(&other.backbone));
    assert_eq!(lasting(&whole.rows), lasting(&other.rows));

    let folder = tempfile::tempdir().unwrap();
    let mut stops = 0;
    let pieced = loop {
        let stop = Arc::new(AtomicBool::new(false));
        let out = Some(folder.path().to_path_buf());
        let conduct = Conduct { out, resume: stops > 0, stop: stop.clone(), ..Conduct::default() };
        let mut progress = StopAfter { left: 2, stop };
        match run(small_vit(1), 96, 2, 2, &conduct, &mut progress) {
            Ok(found) => break found,
            Err(SslError::Train(TrainError::Interrupted { .. })) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(stops < 9);
    };
    assert!(stops >= 2 && pieced.resumed, "{stops}");
    assert_eq!(bits(&whole.backbone), bits(&pieced.backbone));
    assert_eq!(lasting(&whole.rows), lasting(&pieced.rows));
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let conduct = |resume| {
        let out = Some(folder.path().to_path_buf());
        Conduct { out, resume, ..Conduct::default() }
    };
    run(small_vit(1), 32, 1, 1, &conduct(false), &mut Silent).unwrap();
    let found = run(small_vit(1), 31, 1, 1, &conduct(true), &mut Silent);
    let message = found.err().unwrap().to_string();
    assert!(message.contains("another data"), "{message}");
    let found = run(small_vit(1), 32, 2, 1, &conduct(true), &mut Silent);
    let message = found.err().unwrap().to_string();
    assert!(message.contains("another plan"), "{message}");
}

#[test]
fn an_image_that_cannot_be_read_is_skipped_and_a_batch_of_one_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let asset = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/photos");
    let mut photos: Vec<_> = std::fs::read_dir(asset)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "jpg" || it == "png"))
        .collect();
    photos.sort();
    for photo in photos.iter().take(2) {
        std::fs::copy(photo, folder.path().join(photo.file_name().unwrap())).unwrap();
    }
    std::fs::write(folder.path().join("broken.png"), "a text").unwrap();
    let loader = crate::support::loader(Images::open(folder.path()).unwrap(), 28, 1);
    let images: Vec<usize> = (0..loader.images().len()).collect();
    assert_eq!(images.len(), 3);
    let task = Task { loader: &loader, images: &images, probe: None };
    let settings = Settings { batch_size: 1, ..settings(1) };
    let (method, conduct) = (Mae::default(), Conduct::default());
    let found =
        pretrain(small_vit(1), task, &method, &plan(1, 1e-3), &settings, &conduct, &mut Silent);
    let found = found.unwrap();
    assert_eq!(found.rows[1].step, 2);
    assert_eq!(found.rows[1].knn, None);
    assert_eq!(loader.skipped().len(), 1);
}

#[test]
fn what_cannot_be_done_is_one_clear_error() {
    let loader = fashion(1);
    let try_with = |images: &[usize], plan: &Plan, settings: &Settings| {
        let task = Task { loader: &loader, images, probe: None };
        let (method, conduct) = (Mae::default(), Conduct::default());
        let found = pretrain(small_vit(1), task, &method, plan, settings, &conduct, &mut Silent);
        let message = found.err().unwrap().to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        message
    };
    let images = [0, 1, 2];
    assert!(try_with(&[], &plan(1, 1e-3), &settings(1)).contains("no readable image"));
    let none = Settings { batch_size: 0, ..settings(1) };
    assert!(try_with(&images, &plan(1, 1e-3), &none).contains("batch size"));
    let frozen = Plan::new(vec![Phase::finetune(1).from("blocks.1")]);
    assert!(try_with(&images, &frozen, &settings(1)).contains("freezes patch_embed"));
    let two = Plan::new(vec![Phase::finetune(1), Phase::finetune(1)]);
    assert!(try_with(&images, &two, &settings(1)).contains("the plan has 2"));
    assert!(
        try_with(&images, &plan(1, 1e9), &Settings { batch_size: 1, ..settings(1) })
            .contains("not finite")
    );
}
