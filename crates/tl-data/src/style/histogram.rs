//! Histogram matching.

use crate::Rgb8;

/// `image` with the colours of `example`: in each channel a value becomes the one that as large a
/// share of the example's pixels does not exceed (Gonzalez, Woods: *Digital Image Processing*,
/// "Histogram Matching"). Between the example's values the share is interpolated, as scikit-image's
/// `match_histograms` does it; shares below the least give the least value.
pub fn match_histograms(image: &Rgb8, example: &Rgb8) -> Rgb8 {
    let tables: [[u8; 256]; 3] =
        std::array::from_fn(|channel| table(&counts(image, channel), &counts(example, channel)));
    let bytes = image.bytes().iter().enumerate();
    let bytes = bytes.map(|(place, &byte)| tables[place % 3][usize::from(byte)]);
    Rgb8::from_parts(image.width(), image.height(), bytes.collect())
}

/// How many pixels have each value.
fn counts(image: &Rgb8, channel: usize) -> [u64; 256] {
    let mut counts = [0; 256];
    let values = image.bytes().iter().skip(channel).step_by(3);
    values.for_each(|&value| counts[usize::from(value)] += 1);
    counts
}

/// What each value becomes.
fn table(image: &[u64; 256], example: &[u64; 256]) -> [u8; 256] {
    let total = |counts: &[u64; 256]| counts.iter().sum::<u64>() as f64;
    let (pixels, example_pixels) = (total(image), total(example));
    // The values that occur in the example, each with the share of pixels up to it.
    let mut steps: Vec<(f64, f64)> = Vec::new();
    let mut seen = 0;
    for (value, &count) in example.iter().enumerate().filter(|(_, count)| **count > 0) {
        seen += count;
        steps.push((seen as f64 / example_pixels, value as f64));
    }
    let mut seen = 0;
    std::array::from_fn(|value| {
        seen += image[value];
        let share = seen as f64 / pixels;
        let above = steps.partition_point(|(step, _)| *step < share);
        let matched =
            match (above.checked_sub(1).and_then(|below| steps.get(below)), steps.get(above)) {
                (Some(&(low, from)), Some(&(high, to))) => {
                    from + (to - from) * (share - low) / (high - low)
                }
                // Below the least or, by rounding, above the largest.
                (None, Some(&(_, only))) | (Some(&(_, only)), None) => only,
                (None, None) => value as f64,
            };
        matched.round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::formula_image;

    #[test]
    fn with_as_many_pixels_all_different_the_sorted_values_change_places() {
        // 0..=255 in two orders, and the even numbers of another range.
        let scrambled: Vec<u8> = (0..100u32).map(|index| (index * 37 % 100) as u8).collect();
        let target: Vec<u8> = (0..100u32).map(|index| (55 + index * 63 % 100 * 2) as u8).collect();
        let image = Rgb8::from_grey(10, 10, &scrambled).unwrap();
        let example = Rgb8::from_grey(4, 25, &target).unwrap();
        let matched = match_histograms(&image, &example);
        let mut sorted = target;
        sorted.sort_unstable();
        let wanted: Vec<u8> = scrambled.iter().map(|&rank| sorted[usize::from(rank)]).collect();
        assert_eq!(matched, Rgb8::from_grey(10, 10, &wanted).unwrap());
    }

    #[test]
    fn quantiles_agree_with_those_of_the_example_in_each_channel() {
        let (image, example) = (formula_image(61, 47), formula_image(50, 90));
        let bright: Vec<u8> = example.bytes().iter().map(|&byte| 100 + byte / 3).collect();
        let example = Rgb8::new(50, 90, bright).unwrap();
        let matched = match_histograms(&image, &example);
        for channel in 0..3 {
            let sorted = |image: &Rgb8| {
                let mut values: Vec<u8> =
                    image.bytes().iter().skip(channel).step_by(3).copied().collect();
                values.sort_unstable();
                values
            };
            let (ours, theirs) = (sorted(&matched), sorted(&example));
            for percent in 1..100 {
                let at = |values: &[u8]| values[values.len() * percent / 100];
                assert!(at(&ours).abs_diff(at(&theirs)) <= 1, "{channel} {percent}");
            }
        }
    }

    /// As numpy computes it: `interp(cumsum(source counts) / n, cumsum(counts) / m, values)`.
    #[test]
    fn shares_between_those_of_the_example_are_interpolated() {
        let image = Rgb8::from_grey(4, 1, &[0, 10, 10, 20]).unwrap();
        let example = Rgb8::from_grey(2, 1, &[100, 200]).unwrap();
        // Shares 1/4, 3/4 and 1; the example has 100 up to 1/2 and 200 up to 1.
        let wanted = Rgb8::from_grey(4, 1, &[100, 150, 150, 200]).unwrap();
        assert_eq!(match_histograms(&image, &example), wanted);
    }
}
