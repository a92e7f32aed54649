//! The file of `tl chain`: tables whose keys are the long flags of `tl finetune`.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Arg, ArgAction, Args, Command, FromArgMatches};
use tl::chain::Begin;
use toml::{Table, Value};

use crate::failure::{Failure, said};
use crate::finetune_flags::Finetune;

/// A chain as its file has it.
#[derive(Debug)]
pub struct ChainFile {
    pub begin: Begin,
    pub probe: bool,
    pub tasks: Vec<Task>,
}

/// A task: its name, and the flags that `tl finetune` would have been given.
#[derive(Debug)]
pub struct Task {
    pub name: String,
    pub flags: Finetune,
}

/// Flags of `tl finetune` that are no key: the chain's command line says them, or they say nothing here.
const NO_KEYS: [&str; 11] = [
    "out", "resume", "seeds", "minutes", "dry-run", "config", "device", "threads", "json",
    "progress", "earlier",
];

/// Says which file and which table a fault is in.
struct Place<'a> {
    path: &'a Path,
    table: String,
}

impl Place<'_> {
    fn fault(&self, problem: impl AsRef<str>) -> Failure {
        Failure::input(format!("{}: {}: {}", self.path.display(), self.table, problem.as_ref()))
    }
}

impl ChainFile {
    /// Reads a chain; paths in it are relative to its folder.
    ///
    /// # Errors
    /// A file that cannot be read or is no TOML, a key that is unknown, a value that makes no sense, a task without name or
    /// data.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|reason| {
            Failure::input(format!("{name}: {reason}; give the file of a chain"))
        })?;
        let table = text.parse::<Table>().map_err(|reason| {
            let before = reason.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            Failure::input(format!("{name}: line {line} is no TOML: {}", reason.message()))
        })?;
        Self::of(path, table)
    }

    fn of(path: &Path, mut table: Table) -> Result<Self, Failure> {
        let place = |table: &str| Place { path, table: table.to_string() };
        let chain = take_table(&mut table, "chain", &place("[chain]"))?;
        let defaults = take_table(&mut table, "defaults", &place("[defaults]"))?;
        let tasks = match table.remove("task") {
            None => Vec::new(),
            Some(Value::Array(tasks)) => tasks,
            Some(_) => return Err(place("task").fault("write each task as [[task]]")),
        };
        if let Some(key) = table.keys().next() {
            let known = "a chain has [chain], [defaults] and [[task]]";
            return Err(place("top").fault(format!("there is no key \"{key}\"; {known}")));
        }
        let (begin, probe) = chain_of(chain, &place("[chain]"))?;
        if tasks.is_empty() {
            return Err(
                place("[[task]]").fault("the chain has no task; add one with name and data")
            );
        }
        let command = flags();
        for key in defaults.keys() {
            known(key, &command, &place("[defaults]"))?;
        }
        let mut found = Vec::new();
        let mut first_weights = None;
        for (at, task) in tasks.into_iter().enumerate() {
            let numbered = place(&format!("task {}", at + 1));
            let Value::Table(mut task) = task else {
                return Err(numbered.fault("is no table; write [[task]]"));
            };
            let name = match task.remove("name") {
                Some(Value::String(name)) => name,
                Some(_) => return Err(numbered.fault("its name is no text")),
                None => return Err(numbered.fault("has no name; add name = \"…\"")),
            };
            let own = place(&format!("task \"{name}\""));
            if begin == Begin::Previous && at > 0 && task.contains_key("weights") {
                let problem = "begins with what the task before it left; leave out weights, or say begin = \"base\"";
                return Err(own.fault(problem));
            }
            let mut all = defaults.clone();
            all.extend(task);
            if at == 0 {
                first_weights = all.get("weights").cloned();
            } else if let (Begin::Previous, Some(weights)) = (begin, &first_weights) {
                // A network without weights of its own is asked for some; the chain gives those of the task before.
                all.insert("weights".to_string(), weights.clone());
            }
            let folder = path.parent().unwrap_or(Path::new(""));
            let flags = flags_of(all, folder, &command, &own)?;
            found.push(Task { name, flags });
        }
        let mut seen = BTreeSet::new();
        if let Some(task) = found.iter().find(|task| !seen.insert(task.name.clone())) {
            let problem = "is there twice; give each task a name of its own";
            return Err(place(&format!("task \"{}\"", task.name)).fault(problem));
        }
        Ok(Self { begin, probe, tasks: found })
    }
}

fn take_table(table: &mut Table, key: &str, place: &Place<'_>) -> Result<Table, Failure> {
    match table.remove(key) {
        None => Ok(Table::new()),
        Some(Value::Table(found)) => Ok(found),
        Some(_) => Err(place.fault("is no table")),
    }
}

