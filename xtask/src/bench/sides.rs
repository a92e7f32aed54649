//! The programs that are measured: each a process of its own, which waits while another one works.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::images;
use super::request::{ASSETS, Answer, Command, IMAGES, Request};
use crate::shell::{During, Failure, Outcome, cache, cargo, line, program, root, target, watched};

/// Whose program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Ours,
    Peers,
}

/// What a turn gave.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Turn {
    /// Seconds of one piece of work.
    pub seconds: f64,
    /// Examples that it went through.
    pub examples: usize,
    /// The most memory that the process has held so far, in bytes.
    pub peak: u64,
}

/// How to start the programs.
#[derive(Clone, Debug)]
pub(super) struct Starter {
    ours: PathBuf,
    /// The Python of the peers' environment.
    python: Option<PathBuf>,
}

impl Starter {
    /// Builds our program. `peers` is a Python environment.
    ///
    /// # Errors
    /// When it does not build, or the environment holds no Python.
    pub fn new(peers: Option<&Path>) -> Outcome<Self> {
        let python = peers.map(|folder| folder.join("bin").join("python"));
        if let Some(python) = python.as_ref().filter(|python| !python.is_file()) {
            return Err(Failure::new(format!(
                "{} is no file; make the environment with `python3 -m venv VENV` and \
                 `VENV/bin/pip install -r xtask/src/bench/peers.txt`",
                python.display()
            )));
        }
        watched(cargo(&["build", "--release", "--package", "xtask", "--example", "bench_ours"]))?;
        let name = format!("bench_ours{}", std::env::consts::EXE_SUFFIX);
        Ok(Self { ours: target().join("release").join("examples").join(name), python })
    }

    /// Whether there are peers.
    pub fn has_peers(&self) -> bool {
        self.python.is_some()
    }

    /// Starts a program that computes with `threads` threads.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, who: Who, threads: usize) -> Outcome<Side> {
        let threads = threads.to_string();
        let mut command = match (who, &self.python) {
            (Who::Ours, _) => program(&self.ours.to_string_lossy(), &[&threads]),
            (Who::Peers, Some(python)) => {
                let script = root().join("xtask").join("src").join("bench").join("peers.py");
                program(&python.to_string_lossy(), &[&*script.to_string_lossy(), &threads])
            }
            (Who::Peers, None) => {
                return Err(Failure::new("there are no peers: give --peers VENV"));
            }
        };
        command.env("RAYON_NUM_THREADS", &threads).env("OMP_NUM_THREADS", &threads);
        command.env(IMAGES, images::folder()).env(ASSETS, cache()?);
        let shown = line(&command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .during(format_args!("cannot start `{shown}`"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new(format!("no pipe to `{shown}`")));
        };
        Ok(Side { child, input, output: BufReader::new(output), shown })
    }
}

/// A running program.
pub(super) struct Side {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    shown: String,
}

impl Side {
    fn ask(&mut self, command: &Command) -> Outcome<Answer> {
        let what = format!("`{}`", self.shown);
        let question = serde_json::to_string(command).during(&what)?;
        writeln!(self.input, "{question}").and_then(|()| self.input.flush()).during(&what)?;
        let mut answer = String::new();
        self.output.read_line(&mut answer).during(&what)?;
        if answer.is_empty() {
            return Err(Failure::new(format!("{what} ended when it was told {question}")));
        }
        serde_json::from_str(&answer).during(format_args!("{what} answered {}", answer.trim()))
    }

    /// Names and versions of the libraries that it uses.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn versions(&mut self) -> Outcome<Vec<(String, String)>> {
        match self.ask(&Command::Versions)? {
            Answer::Versions(versions) => Ok(versions),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Does `request` for at least so many seconds; the inner error says why it cannot be done.
    ///
    /// # Errors
    /// When the program ends or answers something else.
    pub fn turn(&mut self, request: &Request, seconds: f64) -> Outcome<Result<Turn, String>> {
        match self.ask(&Command::Run { request: request.clone(), seconds })? {
            Answer::Measured { seconds, examples, peak } => {
                Ok(Ok(Turn { seconds, examples, peak }))
            }
            Answer::Absent(reason) => Ok(Err(reason)),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Lets it drop what it built.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn forget(&mut self) -> Outcome<()> {
        self.ask(&Command::Forget).map(|_| ())
    }

    /// Seconds of processor time that it has used so far; 0 where the system does not say.
    pub fn busy(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.child.id());
        ticks(&std::fs::read_to_string(path).unwrap_or_default()) as f64 / TICKS_PER_SECOND
    }

    fn unexpected(&self, answer: &Answer) -> Failure {
        Failure::new(format!("`{}` answered {answer:?}", self.shown))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Linux counts processor time in hundredths of a second for programs to read.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time in a line of `/proc/PID/stat`, in ticks: the 14th and 15th field. The second,
/// the program's name, stands in brackets and may hold blanks.
fn ticks(stat: &str) -> u64 {
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_the_name_of_the_program() {
        let stat = "17 (a b) c) S 1 17 17 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 2 0 100";
        assert_eq!(ticks(stat), 300);
        assert_eq!(ticks(""), 0);
    }

    #[test]
    fn an_environment_without_python_is_refused_with_the_mend() {
        let folder = tempfile::tempdir().unwrap();
        let failure = Starter::new(Some(folder.path())).unwrap_err().to_string();
        assert!(failure.contains("pip install -r"), "{failure}");
    }
}
