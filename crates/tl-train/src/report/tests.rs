use serde_json::json;

use super::*;

fn epoch(phase: &str, epoch: usize, train_loss: f64, accuracy: Option<f64>) -> EpochRow {
    EpochRow {
        phase: phase.to_string(),
        epoch,
        step: 10 * epoch as u64,
        train_loss,
        validation_loss: accuracy.map(|_| train_loss * 1.25 + 0.05),
        validation_accuracy: accuracy,
        validation_f1: None,
        validation_r2: None,
        validation_map: None,
        ema_r2: None,
        ema_accuracy: None,
        gradient_norm: None,
        learning_rate: 1e-3 / epoch as f64,
        resident_mb: None,
        seconds: 12.5,
    }
}

fn evaluation(classes: usize, images: usize) -> Evaluation {
    let names = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ];
    let label =
        |class: usize| names.get(class).map_or(format!("class {class}"), |name| name.to_string());
    let labels: Vec<String> = (0..classes).map(label).collect();
    let truth: Vec<usize> = (0..images).map(|image| image % classes).collect();
    let mut logits = vec![0.0; images * classes];
    for (image, &class) in truth.iter().enumerate() {
        let missed = image * 7919 % 11 < 1 + class % 4;
        let predicted = if missed { (class + 1 + image % 3) % classes } else { class };
        logits[image * classes + predicted] = 3.0;
    }
    Evaluation::from_logits(&labels, &logits, &truth).unwrap()
}

fn sample(classes: usize) -> ReportInput {
    let measured = evaluation(classes, 1000);
    let mut curves: Vec<EpochRow> =
        (1..=3).map(|e| epoch("probe", e, 1.4 / e as f64, Some(0.70 + 0.02 * e as f64))).collect();
    curves.extend((4..=15).map(|e| {
        epoch("finetune from features.14", e, 0.5 / (e as f64 - 2.0), Some(0.9 - 0.4 / e as f64))
    }));
    let stage = |phase: &str, stage: &str, trainable: u64, frozen: u64, rate: f64, cached: bool| {
        TrainableRow {
            phase: phase.to_string(),
            stage: stage.to_string(),
            trainable,
            frozen,
            rate,
            norm: "frozen".to_string(),
            cached,
        }
    };
    ReportInput {
        title: "Fashion-MNIST, 20 images a class".to_string(),
        command: "tl finetune assets/fashion-mnist --recipe finetune --shots 20 --epochs 15 --layer-decay 0.7 --seed 7 --out runs/fashion".to_string(),
        status: "finished".to_string(),
        headline: Headline {
            test: Some(Accuracy::from(&measured)),
            validation: Some(Accuracy {
                accuracy: 0.873,
                interval: [0.838, 0.902],
                n: 400,
            }),
            figures: vec![Figure {
                name: "Test perplexity".to_string(),
                value: "21.4".to_string(),
                interval: Some(["20.9", "22.0"].map(str::to_string)),
                n: "4,000 pieces".to_string(),
            }],
            weights: "best on validation (epoch 14)".to_string(),
        },
        curves,
        evaluation_part: "test".to_string(),
        evaluation: Some(measured),
        sections: Vec::new(),
        trainable: vec![
            stage("probe", "features.0–13", 0, 543_872, 0.0, true),
            stage("probe", "features.14–18", 0, 1_680_000, 0.0, true),
            stage("probe", "head", 12_810, 0, 1e-3, false),
            stage("finetune from features.14", "features.0–13", 0, 543_872, 0.0, true),
            stage("finetune from features.14", "features.14–18", 1_646_000, 34_000, 2.1e-4, false),
            stage("finetune from features.14", "head", 12_810, 0, 3e-5, false),
        ],
        load: vec![
            "assets/mobilenet_v2.safetensors: 312 tensors applied".to_string(),
            "replaced: classifier.1.weight [1000, 1280] → [10, 1280]".to_string(),
            "missing: none · unused: none".to_string(),
        ],
        skipped: vec![SkippedImage {
            file: "train/Bag/0231.png".to_string(),
            reason: "is a text file <html>, not an image".to_string(),
        }],
        configuration: json!({
            "model": "mobilenet_v2", "image_size": 96, "batch_size": 32, "early_stopping": null,
            "mean": [0.485, 0.456, 0.406],
            "phases": [{"name": "probe", "epochs": 3, "rate": 0.001}, {"name": "finetune", "epochs": 12, "layer_decay": 0.7}],
        }),
        versions: BTreeMap::from([("tl".to_string(), "0.1.0".to_string()), ("burn".to_string(), "0.22.1".to_string())]),
        seeds: vec![7],
        seconds: 754.0,
    }
}