/// `begin` and `probe`.
fn chain_of(mut chain: Table, place: &Place<'_>) -> Result<(Begin, bool), Failure> {
    let begin = match chain.remove("begin") {
        None => Begin::default(),
        Some(value) => {
            let found = Begin::ALL.iter().find(|(name, _)| value.as_str() == Some(name));
            let choices =
                || place.fault(format!("begin is {value}; give \"previous\" or \"base\""));
            found.ok_or_else(choices)?.1
        }
    };
    let probe = match chain.remove("probe") {
        None => true,
        Some(Value::Boolean(probe)) => probe,
        Some(value) => return Err(place.fault(format!("probe is {value}; give true or false"))),
    };
    match chain.keys().next() {
        None => Ok((begin, probe)),
        Some(key) => Err(place.fault(format!("there is no key \"{key}\"; it has begin and probe"))),
    }
}

/// The flags of `tl finetune`, as its verb has them.
fn flags() -> Command {
    Finetune::augment_args(Command::new("task")).disable_help_flag(true)
}

/// Succeeds where a key is a flag that a task may have.
fn known(key: &str, command: &Command, place: &Place<'_>) -> Result<(), Failure> {
    if NO_KEYS.contains(&key) {
        return Err(place.fault(format!(
            "{key} is no key here: tl chain, or its command line, says it; leave it out"
        )));
    }
    let mut all = command.get_arguments().filter_map(|flag| flag.get_long());
    if key == "data" || all.any(|flag| flag == key) {
        return Ok(());
    }
    Err(place.fault(format!(
        "there is no key \"{key}\"; keys are the long flags of tl finetune, as in its --help"
    )))
}

/// What `tl finetune` would have read from a command line with these flags.
fn flags_of(
    mut table: Table,
    folder: &Path,
    command: &Command,
    place: &Place<'_>,
) -> Result<Finetune, Failure> {
    let data = match table.remove("data") {
        Some(Value::String(data)) => beside(folder, &data, &["rated:"]),
        Some(_) => return Err(place.fault("its data is no text")),
        None => return Err(place.fault("has no data; add data = \"FOLDER\"")),
    };
    if let Some(Value::String(weights)) = table.get_mut("weights") {
        let elsewhere = ["hub:", "adapter:"].iter().any(|kind| weights.starts_with(kind));
        if !elsewhere && !["random", "embedded"].contains(&weights.as_str()) {
            *weights = beside(folder, weights, &["random:"]);
        }
    }
    let mut words = vec!["task".to_string()];
    for (key, value) in &table {
        known(key, command, place)?;
        let flag = command.get_arguments().find(|flag| flag.get_long() == Some(key));
        words.extend(words_of(key, value, flag).map_err(|problem| place.fault(problem))?);
    }
    words.extend(["--".to_string(), data]);
    let parsed = command.clone().try_get_matches_from(words);
    let parsed = parsed.and_then(|found| Finetune::from_arg_matches(&found));
    parsed.map_err(|message| place.fault(said(&message)))
}

/// `text`, a path behind one of `kinds` or none, from `folder` on.
fn beside(folder: &Path, text: &str, kinds: &[&str]) -> String {
    let kind = kinds.iter().find(|kind| text.starts_with(**kind)).copied().unwrap_or_default();
    let path = text.strip_prefix(kind).unwrap_or(text);
    format!("{kind}{}", folder.join(path).to_string_lossy())
}

