//! `tl completions`: a script for each shell on standard output.

use crate::support::Place;

#[test]
fn each_shell_has_a_script_that_names_the_verbs() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = place.good(&["completions", shell]);
        for verb in ["finetune", "find-lr", "models", "completions"] {
            assert!(ended.stdout.contains(verb), "{shell} does not know {verb}");
        }
        assert!(ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn another_shell_is_refused_with_those_that_there_are() {
    Place::new().refused_with(&["completions", "tcsh"], &["tcsh", "bash", "elvish"]);
    let help = Place::new().good(&["completions", "--help"]).stdout;
    assert!(help.contains("bash-completion/completions/tl"), "{help}");
}
