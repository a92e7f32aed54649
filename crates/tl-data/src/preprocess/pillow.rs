//! Resizing beside Pillow 13 as it comes, which takes the rows first where that is cheaper: not the same bits any more.

use super::Preprocess;
use crate::Interpolation;
use crate::resize::{Window, resize};
use crate::testing::{formula_image, recorded};

#[test]
fn a_shorter_side_resized_is_pillows_to_a_level() {
    let recorded = recorded().direct;
    assert_eq!(recorded.len(), 30);
    let (mut larger, mut smaller) = (0, 0);
    for case in recorded {
        let (filter, from) = (case.filter, case.from);
        assert!([Interpolation::Bilinear, Interpolation::Bicubic].contains(&filter));
        let preprocess =
            Preprocess { interpolation: filter, ..Preprocess::imagenet(case.resize, 1) };
        let image = formula_image(from.0, from.1);
        let (width, height) = preprocess.resized(&image);
        assert_eq!((width, height), case.to, "{filter:?} {from:?}: torchvision's rounding");
        let whole = Window { left: 0, top: 0, width, height };
        let found = resize(&image, width, height, whole, filter);
        let expected = case.bytes();
        assert_eq!(found.bytes().len(), expected.len(), "{filter:?} {from:?}");
        let apart = || found.bytes().iter().zip(&expected).map(|(one, other)| one.abs_diff(*other));
        let most = apart().max().unwrap();
        let above = apart().filter(|apart| *apart > 1).count();
        // Of a thousand values one may be more than one level off, and none more than two; but in a strip where Pillow 13
        // takes the rows first, and the lobes of the cubic filter are cut off at 0 and 255 in between, 3 of 1,200 are up to 4 off.
        let allowed = match (filter, from) {
            (Interpolation::Bicubic, (3, 301)) => (4, 3),
            _ => (2, 1),
        };
        assert!(most <= allowed.0, "{filter:?} {from:?}: {most} levels off");
        assert!(1000 * above <= allowed.1 * expected.len(), "{filter:?} {from:?}: {above} values");
        match case.resize > from.0.min(from.1) {
            true => larger += 1,
            false => smaller += 1,
        }
    }
    assert!(larger > 8 && smaller > 8, "{larger} made larger and {smaller} smaller");
}
