//! What a side of the benchmark is told, and what it answers: one line of JSON each.
//!
//! Both programs that speak Rust include this file; `peers.py` reads and writes the same lines.

use serde::{Deserialize, Serialize};

/// The variable that names the folder of images to both sides.
pub const IMAGES: &str = "TL_BENCH_IMAGES";
/// The variable that names the folder of fetched assets.
pub const ASSETS: &str = "TL_BENCH_ASSETS";

/// What is done again and again while the time is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Logits without gradients: every stage frozen, then pooling and the head.
    Forward,
    /// Forward, cross-entropy, backward, step of SGD with momentum; norms in training mode.
    Step,
    /// The last stage and the head trained, nothing kept from earlier: frozen stages and step.
    TailFirst,
    /// The same from the kept output of the frozen stages.
    TailLater,
    /// A new head on frozen features: 20 epochs over 1,000 images.
    Probe,
    /// Logits without gradients of the network as it is, in evaluation: nothing compiled or packed. Each
    /// convolution takes its norm's running statistics into its weight as it is called, so that this is
    /// faster than a pass that leaves them apart.
    Eval,
    /// Logits without gradients, every norm an operation of its own with its running statistics.
    Unfolded,
    /// The same with LoRA of rank 8 at every linear layer but the head: it and the adapters trained, the rest frozen.
    LowRank,
    /// A step of the masked autoencoder with three quarters of the patches hidden, decoder included.
    Masked,
    /// A language model goes on with a text, what was computed of its beginning kept.
    Written,
    /// The same, the whole text computed anew for each piece.
    Rewritten,
    /// An epoch of training on tweets, in batches of like length.
    ByLength,
    /// The same in batches as chance has it.
    Shuffled,
    /// Logits with the norms' statistics of the batch itself.
    AdaBn,
    /// The same, and a step of TENT on scales and shifts.
    Tent,
    /// A step of the adapting loop with DANN: so many images of each domain.
    Dann,
    /// A step of the same loop on twice as many images with labels.
    Supervised,
    /// One pass over a folder of mixed images: decoded, resized, the middle cut out.
    Decode,
}

/// One configuration of one piece of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub work: Work,
    /// `resnet18`, or `encoder12x768` for 12 layers of width 768.
    pub network: String,
    /// Images or sequences of a batch.
    pub batch: usize,
    /// Pixels of a side, or tokens of a sequence.
    pub size: usize,
    /// What a peer is asked for beside that, with `+` between: `channels_last+caching`.
    pub variant: String,
}

/// A line to a side.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Which libraries it uses.
    Versions,
    /// Do `request` once untimed, then for at least so many seconds.
    Run { request: Request, seconds: f64 },
    /// Let go of everything that was built for earlier requests.
    Forget,
}

/// A line from a side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Names and versions.
    Versions(Vec<(String, String)>),
    /// The median of the seconds that the work took, the examples that it went through, and the most
    /// memory that the process has held so far, in bytes.
    Measured { seconds: f64, examples: usize, peak: u64 },
    /// It cannot be done, and why.
    Absent(String),
    /// It was forgotten.
    Done,
}
