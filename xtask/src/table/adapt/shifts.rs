//! What is fixed for each shift of domain, once and for every method.

/// The methods that the validator picks among; the network and the budget are the same for all.
pub const CORE: [&str; 11] =
    [SOURCE, "dann", "cdan", "mcd", "coral", "dan", "mcc", TEST_TIME, "tent", "shot", "fda"];
/// The other methods: they stand beside the core methods and take no part in the pick.
pub const WIDER: [&str; 10] = [
    "cdan_e",
    "adda",
    "mdd",
    "jan",
    "afn",
    "bnm",
    "t3a",
    "pseudo_label",
    "mean_teacher",
    "mixstyle",
];
/// Training on the source alone.
pub const SOURCE: &str = "source";
/// The method of test time, the same for every shift: norm statistics of the target, nothing trained.
pub const TEST_TIME: &str = "adabn";
/// Training on the target with its labels: no method, what the network could reach.
pub const BOUND: &str = "bound";

/// A shift of domain and all that is fixed for it.
pub struct Shift {
    pub name: &'static str,
    pub title: &'static str,
    /// The words of the command; `$TL_CACHE` stands for the folder of fetched assets, `$TEXT_ENCODER` for MiniLM's,
    /// `$FEWER_FILMS` for every fourth review of films.
    pub words: &'static str,
    /// The same for the bound.
    pub bound: &'static str,
    pub seeds: u64,
    /// Seeds of the methods beside the core methods.
    pub wider_seeds: u64,
}

/// The first is the development shift.
pub const SHIFTS: [Shift; 7] = [
    Shift {
        name: "uci",
        title: "MNIST → UCI digits",
        words: "--source mnist:$TL_CACHE --target uci:$TL_CACHE --model small_conv --weights random --shots 200 \
                --source-epochs 6 --epochs 6",
        bound: "--source uci:$TL_CACHE --target uci:$TL_CACHE --model small_conv --weights random --source-epochs 6 \
                --epochs 8",
        seeds: 3,
        wider_seeds: 3,
    },
    Shift {
        name: "mnist",
        title: "UCI digits → MNIST",
        words: "--source uci:$TL_CACHE --target mnist:$TL_CACHE --model small_conv --weights random \
                --source-epochs 2 --epochs 2",
        bound: "--source mnist:$TL_CACHE --target mnist:$TL_CACHE --model small_conv --weights random \
                --source-epochs 2 --epochs 2",
        seeds: 3,
        wider_seeds: 1,
    },
    Shift {
        name: "blend",
        title: "MNIST → MNIST blended with photos",
        words: "--source mnist:$TL_CACHE --target-shift blend@assets/photos --model small_conv --weights random \
                --source-epochs 2 --epochs 4",
        bound: "--source mnist:$TL_CACHE --target-shift blend@assets/photos --source-shift blend@assets/photos \
                --model small_conv --weights random --source-epochs 2 --epochs 4",
        seeds: 5,
        wider_seeds: 1,
    },
    Shift {
        name: "night",
        title: "Fashion-MNIST by day → by night",
        words: "--source assets/fashion_mnist --target-shift night --model mobilenet_v2 --image-size 48 --shots 60 \
                --source-epochs 3 --epochs 4",
        bound: "--source assets/fashion_mnist --target-shift night --source-shift night --model mobilenet_v2 \
                --image-size 48 --shots 60 --source-epochs 3 --epochs 4",
        seeds: 3,
        wider_seeds: 1,
    },
    Shift {
        name: "fog",
        title: "Fashion-MNIST by day → in fog",
        words: "--source assets/fashion_mnist --target-shift fog --model mobilenet_v2 --image-size 48 --shots 60 \
                --source-epochs 3 --epochs 4",
        bound: "--source assets/fashion_mnist --target-shift fog --source-shift fog --model mobilenet_v2 \
                --image-size 48 --shots 60 --source-epochs 3 --epochs 4",
        seeds: 3,
        wider_seeds: 1,
    },
    Shift {
        name: "tweets_films",
        title: "Sentiment of tweets → of reviews of films",
        words: "--source rated:$TL_CACHE/tweets_GroundTruth.txt --target rated:$FEWER_FILMS --model bert \
                --weights $TEXT_ENCODER --freeze-through layer.3 --shots 500 --source-epochs 3 --epochs 1",
        bound: OF_FILMS,
        seeds: 3,
        wider_seeds: 1,
    },
    Shift {
        name: "products_films",
        title: "Sentiment of reviews of products → of films",
        words: "--source rated:$TL_CACHE/amazonReviewSnippets_GroundTruth.txt --target rated:$FEWER_FILMS --model bert \
                --weights $TEXT_ENCODER --freeze-through layer.3 --shots 500 --source-epochs 3 --epochs 1",
        bound: OF_FILMS,
        seeds: 3,
        wider_seeds: 1,
    },
];

/// Trained on the labels of all that the methods see without them.
const OF_FILMS: &str = "--source rated:$FEWER_FILMS --target rated:$FEWER_FILMS --model bert --weights $TEXT_ENCODER \
                        --freeze-through layer.3 --source-epochs 3 --epochs 1";

impl Shift {
    /// Whether a method has a place here: texts have no pixels, and their encoders no batch norms.
    pub fn takes(&self, method: &str) -> bool {
        !(self.words.contains("$TEXT_ENCODER") && ["fda", TEST_TIME, "mixstyle"].contains(&method))
    }

    /// The methods that are compared here.
    pub fn core(&self) -> impl Iterator<Item = &'static str> {
        CORE.into_iter().filter(|method| self.takes(method))
    }
}
