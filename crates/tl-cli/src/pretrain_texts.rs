//! `tl pretrain --method mlm` and `clm`: from texts without labels to a weights file.

use tl::ssl::methods::MaskedLanguage;
use tl::{
    Examples, FinetuneOptions, PretrainOptions, Recipe, Request, Tuning, text_family,
    works_on_texts,
};

use crate::failure::Failure;
use crate::finetune::words;
use crate::pretrain::Pretrain;
use crate::{interruption, language, output};

/// The shares of the parts where the texts are not divided: what is learnt serves another task, which has a test part of its own.
const SHARES: [f64; 3] = [0.9, 0.1, 0.0];

/// How texts are learnt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Masked,
    Causal,
}

/// The method of texts that is asked for; none where it is one of images.
///
/// # Errors
/// Flags that say nothing to the method.
pub fn method(verb: &Pretrain) -> Result<Option<Method>, Failure> {
    let usual = PretrainOptions::default();
    let (found, other, kind, given) = match verb.method.as_str() {
        "mlm" | "clm" => {
            let causal = verb.method == "clm";
            let found = if causal { Method::Causal } else { Method::Masked };
            let patches = &verb.patches;
            let given = [
                ("--mask-ratio", causal && verb.mask_ratio.is_some()),
                ("--temperature", verb.temperature.is_some()),
                ("--momentum", verb.momentum.is_some()),
                ("--local-views", verb.local_views.is_some()),
                ("--min-scale", verb.min_scale.is_some()),
                ("--jitter", verb.jitter.is_some()),
                ("--no-monitor", verb.no_monitor),
                ("--knn", verb.knn[..] != usual.probe),
                ("--image-size", verb.fit.image_size.is_some()),
                ("--patch-size", patches.patch_size.is_some()),
                ("--depth", patches.depth.is_some()),
                ("--pooling", patches.pooling.is_some()),
                ("--optimizer", verb.optimizer != usual.optimizer),
                ("--weight-decay", verb.weight_decay != usual.weight_decay),
                ("--last-weight-decay", verb.last_weight_decay.is_some()),
                ("--parts", verb.parts != usual.parts),
                ("--strict", verb.strict),
            ];
            (Some(found), "a method of images", "texts", given.to_vec())
        }
        _ => {
            let given = [
                ("--text-column", verb.text.text_column.is_some()),
                ("--pair-column", verb.text.pair_column.is_some()),
                ("--label-column", verb.text.label_column.is_some()),
                ("--max-length", verb.text.max_length.is_some()),
                ("--split", verb.split.is_some()),
                ("--adapter", verb.adapter.is_some()),
            ];
            (None, "--method mlm or clm", "images", given.to_vec())
        }
    };
    match given.iter().find(|(_, given)| *given) {
        None => Ok(found),
        Some((flag, _)) if found == Some(Method::Causal) && *flag == "--mask-ratio" => {
            Err(Failure::input("--mask-ratio hides pieces, and clm hides none; leave it out"))
        }
        Some((flag, _)) => Err(Failure::input(format!(
            "{flag} says nothing to {}, a method of {kind}; leave it out, or give {other}",
            verb.method
        ))),
    }
}

/// Fits a language model on the texts; the loop is that of `tl finetune`.
pub fn run(verb: &Pretrain, method: Method) -> Result<(), Failure> {
    let options = options(verb, method)?;
    let device = verb.machine.start()?;
    let name = verb.data.to_string_lossy();
    let examples = Examples::texts(&name, &options.text.columns, false)?;
    output::notes(examples.notes());
    let network = options.network.clone();
    let request = Request {
        options,
        out: verb.out.clone(),
        device_name: verb.machine.device.clone(),
        threads: verb.machine.threads(),
        checkpoint_every: verb.checkpoint_every,
        resume: verb.resume,
        stop: interruption::stop_flag(),
        command: output::command_line(&words()),
        ..Request::new(examples, &name, &device)
    };
    let folder = language::carry_out(request, &verb.machine)?;
    if verb.machine.json {
        return Ok(());
    }
    let folder = output::command_line(&[folder.to_string_lossy()]);
    output::print(&format!(
        "fit a classifier with: tl finetune DATA --model {network} --weights {folder}\n"
    ))
}

fn options(verb: &Pretrain, method: Method) -> Result<FinetuneOptions, Failure> {
    let usual = if method == Method::Causal { "gpt2" } else { "bert" };
    let network = verb.model.clone().ok_or_else(|| {
        let method = &verb.method;
        Failure::input(format!(
            "--method {method} needs a network; give --model {usual} --weights FOLDER"
        ))
    })?;
    if tl::networks().contains(&network.as_str()) && !works_on_texts(&network) {
        return Err(Failure::input(format!(
            "{network} works on images, and --method {} learns from texts; give --model {usual}, or another --method",
            verb.method
        )));
    }
    if method == Method::Causal && text_family(&network).is_some() {
        return Err(Failure::input(format!(
            "{network} sees what comes next, and cannot foresee it; give --method mlm, or --model gpt2"
        )));
    }
    let weights = verb.weights.clone().ok_or_else(|| {
        Failure::input(format!(
            "no weights were given for {network}; add --weights FOLDER, or random:FOLDER with a config.json and a tokenizer.json"
        ))
    })?;
    let mut options = FinetuneOptions {
        network,
        weights,
        partial_weights: verb.fit.partial,
        tuning: Tuning {
            recipe: if verb.adapter.is_some() { Recipe::Lora } else { Recipe::Finetune },
            adapter: verb.adapter.clone(),
            epochs: verb.epochs,
            learning_rate: verb.lr,
            ..Tuning::default()
        },
        split: verb.split.unwrap_or(SHARES),
        ..FinetuneOptions::default()
    };
    options.settings.seed = verb.seed;
    options.settings.batch_size = verb.batch_size.unwrap_or(options.settings.batch_size);
    verb.text.put_into(&mut options.text);
    if method == Method::Masked {
        let usual = MaskedLanguage::default();
        let ratio = verb.mask_ratio.unwrap_or(usual.ratio);
        options.text.masked = Some(MaskedLanguage { ratio, ..usual });
    }
    Ok(options)
}
