//! How well scores put the items of a class in front of the others.

/// The area under the receiver operating characteristic: of all pairs of a positive and another item, the share in
/// which the positive one has the larger score, equal scores counting half (Mann and Whitney 1947). Nothing where
/// there is no such pair.
pub fn auroc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len().min(positive.len())).collect();
    order.sort_by(|one, other| scores[*one].total_cmp(&scores[*other]));
    let positives = order.iter().filter(|item| positive[**item]).count() as f64;
    let others = order.len() as f64 - positives;
    if positives == 0.0 || others == 0.0 {
        return None;
    }
    // The sum of the positives' ranks, those of equal scores being their mean.
    let mut ranks = 0.0;
    let mut begin = 0;
    while begin < order.len() {
        let score = scores[order[begin]];
        let equal = order[begin..].iter().take_while(|item| scores[**item] == score).count();
        let mean = begin as f64 + (equal as f64 + 1.0) / 2.0;
        let among = order[begin..begin + equal].iter().filter(|item| positive[**item]).count();
        ranks += mean * among as f64;
        // A score that is no number equals none, itself included.
        begin += equal.max(1);
    }
    Some((ranks - positives * (positives + 1.0) / 2.0) / (positives * others))
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

#[cfg(test)]
mod tests {
    use super::*;

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
