//! What is checked before anything is learnt.

use std::collections::BTreeSet;

use tl_core::Regulariser;
use tl_data::Split;
use tl_models::weights::Source;
use tl_train::regularise::Measure;

use super::{Asked, Begin, ChainRequest, Link, PreparedChain};
use crate::finetune::IMPORTANCE_FILE;
use crate::several::are_several;
use crate::{Error, FinetuneOptions, Recipe, works_on_texts};

/// The longest name of a task.
const NAME: usize = 80;

/// Checks a chain: names, data, and whether its tasks can stand on one network.
///
/// # Errors
/// No task, names that are no names of folders, data that cannot be used, tasks that do not fit each other.
pub fn prepare_chain(mut request: ChainRequest) -> Result<PreparedChain, Error> {
    names(&request.links)?;
    for link in &request.links {
        task(link).map_err(|error| Error::of_task(&link.name, error))?;
    }
    one_network(&request.links)?;
    match request.begin {
        Begin::Previous => {
            merged_before_the_last(&request.links)?;
            importance_of_the_one_before(&request.links)?;
        }
        Begin::Base => adapters_on_one_trunk(&request.links)?,
    }
    let mut notes = Vec::new();
    if let Some(first) = request.links.first_mut() {
        notes.extend(without_earlier(first));
    }
    let asked = Asked::of(request.begin, request.probe, &request.links);
    Ok(PreparedChain::new(request, asked, notes))
}

/// Succeeds where each task has a name of its own that a folder may have.
fn names(links: &[Link]) -> Result<(), Error> {
    if links.is_empty() {
        return Err(Error::options("the chain has no task", "give at least one, with its data"));
    }
    let mut seen = BTreeSet::new();
    for Link { name, .. } in links {
        let plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
        if name.is_empty() || name.len() > NAME || name.starts_with('.') || !name.chars().all(plain)
        {
            return Err(Error::options(
                format!("{name:?} is no name of a task, which becomes that of a folder"),
                "give one of letters, digits, -, _ and points",
            ));
        }
        // Some file systems take large and small letters for the same.
        if !seen.insert(name.to_lowercase()) {
            return Err(Error::options(
                format!("two tasks are called {name:?}"),
                "give each a name of its own",
            ));
        }
    }
    Ok(())
}

/// Succeeds where the data of a task can be learnt and measured.
fn task(link: &Link) -> Result<(), Error> {
    let options = &link.request.options;
    if options.text.tokens
        || options.text.numbers
        || options.text.pairs
        || options.text.masked.is_some()
    {
        return Err(Error::options(
            "a chain takes tasks that answer each image or text with one class",
            "leave out --task, or fit this one by tl finetune",
        ));
    }
    if options.text.columns.are_several() || are_several(&link.request.examples) {
        return Err(Error::options(
            "a chain takes tasks that answer each image or text with one class, and these images have several labels or none",
            "fit this one by tl finetune",
        ));
    }
    options.settings.validate()?;
    options.check_terms(true)?;
    let items = link.request.examples.items();
    items.require_classes()?;
    let split = Split::of(items, options.split, options.settings.seed)?;
    if !split.test.iter().any(|item| items.label(*item).is_some()) {
        return Err(Error::options(
            "the data has no test part with labels, on which forgetting would be measured",
            "give --split with a share for it, or data with a folder test",
        ));
    }
    Ok(())
}

/// Succeeds where all tasks are of one network, so that what is left of it after any can answer for any other.
fn one_network(links: &[Link]) -> Result<(), Error> {
    let Some((first, rest)) = links.split_first() else { return Ok(()) };
    let choice = first.request.options.choice();
    match rest.iter().find(|link| link.request.options.choice() != choice) {
        None => Ok(()),
        Some(link) => Err(Error::options(
            format!("task \"{}\" is of another network than \"{}\"", link.name, first.name),
            "give model, patch-size, depth, pooling and image-size once, among the defaults",
        )),
    }
}

