//! How well scores put the items of a class in front of the others.

/// The area under the receiver operating characteristic: of all pairs of a positive and another item, the share in
/// which the positive one has the larger score, equal scores counting half (Mann and Whitney 1947). Nothing where
/// there is no such pair.
pub fn auroc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let count = scores.len().min(positive.len());
    let positives = positive[..count].iter().filter(|is| **is).count() as f64;
    let others = count as f64 - positives;
    if positives == 0.0 || others == 0.0 {
        return None;
    }
    let ranks = mean_ranks(&scores[..count]).into_iter().zip(positive);
    let sum: f64 = ranks.filter(|(_, is)| **is).map(|(rank, _)| rank).sum();
    Some((sum - positives * (positives + 1.0) / 2.0) / (positives * others))
}

/// The rank of each value, 1 for the smallest; those of equal values are their mean.
pub(super) fn mean_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
    let mut ranks = vec![0.0; values.len()];
    let mut begin = 0;
    // A value that is no number equals none but itself.
    for equal in order.chunk_by(|one, other| values[*one] == values[*other]) {
        let mean = begin as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|item| ranks[*item] = mean);
        begin += equal.len();
    }
    ranks
}

/// The area for the second of two classes, or the mean over the classes, each against all others; nothing unless
/// every class occurs. `probabilities` is `[items, classes]` in row order.
pub(super) fn auroc_of_classes(
    probabilities: &[f64],
    classes: usize,
    truth: &[usize],
) -> Option<f64> {
    let of = |class: usize| {
        let scores: Vec<f64> = probabilities.chunks(classes).map(|row| row[class]).collect();
        let positive: Vec<bool> = truth.iter().map(|label| *label == class).collect();
        auroc(&scores, &positive)
    };
    match classes {
        0 | 1 => None,
        2 => of(1),
        _ => {
            let all: Option<Vec<f64>> = (0..classes).map(of).collect();
            all.map(|all| all.iter().sum::<f64>() / classes as f64)
        }
    }
}

/// The items in the order of the scores of one class, sorted once for many draws.
pub(super) struct Order {
    items: Vec<usize>,
    /// Of each item in this order whether it is of the class, and whether the next has another score.
    marks: Vec<(bool, bool)>,
}

impl Order {
    /// For each class that counts in [`auroc_of_classes`].
    pub fn of_classes(probabilities: &[f64], classes: usize, truth: &[usize]) -> Vec<Self> {
        let first = if classes == 2 { 1 } else { 0 };
        (first..classes)
            .map(|class| {
                let score = |item: usize| probabilities[item * classes + class];
                let mut items: Vec<usize> = (0..truth.len()).collect();
                items.sort_by(|one, other| score(*one).total_cmp(&score(*other)));
                let mark = |at: usize| {
                    let next = items.get(at + 1).map(|item| score(*item));
                    (truth[items[at]] == class, next != Some(score(items[at])))
                };
                let marks = (0..items.len()).map(mark).collect();
                Self { items, marks }
            })
            .collect()
    }

    /// The area under the curve where each item counts so many times; nothing where there is no pair.
    fn area(&self, times: &[u32]) -> Option<f64> {
        let (mut positives, mut others, mut area) = (0.0, 0.0, 0.0);
        let mut equal = (0.0, 0.0);
        for (item, (positive, ends)) in self.items.iter().zip(&self.marks) {
            let times = f64::from(times[*item]);
            if *positive {
                equal.0 += times
            } else {
                equal.1 += times
            }
            if *ends {
                area += equal.0 * (others + equal.1 / 2.0);
                positives += equal.0;
                others += equal.1;
                equal = (0.0, 0.0);
            }
        }
        let pairs = positives * others;
        (pairs > 0.0).then(|| area / pairs)
    }

    /// The mean area over the classes of which there is a pair; no number where there is none.
    pub fn mean_area(orders: &[Self], times: &[u32]) -> f64 {
        let areas: Vec<f64> = orders.iter().filter_map(|order| order.area(times)).collect();
        areas.iter().sum::<f64>() / areas.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_counts_twice_is_as_two_items() {
        let scores = [0.1, 0.9, 0.4, 0.6, 0.4, 0.6, 0.8, 0.2];
        let truth = [1, 0, 1, 0];
        let orders = Order::of_classes(&scores, 2, &truth);
        assert_eq!(orders.len(), 1);
        let once = auroc_of_classes(&scores, 2, &truth).unwrap();
        assert!((Order::mean_area(&orders, &[1; 4]) - once).abs() < 1e-15);
        let twice = [0.1, 0.9, 0.1, 0.9, 0.4, 0.6, 0.8, 0.2];
        let known = auroc_of_classes(&twice, 2, &[1, 1, 0, 0]).unwrap();
        assert!((Order::mean_area(&orders, &[2, 1, 0, 1]) - known).abs() < 1e-15);
        assert!(Order::mean_area(&orders, &[1, 0, 1, 0]).is_nan());
        let three = [0.2, 0.5, 0.3, 0.6, 0.2, 0.2, 0.1, 0.1, 0.8, 0.3, 0.3, 0.4];
        let orders = Order::of_classes(&three, 3, &[1, 0, 2, 1]);
        let known = auroc_of_classes(&three, 3, &[1, 0, 2, 1]).unwrap();
        assert!((Order::mean_area(&orders, &[1; 4]) - known).abs() < 1e-15);
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_order() {
        let area = |scores: &[f64], positive: &[bool]| auroc(scores, positive).unwrap();
        assert_eq!(area(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]), 0.75);
        assert_eq!(area(&[1.0, 1.0, 1.0], &[false, true, true]), 0.5);
        assert_eq!(area(&[3.0, 2.0, 1.0], &[true, false, false]), 1.0);
        assert_eq!(auroc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(auroc(&[], &[]), None);
    }
}
