//! `load.py` of a run: the way back to PyTorch.

use crate::record::Preprocessing;

/// The script; it stands beside `model.safetensors` and reads everything else from `run.json`.
pub(crate) fn of(how: &Preprocessing) -> &'static str {
    match how {
        Preprocessing::Images(_) => include_str!("load.py"),
        Preprocessing::Texts(options) if options.tokens => include_str!("load_words.py"),
        Preprocessing::Texts(_) => include_str!("load_text.py"),
    }
}
