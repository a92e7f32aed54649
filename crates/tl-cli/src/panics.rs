//! A fault of the program itself, told in one line.
//!
//! Backends and image decoders may panic on what they are given; the library catches those panics and
//! answers with an error. So the hook says nothing, and only a panic that reaches `main` is told.

use std::any::Any;
use std::sync::{Mutex, PoisonError};

/// The last panic: its message and its place.
static LAST: Mutex<Option<(String, String)>> = Mutex::new(None);

/// Keeps panics off standard error.
pub fn silence() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((message(panic.payload()), place));
    }));
}

/// The panic that reached `main`.
pub fn describe(payload: &(dyn Any + Send)) -> String {
    let said = message(payload);
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let place = match &*last {
        Some((last, place)) if *last == said => format!(" at {place}"),
        _ => String::new(),
    };
    format!(
        "the program failed: {said}{place}; this is its own fault, please report it with the command"
    )
}

/// What a panic says, as one line of bounded length.
fn message(payload: &(dyn Any + Send)) -> String {
    const LONGEST: usize = 300; // characters
    let text = match (payload.downcast_ref::<String>(), payload.downcast_ref::<&str>()) {
        (Some(text), _) => text.as_str(),
        (_, Some(text)) => text,
        _ => "for no stated reason",
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_one_line_of_bounded_length() {
        let payload: Box<dyn Any + Send> = Box::new(format!("first\n  second {}", "x".repeat(999)));
        let line = describe(&*payload);
        assert!(line.starts_with("the program failed: first second xxx"), "{line}");
        assert!(!line.contains('\n') && line.chars().count() < 400, "{line}");
    }
}
