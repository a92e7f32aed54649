//! The methods, each as the chain's file that asks for it.

use super::tasks::{SHOTS, TASKS};

/// A way through the tasks.
pub struct Method {
    pub name: &'static str,
    /// Each task begins from the one before it; else from the first weights.
    pub onward: bool,
    /// What is said of every task beside [`COMMON`], a key and its value a line.
    pub all: &'static str,
    /// How much each weight matters, measured after every task but the last.
    pub measure: Option<&'static str>,
    /// The term that holds what was learnt, from the second task on: the first has nothing behind it, and is fitted
    /// alike by every method that goes onward.
    pub term: Option<&'static str>,
    /// Such terms that are tried on training images alone, the one above among them.
    pub tried: &'static [&'static str],
}

/// What is said of every task of every method. The last weights are kept: the best epoch's may be those of the head alone,
/// which have forgotten nothing because the network never moved.
const COMMON: &str = "model = \"mobilenet_v2\"\nweights = \"embedded\"\nimage-size = 64\nepochs = 5\nbatch-size = 32\nkeep = \"last\"\n";
/// The new head first, on the network as it is: what it learns at random would shake the stages.
const FULL: &str = "recipe = \"auto\"\n";

/// Each task begins from the one before it, and `term` holds; `tried` are other strengths of it.
const fn onward(
    name: &'static str,
    measure: Option<&'static str>,
    term: &'static str,
    tried: &'static [&'static str],
) -> Method {
    Method { name, onward: true, all: FULL, measure, term: Some(term), tried }
}

/// Each task has adapters of its own beside the first weights.
const fn beside(name: &'static str, all: &'static str) -> Method {
    Method { name, onward: false, all, measure: None, term: None, tried: &[] }
}

/// Each strength is the best of those that the cells `choice` have tried, on training images alone. To change one, look at these, never
/// at the others; those that it holds for are then computed anew.
pub const METHODS: &[Method] = &[
    Method { name: PLAIN, onward: true, all: FULL, measure: None, term: None, tried: &[] },
    onward(
        "l2_sp",
        None,
        "l2_sp:strength=10",
        &["l2_sp:strength=0.1", "l2_sp:strength=1", "l2_sp:strength=10"],
    ),
    onward(
        "ewc",
        Some("ewc"),
        "ewc:strength=100000",
        &["ewc:strength=1000", "ewc:strength=100000", "ewc:strength=1000000"],
    ),
    onward(
        "mas",
        Some("mas"),
        "mas:strength=100",
        &["mas:strength=1", "mas:strength=10", "mas:strength=100"],
    ),
    onward(
        "si",
        Some("si"),
        "si:strength=1000000",
        &["si:strength=100", "si:strength=10000", "si:strength=1000000"],
    ),
    onward(
        "lwf",
        None,
        "lwf:strength=10,temperature=2",
        &[
            "lwf:strength=3,temperature=2",
            "lwf:strength=10,temperature=2",
            "lwf:strength=30,temperature=2",
        ],
    ),
    onward("rehearsal_reservoir", None, "rehearsal:strength=1,size=200,pick=reservoir", &[]),
    onward("rehearsal_herding", None, "rehearsal:strength=1,size=200,pick=herding", &[]),
    beside("lora", "adapter = \"lora\"\n"),
    beside("bottleneck", "adapter = \"bottleneck\"\n"),
];

/// Each task after the other without anything that holds: what the others are compared with.
pub const PLAIN: &str = "plain";

impl Method {
    /// Whether earlier tasks are left as they are by its very nature.
    pub fn leaves_all(&self) -> bool {
        !self.onward
    }

    /// The chain's file, with the tasks' data below `folder` and `term` in place of the method's own.
    pub fn chain(&self, folder: &str, term: Option<&str>, seed: u64) -> String {
        let begin = if self.onward { "previous" } else { "base" };
        let mut text = format!(
            "[chain]\nbegin = \"{begin}\"\nprobe = true\n\n[defaults]\n{COMMON}{}shots = {SHOTS}\nseed = {seed}\n",
            self.all
        );
        for (place, task) in TASKS.iter().enumerate() {
            let data = literal(&format!("{folder}/{}", task.name));
            text += &format!("\n[[task]]\nname = \"{}\"\ndata = {data}\n", task.name);
            if let Some(measure) = self.measure.filter(|_| place + 1 < TASKS.len()) {
                text += &format!("importance = \"{measure}\"\n");
            }
            if let Some(term) = term.filter(|_| place > 0) {
                text += &format!("regularise = [\"{term}\"]\n");
            }
        }
        text
    }
}

