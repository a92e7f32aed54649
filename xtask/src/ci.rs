//! `cargo xtask ci`: everything that has to hold before a change goes in.

mod steps;

use std::time::{Duration, Instant};

use crate::shell::{Failure, Outcome, say};

pub(crate) use steps::tests_passed;

/// Run everything that CI runs, step by step.
///
/// Stops at the first step that fails. Ends with the seconds of each step and one line that counts what
/// passed: tests, programs and checks where a step counts them, else the step itself.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask ci --list\n  cargo xtask ci fmt clippy test")]
pub struct Arguments {
    /// Names of steps; all of them without one
    #[arg(value_name = "STEP")]
    steps: Vec<String>,
    /// Only say what the steps are
    #[arg(long)]
    list: bool,
}

/// One step of CI.
struct Step {
    name: &'static str,
    /// What it shows when it passes.
    shows: &'static str,
    /// Does it, and returns how many things it checked.
    run: fn() -> Outcome<usize>,
}

struct Done {
    name: &'static str,
    passed: usize,
    time: Duration,
}

/// Runs the steps that `arguments` name.
///
/// # Errors
/// When a name is unknown or a step fails.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    let chosen = chosen(&arguments.steps)?;
    if arguments.list {
        chosen.iter().for_each(|step| say(format_args!("{:<10} {}", step.name, step.shows)));
        return Ok(());
    }
    let mut done = Vec::new();
    for step in &chosen {
        say(format_args!("\n=== {}: {}", step.name, step.shows));
        let start = Instant::now();
        let result = (step.run)();
        let time = start.elapsed();
        match result {
            Ok(passed) => done.push(Done { name: step.name, passed, time }),
            Err(failure) => {
                say(table(&done).trim_end());
                say(format_args!("{} passed, 1 failed", passed(&done)));
                return Err(Failure::new(format!(
                    "step {} after {:.0} s: {failure}",
                    step.name,
                    time.as_secs_f64()
                )));
            }
        }
    }
    say(table(&done).trim_end());
    say(format_args!("{} passed, 0 failed", passed(&done)));
    Ok(())
}

fn chosen(names: &[String]) -> Outcome<Vec<&'static Step>> {
    if let Some(unknown) =
        names.iter().find(|name| steps::STEPS.iter().all(|step| step.name != **name))
    {
        let known: Vec<&str> = steps::STEPS.iter().map(|step| step.name).collect();
        return Err(Failure::new(format!("no step \"{unknown}\"; there are {}", known.join(", "))));
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(steps::STEPS.iter().filter(wanted).collect())
}

fn passed(done: &[Done]) -> usize {
    done.iter().map(|step| step.passed).sum()
}

fn table(done: &[Done]) -> String {
    let mut text = format!("\n{:<10} {:>8} {:>8}\n", "step", "passed", "seconds");
    for step in done {
        text += &format!("{:<10} {:>8} {:>8.0}\n", step.name, step.passed, step.time.as_secs_f64());
    }
    let seconds: f64 = done.iter().map(|step| step.time.as_secs_f64()).sum();
    text + &format!("{:<10} {:>8} {:>8.0}\n", "all", passed(done), seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_sums_what_passed() {
        let step = |name, passed| Done { name, passed, time: Duration::from_secs(2) };
        let text = table(&[step("fmt", 1), step("test", 40)]);
        assert_eq!(
            text.lines().last().unwrap().split_whitespace().collect::<Vec<_>>(),
            ["all", "41", "4"]
        );
    }

    #[test]
    fn an_unknown_step_is_an_error_that_lists_the_steps() {
        let failure = chosen(&["typo".to_string()]).err().unwrap().to_string();
        assert!(failure.contains("typo") && failure.contains("clippy"), "{failure}");
    }

    #[test]
    fn steps_keep_their_order_whatever_the_order_of_the_names() {
        let names: Vec<&str> = chosen(&["test".to_string(), "fmt".to_string()])
            .unwrap()
            .iter()
            .map(|step| step.name)
            .collect();
        assert_eq!(names, ["fmt", "test"]);
    }
}
