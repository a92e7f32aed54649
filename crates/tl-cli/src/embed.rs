//! `tl embed`: images and texts to vectors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use tl::core::TokenPooling;
use tl::data::Skipped;
use tl::train::files::{make_folder, write_bytes};
use tl::{EMBEDDED_NETWORK, Examples, FinetuneOptions, pretrained_to_use, works_on_texts};

use crate::failure::Failure;
use crate::flags::{Machine, POOLINGS, TextFlags, WindowFlags, one_of};
use crate::output;

/// Turn images or texts into vectors: the pooled features of a pretrained network
///
/// Writes a NumPy file of f32 [examples, features]: one row per image in the order of the paths, or one row per text in
/// the order of the lines. A text's vector is the mean over its pieces in the last layer.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl embed photos/ --out photos.npy
  tl embed photos/ --model resnet50 --weights resnet50.pth --out photos.npy --names photos.txt
  tl embed photos/ --model mobilenet_v2 --weights runs/1 --out photos.npy
  tl embed lines.txt --model bert --weights MiniLM/ --out lines.npy")]
pub struct Embed {
    /// A folder of images at any depth, IDX files, or one image; for a network of texts a file with a text on each line,
    /// or a table
    pub data: PathBuf,

    /// The network
    #[arg(long, value_name = "NAME", default_value = EMBEDDED_NETWORK)]
    pub model: String,

    /// Its weights: a safetensors, PyTorch, burnpack, ONNX or npz file, the folder of a run or of adapters in PEFT's format, hub:owner/repo/file, random, or
    /// embedded (those of the program, for the default network)
    #[arg(long, value_name = "SRC", default_value = "embedded")]
    pub weights: String,

    /// The NumPy file to write
    #[arg(long, value_name = "F.npy")]
    pub out: PathBuf,

    /// Also write the images' names to this file, one a line, in the order of the rows
    #[arg(long, value_name = "F.txt")]
    pub names: Option<PathBuf>,

    /// Height and width of the images in pixels [default: what the network's weights expect]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub image_size: Option<usize>,

    /// What of a text becomes its vector: class (the first piece) or mean (of all) [default: mean]
    #[arg(long, value_parser = one_of(&POOLINGS))]
    pub pooling: Option<TokenPooling>,

    #[command(flatten)]
    pub text: TextFlags,

    #[command(flatten)]
    pub windows: WindowFlags,

    /// Examples that are computed together
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 32)]
    pub batch_size: usize,

    /// Accept weights that lack parameters of the network, or hold others
    #[arg(long)]
    pub partial: bool,

    /// Make an image that cannot be read an error instead of skipping it
    #[arg(long)]
    pub strict: bool,

    #[command(flatten)]
    pub machine: Machine,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    out: &'a str,
    #[serde(flatten)]
    count: BTreeMap<&'static str, usize>,
    width: usize,
    skipped: &'a [Skipped],
}

pub fn run(verb: &Embed) -> Result<(), Failure> {
    let device = verb.machine.start()?;
    let texts = works_on_texts(&verb.model);
    let mut asked = FinetuneOptions { image_size: verb.image_size, ..FinetuneOptions::default() };
    asked.network.clone_from(&verb.model);
    asked.strict = verb.strict;
    // A classifier of gpt2 stands on the last piece; as a vector of a text the mean of all is better.
    let usual = (verb.model == "gpt2").then_some(TokenPooling::Mean);
    asked.patches.pooling = verb.pooling.or(usual);
    verb.text.put_into(&mut asked.text);
    verb.windows.put_into(&mut asked.text);
    let name = verb.data.to_string_lossy();
    let examples = Examples::open(&name, &verb.model, &asked.text, false)?;
    output::notes(examples.notes());
    let count = examples.items().count();
    let (weights, partial) = (&verb.weights, verb.partial);
    let found = pretrained_to_use(&asked.choice(), weights, None, partial, 0, &device)?;
    let data = found.dataset(&examples, &asked, verb.machine.threads())?;
    output::notes(&data.notes());
    // Found out now rather than after the last image.
    for path in std::iter::once(&verb.out).chain(&verb.names) {
        must_be_writable(path)?;
    }
    let vectors =
        tl::embed(&found.model, &*data, verb.batch_size, &device, &mut verb.machine.display())?;
    let skipped = data.skipped();
    if let (true, Some(first)) = (vectors.names.is_empty(), skipped.first()) {
        return Err(Failure::input(format!(
            "none of the images could be read, {count} in all; the first is {}: {}",
            first.name, first.reason
        )));
    }
    vectors.write_npy(&verb.out)?;
    if let Some(path) = &verb.names {
        write_bytes(path, (vectors.names.join("\n") + "\n").as_bytes())?;
    }
    let (rows, width) = (vectors.names.len(), vectors.width);
    let noun = if texts { "texts" } else { "images" };
    let out = verb.out.display().to_string();
    if verb.machine.json {
        let count = BTreeMap::from([(noun, rows)]);
        return output::object(&Answer { out: &out, count, width, skipped: &skipped });
    }
    output::print(&format!(
        "{out}: {rows} {noun} × {width} features, f32\n{}",
        output::skipped(&skipped)
    ))
}

/// Makes the folder of `path` and writes an empty file beside it, which is removed again.
fn must_be_writable(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::input(format!(
            "{} is a folder; give the name of a file",
            path.display()
        )));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".probe");
    let probe = path.with_file_name(name);
    write_bytes(&probe, b"")?;
    let _ = std::fs::remove_file(probe);
    Ok(())
}
