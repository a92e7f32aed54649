//! A data set as others publish it; it is fetched by `cargo xtask assets` and found in `$TL_CACHE`.

use std::path::{Path, PathBuf};

use tl_data::{Images, Part};

fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|reason| panic!("{}: {reason}", path.display()))
}

#[test]
#[ignore = "needs fetched assets: fashion-mnist-train-images-idx3-ubyte.gz, fashion-mnist-train-labels-idx1-ubyte.gz, fashion-mnist-t10k-images-idx3-ubyte.gz, fashion-mnist-t10k-labels-idx1-ubyte.gz"]
fn the_complete_fashion_mnist_is_read_and_the_embedded_test_part_is_its_beginning() {
    let folder = PathBuf::from(std::env::var_os("TL_CACHE").expect("TL_CACHE names the folder"));
    let fetched = |name: &str| read(folder.join(format!("fashion-mnist-{name}-ubyte.gz")));
    let files = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
    let [train, train_labels, test, test_labels] = files.map(fetched);
    let classes: Vec<String> = (0..10).map(|class| class.to_string()).collect();
    let parts = [
        (Part::Train, train.as_slice(), train_labels.as_slice()),
        (Part::Test, test.as_slice(), test_labels.as_slice()),
    ];
    let whole = Images::idx(&parts, classes.clone()).unwrap();
    assert_eq!(whole.len(), 70_000);
    let split = whole.split([1.0, 0.0, 0.0], 0).unwrap();
    assert_eq!(whole.class_counts(&split.test), [1000; 10]);

    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/fashion_mnist");
    let embedded = |name: &str| read(assets.join(format!("t10k-{name}-ubyte.gz")));
    let (images, labels) = (embedded("images-idx3"), embedded("labels-idx1"));
    let small = Images::idx(&[(Part::Test, &images, &labels)], classes).unwrap();
    assert_eq!(small.len(), 1000);
    for (index, &item) in split.test.iter().take(1000).enumerate() {
        assert_eq!(whole.items[item].label, small.items[index].label, "label of {index}");
        let pixels = |images: &Images, item| images.decode(item).unwrap().bytes().to_vec();
        assert_eq!(pixels(&whole, item), pixels(&small, index), "pixels of {index}");
    }
}
