//! The rows of the benchmark: what is measured, against which peer, and what is asked of the ratio.

use super::request::{Request, Work};

/// What a row measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Examples per second; the ratio is asked to be large.
    Rate,
    /// The most memory that a process which does nothing else has held; the ratio is asked to be small.
    Memory,
    /// Milliseconds for each example; the ratio is asked to be small.
    Time,
}

/// One row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The short name, for the command line: `resnet18-forward`.
    pub name: String,
    pub title: String,
    pub quantity: Quantity,
    /// What both sides do; its variant is that of ours.
    pub request: Request,
    /// What the ratio is formed with.
    pub reference: &'static str,
    /// What else the peers do.
    pub others: &'static [&'static str],
    /// Work of our own that takes the place of the peers, one for each of them; none where the peers do the same.
    pub beside: Vec<Work>,
    /// What the ratio must reach: from above for a rate, from below for memory.
    pub bound: Option<f64>,
    pub aim: Option<f64>,
    /// Whether its growth with batch, size and threads is shown.
    pub grows: bool,
}

/// Variants of the peers, and how tables call them.
const VARIANTS: [(&str, &str); 16] = [
    ("channels_last", "PyTorch channels_last"),
    ("default", "PyTorch default"),
    ("onnxruntime", "ONNX Runtime"),
    ("channels_last+bf16", "PyTorch bf16 channels_last"),
    ("default+bf16", "PyTorch bf16 default"),
    ("channels_last+caching", "PyTorch channels_last, caching"),
    ("default+caching", "PyTorch default, caching"),
    ("unfolded", "our own forward pass in evaluation, norms apart"),
    ("eval", "our own with norms folded as it runs"),
    ("full", "our own step of all weights of the same layers"),
    ("all patches", "our own step of the encoder on all patches"),
    ("anew", "our own, the whole text computed anew for each piece"),
    ("shuffled", "our own epoch of batches as chance has them, padded to their longest"),
    ("supervised", "our own supervised step on both batches together"),
    ("threads", "Pillow in threads"),
    ("processes", "Pillow in processes"),
];

/// How tables call a variant.
pub(super) fn title_of(variant: &str) -> &str {
    VARIANTS.iter().find(|(name, _)| *name == variant).map_or(variant, |(_, title)| title)
}

/// A row before its bounds are known.
fn row(name: &str, title: &str, work: Work, network: &str) -> Row {
    let size = if network.starts_with("encoder") { 128 } else { 224 };
    let request =
        Request { work, network: network.to_string(), batch: 16, size, variant: String::new() };
    Row {
        name: name.to_string(),
        title: title.to_string(),
        quantity: Quantity::Rate,
        request,
        reference: "channels_last",
        others: &["default"],
        beside: Vec::new(),
        bound: None,
        aim: None,
        grows: false,
    }
}

impl Row {
    fn against(mut self, reference: &'static str, others: &'static [&'static str]) -> Self {
        (self.reference, self.others) = (reference, others);
        self
    }

    /// The time of our work over that of `work`, which is ours as well and is called `reference`.
    fn beside(mut self, reference: &'static str, work: Work) -> Self {
        (self.quantity, self.beside) = (Quantity::Time, vec![work]);
        self.against(reference, &[])
    }

    /// Shows the time of another work of ours, which is called `other`, as well.
    fn and_beside(mut self, other: &'static [&'static str; 1], work: Work) -> Self {
        self.beside.push(work);
        let reference = self.reference;
        self.against(reference, other)
    }

    fn must(mut self, bound: f64, aim: Option<f64>) -> Self {
        (self.bound, self.aim) = (Some(bound), aim);
        self
    }

    fn growing(mut self) -> Self {
        self.grows = true;
        self
    }

    /// The memory of the same work.
    fn memory(&self) -> Self {
        Self {
            name: format!("{}-memory", self.name),
            title: format!("{}: peak memory", self.title),
            quantity: Quantity::Memory,
            others: &[],
            ..self.clone()
        }
        .must(0.6, Some(0.45))
    }

