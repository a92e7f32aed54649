//! What a plan freezes keeps every bit.

use crate::support::Place;
use safetensors::SafeTensors;

/// Stages 0 to 10 are frozen in these runs.
fn is_frozen(name: &str) -> bool {
    let stage = name.strip_prefix("features.").and_then(|rest| rest.split('.').next());
    stage.is_some_and(|stage| stage.parse::<usize>().is_ok_and(|stage| stage <= 10))
}

#[test]
fn frozen_parameters_and_statistics_keep_every_bit() {
    let place = Place::with_photos(3, 8);
    let before = tl::embedded::weights().unwrap();
    let common = "finetune photos --image-size 32 --epochs 2 --norm train --freeze-through features.10 --ema 0.9";
    for (out, more) in [
        ("best", "--keep best"),
        ("last", "--keep last --no-cache"),
        ("ema", "--keep ema --recipe gradual"),
    ] {
        let line = format!("{common} {more} --out {out}");
        place.good(&line.split(' ').collect::<Vec<_>>());
        let bytes = place.read(&format!("{out}/model.safetensors"));
        let after = SafeTensors::deserialize(&bytes).unwrap();
        let (mut kept, mut moved) = (0, 0);
        for (name, tensor) in after.tensors() {
            if name.ends_with("num_batches_tracked") || name.starts_with("classifier") {
                continue;
            }
            let values = before.values(&name).unwrap();
            let same = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .eq(tensor.data().iter().copied());
            if is_frozen(&name) {
                assert!(same, "{out}: {name} is frozen and changed");
                kept += 1;
            } else if !same {
                moved += 1;
            }
        }
        // 30 of the 52 convolutions lie in the frozen stages, each with the four tensors of its norm.
        assert_eq!(kept, 30 * 5, "{out}");
        if out != "best" {
            assert!(moved > 60, "{out}: {moved} tensors of the trained stages moved");
        }
    }
}
