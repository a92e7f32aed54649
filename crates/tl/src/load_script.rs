//! `load.py` of a run: the way back to PyTorch.

use crate::Network;
use crate::record::Preprocessing;

/// The script; it stands beside `model.safetensors` and reads everything else from `run.json`.
pub(crate) fn of(how: &Preprocessing) -> &'static str {
    match how {
        Preprocessing::Images(_) => include_str!("load.py"),
        Preprocessing::Texts(options) if options.tokens => include_str!("load_words.py"),
        Preprocessing::Texts(_) => include_str!("load_text.py"),
    }
}

/// `windows.py` beside it, where long texts are read in windows.
pub(crate) fn of_windows(how: &Preprocessing) -> Option<&'static str> {
    match how {
        Preprocessing::Texts(options) => options.stride.map(|_| include_str!("load_windows.py")),
        Preprocessing::Images(_) => None,
    }
}

/// `network.py` beside it, where the network is none of its origin's classes.
pub(crate) fn of_network(network: &Network) -> Option<&'static str> {
    match network {
        Network::Lstm(_) => Some(include_str!("load_lstm.py")),
        _ => None,
    }
}
