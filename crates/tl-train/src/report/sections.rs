//! Sections that a verb adds to the page: sentences, a table, maps of points.

use serde::{Deserialize, Serialize};

use super::markup::escape;
use super::{
    Heat, Plot, Reliability, Shot, bars, gallery, heat, lines, reliability, scatter, tables,
};

/// A section of the page; what is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    pub title: String,
    /// Lines to be seen first.
    pub warnings: Vec<String>,
    /// Sentences, each a paragraph.
    pub lines: Vec<String>,
    #[serde(default)]
    pub heats: Vec<Heat>,
    /// Drawn side by side, as the maps are.
    #[serde(default)]
    pub plots: Vec<Plot>,
    /// Drawn side by side.
    pub maps: Vec<Map>,
    /// Drawn side by side.
    #[serde(default)]
    pub reliability: Vec<Reliability>,
    #[serde(default)]
    pub bars: Vec<Bars>,
    pub tables: Vec<Table>,
    /// Rows of pictures, each under its name.
    #[serde(default)]
    pub pictures: Vec<PictureRow>,
    /// Pictures with captions.
    #[serde(default)]
    pub gallery: Vec<Shot>,
    #[serde(default)]
    pub passages: Vec<Passage>,
    #[serde(default)]
    pub links: Vec<Link>,
}

/// A way to another file beside the page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub name: String,
    /// Relative to the page.
    pub path: String,
}

/// A text whose parts are tinted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    pub name: String,
    /// Each part with how much it speaks for something, from −1 (against it) to 1; one with 0 is as any text.
    pub parts: Vec<(String, f64)>,
}

/// Pictures side by side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PictureRow {
    pub name: String,
    /// PNG files.
    pub pictures: Vec<Vec<u8>>,
}

/// Rows of text; a column whose name ends in `#` holds numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// For those who cannot see it.
    pub name: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Values side by side, each with its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    pub title: String,
    pub rows: Vec<(String, f64)>,
}

/// Points in the plane: of two clouds one in discs, the other in rings; of more each in a colour of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Map {
    pub title: String,
    pub clouds: Vec<Cloud>,
    /// Whether both directions are in one unit: its numbers stand at the axes, and a line where both are equal.
    #[serde(default)]
    pub of_one_unit: bool,
}

/// Points that belong together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cloud {
    pub name: String,
    pub points: Vec<[f64; 2]>,
    /// What is told of each point to who points at it; empty where there is nothing.
    #[serde(default)]
    pub titles: Vec<String>,
}

/// The content of a section.
pub(super) fn render(section: &Section) -> String {
    let paragraphs = |class: &str, lines: &[String]| -> String {
        lines.iter().map(|line| format!("<p{class}>{}</p>", escape(line))).collect()
    };
    let mut html = paragraphs(" class=\"warn\"", &section.warnings);
    html += &paragraphs("", &section.lines);
    html.extend(section.heats.iter().map(heat::render));
    if !section.plots.is_empty() {
        let plots: String = section.plots.iter().map(lines::render).collect();
        html += &format!("<div class=\"pair\">{plots}</div>");
    }
    if !section.maps.is_empty() {
        let maps: String = section.maps.iter().map(scatter::render).collect();
        html += &format!("<div class=\"pair\">{maps}</div>");
    }
    if !section.reliability.is_empty() {
        let diagrams: String = section.reliability.iter().map(reliability::render).collect();
        html += &format!("<div class=\"pair\">{diagrams}</div>");
    }
    if !section.bars.is_empty() {
        let bars: String = section.bars.iter().map(bars::render).collect();
        html += &format!("<div class=\"pair\">{bars}</div>");
    }
    for table in &section.tables {
        let columns: Vec<String> = table.columns.iter().map(|name| escape(name)).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let rows: Vec<Vec<String>> =
            table.rows.iter().map(|row| row.iter().map(|cell| escape(cell)).collect()).collect();
        html += &tables::table(&escape(&table.name), &columns, &rows);
    }
    for row in &section.pictures {
        html += &pictures(row);
    }
    if !section.gallery.is_empty() {
        html += &gallery::render(&section.gallery);
    }
    for passage in &section.passages {
        html += &tinted(passage);
    }
    if !section.links.is_empty() {
        let links: String = section.links.iter().map(link).collect();
        html += &format!("<ul>{links}</ul>");
    }
    html
}

