//! Training on tweets, in batches of like length or as chance has it, each padded to its longest.

use std::path::Path;
use std::sync::Arc;

use tl::core::{Activation, Pieces, rng};
use tl::data::text::{Texts, Tokenizer, batches_by_length};
use tl::models::{Architecture, Encoder, EncoderConfig, Family};
use tl::{Network, device};

use crate::networks::{Training, Work};
use crate::request::{ASSETS, Request};
use crate::{CLASSES, Outcome};

const TWEETS: &str = "tweets_GroundTruth.txt";
const TOKENIZER: &str = "all-MiniLM-L6-v2-tokenizer.json";
/// What `tl finetune` cuts longer texts to.
const LONGEST: usize = 128;
/// Tweets of a rating nearer to 0 belong to no class.
const NEUTRAL: f64 = 0.5;

/// MiniLM's shape: 6 layers of width 384.
fn config() -> EncoderConfig {
    let mut config = EncoderConfig::base(Family::Bert);
    (config.width, config.depth, config.hidden) = (384, 6, 1536);
    config
}

fn asset(name: &str) -> Outcome<std::path::PathBuf> {
    let folder = std::env::var_os(ASSETS).ok_or("no folder of assets is named")?;
    let path = Path::new(&folder).join(name);
    match path.is_file() {
        true => Ok(path),
        false => Err(format!("{name} is not there; `cargo xtask assets {name}` fetches it").into()),
    }
}

/// One epoch over the tweets with a rating, all weights trained; and how many there are.
pub fn epoch(request: &Request, by_length: bool) -> Outcome<(Work, usize)> {
    let texts = Arc::new(Texts::rated(&asset(TWEETS)?, NEUTRAL, true)?);
    let encoded = Tokenizer::open(&asset(TOKENIZER)?)?.encode(&texts, LONGEST)?;
    let (lengths, batch) = (encoded.lengths(), request.batch);
    let count = lengths.len();
    let shuffled = rng(0, "shuffle", 0, 0).permutation(count);
    let order = match by_length {
        true => batches_by_length(&shuffled, &lengths, batch, 0, 0),
        false => shuffled,
    };
    let pieces = |row: &usize| {
        let row = encoded.rows.get(*row).cloned().unwrap_or_default();
        Pieces { ids: row.ids, segments: row.segments, asked: Vec::new() }
    };
    let batches: Vec<Vec<Pieces>> =
        order.chunks(batch.max(1)).map(|rows| rows.iter().map(pieces).collect()).collect();
    let device = device("flex")?;
    let network = Network::Encoder(Encoder::new(config(), &device));
    let mut training = Training::new(network.with_head(CLASSES, 0, &device), None, batch)?;
    let work =
        move || batches.iter().try_for_each(|rows| training.step(Activation::Texts(rows.clone())));
    Ok((Box::new(work), count))
}
