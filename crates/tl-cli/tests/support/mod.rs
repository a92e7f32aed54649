//! Running the program, and small data for it.

pub mod texts;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own for a test, and the program in it.
pub struct Place {
    folder: TempDir,
}

/// What the program printed and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// An empty place.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A place with `photos`: some classes of plain colours with noise, 32×28 pixels.
    pub fn with_photos(classes: usize, images: usize) -> Self {
        let place = Self::new();
        for class in 0..classes {
            for number in 0..images {
                let path = format!("photos/class-{class}/{number:02}.png");
                place.image(&path, 32, 28, (class * 1000 + number) as u32);
            }
        }
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes an image; `seed / 1000` chooses its colour, the rest its noise.
    pub fn image(&self, name: &str, width: u32, height: u32, seed: u32) {
        let colours = [[200, 60, 60], [60, 200, 60], [60, 60, 200], [200, 200, 60]];
        let colour: [u32; 3] = colours[(seed / 1000) as usize % colours.len()];
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let image = image::RgbImage::from_fn(width, height, |_, _| {
            image::Rgb(colour.map(|base| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (base + (state >> 24) % 40) as u8
            }))
        });
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.save(path).unwrap();
    }

    /// Writes a file.
    pub fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|reason| panic!("{name}: {reason}"))
    }

    /// The program with these words, in this place.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tl"));
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &[&str]) -> Ended {
        self.command(words).output().unwrap().into()
    }

    /// Runs the program, which must end well.
    pub fn good(&self, words: &[&str]) -> Ended {
        let ended = self.run(words);
        assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
        assert!(ended.errors().is_empty(), "{words:?}: {ended:?}");
        ended
    }

    /// Starts the program, sends it Ctrl-C once a line of standard error begins with `seen`, and answers what it told after that. It
    /// must end with 130.
    pub fn interrupted(&self, words: &[&str], seen: &str) -> Vec<String> {
        let mut command = self.command(words);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.starts_with(seen)), "{words:?}: no line begins with {seen}");
        let interrupt = ["-INT", &child.id().to_string()].map(str::to_string);
        assert!(Command::new("kill").args(interrupt).status().unwrap().success());
        let told: Vec<String> = lines.collect();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{words:?}: {told:?}");
        assert!(!told.iter().any(|line| line.contains("panicked")), "{words:?}: {told:?}");
        told
    }

    /// Runs the program with `--json`, which must end well; the one object that it prints.
    pub fn json(&self, words: &[&str]) -> Value {
        let words = [words, &["--json"]].concat();
        let ended = self.good(&words);
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Runs the program, which must refuse its input; the one line that says why.
    pub fn refused(&self, words: &[&str]) -> String {
        let ended = self.run(words);
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
        assert!(ended.stdout.is_empty(), "{words:?}: {ended:?}");
        let errors = ended.errors();
        assert_eq!(errors.len(), 1, "{words:?}: {ended:?}");
        let last = ended.stderr.lines().last();
        assert_eq!(last, Some(errors[0].as_str()), "{words:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{words:?}: {ended:?}");
        errors[0].clone()
    }

    /// As [`Place::refused`]; the line must hold each of `parts`.
    pub fn refused_with(&self, words: &[&str], parts: &[&str]) {
        let line = self.refused(words);
        for part in parts {
            assert!(line.contains(part), "{words:?}: {part:?} is not in: {line}");
        }
    }
}

impl Ended {
    /// The lines of standard error that tell a failure.
    pub fn errors(&self) -> Vec<String> {
        let lines = self.stderr.lines();
        lines.filter(|line| line.starts_with("error: ")).map(str::to_string).collect()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The words of a fitting of `photos` into `out` that takes a second or two: 32 pixels, a few epochs.
pub fn quick<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["finetune", "photos", "--out", out, "--image-size", "32", "--recipe", "probe"];
    [&words, more].concat()
}

/// Says that something was not tested, past the harness that keeps back what a good test prints.
pub fn aloud(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The names of tensors that differ between two files of the same names.
pub fn different(one: &[u8], other: &[u8]) -> Vec<String> {
    let [one, other] = [one, other].map(|file| SafeTensors::deserialize(file).unwrap());
    let names = one.names().into_iter().map(str::to_string);
    let mut found: Vec<String> = names
        .filter(|name| one.tensor(name).unwrap().data() != other.tensor(name).unwrap().data())
        .collect();
    found.sort();
    found
}

/// Every file below `folder` and its bytes.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}
