//! Sections that a verb adds to the page: sentences, a table, maps of points.

use serde::{Deserialize, Serialize};

use super::markup::escape;
use super::{scatter, tables};

/// A section of the page; what is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    pub title: String,
    /// Lines to be seen first.
    pub warnings: Vec<String>,
    /// Sentences, each a paragraph.
    pub lines: Vec<String>,
    /// Drawn side by side.
    pub maps: Vec<Map>,
    pub tables: Vec<Table>,
}

/// Rows of text; a column whose name ends in `#` holds numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// For those who cannot see it.
    pub name: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Points in the plane, in at most two clouds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Map {
    pub title: String,
    pub clouds: Vec<Cloud>,
}

/// Points that belong together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cloud {
    pub name: String,
    pub points: Vec<[f64; 2]>,
}

/// The content of a section.
pub(super) fn render(section: &Section) -> String {
    let paragraphs = |class: &str, lines: &[String]| -> String {
        lines.iter().map(|line| format!("<p{class}>{}</p>", escape(line))).collect()
    };
    let mut html = paragraphs(" class=\"warn\"", &section.warnings);
    html += &paragraphs("", &section.lines);
    if !section.maps.is_empty() {
        let maps: String = section.maps.iter().map(scatter::render).collect();
        html += &format!("<div class=\"pair\">{maps}</div>");
    }
    for table in &section.tables {
        let columns: Vec<String> = table.columns.iter().map(|name| escape(name)).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let rows: Vec<Vec<String>> =
            table.rows.iter().map(|row| row.iter().map(|cell| escape(cell)).collect()).collect();
        html += &tables::table(&escape(&table.name), &columns, &rows);
    }
    html
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
        };
        let section = Section {
            title: "Both <domains>".to_string(),
            warnings: vec!["harm & more".to_string()],
            lines: vec!["a line".to_string()],
            maps: vec![Map {
                title: "before".to_string(),
                clouds: vec![cloud("source", 0.0), cloud("target", 5.0)],
            }],
            tables: vec![Table {
                name: "methods".to_string(),
                columns: vec!["method".to_string(), "accuracy#".to_string()],
                rows: vec![vec!["<dann>".to_string(), "0.9".to_string()]],
            }],
        };
        let page = render(&ReportInput { sections: vec![section], ..ReportInput::default() });
        for part in
            ["Both &lt;domains&gt;", "harm &amp; more", "&lt;dann&gt;", "<td class=\"n\">0.9</td>"]
        {
            assert!(page.contains(part), "{part} is missing");
        }
        assert_eq!(page.matches("class=\"point a\"").count(), 2);
        assert_eq!(page.matches("class=\"point b\"").count(), 2);
        assert!(!page.contains("NaN"));
    }
}
