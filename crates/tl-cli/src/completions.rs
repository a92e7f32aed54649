//! `tl completions`: what a shell offers when a word of a command line is begun.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::failure::Failure;
use crate::flags::one_of;
use crate::output;

/// The shells by name.
pub const SHELLS: [(&str, Shell); 5] = [
    ("bash", Shell::Bash),
    ("zsh", Shell::Zsh),
    ("fish", Shell::Fish),
    ("powershell", Shell::PowerShell),
    ("elvish", Shell::Elvish),
];

/// Print a script by which a shell completes verbs, flags and their values
#[derive(Args, Debug)]
#[command(after_help = "\
To install it:
  tl completions bash > ~/.local/share/bash-completion/completions/tl
  tl completions zsh > ~/.zfunc/_tl              with `fpath+=~/.zfunc` in front of `compinit` in ~/.zshrc
  tl completions fish > ~/.config/fish/completions/tl.fish
  tl completions powershell >> $PROFILE
  tl completions elvish >> ~/.config/elvish/rc.elv
The folder has to be there; a new shell knows the verbs.")]
pub struct Completions {
    /// The shell
    #[arg(value_parser = one_of(&SHELLS))]
    pub shell: Shell,
}

pub fn run(verb: &Completions, program: Command) -> Result<(), Failure> {
    output::print(&script(verb.shell, program))
}

/// The script of a shell.
pub fn script(shell: Shell, mut program: Command) -> String {
    let mut text = Vec::new();
    generate(shell, &mut program, "tl", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
