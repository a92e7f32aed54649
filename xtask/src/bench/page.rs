//! The page of the docs, and the file of `--json`.

use serde_json::Value;

use super::found::{Found, Number, or_dash, short};
use super::growth::{Axis, Growth};
use super::rows::{Quantity, title_of};

/// What stands above the tables.
pub(super) struct Circumstances {
    pub date: String,
    pub command: String,
    pub machine: String,
    pub threads: usize,
    pub rounds: usize,
    pub ours: Vec<(String, String)>,
    pub peers: Vec<(String, String)>,
    /// Processes that ran on the machine when it began.
    pub load: Option<f64>,
    /// The share of a core that those used whose turn it was not.
    pub disturbance: f64,
}

/// The rows as a list.
pub(super) fn json(found: &[Found]) -> String {
    let rows: Vec<Value> = found.iter().map(Found::json).collect();
    format!("{:#}\n", Value::Array(rows))
}

/// The whole page.
pub(super) fn page(about: &Circumstances, found: &[Found], growths: &[Growth]) -> String {
    let mut page = circumstances(about);
    page += "\n## Side by side\n\n";
    page += &main_table(found);
    for axis in Axis::ALL {
        for quantity in [Quantity::Rate, Quantity::Memory, Quantity::Time] {
            let part: Vec<&Growth> = growths
                .iter()
                .filter(|growth| growth.axis == axis && growth.row.quantity == quantity)
                .collect();
            if !part.is_empty() {
                page += &growth_table(axis, quantity, &part);
            }
        }
    }
    page
}

fn circumstances(about: &Circumstances) -> String {
    let list = |versions: &[(String, String)]| {
        let versions: Vec<String> =
            versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        versions.join(", ")
    };
    let peers = if about.peers.is_empty() { "none".to_string() } else { list(&about.peers) };
    let mut text = format!(
        "Measured on {} with `{}`.\n\n- Machine: {}\n- Threads of each side: {}; rounds: {}\n- Ours: {}\n- Peers: {peers}\n",
        about.date,
        about.command,
        about.machine,
        about.threads,
        about.rounds,
        list(&about.ours),
    );
    if let Some(load) = about.load {
        text += &format!("- Load of the machine before: {load:.2}\n");
    }
    text += &format!(
        "- While one side had its turn, the waiting ones used {:.1} % of a core\n",
        100.0 * about.disturbance
    );
    text
}

fn main_table(found: &[Found]) -> String {
    let mut table = String::from(
        "| row | ours | the peer | ratio | asked | aim | compared with | others |\n|---|---|---|---|---|---|---|---|\n",
    );
    for found in found {
        let unit = match found.row.quantity {
            Quantity::Rate => String::new(),
            Quantity::Memory => " MB".to_string(),
            Quantity::Time => " ms".to_string(),
        };
        let with_unit = |value: Option<f64>| {
            value.map_or_else(|| "–".to_string(), |value| short(value) + &unit)
        };
        let ratio = found.ratio().map_or_else(
            || "–".to_string(),
            |ratio| match found.holds() {
                Some(true) => format!("**{ratio:.2}**"),
                _ => format!("{ratio:.2}"),
            },
        );
        table += &format!(
            "| {} | {} | {} | {ratio} | {} | {} | {} | {} |\n",
            found.row.title,
            with_unit(found.ours.as_ref().ok().copied()),
            with_unit(found.peer()),
            found.asked(),
            found.row.aim.map_or_else(|| "–".to_string(), |aim| aim.to_string()),
            title_of(found.row.reference),
            found.remarks(),
        );
    }
    table += "\nRates are images per second, sequences per second for encoders; times are milliseconds for each image or sequence. A ratio in bold is what was asked.\n";
    table
}

