//! Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::INTERRUPTED;
use crate::output::tell;
use crate::progress::{clear, tell_beside};

/// A flag that the first Ctrl-C (or request to end) sets; the second ends the program at once.
pub fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    let installed = ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::SeqCst) {
            end();
        }
        tell_beside("stopping after this step; Ctrl-C again ends at once");
    });
    if installed.is_err() {
        tell(
            "note: Ctrl-C cannot be caught here; what was done since the last checkpoint would be lost",
        );
    }
    stop
}

/// Ends the program at Ctrl-C; for verbs that have nothing to save.
pub fn end_at_once() {
    // Without a handler the system ends the program as well, with its own code.
    let _ = ctrlc::set_handler(|| end());
}

/// Ends the program and leaves the terminal clean.
fn end() -> ! {
    clear();
    std::process::exit(i32::from(INTERRUPTED))
}