/// A path that is no address of its own, whatever its folders are called.
fn link(link: &Link) -> String {
    let (path, name) = (escape(&link.path), escape(&link.name));
    format!("<li><a href=\"./{path}\">{name}</a></li>")
}

/// A paragraph; the tint is as strong as a part's share, and its sign is told by the line below it too.
fn tinted(passage: &Passage) -> String {
    let part = |(text, share): &(String, f64)| {
        let (text, share) = (escape(text), share.clamp(-1.0, 1.0));
        match share.abs() >= 0.05 {
            true => {
                let class = if share > 0.0 { "for" } else { "against" };
                format!(
                    "<mark class=\"{class}\" style=\"--share:{:.2}\">{text}</mark>",
                    share.abs()
                )
            }
            false => text,
        }
    };
    let parts: String = passage.parts.iter().map(part).collect();
    format!("<p class=\"passage\"><b>{}</b> {parts}</p>", escape(&passage.name))
}

/// Each picture as large as a thumb, its pixels as they are.
fn pictures(row: &PictureRow) -> String {
    let name = escape(&row.name);
    let style = "width:84px;image-rendering:pixelated;margin:2px";
    let images: String = row
        .pictures
        .iter()
        .map(|png| {
            let data = base64(png);
            format!("<img style=\"{style}\" alt=\"{name}\" src=\"data:image/png;base64,{data}\">")
        })
        .collect();
    format!("<figure><figcaption>{name}</figcaption>{images}</figure>")
}

/// Bytes as text (RFC 4648, section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            // Of n bytes n + 1 digits hold something.
            match digit <= group.len() {
                true => text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{ReportInput, render};
    use super::*;

    #[test]
    fn a_section_of_its_own_stands_on_the_page_and_its_text_is_escaped() {
        let cloud = |name: &str, at: f64| Cloud {
            name: name.to_string(),
            points: vec![[at, 0.0], [at + 1.0, 2.0], [f64::NAN, 1.0]],
            titles: Vec::new(),
        };
        let section = Section {
            title: "Both <domains>".to_string(),
            warnings: vec!["harm & more".to_string()],
            lines: vec!["a line".to_string()],
            maps: vec![Map {
                of_one_unit: false,
                title: "before".to_string(),
                clouds: vec![cloud("source", 0.0), cloud("target", 5.0)],
            }],
            bars: vec![Bars {
                title: "which <one>".to_string(),
                rows: vec![("a & b".to_string(), 0.5), ("c".to_string(), f64::INFINITY)],
            }],
            tables: vec![Table {
                name: "methods".to_string(),
                columns: vec!["method".to_string(), "accuracy#".to_string()],
                rows: vec![vec!["<dann>".to_string(), "0.9".to_string()]],
            }],
            pictures: vec![PictureRow {
                name: "what is <hidden>".to_string(),
                pictures: vec![b"foobar".to_vec(), b"fooba".to_vec(), b"foob".to_vec()],
            }],
            links: vec![Link { name: "a <run>".into(), path: "01-a\"b/report.html".into() }],
            passages: vec![Passage {
                name: "is <x>, called y".to_string(),
                parts: vec![("a<".into(), 0.5), (" b".into(), -2.0), (" c".into(), f64::NAN)],
            }],
            ..Section::default()
        };
        let page = render(&ReportInput { sections: vec![section], ..ReportInput::default() });
        for part in
            ["Both &lt;domains&gt;", "harm &amp; more", "&lt;dann&gt;", "<td class=\"n\">0.9</td>"]
        {
            assert!(page.contains(part), "{part} is missing");
        }
        assert_eq!(page.matches("class=\"point a\"").count(), 2);
        assert_eq!(page.matches("class=\"point b\"").count(), 2);
        assert!(page.contains("which &lt;one&gt;") && page.contains("a &amp; b"));
        assert!(!page.contains("NaN"));
        let marks = "</b> <mark class=\"for\" style=\"--share:0.50\">a&lt;</mark><mark class=\"against\" \
                     style=\"--share:1.00\"> b</mark> c</p>";
        assert!(page.contains(marks) && page.contains("is &lt;x&gt;, called y"));
        assert!(page.contains("<a href=\"./01-a&quot;b/report.html\">a &lt;run&gt;</a>"));
        // The examples of the standard.
        for part in ["what is &lt;hidden&gt;", ",Zm9vYmFy\"", ",Zm9vYmE=\"", ",Zm9vYg==\""] {
            assert!(page.contains(part), "{part} is missing");
        }
    }
}