/// Every tag that is opened is closed, in order; the page is then also well-formed XML apart from
/// its first line and `<meta>`.
fn assert_balanced(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let body = &page[page.find("<html").unwrap()..];
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("an unclosed tag");
        let name = tag.split([' ', '/']).next().unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "in …<{tag}>");
        } else if name != "meta" && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_is_balanced_and_refers_to_nothing_outside() {
    let page = render(&sample(10));
    assert_balanced(&page);
    for foreign in ["http:", "https:", "src=", "href=", "<script", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

/// Many classes, one epoch whose loss is not a number, many phases.
fn odd_sample() -> ReportInput {
    let mut input = sample(200);
    input.curves = (1..=12)
        .map(|e: usize| {
            epoch(
                &format!("gradual unfreezing {}", e.div_ceil(2)),
                e,
                if e == 4 { f64::NAN } else { 2.0 / e as f64 },
                Some(0.5),
            )
        })
        .collect();
    input
}

#[test]
fn the_page_shows_the_numbers_it_was_given() {
    let input = sample(10);
    let page = render(&input);
    let measured = input.evaluation.unwrap();
    for shown in [
        format!("{:.1}\u{202f}%", measured.accuracy * 100.0),
        "83.8\u{202f}% to 90.2\u{202f}%<br/>n = 400".to_string(),
        "best on validation (epoch 14)".to_string(),
        "Best validation accuracy: 87.3\u{202f}% in epoch 15 of 15 epochs".to_string(),
        "<b>1</b> probe (epochs 1–3)".to_string(),
        "is a text file &lt;html&gt;, not an image".to_string(),
        "<dt>image_size</dt><dd>96</dd>".to_string(),
        "12 min 34 s".to_string(),
        "<span>--layer-decay</span> <span>0.7</span>".to_string(),
    ] {
        assert!(page.contains(&shown), "{shown}");
    }
    let cells = page.matches("<td class=\"right\"").count();
    assert_eq!(cells, 10);
}

#[test]
fn text_from_outside_never_becomes_markup() {
    let evil = "</style><script>alert('x')</script>\"&".to_string();
    let mut input = sample(3);
    input.title = evil.clone();
    input.command = evil.clone();
    input.status = evil.clone();
    input.headline.weights = evil.clone();
    let interval = Some([evil.clone(), evil.clone()]);
    let [name, value, n] = [(); 3].map(|()| evil.clone());
    input.headline.figures = vec![Figure { name, value, interval, n }];
    input.curves.iter_mut().for_each(|row| row.phase = evil.clone());
    input.curves[0].phase = "x".to_string();
    input.evaluation_part = evil.clone();
    let labels = vec![evil.clone(), evil.clone()];
    input.evaluation = Some(Evaluation::from_logits(&labels, &[0.0, 1.0], &[0]).unwrap());
    input.trainable[0].phase = evil.clone();
    input.trainable[0].stage = evil.clone();
    input.trainable[0].norm = evil.clone();
    input.load = vec![evil.clone()];
    input.skipped[0].file = evil.clone();
    input.configuration = json!({ evil.clone(): evil.clone(), "list": [evil.clone()], "long": vec![evil.clone(); 9] });
    input.versions.insert(evil.clone(), evil);
    let page = render(&input);
    assert!(!page.contains("<script") && page.matches("</style>").count() == 1);
    assert_balanced(&page);
}

#[test]
fn a_run_without_epochs_or_evaluation_still_has_a_page() {
    let page = render(&ReportInput::default());
    assert_balanced(&page);
    assert!(!page.contains("<section"));
}

#[test]
fn broken_and_single_epochs_are_drawn_as_far_as_they_go() {
    let page = |curves: Vec<EpochRow>| {
        let page = render(&ReportInput { curves, ..ReportInput::default() });
        assert_balanced(&page);
        assert!(
            !page.contains("\"NaN") && !page.contains(" NaN") && !page.contains("inf"),
            "{page}"
        );
        page
    };
    let single = page(vec![epoch("probe", 1, 0.7, None)]);
    assert_eq!(single.matches("<circle class=\"mark a\"").count(), 1);
    let broken = page(vec![
        epoch("probe", 1, 0.7, Some(0.5)),
        epoch("probe", 2, f64::NAN, Some(0.5)),
        epoch("tune", 3, 0.5, Some(f64::INFINITY)),
    ]);
    assert_eq!(broken.matches("<circle class=\"mark a\"").count(), 2);
    assert!(broken.contains("2 values are not finite"), "loss and its validation loss");
    let nothing = page(vec![epoch("probe", 1, f64::NAN, None)]);
    assert!(nothing.contains("No finite value was recorded"));
    page(vec![epoch("probe", 1, 1e300, None), epoch("probe", 1000, -1e300, None)]);
    page((1..=5000).map(|e| epoch("long", e, 1.0, Some(0.1))).collect());
}

#[test]
fn many_classes_are_shown_as_the_pairs_most_confused() {
    let page = render(&odd_sample());
    assert_balanced(&page);
    assert!(!page.contains("class=\"confusion\""));
    assert!(page.contains("200 classes have no room as a matrix: the 30 most confused"));
    assert!(page.contains("<summary>Classes: 200 rows</summary>"));
}

#[test]
fn the_input_survives_json() {
    let input = sample(10);
    let text = serde_json::to_string(&input).unwrap();
    // The parser may be off by the last bit of a float; what is shown is the same.
    let read: ReportInput = serde_json::from_str(&text).unwrap();
    assert_eq!(render(&read), render(&input));
}

#[test]
fn numbers_have_a_curve_of_their_own_and_no_accuracy() {
    let row = |at: usize, r2: f64| EpochRow {
        validation_loss: Some(1.0 - r2),
        validation_r2: Some(r2),
        ..epoch("finetune", at, 0.5, None)
    };
    let curves = vec![row(1, -0.25), row(2, 0.875), row(3, 0.5)];
    let page = render(&ReportInput { curves, ..ReportInput::default() });
    assert!(page.contains("Best validation R²: 0.875 in epoch 2 of 3 epochs"));
    assert!(page.contains("validation R²") && !page.contains("ccuracy"));
}
