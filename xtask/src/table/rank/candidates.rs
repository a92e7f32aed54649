//! What is ranked, on which images.

/// What is said to every fitting.
pub const FITTING: &str = "--recipe finetune --epochs 10";

/// Images to rank on.
pub struct Data {
    pub name: &'static str,
    pub title: &'static str,
    /// The word of a command.
    pub word: &'static str,
    /// The fetched files that it needs.
    pub assets: &'static [&'static str],
}

const MNIST: [&str; 10] = [
    "mnist-0.json",
    "mnist-1.json",
    "mnist-2.json",
    "mnist-3.json",
    "mnist-4.json",
    "mnist-5.json",
    "mnist-6.json",
    "mnist-7.json",
    "mnist-8.json",
    "mnist-9.json",
];

/// The data sets of the table.
pub const DATA: [Data; 3] = [
    Data { name: "fashion", title: "Clothes", word: "assets/fashion_mnist", assets: &[] },
    Data { name: "mnist", title: "MNIST", word: "mnist:$TL_CACHE", assets: &MNIST },
    Data {
        name: "uci",
        title: "UCI digits",
        word: "uci:$TL_CACHE",
        assets: &["uci-digits.csv.gz"],
    },
];

/// A network with its weights, as the program's flags say it.
pub struct Candidate {
    pub name: &'static str,
    pub network: &'static str,
    pub weights: Weights,
    /// Features after this stage; fine-tuned with everything up to it frozen.
    pub stage: Option<&'static str>,
}

/// Where a candidate's weights come from.
pub enum Weights {
    Embedded,
    Random,
    /// A file of the repository.
    File(&'static str),
    /// A fitting on other data, which this table makes first; no candidate on those data.
    FittedOn(&'static str),
}

const fn candidate(name: &'static str, network: &'static str, weights: Weights) -> Candidate {
    Candidate { name, network, weights, stage: None }
}

/// What is ranked.
pub const CANDIDATES: [Candidate; 10] = [
    candidate("mobilenet_v2", "mobilenet_v2", Weights::Embedded),
    cut("mobilenet_v2 to features.14", "features.14"),
    cut("mobilenet_v2 to features.7", "features.7"),
    cut("mobilenet_v2 to features.3", "features.3"),
    candidate("mobilenet_v2 untrained", "mobilenet_v2", Weights::Random),
    candidate("resnet10 untrained", "resnet10", Weights::Random),
    candidate("resnet18 untrained", "resnet18", Weights::Random),
    candidate("resnet10 from clothes", "resnet10", Weights::FittedOn("fashion")),
    candidate("resnet10 from MNIST", "resnet10", Weights::FittedOn("mnist")),
    candidate("squeezenet1_1", "squeezenet1_1", Weights::File("assets/squeezenet1_1.safetensors")),
];

const fn cut(name: &'static str, stage: &'static str) -> Candidate {
    let whole = candidate(name, "mobilenet_v2", Weights::Embedded);
    Candidate { stage: Some(stage), ..whole }
}

impl Candidate {
    /// Whether it may be ranked on these data.
    pub fn is_for(&self, data: &Data) -> bool {
        !matches!(self.weights, Weights::FittedOn(other) if other == data.name)
    }

    /// What `--weights` takes.
    fn weights(&self) -> String {
        match self.weights {
            Weights::Embedded => "embedded".to_string(),
            Weights::Random => "random".to_string(),
            Weights::File(path) => path.to_string(),
            Weights::FittedOn(data) => format!("$TABLE/{}-{data}", self.network),
        }
    }

    /// Its words of `tl rank`.
    pub fn ranking(&self) -> String {
        let stage = self.stage.map_or(String::new(), |stage| format!("@{stage}"));
        format!("--models {}{stage}={} --only", self.network, self.weights())
    }

    /// Its words of `tl finetune`.
    pub fn fitting(&self) -> String {
        let frozen = self.stage.map_or(String::new(), |stage| format!(" --freeze-through {stage}"));
        format!("--model {} --weights {}{frozen} {FITTING}", self.network, self.weights())
    }
}
