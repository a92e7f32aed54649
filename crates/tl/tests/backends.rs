//! Every backend that is built in gives the numbers of flex.

use tl::compare::compare;

#[test]
fn every_backend_that_is_built_in_agrees_with_flex() {
    let flex = tl::device("flex").expect("flex is built in");
    for name in tl::device::built_in() {
        let device = tl::device(name).unwrap_or_else(|error| panic!("{error}"));
        let found = compare(&flex, &device).unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{name}: {found:?}");
        assert!(found.logits < 1e-3, "{name}: logits {found:?}");
        assert!(found.probe_step < 1e-4, "{name}: a probe's step {found:?}");
        assert!(found.finetune_step < 1e-4, "{name}: a fine-tuning's step {found:?}");
    }
}

#[test]
fn a_backend_that_is_absent_is_one_clear_line() {
    for name in ["cuda:x", "tpu", "flex:1", ""] {
        let error = tl::device(name).expect_err(name);
        assert_eq!(error.exit_code(), 2, "{name}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}
