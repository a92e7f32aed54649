//! The table of networks of texts: sentiment, topics and entities, in several ways.

use super::ways::{Before, Data, Task, Way, Ways, way};

/// The table of networks of texts.
pub struct Texts;

impl Ways for Texts {
    const NAME: &'static str = "texts";
    const ABOUT: &'static str = "MiniLM (6 layers of width 384). `probe` is logistic regression on frozen vectors, `words` the \
        same on TF-IDF without a network, each with its strength chosen on the validation part. Seconds are of the clock, beside other work.";
    const TASKS: &'static [Task] = TASKS;
}

/// Logistic regression on frozen vectors, and on words beside it.
const PROBE: Way = way("probe", "probe DATA --model bert --weights $TABLE/MiniLM --words");
const FINETUNE: Way = way(
    "finetune",
    "finetune DATA --model bert --weights $TABLE/MiniLM --recipe finetune --keep last --lr 1e-4",
);
/// A new head needs a higher rate to get anywhere in 40 steps, and an epoch takes less than a look at the validation part.
const FEW: Way = way(
    "finetune",
    "finetune DATA --model bert --weights $TABLE/MiniLM --recipe finetune --keep last --lr 5e-4 --validate-every 20",
);
/// Four passes over 7,900 long texts are half an hour of one core.
const TOPICS: &[Way] = &[
    PROBE,
    way(
        "finetune",
        "finetune DATA --model bert --weights $TABLE/MiniLM --recipe finetune --keep last --lr 3e-4 --epochs 4",
    ),
    way(
        "lora",
        "finetune DATA --model bert --weights $TABLE/MiniLM --adapter lora:rank=8,alpha=16,targets=query+key+value+output+inner+outer \
         --pooling mean --keep last --epochs 4",
    ),
];

const SENTIMENT: &[Way] = &[PROBE, FINETUNE];
const BY_FEW: &[Way] = &[PROBE, FEW];
const SPLIT: &str = "--split 70,10,20";

const MASKED: Before = Before {
    makes: "movie-mlm",
    words: "pretrain rated:$TL_CACHE/movieReviewSnippets_GroundTruth.txt --method mlm --model bert --weights \
            $TABLE/MiniLM --epochs 3 --seed 0",
};

const TASKS: &[Task] = &[
    Task {
        name: "tweets",
        title: "Sentiment of tweets",
        data: Data::Fetched { asset: "tweets_GroundTruth.txt", prefix: "rated:" },
        words: SPLIT,
        shots: &[0],
        seeds: 3,
        ways: SENTIMENT,
    },
    Task {
        name: "amazon",
        title: "Sentiment of reviews of products",
        data: Data::Fetched { asset: "amazonReviewSnippets_GroundTruth.txt", prefix: "rated:" },
        words: SPLIT,
        shots: &[0],
        seeds: 3,
        ways: SENTIMENT,
    },
    Task {
        name: "movie",
        title: "Sentiment of reviews of films",
        data: Data::Fetched { asset: "movieReviewSnippets_GroundTruth.txt", prefix: "rated:" },
        words: SPLIT,
        shots: &[1500],
        seeds: 3,
        ways: &[
            PROBE,
            FINETUNE,
            Way {
                name: "masked first",
                words: "finetune DATA --model bert --weights $TABLE/before/movie-mlm --recipe finetune --keep last --lr 1e-4",
                before: &[MASKED],
            },
        ],
    },
    Task {
        name: "entities",
        title: "Named entities in tweets",
        data: Data::Fetched { asset: "wnut16-train.txt", prefix: "" },
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
        data: Data::Fetched { asset: "20newsgroups-train.tab", prefix: "" },
        words: "--text-column Text --label-column Category --split 70,10,20",
        shots: &[3, 25],
        seeds: 3,
        ways: BY_FEW,
    },
    Task {
        name: "few_spam",
        title: "Spam by few labels",
        data: Data::Spam { asset: "spam-assassin.tgz" },
        words: "--split 70,10,20 --max-length 256",
        shots: &[25, 250],
        seeds: 3,
        ways: BY_FEW,
    },
    Task {
        name: "topics",
        title: "Topics of news",
        data: Data::Fetched { asset: "20newsgroups-train.tab", prefix: "" },
        words: "--text-column Text --label-column Category --split 70,10,20",
        shots: &[0],
        seeds: 1,
        ways: TOPICS,
    },
    Task {
        name: "recipes",
        title: "What of a recipe helps, on reviews of films",
        data: Data::Fetched { asset: "movieReviewSnippets_GroundTruth.txt", prefix: "rated:" },
        words: SPLIT,
        shots: &[50, 500],
        seeds: 3,
        ways: &[
            way(
                "scratch",
                "finetune DATA --model bert --weights random:$TABLE/MiniLM --recipe finetune --keep last --validate-every 20",
            ),
            way("last layer", "finetune DATA --model bert --weights $TABLE/MiniLM --recipe probe"),
            way(
                "full",
                "finetune DATA --model bert --weights $TABLE/MiniLM --recipe finetune --keep last --validate-every 20 --lr 1e-4",
            ),
            way(
                "discriminative",
                "finetune DATA --model bert --weights $TABLE/MiniLM --recipe finetune --keep last --validate-every 20 --lr 1e-4 \
                 --layer-decay 0.7",
            ),
            way(
                "gradual",
                "finetune DATA --model bert --weights $TABLE/MiniLM --recipe gradual --keep last --validate-every 20 --lr 1e-4",
            ),
            Way {
                name: "all",
                words: "finetune DATA --model bert --weights $TABLE/before/movie-mlm --recipe gradual --keep last --validate-every 20 --lr 1e-4 \
                        --layer-decay 0.7",
                before: &[MASKED],
            },
        ],
    },
];
