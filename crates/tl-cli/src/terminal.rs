//! What is known of the terminal that standard error goes to.

use std::process::{Command, Stdio};

/// Where nothing tells.
const USUAL: usize = 80;

/// Its columns: as `COLUMNS` says, else as the system's own `stty` does.
pub fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    said.or_else(by_stty).filter(|columns| *columns > 0).unwrap_or(USUAL)
}

fn by_stty() -> Option<usize> {
    let terminal = std::fs::File::open("/dev/tty").ok()?;
    let asked = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output();
    let output = asked.ok().filter(|output| output.status.success())?;
    of_size(std::str::from_utf8(&output.stdout).ok()?)
}

/// `rows columns`
fn of_size(text: &str) -> Option<usize> {
    text.split_whitespace().nth(1)?.parse().ok()
}

/// Whether colours are welcome: `NO_COLOR` is not set, or empty.
pub fn coloured() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number_is_that_of_the_columns() {
        assert_eq!(of_size("24 132\n"), Some(132));
        assert_eq!([of_size("24\n"), of_size(""), of_size("a b")], [None; 3]);
    }
}