    /// The request for one variant of the peers.
    pub fn request(&self, variant: &str) -> Request {
        Request { variant: variant.to_string(), ..self.request.clone() }
    }

    /// All variants of the peers, that of the ratio first.
    pub fn variants(&self) -> Vec<&'static str> {
        std::iter::once(self.reference).chain(self.others.iter().copied()).collect()
    }

    /// Whether `ratio` is what the row asks for; nothing where it asks for nothing.
    pub fn holds(&self, ratio: f64) -> Option<bool> {
        self.bound.map(|bound| match self.quantity {
            Quantity::Rate => ratio >= bound,
            Quantity::Memory | Quantity::Time => ratio <= bound,
        })
    }
}

/// All rows, in the order in which they are measured.
pub(super) fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    let networks = [
        ("resnet18", "ResNet-18", (1.1, 1.22), (0.95, 1.15)),
        ("resnet50", "ResNet-50", (1.05, 1.2), (1.0, 1.3)),
        ("mobilenet_v2", "MobileNetV2", (1.1, 1.48), (1.2, 2.0)),
    ];
    for (network, title, (bound, aim), _) in networks {
        let title = format!("{title} frozen forward");
        rows.push(
            row(&format!("{network}-forward"), &title, Work::Forward, network)
                .against("channels_last", &["default", "onnxruntime"])
                .must(bound, Some(aim))
                .growing(),
        );
    }
    for (network, title, _, (bound, aim)) in networks {
        let title = format!("{title} training step, all layers");
        let step = row(&format!("{network}-step"), &title, Work::Step, network);
        rows.push(step.must(bound, Some(aim)).growing());
    }
    let tail = |name: &str, title: &str, work| {
        row(name, &format!("ResNet-18, layer4 + head trained{title}"), work, "resnet18")
    };
    rows.push(
        tail("tail-first", ": first epoch, nothing cached", Work::TailFirst).must(1.0, Some(1.15)),
    );
    rows.push(
        tail("tail-later", ": later epochs, ours cached, the peer as before", Work::TailLater)
            .must(1.8, Some(2.2)),
    );
    rows.push(
        tail("tail-cached", ": later epochs, both cached", Work::TailLater)
            .against("channels_last+caching", &["default+caching"]),
    );
    let probe = |name: &str, title: &str| {
        let title = format!("20 epochs of a linear probe over 1,000 images{title}");
        row(name, &title, Work::Probe, "resnet18")
    };
    rows.push(
        probe("probe", ", both cached")
            .against("channels_last+caching", &["default+caching"])
            .must(1.1, Some(1.4)),
    );
    rows.push(probe("probe-recomputed", ", the peer computes features in every epoch"));
    for (network, title, forward) in
        [("encoder12x768", "Encoder 12×768", 1.3), ("encoder6x384", "Encoder 6×384", 1.1)]
    {
        let name = |work: &str| format!("{network}-{work}");
        rows.push(
            row(&name("forward"), &format!("{title} frozen forward"), Work::Forward, network)
                .against("default", &[])
                .must(forward, Some(1.6))
                .growing(),
        );
        rows.push(
            row(&name("step"), &format!("{title} training step"), Work::Step, network)
                .against("default", &[])
                .must(1.2, Some(1.5))
                .growing(),
        );
    }
    let memory: Vec<Row> = rows
        .iter()
        .filter(|row| matches!(row.request.work, Work::Step | Work::TailFirst))
        .map(Row::memory)
        .collect();
    rows.extend(memory);
    let mut half =
        row("resnet18-bf16", "ResNet-18 frozen forward, bf16", Work::Forward, "resnet18");
    half.request.variant = "bf16".to_string();
    rows.push(half.against("channels_last+bf16", &["default+bf16"]).must(1.0, None));
    for (network, title, ..) in networks.into_iter().filter(|(name, ..)| *name != "resnet50") {
        let row = |name: &str, what: &str, work| {
            row(&format!("{network}-{name}"), &format!("{title} {what}"), work, network)
        };
        let stream = |name, what, work| {
            let row = row(name, what, work).beside("unfolded", Work::Unfolded);
            row.and_beside(&["eval"], Work::Eval)
        };
        rows.push(stream("adabn", "AdaBN on a stream", Work::AdaBn).must(1.5, None));
        rows.push(stream("tent", "TENT on a stream", Work::Tent).must(3.0, None));
        let step = row("dann", "DANN step", Work::Dann);
        rows.push(step.beside("supervised", Work::Supervised).must(1.15, None));
    }
    let lora =
        row("encoder12x768-lora", "Encoder 12×768 LoRA step", Work::LowRank, "encoder12x768");
    rows.push(lora.beside("full", Work::Step).must(0.75, None));
    let masked = row("mae-step", "MAE step, ViT-S/16, 75 % hidden", Work::Masked, "vit_small");
    rows.push(masked.beside("all patches", Work::Step).must(0.45, None));
    let title = "GPT-2 small goes on by 256 pieces, keys and values kept";
    let mut written = row("gpt2-written", title, Work::Written, "gpt2");
    (written.request.batch, written.request.size) = (1, 256);
    rows.push(written.beside("anew", Work::Rewritten).must(0.2, None));
    let title = "An epoch of MiniLM's shape on tweets, batches by length";
    let lengths = row("by-length", title, Work::ByLength, "minilm");
    rows.push(lengths.beside("shuffled", Work::Shuffled).must(0.667, None));
    let title = "Mixed images of 64 to 2000 pixels decoded, resized to 256, 224 cut out";
    let decode = row("decode", title, Work::Decode, "images").against("threads", &["processes"]);
    rows.push(Row { aim: Some(1.5), ..decode });
    rows
}

