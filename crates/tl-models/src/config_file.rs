//! `config.json`: what it may say, and what is wrong with it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// Why a `config.json` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}; {mend}", path.display())]
pub struct ConfigError {
    path: PathBuf,
    problem: String,
    mend: String,
}

/// What is wrong with a configuration, and the mend.
pub(crate) type Fault = (String, String);

/// The largest size that is believed: beyond it a file is wrong, not a network large.
const MOST: usize = 1 << 24;

/// The same of all values of a network together.
pub(crate) const LARGEST: u64 = 1 << 33;

/// Reads the file at `path` and makes of it what `parse` does.
pub(crate) fn read<T>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, Fault>,
) -> Result<T, ConfigError> {
    let fault = |(problem, mend)| ConfigError { path: path.to_path_buf(), problem, mend };
    let text = std::fs::read_to_string(path).map_err(|reason| {
        let mend = "give --weights a folder that holds config.json beside the weights";
        fault((reason.to_string(), mend.into()))
    })?;
    parse(&text).map_err(fault)
}

/// The keys and values of a configuration.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, Fault> {
    let fault = |reason| (format!("is no configuration ({reason})"), "fetch the file anew".into());
    serde_json::from_str(text).map_err(fault)
}

/// The size that `key` gives.
pub(crate) fn whole(said: &Map<String, Value>, key: &str, usual: usize) -> Result<usize, Fault> {
    match said.get(key) {
        None | Some(Value::Null) => Ok(usual),
        Some(value) => value
            .as_u64()
            .and_then(|value| usize::try_from(value).ok())
            .filter(|value| *value <= MOST)
            .ok_or_else(|| (format!("{key} is {value}, no size"), "fetch the file anew".into())),
    }
}

/// The number that `key` gives.
pub(crate) fn number(said: &Map<String, Value>, key: &str, usual: f64) -> f64 {
    said.get(key).and_then(Value::as_f64).filter(|x| x.is_finite()).unwrap_or(usual)
}

/// Says that the network is a classifier with these labels; a single one is what its answer, a number, is called.
pub(crate) fn put_labels(said: &mut Map<String, Value>, labels: &[String]) {
    let numbered = labels.iter().enumerate();
    let names: Map<String, Value> =
        numbered.clone().map(|(id, label)| (id.to_string(), json!(label))).collect();
    let ids: Map<String, Value> = numbered.map(|(id, label)| (label.clone(), json!(id))).collect();
    said.insert("id2label".into(), Value::Object(names));
    said.insert("label2id".into(), Value::Object(ids));
    let problem = match labels {
        [_] => "regression",
        _ => "single_label_classification",
    };
    said.insert("problem_type".into(), json!(problem));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_is_a_number_and_several_are_classes() {
        let mut said = Map::new();
        for (labels, problem) in
            [(&["rating"][..], "regression"), (&["no", "yes"], "single_label_classification")]
        {
            let labels: Vec<String> = labels.iter().map(|label| label.to_string()).collect();
            put_labels(&mut said, &labels);
            assert_eq!(said["problem_type"], problem);
            assert_eq!(said["id2label"]["0"], labels[0].as_str());
        }
    }
}
