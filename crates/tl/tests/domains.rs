//! Two domains of images as the adapting loop sees them: kept in memory or read again, plain or in another style.

use std::sync::Arc;

use tl::adapt::{Chosen, LoadedDomains};
use tl::adaptation::{Domains, Part, View};
use tl::burn::tensor::Device;
use tl::data::{Loader, Preprocess, Shift};
use tl::embedded;
use tl::examples::Input;
use tl::train::Silent;

/// 20 images by day to train on and 5 to validate on, 12 by night.
fn domains(memory: u64) -> LoadedDomains {
    let day = embedded::fashion_mnist().unwrap();
    let night = day.shifted(&"night".parse::<Shift>().unwrap().prepare(0).unwrap());
    let loader =
        |images| Loader::new(Arc::new(images), Preprocess::imagenet(16, 16), 2, true).unwrap();
    let loader = |images| Input::Images(loader(images));
    let (source, target) = (loader(day), loader(night));
    let items: Vec<usize> = (100..137).collect();
    LoadedDomains::read(
        &source,
        [&items[..20], &items[20..25]],
        Chosen { input: &target, items: &items[25..] },
        memory,
        &Device::flex(),
        &mut Silent,
    )
    .unwrap()
}

fn rows(domains: &LoadedDomains, part: Part, items: &[usize], view: View) -> Vec<f32> {
    domains.batch(part, items, view).unwrap().into_rows().unwrap()
}

#[test]
fn images_kept_in_memory_and_images_read_again_are_the_same() {
    let (kept, read) = (domains(1 << 30), domains(0));
    assert_eq!((kept.source_labels().len(), kept.targets()), (20, 12));
    assert_eq!(kept.source_labels(), read.source_labels());
    assert_eq!(kept.fingerprint(), read.fingerprint());
    for part in [Part::SourceTraining, Part::Target] {
        // An image may come twice in a batch.
        let items = [3, 0, 11, 3];
        let of = |domains: &LoadedDomains| rows(domains, part, &items, View::Plain);
        assert_eq!(of(&kept).len(), 4 * 3 * 16 * 16);
        assert_eq!(of(&kept), of(&read));
    }
    assert!(kept.batch(Part::Target, &[12], View::Plain).is_err());
    assert!(kept.batch(Part::LabelledTarget, &[0], View::Plain).is_err());
}

#[test]
fn varied_source_images_take_the_style_of_the_target_and_nothing_else_does() {
    let plain = domains(1 << 30);
    let restyled = plain.restyled().unwrap();
    let varied = |epoch| View::Varied { seed: 1, epoch };
    let items = [0, 1, 2];
    let source = |domains, view| rows(domains, Part::SourceTraining, &items, view);
    assert_eq!(source(&restyled, View::Plain), source(&plain, View::Plain));
    assert_eq!(source(&plain, varied(0)), source(&plain, View::Plain));
    assert_ne!(source(&restyled, varied(0)), source(&plain, View::Plain));
    assert_ne!(source(&restyled, varied(0)), source(&restyled, varied(1)));
    assert_eq!(source(&restyled, varied(0)), source(&restyled, varied(0)));
    let target = |domains, view| rows(domains, Part::Target, &items, view);
    assert_eq!(target(&restyled, varied(0)), target(&plain, View::Plain));
}
