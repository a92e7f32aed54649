//! The page as a whole.

use super::markup::{count, counted, duration, escape, percent};
use super::tables::{configuration, epochs, folded, pairs, per_class, skipped, trainable};
use super::{Accuracy, Figure, ReportInput, confusion, curves, figures, sections};

const STYLE: &str = include_str!("style.css");

/// The report as one HTML document.
pub fn render(input: &ReportInput) -> String {
    let title = if input.title.is_empty() { "Run" } else { &input.title };
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header><h1>{title}</h1>{}</header>\n{}</main>\n</body>\n</html>\n",
        subtitle(input),
        content(input)
    )
}

fn subtitle(input: &ReportInput) -> String {
    let mut html = String::from("<p class=\"facts\">");
    if !input.status.is_empty() {
        html.push_str(&format!("<span class=\"status\">{}</span>", escape(&input.status)));
    }
    if input.seconds > 0.0 {
        html.push_str(&format!("<span>{}</span>", duration(input.seconds)));
    }
    if !input.seeds.is_empty() {
        let noun = if input.seeds.len() == 1 { "seed" } else { "seeds" };
        let seeds: Vec<String> = input.seeds.iter().map(u64::to_string).collect();
        html.push_str(&format!("<span>{noun} {}</span>", seeds.join(", ")));
    }
    html.push_str("</p>");
    if !input.command.is_empty() {
        // Lines break between words, never within `--flag`.
        let words = escape(&input.command);
        let words: Vec<String> =
            words.split(' ').map(|word| format!("<span>{word}</span>")).collect();
        html.push_str(&format!("<pre class=\"command\">{}</pre>", words.join(" ")));
    }
    html
}

fn content(input: &ReportInput) -> String {
    let mut html = headline(input);
    let mut section = |title: &str, content: String| {
        html.push_str(&format!("<section><h2>{title}</h2>{content}</section>\n"));
    };
    if !input.curves.is_empty() {
        let table = folded("Epochs as a table", &epochs(&input.curves));
        section("Training", curves::render(&input.curves) + &table);
    }
    for own in &input.sections {
        section(&escape(&own.title), sections::render(own));
    }
    if let Some(evaluation) = &input.evaluation {
        let part = if input.evaluation_part.is_empty() {
            String::new()
        } else {
            format!(" on the {} part", escape(&input.evaluation_part))
        };
        if let Some(found) = &evaluation.figures {
            let chance = (evaluation.per_class.len().max(1) as f64).ln();
            section(&format!("Figures{part}"), figures::render(found, chance));
        }
        section(&format!("Confusion{part}"), confusion::render(evaluation));
        let summary = format!(
            "<p class=\"muted\">Mean F1 {} · cross-entropy {:.4} · n = {}</p>",
            percent(evaluation.macro_f1),
            evaluation.loss,
            count(evaluation.n)
        );
        section(&format!("Classes{part}"), summary + &per_class(evaluation));
    }
    if !input.trainable.is_empty() {
        section("What was trained", trainable(&input.trainable));
    }
    if !input.load.is_empty() {
        let lines = escape(&input.load.join("\n"));
        section("Weights loaded", format!("<pre>{lines}</pre>"));
    }
    if !input.skipped.is_empty() {
        let title = format!("Skipped: {}", counted(input.skipped.len() as u64, "image"));
        section(&title, skipped(&input.skipped));
    }
    let shown = configuration(&input.configuration);
    if shown != "<dl></dl>" {
        section("Configuration", shown);
    }
    if !input.versions.is_empty() {
        let entries = input.versions.iter().map(|(name, version)| (escape(name), escape(version)));
        section("Versions", pairs(entries));
    }
    html
}

fn headline(input: &ReportInput) -> String {
    let headline = &input.headline;
    let mut cards: String = headline.figures.iter().map(figure).collect();
    for (name, measured) in
        [("Test accuracy", &headline.test), ("Validation accuracy", &headline.validation)]
    {
        if let Some(measured) = measured {
            cards.push_str(&card(name, measured));
        }
    }
    if !headline.weights.is_empty() {
        cards.push_str(&format!(
            "<div class=\"card\"><h2>Weights kept</h2><p class=\"words\">{}</p></div>",
            escape(&headline.weights)
        ));
    }
    if cards.is_empty() {
        return String::new();
    }
    format!("<section class=\"cards\">{cards}</section>\n")
}

fn figure(found: &Figure) -> String {
    let interval = found.interval.as_ref().map_or(String::new(), |[low, high]| {
        format!("95\u{202f}% interval {} to {}<br/>", escape(low), escape(high))
    });
    format!(
        "<div class=\"card\"><h2>{}</h2><p class=\"figure\">{}</p><p class=\"muted\">{interval}n = {}</p></div>",
        escape(&found.name),
        escape(&found.value),
        escape(&found.n)
    )
}

fn card(name: &str, measured: &Accuracy) -> String {
    let [low, high] = measured.interval;
    let within = |share: f64| {
        if share.is_finite() { share.clamp(0.0, 1.0) * 200.0 } else { 0.0 }
    };
    // The whole bar is 0 to 100 %, the thick part the interval, the dot the accuracy.
    let bar = format!(
        "<svg class=\"bar\" viewBox=\"-5 0 210 12\" aria-hidden=\"true\"><path class=\"rail\" d=\"M0 6H200\"/>\
         <path class=\"span\" d=\"M{:.1} 6H{:.1}\"/><circle class=\"dot\" cx=\"{:.1}\" cy=\"6\" r=\"4\"/></svg>",
        within(low),
        within(high),
        within(measured.accuracy)
    );
    format!(
        "<div class=\"card\"><h2>{name}</h2><p class=\"figure\">{}</p>{bar}\
         <p class=\"muted\">95\u{202f}% interval {} to {}<br/>n = {}</p></div>",
        percent(measured.accuracy),
        percent(low),
        percent(high),
        count(measured.n)
    )
}