/// The rows whose name or title `pattern` matches.
pub(super) fn matching(pattern: Option<&regex::Regex>) -> Vec<Row> {
    let wanted = |row: &Row| {
        pattern.is_none_or(|pattern| pattern.is_match(&row.name) || pattern.is_match(&row.title))
    };
    all().into_iter().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pattern: &str) -> Vec<String> {
        let pattern = regex::Regex::new(pattern).unwrap();
        matching(Some(&pattern)).into_iter().map(|row| row.name).collect()
    }

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<String> = all().into_iter().map(|row| row.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn rows_are_chosen_by_name_or_by_title() {
        assert_eq!(names("^resnet18-step$"), ["resnet18-step"]);
        assert_eq!(names("^resnet18-step"), ["resnet18-step", "resnet18-step-memory"]);
        assert_eq!(names("linear probe"), ["probe", "probe-recomputed"]);
        assert!(names("nothing of the kind").is_empty());
        assert_eq!(matching(None).len(), all().len());
    }

    #[test]
    fn every_training_step_has_a_row_of_its_memory() {
        let rows = all();
        for row in rows.iter().filter(|row| row.request.work == Work::Step) {
            let memory = format!("{}-memory", row.name.trim_end_matches("-memory"));
            assert!(rows.iter().any(|row| row.name == memory), "{memory}");
        }
    }

    #[test]
    fn a_rate_is_bounded_from_below_and_memory_from_above() {
        let rate = row("a", "a", Work::Step, "resnet18").must(1.1, None);
        assert_eq!((rate.holds(1.1), rate.holds(1.09)), (Some(true), Some(false)));
        let memory = rate.memory();
        assert_eq!((memory.holds(0.6), memory.holds(0.61)), (Some(true), Some(false)));
        let time = row("a", "a", Work::Tent, "resnet18").beside("eval", Work::Eval);
        let time = time.must(3.0, None);
        assert_eq!((time.holds(3.0), time.holds(3.01)), (Some(true), Some(false)));
        assert_eq!(row("a", "a", Work::Step, "resnet18").holds(0.1), None);
    }

    #[test]
    fn every_variant_has_a_title() {
        for variant in all().iter().flat_map(Row::variants) {
            assert!(title_of(variant).contains(' '), "{variant}");
        }
    }
}
