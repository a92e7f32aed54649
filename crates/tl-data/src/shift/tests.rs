use super::*;
use crate::testing::formula_image;
use crate::{Rgb8, Shifter};

fn prepared(name: &str, severity: f64, seed: u64) -> Shifter {
    match name {
        "blend" => Shifter::blend(severity, vec![formula_image(40, 30)], seed).unwrap(),
        _ => format!("{name}:{severity}").parse::<Shift>().unwrap().prepare(seed).unwrap(),
    }
}

#[test]
fn every_shift_is_known_by_its_name() {
    for name in Shift::NAMES {
        let text = if name == "blend" { "blend@photos" } else { name };
        let shift: Shift = text.parse().unwrap();
        assert_eq!(shift.name(), name);
        shift.validate().unwrap();
    }
    let Shift::Blend(blend) = "blend:0.25@a:b@c".parse().unwrap() else {
        panic!("not a blend");
    };
    assert_eq!(blend, Blend { strength: 0.25, photos: "a:b@c".into() });
    assert_eq!("fog".parse::<Shift>().unwrap(), Shift::Fog(Fog::default()));
}

#[test]
fn a_text_that_means_nothing_is_refused_with_the_mend() {
    for (text, mend) in [
        ("dusk", "blend, night, fog, rain, scanner, accent"),
        ("", "blend, night"),
        ("night:2", "0 to 1"),
        ("night:", "0 to 1"),
        ("night:nan", "0 to 1"),
        ("night@photos", "only blend"),
        ("blend", "blend@photos"),
        ("blend@", "blend@photos"),
    ] {
        let error = text.parse::<Shift>().unwrap_err().to_string();
        assert!(error.contains(mend) && error.contains(&format!("{text:?}")), "{text}: {error}");
    }
}

#[test]
fn severity_0_leaves_every_image_as_it_is() {
    let grey = Rgb8::from_grey(16, 16, &(0..=255).collect::<Vec<u8>>()).unwrap();
    for image in [formula_image(23, 17), grey] {
        for name in Shift::NAMES {
            assert_eq!(prepared(name, 0.0, 3).apply(&image, "name"), image, "{name}");
        }
    }
}

#[test]
fn a_higher_severity_moves_an_image_further() {
    let image = formula_image(64, 48);
    for name in Shift::NAMES {
        let distance = |severity| -> u64 {
            (0..20)
                .map(|seed| {
                    let shifted = prepared(name, severity, seed).apply(&image, "name");
                    let pairs = shifted.bytes().iter().zip(image.bytes());
                    pairs.map(|(one, other)| u64::from(one.abs_diff(*other))).sum::<u64>()
                })
                .sum()
        };
        assert!(distance(0.2) < distance(0.6) && distance(0.6) < distance(1.0), "{name}");
    }
}

#[test]
fn every_shift_takes_an_image_of_any_size() {
    for (width, height) in [(1, 1), (1, 9), (200, 1), (2, 3), (8, 8)] {
        let image = formula_image(width, height);
        for name in Shift::NAMES {
            let shifted = prepared(name, 1.0, 5).apply(&image, "name");
            assert_eq!((shifted.width(), shifted.height()), (width, height), "{name}");
        }
    }
}

#[test]
fn the_same_seed_and_name_give_the_same_bits_and_others_do_not() {
    let image = formula_image(20, 20);
    for name in Shift::NAMES {
        let shifted = |seed, image_name| prepared(name, 1.0, seed).apply(&image, image_name);
        assert_eq!(shifted(1, "a"), shifted(1, "a"), "{name}");
        assert_ne!(shifted(1, "a"), shifted(2, "a"), "{name}");
        assert_ne!(shifted(1, "a"), shifted(1, "b"), "{name}");
    }
}

#[test]
fn numbers_outside_their_range_are_refused_by_name() {
    let bad = [
        (Shift::Night(Night { exposure: 0.0, ..Night::default() }), "exposure"),
        (Shift::Night(Night { cast: [1.0, f64::NAN, 1.0], ..Night::default() }), "cast"),
        (Shift::Night(Night { gamma: f64::INFINITY, ..Night::default() }), "gamma"),
        (Shift::Fog(Fog { density: -1.0, ..Fog::default() }), "density"),
        (Shift::Fog(Fog { airlight: [2.0; 3], ..Fog::default() }), "airlight"),
        (Shift::Rain(Rain { slant: 90.0, ..Rain::default() }), "slant"),
        (Shift::Scanner(Scanner { range: [0.0, 1.5], ..Scanner::default() }), "range"),
        (Shift::Accent(Accent { contrast: -0.1, ..Accent::default() }), "contrast"),
        (Shift::Blend(Blend { strength: 1.5, photos: "photos".into() }), "strength"),
    ];
    for (shift, field) in bad {
        let error = shift.validate().unwrap_err().to_string();
        assert!(error.contains(field) && error.contains(shift.name()), "{error}");
        assert!(matches!(shift.prepare(0), Err(DataError::Shift(_))));
    }
}

#[test]
fn settings_come_back_from_json_and_an_unknown_field_is_refused() {
    for name in Shift::NAMES {
        let shift: Shift =
            format!("{name}:0.3{}", if name == "blend" { "@photos" } else { "" }).parse().unwrap();
        let mut json = serde_json::to_value(&shift).unwrap();
        assert_eq!(serde_json::from_value::<Shift>(json.clone()).unwrap(), shift);
        json[name]["strenght"] = 1.into();
        assert!(serde_json::from_value::<Shift>(json).is_err(), "{name}");
    }
}

#[test]
fn the_ends_of_every_range_are_survived() {
    let shifts = [0.0, 1.0].into_iter().flat_map(|end: f64| {
        let night = Night {
            exposure: end.max(0.01),
            gamma: if end > 0.0 { 5.0 } else { 0.2 },
            cast: [2.0 * end; 3],
            noise: end,
            glare: 1.0,
        };
        let fog = Fog { density: 10.0 * end, banks: 1.0, airlight: [end; 3] };
        let slant = 60.0 * end;
        let rain = Rain { coverage: 1.0, length: end, slant, opacity: 1.0, gloom: end };
        let gamma = night.gamma;
        let range = [1.0, 0.0];
        let scanner = Scanner { blur: 0.1 * end, gamma, range, shading: end, noise: 1.0 };
        let accent = Accent { tint: 1.0, saturation: end, contrast: 1.0 };
        [
            Shift::Night(night),
            Shift::Fog(fog),
            Shift::Rain(rain),
            Shift::Scanner(scanner),
            Shift::Accent(accent),
        ]
    });
    for shift in shifts {
        let shifter = shift.prepare(1).unwrap();
        for (width, height) in [(1, 1), (1, 40), (40, 1), (17, 23)] {
            let shifted = shifter.apply(&formula_image(width, height), "name");
            assert_eq!((shifted.width(), shifted.height()), (width, height));
        }
    }
}
