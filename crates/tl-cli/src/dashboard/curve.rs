//! A curve in one line of text.

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `values` in at most `columns` columns, each the mean of its share of them, between the least and the most of these means;
/// values that are not finite are left out.
pub fn curve(values: &[f64], columns: usize) -> String {
    let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let columns = columns.min(values.len());
    let mean = |column: usize| {
        let own = &values[column * values.len() / columns..(column + 1) * values.len() / columns];
        own.iter().sum::<f64>() / own.len() as f64
    };
    let means: Vec<f64> = (0..columns).map(mean).collect();
    let least = means.iter().copied().fold(f64::INFINITY, f64::min);
    let most = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let level = |value: &f64| {
        let share = if most > least { (value - least) / (most - least) } else { 0.0 };
        let place = (share * (LEVELS.len() - 1) as f64).round() as usize;
        LEVELS[place.min(LEVELS.len() - 1)]
    };
    means.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_goes_from_the_lowest_level_to_the_highest() {
        let values: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(curve(&values, 8), "▁▂▃▄▅▆▇█");
        // Of fewer columns each is a mean: 0.5, 2.5, 4.5, 6.5.
        assert_eq!(curve(&values, 4), "▁▃▆█");
        assert_eq!(curve(&values, 100), "▁▂▃▄▅▆▇█");
    }

    #[test]
    fn what_is_no_curve_is_drawn_all_the_same() {
        assert_eq!(curve(&[], 5), "");
        assert_eq!(curve(&[2.0, 1.0], 0), "");
        assert_eq!(curve(&[3.0, 3.0], 5), "▁▁");
        assert_eq!(curve(&[f64::NAN, 1.0, f64::INFINITY, 2.0], 5), "▁█");
    }
}
