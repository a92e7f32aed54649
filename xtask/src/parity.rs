//! `cargo xtask parity`: the recorded outputs of other libraries.

use std::path::{Path, PathBuf};

use crate::shell::{During, Failure, Outcome, program, read, root, say, watched};

/// List or rerun the scripts that record what tests compare with.
///
/// The scripts lie in xtask/parity and need Python with numpy, torch, torchvision, Pillow, scikit-image,
/// scikit-learn and safetensors, as each says. They write the fixtures that tests read; a change shows in
/// version control. Tests themselves need no Python.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask parity\n  cargo xtask parity record_resize --python venv/bin/python"
)]
pub struct Arguments {
    /// Scripts to run, without `.py`; those that record fixtures begin with `record_`
    #[arg(value_name = "SCRIPT", requires = "python")]
    scripts: Vec<String>,
    /// The Python that has the libraries; alone, it runs every script that begins with `record_`
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
}

/// Lists or runs the scripts.
///
/// # Errors
/// When a script is unknown or fails.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    let scripts = scripts()?;
    let Some(python) = &arguments.python else {
        for script in &scripts {
            say(format_args!("{:<20} {}", name(script), summary(&read(script)?)));
        }
        say(format_args!(
            "\nTo record fixtures again: cargo xtask parity [SCRIPT…] --python PROGRAM"
        ));
        return Ok(());
    };
    let known: Vec<String> = scripts.iter().map(|script| name(script)).collect();
    if let Some(unknown) = arguments.scripts.iter().find(|script| !known.contains(script)) {
        return Err(Failure::new(format!(
            "no script \"{unknown}\"; there are {}",
            known.join(", ")
        )));
    }
    for script in &scripts {
        let name = name(script);
        let chosen = if arguments.scripts.is_empty() {
            name.starts_with("record_")
        } else {
            arguments.scripts.contains(&name)
        };
        if chosen {
            let words = arguments_of(&read(script)?, &name);
            let mut command = program(&python.to_string_lossy(), &[script]);
            command.args(words);
            watched(command)?;
        }
    }
    Ok(())
}

fn scripts() -> Outcome<Vec<PathBuf>> {
    let folder = root().join("xtask").join("parity");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).during("cannot read xtask/parity")? {
        let path = entry.during("cannot read xtask/parity")?.path();
        if path.extension().is_some_and(|extension| extension == "py") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn name(script: &Path) -> String {
    script.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The first line of a script's docstring.
fn summary(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_matches('"')
}

/// The arguments of the command in a script's docstring (`python xtask/parity/NAME.py --out …`), without
/// those that are optional there.
fn arguments_of(text: &str, name: &str) -> Vec<String> {
    let start = format!("python xtask/parity/{name}.py");
    let command =
        text.lines().find_map(|line| line.trim().strip_prefix(&start)).unwrap_or_default();
    let mut depth = 0;
    let mut words = Vec::new();
    for word in command.split_whitespace().take_while(|word| *word != "#") {
        let inside = depth > 0 || word.starts_with('[');
        depth += word.matches('[').count();
        depth -= word.matches(']').count().min(depth);
        if !inside {
            words.push(word.to_string());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_a_script_is_read_without_its_options() {
        let text = "\"\"\"Records.\n\n    python xtask/parity/a.py [NAME ...] --out x/y [--only Z]   # why\n";
        assert_eq!(arguments_of(text, "a"), ["--out", "x/y"]);
        assert!(arguments_of(text, "b").is_empty());
    }

    #[test]
    fn every_script_that_records_says_how_it_is_run() {
        for script in scripts().unwrap() {
            let (text, name) = (read(&script).unwrap(), name(&script));
            if name.starts_with("record_") {
                assert!(text.contains(&format!("python xtask/parity/{name}.py")), "{name}");
            }
        }
    }
}
