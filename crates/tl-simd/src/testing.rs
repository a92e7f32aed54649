//! What the tests of the kernels share.

use rayon::ThreadPoolBuilder;

/// Values in -1..1 that look random, the same for the same `salt`.
pub(crate) fn scattered(count: usize, salt: u64) -> Vec<f32> {
    let value = |index: u64| {
        let mut bits = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ salt.wrapping_mul(0xd134_2543_de82_ef95);
        bits = (bits ^ (bits >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        bits ^= bits >> 32;
        ((bits >> 40) as i32 - (1 << 23)) as f32 / (1 << 23) as f32
    };
    (0..count as u64).map(value).collect()
}

/// That values are those of the reference, to a hundred-thousandth of the greatest of these.
#[track_caller]
pub(crate) fn assert_close(what: &str, values: &[f32], reference: &[f64]) {
    assert_eq!(values.len(), reference.len(), "{what}");
    let greatest = reference.iter().fold(1e-6f64, |most, value| most.max(value.abs()));
    for (index, (value, reference)) in values.iter().zip(reference).enumerate() {
        let apart = (f64::from(*value) - reference).abs();
        assert!(apart <= 1e-5 * greatest, "{what}: {value} for {reference} at {index}");
    }
}

/// That a kernel's values have the same bits with 1, 2 and 4 threads.
#[track_caller]
pub(crate) fn assert_same_bits(what: &str, kernel: impl Fn() -> Vec<f32> + Sync) {
    let bits = |threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(&kernel).into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let one = bits(1);
    assert!(bits(2) == one && bits(4) == one, "{what}: other bits with more threads");
}