fn growth_table(axis: Axis, quantity: Quantity, growths: &[&Growth]) -> String {
    let (what, points, factor) = match axis {
        Axis::Batch => ("the batch", "8 / 16 / 32", "at most × per doubling"),
        Axis::Size => (
            "the size",
            "112 / 160 / 224 pixels or 64 / 128 / 256 tokens",
            "at most × per doubling of area or tokens",
        ),
        Axis::Threads => ("the threads", "from 1 to all", "gain"),
    };
    let (quantity, unit) = match quantity {
        Quantity::Rate => ("Speed", "per second"),
        Quantity::Memory => ("Memory", "MB"),
        Quantity::Time => ("Time", "ms per example"),
    };
    let mut table = format!(
        "\n## {quantity} and {what}\n\n| row, {points} | ours, {unit} | {factor} | the peer | {factor} | holds |\n|---|---|---|---|---|---|\n"
    );
    let list = |numbers: &[Number]| {
        let numbers: Vec<String> =
            numbers.iter().map(|number| or_dash(number.as_ref().ok().copied())).collect();
        if numbers.is_empty() { "–".to_string() } else { numbers.join(" / ") }
    };
    for growth in growths {
        let holds = match growth.holds() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        };
        let factor_of = |numbers: &[Number]| or_dash(growth.factor(numbers));
        table += &format!(
            "| {} | {} | {} | {} | {} | {holds} |\n",
            growth.row.title,
            list(&growth.ours),
            factor_of(&growth.ours),
            list(&growth.peer),
            factor_of(&growth.peer),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::found::tests::found;
    use super::super::growth::tests::growth;
    use super::*;

    fn about() -> Circumstances {
        let pair = |name: &str, version: &str| vec![(name.to_string(), version.to_string())];
        Circumstances {
            date: "2026-02-01".into(),
            command: "cargo xtask bench".into(),
            machine: "a machine".into(),
            threads: 2,
            rounds: 5,
            ours: pair("burn", "0.22.1"),
            peers: pair("torch", "2.15.0"),
            load: Some(0.05),
            disturbance: 0.004,
        }
    }

    /// Every line of a table has as many cells as its head.
    fn even(page: &str) -> bool {
        let cells = |line: &str| line.matches('|').count();
        let lines: Vec<&str> = page.lines().collect();
        lines.windows(2).all(|pair| {
            !(pair[0].starts_with('|') && pair[1].starts_with('|'))
                || cells(pair[0]) == cells(pair[1])
        })
    }

    #[test]
    fn the_page_names_machine_versions_and_date() {
        let page = page(&about(), &[], &[]);
        for part in ["2026-02-01", "a machine", "burn 0.22.1", "torch 2.15.0", "0.4 %"] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }

    #[test]
    fn a_row_that_holds_is_bold_and_one_that_does_not_is_plain() {
        let rows = [
            found("resnet18-forward", Ok(120.0), &[Ok(100.0), Ok(60.0), Err("absent".into())]),
            found("resnet18-step", Ok(30.0), &[Ok(60.0), Ok(50.0)]),
            found("resnet18-step-memory", Ok(500.0), &[Ok(1000.0)]),
        ];
        let page = page(&about(), &rows, &[]);
        assert!(page.contains("**1.20**"), "{page}");
        assert!(page.contains("| 0.50 | ≥ 0.95"), "{page}");
        assert!(page.contains("| 500 MB | 1000 MB | **0.50** | ≤ 0.6"), "{page}");
        assert!(even(&page), "{page}");
    }

    #[test]
    fn a_step_of_adapters_stands_beside_a_step_of_all_weights_and_is_asked_for_three_quarters() {
        let lora = |time: f64| {
            let row = [found("encoder12x768-lora", Ok(time), &[Ok(100.0)])];
            page(&about(), &row, &[])
        };
        let asked = "| ≤ 0.75 | – | our own step of all weights of the same layers |";
        let page = lora(60.0);
        assert!(page.contains(&format!("| 60.0 ms | 100 ms | **0.60** {asked}")), "{page}");
        let page = lora(80.0);
        assert!(page.contains(&format!("| 80.0 ms | 100 ms | 0.80 {asked}")), "{page}");
    }

    #[test]
    fn growth_has_one_table_for_each_axis() {
        let growths = [
            growth("resnet18-step", Axis::Batch, &[30.0, 31.0, 32.0], &[20.0, 20.0, 20.0]),
            growth("resnet18-step", Axis::Threads, &[16.0, 30.0], &[10.0, 19.0]),
            growth("resnet18-step-memory", Axis::Batch, &[300.0, 400.0, 600.0], &[]),
        ];
        let page = page(&about(), &[], &growths);
        assert_eq!(page.matches("\n## ").count(), 4);
        assert!(page.contains("| 30.0 / 31.0 / 32.0 | 1.94 | 20.0 / 20.0 / 20.0 | 2.00 | yes |"));
        assert!(page.contains("| 16.0 / 30.0 | 1.88 | 10.0 / 19.0 | 1.90 | no |"), "{page}");
        assert!(even(&page), "{page}");
    }

    #[test]
    fn the_json_is_a_list() {
        let text = json(&[found("resnet18-step", Ok(30.0), &[])]);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read.as_array().unwrap().len(), 1);
    }
}