/// A text as TOML writes it.
fn literal(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::*;

    fn parsed(method: &Method, folder: &str) -> Table {
        toml::from_str(&method.chain(folder, method.term, 2)).unwrap()
    }

    #[test]
    fn every_file_holds_the_five_tasks_in_their_order_and_what_all_methods_share() {
        for method in METHODS {
            let chain = parsed(method, "/data");
            assert_eq!(chain["chain"]["probe"], Value::Boolean(true), "{}", method.name);
            let defaults = &chain["defaults"];
            assert_eq!(defaults["seed"].as_integer(), Some(2));
            assert_eq!(defaults["shots"].as_integer(), Some(60));
            assert_eq!(defaults["image-size"].as_integer(), Some(64));
            assert_eq!(defaults["weights"].as_str(), Some("embedded"));
            assert_eq!(defaults["keep"].as_str(), Some("last"), "{}", method.name);
            let tasks = chain["task"].as_array().unwrap();
            let data: Vec<&str> = tasks.iter().filter_map(|task| task["data"].as_str()).collect();
            let wanted = ["/data/tops", "/data/coats", "/data/bags", "/data/mnist", "/data/uci"];
            assert_eq!(data, wanted, "{}", method.name);
        }
    }

    #[test]
    fn what_holds_is_added_from_the_second_task_on() {
        for method in METHODS {
            let chain = parsed(method, "/data");
            let tasks = chain["task"].as_array().unwrap();
            let terms: Vec<Option<&str>> = tasks
                .iter()
                .map(|task| task.get("regularise").and_then(|terms| terms[0].as_str()))
                .collect();
            assert_eq!(terms[0], None, "{}", method.name);
            assert!(terms[1..].iter().all(|term| *term == method.term), "{}", method.name);
        }
    }

    #[test]
    fn what_is_tried_are_strengths_of_the_same_term_its_own_among_them() {
        for method in METHODS.iter().filter(|method| !method.tried.is_empty()) {
            let term = method.term.unwrap();
            assert!(method.tried.contains(&term), "{term}");
            let kind = |term: &str| term.split(':').next().map(str::to_string);
            assert!(method.tried.iter().all(|tried| kind(tried) == kind(term)), "{term}");
        }
    }

    #[test]
    fn a_term_that_needs_importance_has_its_own_measured() {
        for method in METHODS {
            let kind = method.term.map_or("", |term| term.split(':').next().unwrap_or(term));
            let needed = ["ewc", "mas", "si"].contains(&kind).then_some(kind);
            let chain = parsed(method, "/data");
            let measured: Vec<Option<&str>> = chain["task"]
                .as_array()
                .unwrap()
                .iter()
                .map(|task| task.get("importance").and_then(Value::as_str))
                .collect();
            // After the last nothing is learnt that could hang on it.
            let wanted = [needed, needed, needed, needed, None];
            assert_eq!(measured, wanted, "{}", method.name);
        }
    }

    #[test]
    fn adapters_begin_anew_and_leave_the_recipe_to_themselves() {
        for method in METHODS {
            let chain = parsed(method, "/data");
            let adapted = chain["defaults"].get("adapter").is_some();
            let begin = if adapted { "base" } else { "previous" };
            assert_eq!(chain["chain"]["begin"].as_str(), Some(begin), "{}", method.name);
            assert_ne!(chain["defaults"].get("recipe").is_some(), adapted, "{}", method.name);
            assert_eq!(method.leaves_all(), adapted, "{}", method.name);
        }
    }

    #[test]
    fn a_folder_with_odd_letters_is_written_so_that_it_can_be_read() {
        let folder = "C:\\my \"own\" data";
        let chain = parsed(&METHODS[0], folder);
        assert_eq!(chain["task"][0]["data"].as_str(), Some(&*format!("{folder}/tops")));
    }
}
