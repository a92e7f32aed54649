//! Orders in which a batch holds texts of like length, so that little of it is padding.

/// How many batches are sorted together: more means less padding, and batches that are less random.
const POOL: usize = 50;

/// The items of `order`, in batches of like length that come in an order of `seed`'s, `step` and the lengths alone.
///
/// Within each `50` batches of `order` the items are sorted by their length, then cut into batches; the batches
/// are shuffled. A last batch that is not full stays last.
pub fn batches_by_length(
    order: &[usize],
    lengths: &[usize],
    batch_size: usize,
    seed: u64,
    step: u64,
) -> Vec<usize> {
    let batch_size = batch_size.max(1);
    let length = |item: &usize| lengths.get(*item).copied().unwrap_or(0);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for pool in order.chunks(POOL * batch_size) {
        let mut pool = pool.to_vec();
        pool.sort_by_key(length);
        batches.extend(pool.chunks(batch_size).map(<[usize]>::to_vec));
    }
    let whole = batches.iter().take_while(|batch| batch.len() == batch_size).count();
    tl_random::rng(seed, "batches by length", step, 0).shuffle(&mut batches[..whole]);
    batches.concat()
}

/// The items of `order`, the longest first: what a device must hold is known at the first batch.
pub fn longest_first(order: &[usize], lengths: &[usize]) -> Vec<usize> {
    let mut sorted = order.to_vec();
    sorted.sort_by_key(|item| std::cmp::Reverse(lengths.get(*item).copied().unwrap_or(0)));
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_comes_once_and_batches_hold_like_lengths() {
        let lengths: Vec<usize> = (0..1003).map(|item| 5 + item * 7919 % 60).collect();
        let order = tl_random::rng(1, "shuffle", 0, 0).permutation(1003);
        let sorted = batches_by_length(&order, &lengths, 16, 1, 0);
        let mut all = sorted.clone();
        all.sort_unstable();
        assert_eq!(all, (0..1003).collect::<Vec<_>>());
        let padded = |order: &[usize]| -> usize {
            order.chunks(16).map(|b| b.len() * b.iter().map(|i| lengths[*i]).max().unwrap()).sum()
        };
        let exact: usize = lengths.iter().sum();
        assert!((padded(&sorted) as f64) < 1.1 * exact as f64);
        assert!((padded(&order) as f64) > 1.5 * exact as f64);
        // The batches themselves come in no order of length, and in another one in the next epoch.
        let first = lengths[sorted[0]];
        assert!(sorted.chunks(16).any(|batch| lengths[batch[0]] < first.max(6)));
        assert_ne!(sorted, batches_by_length(&order, &lengths, 16, 1, 1));
    }

    #[test]
    fn the_longest_come_first() {
        assert_eq!(longest_first(&[0, 1, 2, 3], &[4, 9, 4, 5]), [1, 3, 0, 2]);
    }
}
