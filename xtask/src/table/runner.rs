//! The program `tl`, as a table runs it, and what is noted of how a cell was made.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::burn_version;
use crate::shell::{During, Failure, Outcome, program, quietly, root, say, target};

/// What names in the words of a command stand for on this machine.
#[derive(Default)]
pub struct Places(Vec<(&'static str, String)>);

impl Places {
    /// Beside the others, `name` stands for `place`.
    pub fn with(mut self, name: &'static str, place: &Path) -> Self {
        self.0.push((name, place.to_string_lossy().into_owned()));
        self
    }

    /// Runs `tl` with `words`, and with `more` that only this machine needs; answers what it printed, and the command as the
    /// docs show it.
    ///
    /// # Errors
    /// When it fails, or prints no JSON.
    pub fn run(&self, words: &str, more: &[&str]) -> Outcome<(Value, String)> {
        let shown = format!("tl {words}");
        say(format_args!("$ {shown}"));
        let place = |word: &str| {
            let put = |word: String, (name, place): &(&str, String)| word.replace(name, place);
            self.0.iter().fold(word.to_string(), put)
        };
        let words = words.split_whitespace().map(place);
        let given: Vec<String> = words
            .chain(more.iter().map(|word| word.to_string()))
            .chain(["--json".into()])
            .collect();
        let mut command = program(&target().join("release").join("tl").to_string_lossy(), &given);
        command.current_dir(root());
        let output = quietly(command)?;
        // One object on standard output.
        let value =
            serde_json::from_str(output.trim()).during(format_args!("what `{shown}` printed"))?;
        Ok((value, shown))
    }
}

/// What was found for `cell`, with the cell itself, how it was made and how many seconds that took.
///
/// # Errors
/// When no version of Burn is known.
pub fn noted(
    cell: &impl Serialize,
    found: Map<String, Value>,
    command: (&str, Value),
    seconds: f64,
) -> Outcome<Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(cell) else {
        return Err(Failure::new("a cell is no object"));
    };
    fields.extend(found);
    let mut put = |name: &str, value: Value| fields.insert(name.to_string(), value);
    put("seconds", json!((10.0 * seconds).round() / 10.0));
    put("cores", json!(std::thread::available_parallelism().map_or(1, usize::from)));
    put(command.0, command.1);
    put("versions", json!({ "tl": env!("CARGO_PKG_VERSION"), "burn": burn_version()? }));
    Ok(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_its_cell_and_what_was_found() {
        let found = Map::from_iter([("value".to_string(), json!(0.5))]);
        let cell = json!({"task": "movie", "seed": 1});
        let record = noted(&cell, found, ("commands", json!(["tl finetune"])), 1.26).unwrap();
        assert_eq!((&record["task"], &record["value"]), (&json!("movie"), &json!(0.5)));
        assert_eq!(
            (&record["seconds"], &record["commands"][0]),
            (&json!(1.3), &json!("tl finetune"))
        );
        assert_eq!(record["versions"]["burn"], "0.22.1");
        assert!(noted(&1, Map::new(), ("command", json!("")), 0.0).is_err());
    }
}
