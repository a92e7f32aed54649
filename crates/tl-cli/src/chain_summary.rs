//! What `tl chain` prints of a finished chain.

use std::path::Path;

use tl::ChainRecord;
use tl::chain::CHAIN_FILE;

use crate::output::{share, thousands};

/// The matrix and its figures for a person.
pub fn text(record: &ChainRecord, folder: &Path) -> String {
    let mut text = String::from("accuracy with the head of the task\n");
    table(&mut text, record, &record.matrix);
    text += "\naccuracy among the classes of all tasks so far\n";
    table(&mut text, record, &record.single_head);
    text += "\nin the end, with the head of the task\n";
    let last = record.matrix.last().into_iter().flatten();
    for (((name, accuracy), interval), n) in
        record.names.iter().zip(last).zip(&record.intervals).zip(&record.n)
    {
        text += &format!("{name}: {}\n", share(*accuracy, *interval, *n));
    }
    text += &format!("\naverage accuracy {:.1} %", 100.0 * record.average_accuracy);
    text += &format!(", among all classes {:.1} %", 100.0 * record.average_single_head);
    let figures = [
        ("forgetting", record.forgetting),
        ("backward transfer", record.backward_transfer),
        ("forward transfer", record.forward_transfer),
    ];
    for (name, value) in figures {
        if let Some(value) = value {
            text += &format!(" · {name} {:+.1} points", 100.0 * value);
        }
    }
    text += &format!(
        "\nanswers for earlier tasks unchanged: {} · kept for them: {} bytes\n",
        record.unchanged,
        thousands(record.memory_bytes)
    );
    text + &format!(
        "runs: {}/{} … · {} · report: {}\n",
        folder.display(),
        record.runs.first().map(String::as_str).unwrap_or_default(),
        folder.join(CHAIN_FILE).display(),
        folder.join("report.html").display()
    )
}

/// A row for each task that was learnt, a column for each that is measured.
fn table(text: &mut String, record: &ChainRecord, matrix: &[Vec<f64>]) {
    let length = |name: &String| name.chars().count();
    let first = record.names.iter().map(length).max().unwrap_or(0) + "after ".len();
    let wide = |name: &String| length(name).max(7);
    *text += &format!("{:first$}", "");
    for name in &record.names {
        *text += &format!("  {name:>0$}", wide(name));
    }
    *text += "\n";
    for (name, row) in record.names.iter().zip(matrix) {
        *text += &format!("{:first$}", format!("after {name}"));
        for (accuracy, column) in row.iter().zip(&record.names) {
            *text += &format!("  {:>1$}", format!("{:.1} %", 100.0 * accuracy), wide(column));
        }
        *text += "\n";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_names() {
        let record: ChainRecord = serde_json::from_value(serde_json::json!({
            "schema": 1, "begin": "previous", "names": ["birds", "flowering"],
            "matrix": [[0.9], [0.855, 1.0]], "single_head": [[0.9], [0.5, 0.25]],
            "intervals": [[0.7, 0.95], [0.5, 1.0]], "n": [20, 4],
            "average_accuracy": 0.9275, "average_single_head": 0.375, "backward_transfer": -0.045,
            "forward_transfer": null, "forgetting": 0.045, "probe_before": [], "probe_base": [],
            "unchanged": false, "unchanged_tasks": [false, true], "memory_bytes": 12345,
            "memory": {"examples": 0, "importance": 12345, "adapters": 0}, "seconds": 1.0,
            "runs": ["01-birds", "02-flowering"]
        }))
        .unwrap();
        let text = text(&record, Path::new("chained"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "                   birds  flowering");
        assert_eq!(lines[2], "after birds       90.0 %");
        assert_eq!(lines[3], "after flowering   85.5 %    100.0 %");
        let last = "birds: 85.5 % (95 % interval 70.0–95.0 %, n = 20)\n";
        assert!(text.contains(last), "{text}");
        assert!(text.contains("forgetting +4.5 points") && !text.contains("forward"), "{text}");
        assert!(text.contains("unchanged: false · kept for them: 12,345 bytes"), "{text}");
    }
}