/// Succeeds where the weights that a task leaves are whole for the next one.
fn merged_before_the_last(links: &[Link]) -> Result<(), Error> {
    let beside = |link: &&Link| {
        let found = link.request.options.tuning.adapters();
        found.ok().flatten().is_some_and(|config| !config.is_mergeable())
    };
    let before = &links[..links.len().saturating_sub(1)];
    match before.iter().find(beside) {
        None => Ok(()),
        Some(link) => Err(Error::options(
            format!(
                "the adapters of task \"{}\" are no part of the weights that the next one begins with",
                link.name
            ),
            "give other adapters, or begin = \"base\"",
        )),
    }
}

/// Succeeds where every task has adapters of its own, and all stand on the same weights.
fn adapters_on_one_trunk(links: &[Link]) -> Result<(), Error> {
    let Some(first) = links.first() else { return Ok(()) };
    let base = &first.request.options;
    if base.weights == "random" && works_on_texts(&base.network) {
        return Err(Error::options(
            "random weights bring no tokenizer that the tasks could share",
            "give weights with one, or begin = \"previous\"",
        ));
    }
    for Link { name, request } in links {
        let options = &request.options;
        if options.tuning.recipe != Recipe::Lora {
            return Err(Error::options(
                format!(
                    "begin = \"base\" gives each task adapters of its own, and task \"{name}\" has none"
                ),
                "add adapter = \"lora\", or begin = \"previous\"",
            ));
        }
        if !same_weights(base, options) {
            return Err(Error::options(
                format!(
                    "with begin = \"base\" task \"{name}\" begins with other weights than the first"
                ),
                "give weights, and with random ones the seed, once among the defaults",
            ));
        }
    }
    Ok(())
}

fn same_weights(one: &FinetuneOptions, other: &FinetuneOptions) -> bool {
    let drawn = one.weights.starts_with("random") && one.settings.seed != other.settings.seed;
    one.weights == other.weights && one.partial_weights == other.partial_weights && !drawn
}

/// Whether a term holds on to earlier tasks.
pub(super) fn is_of_earlier(term: &Regulariser) -> bool {
    by_importance(term) || matches!(term, Regulariser::Lwf { .. } | Regulariser::Rehearsal { .. })
}

/// Whether a term holds on by how much each weight matters.
fn by_importance(term: &Regulariser) -> bool {
    Measure::ALL.iter().any(|(name, _)| *name == term.kind())
}

/// Takes from the first task the terms that hold on to earlier ones of the chain, of which there are none, but for those by
/// the importance that lies beside its weights. Tells which.
fn without_earlier(first: &mut Link) -> Option<String> {
    let options = &mut first.request.options;
    let known = has_importance(&options.weights);
    let idle = |term: &Regulariser| is_of_earlier(term) && !(known && by_importance(term));
    let terms = &mut options.tuning.regularisers;
    let gone: Vec<&str> = terms.iter().filter(|term| idle(term)).map(|term| term.kind()).collect();
    terms.retain(|term| !idle(term));
    (!gone.is_empty()).then(|| {
        let (name, gone) = (&first.name, gone.join(" and "));
        format!("nothing was learnt before task \"{name}\": it is fitted without {gone}")
    })
}

/// Succeeds where each task is left the importance that the next one holds on by.
fn importance_of_the_one_before(links: &[Link]) -> Result<(), Error> {
    for (before, link) in links.iter().zip(links.iter().skip(1)) {
        let measured = before.request.options.importance.map_or("nothing", Measure::name);
        let terms = &link.request.options.tuning.regularisers;
        let lacking = terms.iter().find(|term| by_importance(term) && term.kind() != measured);
        if let Some(term) = lacking {
            let kind = term.kind();
            return Err(Error::options(
                format!(
                    "task \"{}\" holds on by {kind}, and task \"{}\" before it measures {measured}",
                    link.name, before.name
                ),
                format!("add importance = \"{kind}\" among the defaults"),
            ));
        }
    }
    Ok(())
}

/// Whether the importance of weights lies beside them.
fn has_importance(weights: &str) -> bool {
    match weights.parse::<Source>() {
        Ok(Source::Run(folder)) => folder.join(IMPORTANCE_FILE).is_file(),
        Ok(Source::File(path)) => path.with_file_name(IMPORTANCE_FILE).is_file(),
        _ => false,
    }
}
