//! How far a piece of work is, on standard error: one line that is drawn again, or plain lines now and
//! then where standard error is no terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tl::train::Progress;

use crate::output::tell;

/// The time between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows progress on standard error.
pub struct Display {
    terminal: bool,
    bar: Option<ProgressBar>,
    plain: Option<Plain>,
}

/// A piece of work that is told in plain lines.
struct Plain {
    what: String,
    total: u64,
    done: u64,
    begun: Instant,
    told: Instant,
}

impl Display {
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), bar: None, plain: None }
    }
}

impl Progress for Display {
    fn begin(&mut self, what: &str, total: u64) {
        self.end();
        if !self.terminal {
            let now = Instant::now();
            self.plain =
                Some(Plain { what: what.to_string(), total, done: 0, begun: now, told: now });
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let template = "{prefix} {bar:24} {pos}/{len} · {per_sec:.0} · {eta} left · {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_string());
        self.bar = Some(bar);
    }

    fn advance(&mut self, parts: u64, note: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(note.to_string());
            bar.inc(parts);
        }
        if let Some(plain) = &mut self.plain {
            plain.done += parts;
            if plain.told.elapsed() >= PLAIN_EVERY {
                plain.told = Instant::now();
                tell(&plain.line(plain.begun.elapsed().as_secs_f64(), note));
            }
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.plain = None;
    }

    fn say(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(line)),
            None => tell(line),
        }
    }
}

impl Plain {
    /// `finetune 3/10: 120 of 700, 43/s, 13 s left, loss 0.512`
    fn line(&self, seconds: f64, note: &str) -> String {
        let rate = self.done as f64 / seconds.max(1e-9);
        let left = self.total.saturating_sub(self.done) as f64 / rate.max(1e-9);
        let mut line = format!(
            "{}: {} of {}, {rate:.0}/s, {left:.0} s left",
            self.what, self.done, self.total
        );
        if !note.is_empty() {
            line += &format!(", {note}");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_holds_the_rate_and_the_time_left() {
        let now = Instant::now();
        let plain =
            Plain { what: "finetune 3/10".into(), total: 700, done: 120, begun: now, told: now };
        assert_eq!(
            plain.line(4.0, "loss 0.512"),
            "finetune 3/10: 120 of 700, 30/s, 19 s left, loss 0.512"
        );
        assert_eq!(plain.line(4.0, ""), "finetune 3/10: 120 of 700, 30/s, 19 s left");
    }
}
