//! What is fixed for each task, once and for every way.

/// Data, and what is done with them.
pub struct Task {
    pub name: &'static str,
    pub title: &'static str,
    /// The fetched file, and what stands in front of it on the command line.
    pub asset: &'static str,
    pub prefix: &'static str,
    /// The file below the table's folder that is made of the fetched one, where the program does not read that.
    pub made: Option<&'static str>,
    /// Words of every command.
    pub words: &'static str,
    /// Training texts of each class; 0 stands for all.
    pub shots: &'static [usize],
    pub seeds: u64,
    pub ways: &'static [Way],
}

/// One way to a model.
pub struct Way {
    pub name: &'static str,
    /// The command; DATA stands for the file.
    pub words: &'static str,
    /// What is made first, once for all seeds.
    pub before: &'static [Before],
}

/// A run that others begin from.
pub struct Before {
    /// Its folder below the table's.
    pub makes: &'static str,
    pub words: &'static str,
}

/// The folder of the encoder after it went on with masked words of the movie reviews.
pub const CONTINUED: &str = "$TABLE/movie-mlm";

const fn way(name: &'static str, words: &'static str) -> Way {
    Way { name, words, before: &[] }
}

/// Logistic regression on frozen vectors, and on words beside it.
const PROBE: Way = way("probe", "probe DATA --model bert --weights $TABLE/MiniLM --words");
const FINETUNE: Way = way(
    "finetune",
    "finetune DATA --model bert --weights $TABLE/MiniLM --recipe finetune --keep last --lr 1e-4",
);
const LORA: Way =
    way("lora", "finetune DATA --model bert --weights $TABLE/MiniLM --adapter lora --keep last");

const SENTIMENT: &[Way] = &[PROBE, FINETUNE];
const SPLIT: &str = "--split 70,10,20";

/// Subjects and bodies of e-mails as lines of JSON.
pub const SPAM: &str = "spam.jsonl";

const MASKED: Before = Before {
    makes: "movie-mlm",
    words: "pretrain rated:$TL_CACHE/movieReviewSnippets_GroundTruth.txt --method mlm --model bert --weights \
            $TABLE/MiniLM --epochs 3 --seed 0",
};

pub const TASKS: &[Task] = &[
    Task {
        name: "tweets",
        title: "Sentiment of tweets",
        asset: "tweets_GroundTruth.txt",
        prefix: "rated:",
        made: None,
        words: SPLIT,
        shots: &[0],
        seeds: 3,
        ways: SENTIMENT,
    },
    Task {
        name: "amazon",
        title: "Sentiment of reviews of products",
        asset: "amazonReviewSnippets_GroundTruth.txt",
        prefix: "rated:",
        made: None,
        words: SPLIT,
        shots: &[0],
        seeds: 3,
        ways: SENTIMENT,
    },
    Task {
        name: "movie",
        title: "Sentiment of reviews of films",
        asset: "movieReviewSnippets_GroundTruth.txt",
        prefix: "rated:",
        made: None,
        words: SPLIT,
        shots: &[0],
        seeds: 3,
        ways: &[
            PROBE,
            FINETUNE,
            Way {
                name: "masked first",
                words: "finetune DATA --model bert --weights $TABLE/movie-mlm --recipe finetune --keep last --lr 1e-4",
                before: &[MASKED],
            },
        ],
    },
    Task {
        name: "entities",
        title: "Named entities in tweets",
        asset: "wnut16-train.txt",
        prefix: "",
        made: None,
        words: "--task tokens --split 70,10,20",
        shots: &[0],
        seeds: 3,
        ways: &[
            way("lstm", "finetune DATA --model lstm --weights random --epochs 20"),
            way("frozen", "finetune DATA --model bert --weights $TABLE/MiniLM --recipe probe"),
            way(
                "finetune",
                "finetune DATA --model bert --weights $TABLE/MiniLM --epochs 8 --lr 1e-3",
            ),
        ],
    },
    Task {
        name: "few_topics",
        title: "Topics of news by few labels",
        asset: "20newsgroups-train.tab",
        prefix: "",
        made: None,
        words: "--text-column Text --label-column Category --split 70,10,20",
        shots: &[3, 25],
        seeds: 3,
        ways: SENTIMENT,
    },
    Task {
        name: "few_spam",
        title: "Spam by few labels",
        asset: "spam-assassin.tgz",
        prefix: "",
        made: Some(SPAM),
        words: SPLIT,
        shots: &[25, 250],
        seeds: 3,
        ways: SENTIMENT,
    },
    Task {
        name: "topics",
        title: "Topics of news",
        asset: "20newsgroups-train.tab",
        prefix: "",
        made: None,
        words: "--text-column Text --label-column Category --split 70,10,20",
        shots: &[0],
        seeds: 1,
        ways: &[PROBE, FINETUNE, LORA],
    },
    Task {
        name: "recipes",
        title: "What of a recipe helps, on reviews of films",
        asset: "movieReviewSnippets_GroundTruth.txt",
        prefix: "rated:",
        made: None,
        words: SPLIT,
        shots: &[50, 500],
        seeds: 3,
        ways: &[
            way(
                "scratch",
                "finetune DATA --model bert --weights random:$TABLE/MiniLM --recipe finetune --keep last",
            ),
            way("last layer", "finetune DATA --model bert --weights $TABLE/MiniLM --recipe probe"),
            way(
                "full",
                "finetune DATA --model bert --weights $TABLE/MiniLM --recipe finetune --keep last --lr 1e-4",
            ),
            way(
                "discriminative",
                "finetune DATA --model bert --weights $TABLE/MiniLM --recipe finetune --keep last --lr 1e-4 \
                 --layer-decay 0.7",
            ),
            way(
                "gradual",
                "finetune DATA --model bert --weights $TABLE/MiniLM --recipe gradual --keep last --lr 1e-4",
            ),
            Way {
                name: "all",
                words: "finetune DATA --model bert --weights $TABLE/movie-mlm --recipe gradual --keep last --lr 1e-4 \
                        --layer-decay 0.7",
                before: &[MASKED],
            },
        ],
    },
];
