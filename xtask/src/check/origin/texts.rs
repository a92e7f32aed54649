//! Fitted text encoders in transformers.

use std::path::Path;

use super::super::watch;
use super::same_logits;
use crate::assets::put_text_encoder;
use crate::shell::{Outcome, say, write};

/// Fits a text encoder with the origin's pooler, with the mean of its pieces, by adapters, in windows, and to numbers; returns how many
/// fittings there were, none where the encoder could not be fetched.
///
/// # Errors
/// When a program fails, the folder does not load, or logits differ.
pub fn run(tl: &Path, python: &Path, folder: &Path) -> Outcome<usize> {
    let encoder = folder.join("encoder");
    if let Err(reason) = put_text_encoder(&encoder) {
        say(format_args!("bert: not run: {reason}"));
        return Ok(0);
    }
    let (moods, things) = (["awful", "lovely"], ["film", "meal", "room", "book", "walk", "song"]);
    let rows = (0..48).map(|row| {
        let (mood, thing) = (moods[row % 2], things[row / 2 % 6]);
        format!("{} {mood} {thing} it was,{mood}\n", "what a very".repeat(1 + row / 12))
    });
    let table = folder.join("moods.csv");
    write(&table, format!("text,label\n{}", rows.collect::<String>()).as_bytes())?;
    let lines = folder.join("lines.txt");
    write(
        &lines,
        "A lovely film.\n\nNo; it was, all in all, an awful walk home!\nçà et là\n".as_bytes(),
    )?;
    let encoder = encoder.to_string_lossy();
    let ways = [
        ("pooled by class", "class", "--recipe finetune"),
        ("pooled by mean", "mean", "--recipe finetune"),
        ("adapters merged", "class", "--adapter lora:rank=4"),
        ("in windows", "class", "--recipe finetune --max-length 8 --stride 3"),
    ];
    for (way, pooling, tuning) in ways {
        let run = folder.join(way.replace(' ', "-"));
        let mut words = vec!["--model", "bert", "--weights", &encoder];
        words.extend(["--epochs", "1", "--seed", "3", "--pooling", pooling]);
        words.extend(tuning.split(' '));
        watch::fit(tl, &table, &run, &words)?;
        let name = format!("bert, {way}");
        same_logits(&name, tl, python, &run, std::slice::from_ref(&lines))?;
    }
    let counted = folder.join("counted.csv");
    let rows = (0..48).map(|row| {
        let (words, thing) = ("very ".repeat(row % 6), things[row / 6 % 6]);
        format!("it was a {words}{} {thing},{}\n", moods[row / 24], 1.5 * (row % 6) as f64 - 2.0)
    });
    write(&counted, format!("text,count\n{}", rows.collect::<String>()).as_bytes())?;
    for (way, more) in [("a number", ""), ("a number in windows", "--max-length 8 --stride 3")] {
        let run = folder.join(way.replace(' ', "-"));
        let mut words = vec!["--model", "bert", "--weights", &encoder, "--task", "regression"];
        words.extend(["--label-column", "count", "--epochs", "1", "--seed", "3"]);
        words.extend(more.split_whitespace());
        watch::fit(tl, &counted, &run, &words)?;
        same_logits(&format!("bert, {way}"), tl, python, &run, std::slice::from_ref(&lines))?;
    }
    Ok(ways.len() + 2)
}
