//! Folders of the project, and programs that tasks start.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// Why a task did not succeed, in one line.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure that reads `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// What a task gives.
pub type Outcome<T> = Result<T, Failure>;

/// Says what was being done when something failed.
pub trait During<T> {
    /// Turns an error into a [`Failure`] that begins with `what`.
    fn during(self, what: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: fmt::Display> During<T> for Result<T, E> {
    fn during(self, what: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

/// The root of the checkout.
pub fn root() -> PathBuf {
    // Cargo says at the run which checkout it runs for: where two share a folder to build into, the
    // program may come from the other one.
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().unwrap_or(&own).to_path_buf()
}

/// The folder that cargo builds into: `$CARGO_TARGET_DIR`, else `target`.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The folder of fetched assets: `$TL_CACHE`, else `$XDG_CACHE_HOME/tl`, else `~/.cache/tl`.
pub fn cache() -> Outcome<PathBuf> {
    let set =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("TL_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("tl")))
        .or_else(|| set("HOME").map(|folder| folder.join(".cache").join("tl")))
        .ok_or_else(|| Failure::new("no folder for assets: set TL_CACHE to one"))
}

/// A program, started in the root of the checkout.
pub fn program<S: AsRef<OsStr>>(name: &str, arguments: &[S]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    command
}

/// Cargo, the one that runs this task.
pub fn cargo<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let name = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    program(&name, arguments)
}

/// How a person would type `command`.
pub fn line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let mut text = String::new();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            text += &format!("{}={} ", key.to_string_lossy(), quoted(&value.to_string_lossy()));
        }
    }
    text += &name.to_string_lossy();
    for argument in command.get_args() {
        text += &format!(" {}", quoted(&argument.to_string_lossy()));
    }
    text
}

fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) { word.to_string() } else { format!("'{word}'") }
}

/// What a program wrote.
pub struct Written {
    pub stdout: String,
    pub stderr: String,
}

/// Prints a line. A reader that went away (`cargo xtask … | head`) has what it wanted.
pub fn say(line: impl fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Runs `command` to its end, shows what it writes as it writes it, and keeps it.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn watched(mut command: Command) -> Outcome<Written> {
    let shown = line(&command);
    say(format_args!("$ {shown}"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .during(format_args!("cannot start `{shown}`"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || tee(stderr, std::io::stderr()));
    let stdout = tee(stdout, std::io::stdout());
    let stderr = errors.join().unwrap_or_default();
    let status = child.wait().during(format_args!("waiting for `{shown}`"))?;
    if !status.success() {
        return Err(Failure(format!("`{shown}` ended with {status}")));
    }
    Ok(Written { stdout, stderr })
}

/// Copies `input` to `output` line by line and returns it; bytes that are no UTF-8 are replaced.
fn tee(input: Option<impl Read>, mut output: impl Write) -> String {
    let mut kept = String::new();
    let Some(input) = input else { return kept };
    let mut reader = BufReader::new(input);
    let mut bytes = Vec::new();
    while matches!(reader.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
        // A closed terminal is no reason to stop the program that is being watched.
        let _ = output.write_all(&bytes).and_then(|()| output.flush());
        kept += &String::from_utf8_lossy(&bytes);
        bytes.clear();
    }
    kept
}

/// Runs `command` silently and returns its standard output; the failure holds the end of its errors.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn quietly(mut command: Command) -> Outcome<String> {
    let shown = line(&command);
    let output =
        command.stdin(Stdio::null()).output().during(format_args!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last =
            errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
        return Err(Failure(format!("`{shown}` ended with {}: {}", output.status, last.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program of this name can be started.
pub fn exists(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// Reads a text file.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).during(format_args!("cannot read {}", path.display()))
}

/// Writes a file aside and renames it, so that it is whole or not there.
///
/// # Errors
/// When the folder cannot be made or written.
pub fn write(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let what = format!("cannot write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).during(&what)?;
    let mut aside = tempfile::NamedTempFile::new_in(folder).during(&what)?;
    aside.write_all(bytes).and_then(|()| aside.flush()).during(&what)?;
    // A temporary file is readable by its owner alone; these are ordinary files.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let ordinary = std::fs::Permissions::from_mode(0o644);
        aside.as_file().set_permissions(ordinary).during(&what)?;
    }
    aside.persist(path).during(&what)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_a_person_would_type_it() {
        let mut command = program("/usr/bin/echo", &["a b", "--plain"]);
        command.env("KEY", "-D warnings");
        assert_eq!(line(&command), "KEY='-D warnings' echo 'a b' --plain");
    }

    #[test]
    fn a_failed_program_names_its_last_message() {
        let failure = quietly(program("cat", &["no-such-file-here"])).unwrap_err().to_string();
        assert!(failure.contains("cat no-such-file-here"), "{failure}");
        assert!(failure.contains("No such file"), "{failure}");
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("file");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