/// A key and its value as words of a command line; what is wrong with them otherwise.
fn words_of(key: &str, value: &Value, flag: Option<&Arg>) -> Result<Vec<String>, String> {
    let action = flag.map_or(&ArgAction::Set, Arg::get_action);
    let switch = matches!(action, ArgAction::SetTrue);
    // A flag that means something alone, and more with a value.
    let alone = flag.and_then(Arg::get_num_args).is_some_and(|range| range.min_values() == 0);
    match value {
        Value::Boolean(set) if switch || alone => {
            Ok(set.then(|| format!("--{key}")).into_iter().collect())
        }
        _ if switch => Err(format!("{key} is {value}; give true or false")),
        Value::Integer(_) | Value::Float(_) if alone => {
            Err(format!("{key} is {value}; give true or false, or a text"))
        }
        Value::Array(values) => {
            let all = values.iter().map(|value| {
                scalar(value).ok_or_else(|| format!("{value} in {key} is no text and no number"))
            });
            let all = all.collect::<Result<Vec<_>, _>>()?;
            Ok(match action {
                ArgAction::Append => all.iter().map(|value| format!("--{key}={value}")).collect(),
                _ => vec![format!("--{key}={}", all.join(","))],
            })
        }
        value => {
            let text = scalar(value)
                .ok_or_else(|| format!("{key} is {value}; give a text or a number"))?;
            Ok(vec![format!("--{key}={text}")])
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ChainFile, String> {
        let table = text.parse::<Table>().unwrap();
        ChainFile::of(Path::new("somewhere/chain.toml"), table).map_err(|it| it.to_string())
    }

    const TASKS: &str = "
        [defaults]
        model = 'small_conv'
        weights = 'random'
        recipe = 'finetune'
        epochs = 3
        lr = 1e-2
        regularise = ['ewc:strength=10', 'l2_sp']
        augment = true
        split = [60, 20, 20]
        [[task]]
        name = 'a'
        data = 'photos/a'
        [[task]]
        name = 'b'
        data = '/photos/b'
        epochs = 5
        augment = false
        regularise = []
    ";

    #[test]
    fn keys_are_the_flags_of_a_fitting_and_those_of_a_task_win() {
        let found = read(TASKS).unwrap();
        assert_eq!((found.begin, found.probe), (Begin::Previous, true));
        let [a, b] = found.tasks.as_slice() else { panic!("{found:?}") };
        assert_eq!((a.name.as_str(), b.name.as_str()), ("a", "b"));
        assert_eq!(a.flags.data, Path::new("somewhere/photos/a"));
        assert_eq!(b.flags.data, Path::new("/photos/b"));
        let [one, other] = [a, b].map(|task| task.flags.options().unwrap());
        assert_eq!((one.network.as_str(), one.weights.as_str()), ("small_conv", "random"));
        assert_eq!([&one, &other].map(|it| it.tuning.epochs), [Some(3), Some(5)]);
        assert_eq!([&one, &other].map(|it| it.tuning.regularisers.len()), [2, 0]);
        assert_eq!([&one, &other].map(|it| it.tuning.augment), [true, false]);
        assert_eq!([&one, &other].map(|it| it.tuning.augmentation.is_some()), [false, false]);
        assert_eq!(one.tuning.learning_rate, Some(0.01));
        assert_eq!(one.split, [0.6, 0.2, 0.2]);
    }

    #[test]
    fn a_flag_that_may_stand_alone_takes_a_text_or_a_list_too() {
        let augment = |said: &str| {
            let text =
                format!("[[task]]\nname = 'a'\ndata = 'x'\nrecipe = 'finetune'\naugment = {said}");
            read(&text).unwrap().tasks[0].flags.options().unwrap().tuning.augmentation
        };
        let words = augment("'flip,jitter=0.2'").unwrap();
        assert_eq!(words, "flip,jitter=0.2".parse().unwrap());
        assert_eq!(augment("['flip', 'jitter=0.2']"), Some(words));
        assert_eq!(augment("true"), None);
    }

    #[test]
    fn weights_lie_beside_the_file_unless_they_are_no_path() {
        let weights = |said: &str| {
            let text = format!("[[task]]\nname = 'a'\ndata = 'x'\nweights = '{said}'");
            read(&text).unwrap().tasks[0].flags.network.weights.clone().unwrap()
        };
        let same = ["random", "embedded", "hub:a/b/c.safetensors", "/abs", "adapter:x,base=y"];
        assert_eq!(same.map(weights), same);
        assert_eq!(weights("w.pth"), "somewhere/w.pth");
        assert_eq!(weights("random:tiny"), "random:somewhere/tiny");
    }

    #[test]
    fn what_makes_no_sense_is_told_with_file_and_table() {
        let task = "[[task]]\nname = 'a'\ndata = 'x'\n";
        let with = |text: &str| format!("{task}{text}");
        for (text, parts) in [
            (String::new(), &["no task"][..]),
            ("[[task]]\ndata = 'x'".into(), &["task 1", "no name"]),
            ("[[task]]\nname = 'a'".into(), &["task \"a\"", "no data"]),
            (with(task), &["task \"a\"", "twice"]),
            (with("epoch = 3"), &["task \"a\"", "no key \"epoch\""]),
            (with("epochs = 'many'"), &["task \"a\"", "'many'", "--epochs"]),
            (with("epochs = true"), &["epochs is true"]),
            (with("augment = 1"), &["augment is 1", "true or false"]),
            (with("out = 'x'"), &["out is no key here"]),
            (with("[defaults]\nepoch = 3"), &["[defaults]", "no key \"epoch\""]),
            (with("[chain]\nbegin = 'again'"), &["[chain]", "\"previous\" or \"base\""]),
            (with("[chain]\nprobe = 1"), &["[chain]", "true or false"]),
            (with("[chain]\nseed = 1"), &["[chain]", "no key \"seed\""]),
            (with("[more]\na = 1"), &["no key \"more\""]),
            (
                with("[[task]]\nname = 'b'\ndata = 'y'\nweights = 'random'"),
                &["task \"b\"", "leave out weights"],
            ),
        ] {
            let message = read(&text).unwrap_err();
            assert!(message.starts_with("somewhere/chain.toml: "), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
            for part in parts {
                assert!(message.contains(part), "{text}: {part} is not in {message}");
            }
        }
    }
}
