//! How far a piece of work is, on standard error: one line that is drawn again, perhaps with the dashboard below it, or plain
//! lines now and then where standard error is no terminal.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tl::train::{EpochRow, Progress, Step, resident_bytes};

use crate::dashboard::{State, lines};
use crate::output::tell;
use crate::terminal;

/// The time between two plain lines, and between two drawings of the dashboard.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
const DRAWN_EVERY: Duration = Duration::from_millis(500);

/// Columns from which on a terminal is shown the dashboard where nothing else was asked for.
const DASHBOARD_FROM: usize = 80;

/// What is shown of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Bar,
    Dashboard,
    None,
}

/// By name.
pub const SHOWN: [(&str, Shown); 3] =
    [("bar", Shown::Bar), ("dashboard", Shown::Dashboard), ("none", Shown::None)];

impl Shown {
    /// What is shown on standard error where `asked` was asked for.
    fn on(asked: Option<Self>, terminal: bool, columns: usize) -> Self {
        match asked {
            // Where nothing can be drawn again there are plain lines.
            Some(Self::Dashboard) | None if !terminal => Self::Bar,
            Some(asked) => asked,
            None if columns >= DASHBOARD_FROM => Self::Dashboard,
            None => Self::Bar,
        }
    }
}

/// The bar that is drawn now, for who must tell something or end the program meanwhile.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn drawn() -> std::sync::MutexGuard<'static, Option<ProgressBar>> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells a line beside what is drawn now.
pub fn tell_beside(line: &str) {
    match &*drawn() {
        Some(bar) => bar.suspend(|| tell(line)),
        None => tell(line),
    }
}

/// Takes away what is drawn now.
pub fn clear() {
    if let Some(bar) = drawn().take() {
        bar.finish_and_clear();
    }
}

/// Shows progress on standard error.
pub struct Display {
    terminal: bool,
    shown: Shown,
    bar: Option<ProgressBar>,
    plain: Option<Plain>,
    board: Board,
}

/// What the dashboard is drawn from.
struct Board {
    state: State,
    columns: usize,
    coloured: bool,
    /// When the display was made.
    begun: Instant,
    /// When the piece of work that is shown began, and its parts since then.
    piece: (Instant, u64),
    drawn: Option<Instant>,
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
    /// As `asked`, or as the terminal allows.
    pub fn new(asked: Option<Shown>) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let columns = if terminal { terminal::columns() } else { DASHBOARD_FROM };
        let now = Instant::now();
        let board = Board {
            state: State::default(),
            columns,
            coloured: terminal::coloured(),
            begun: now,
            piece: (now, 0),
            drawn: None,
        };
        let shown = Shown::on(asked, terminal, columns);
        Self { terminal, shown, bar: None, plain: None, board }
    }

    /// The note, and below it the dashboard where there is one.
    fn message(&self, note: &str) -> String {
        let mut message = note.to_string();
        if self.shown == Shown::Dashboard {
            // The last column is left free: some terminals break a line there.
            let columns = self.board.columns.saturating_sub(1);
            for line in lines(&self.board.state, columns, self.board.coloured) {
                message.push('\n');
                message += &line;
            }
        }
        message
    }
}

impl Drop for Display {
    /// An error leaves nothing drawn.
    fn drop(&mut self) {
        self.end();
    }
}

impl Progress for Display {
    fn begin(&mut self, what: &str, total: u64) {
        self.end();
        if self.shown == Shown::None {
            return;
        }
        let now = Instant::now();
        if !self.terminal {
            self.plain =
                Some(Plain { what: what.to_string(), total, done: 0, begun: now, told: now });
            return;
        }
        (self.board.piece, self.board.drawn) = ((now, 0), None);
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let template = "{prefix} {bar:24} {pos}/{len} · {per_sec:.0} · {eta} left · {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_string());
        bar.set_message(self.message(""));
        *drawn() = Some(bar.clone());
        self.bar = Some(bar);
    }

    fn advance(&mut self, parts: u64, note: &str) {
        if let Some(bar) = &self.bar {
            let (begun, done) = &mut self.board.piece;
            *done += parts;
            let seconds = begun.elapsed().as_secs_f64();
            self.board.state.per_second = (seconds > 0.0).then(|| *done as f64 / seconds);
            let due = self.board.drawn.is_none_or(|drawn| drawn.elapsed() >= DRAWN_EVERY);
            if self.shown != Shown::Dashboard {
                bar.set_message(note.to_string());
            } else if due {
                self.board.state.memory = resident_bytes();
                self.board.drawn = Some(Instant::now());
                bar.set_message(self.message(note));
            }
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
            *drawn() = None;
        }
        self.plain = None;
    }

    fn say(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(line)),
            None => tell(line),
        }
    }

    fn step(&mut self, step: &Step) {
        let now = self.board.begun.elapsed().as_secs_f64();
        self.board.state.step(step, now);
    }

    fn epoch(&mut self, row: &EpochRow) {
        self.board.state.epoch(row);
    }

    fn kept(&mut self, bytes: u64) {
        self.board.state.cache = Some(bytes);
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
    fn a_dashboard_is_shown_on_a_wide_terminal_and_nothing_is_drawn_where_there_is_none() {
        let on = Shown::on;
        assert_eq!([on(None, true, 80), on(None, true, 79)], [Shown::Dashboard, Shown::Bar]);
        assert_eq!(on(None, false, 200), Shown::Bar);
        assert_eq!(on(Some(Shown::Dashboard), true, 40), Shown::Dashboard);
        assert_eq!(on(Some(Shown::Dashboard), false, 200), Shown::Bar);
        assert_eq!(on(Some(Shown::Bar), true, 200), Shown::Bar);
        assert_eq!(on(Some(Shown::None), false, 200), Shown::None);
    }

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
