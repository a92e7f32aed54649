//! A table of shares whose cells are the stronger coloured the larger they are.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::markup::{escape, percent};

/// Shares from 0 to 1 in rows and columns; where a row ends early, or says nothing, there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heat {
    pub name: String,
    /// What rows and columns are: `after ↓ task →`.
    pub corner: String,
    pub columns: Vec<String>,
    pub rows: Vec<(String, Vec<Option<f64>>)>,
}

/// It has the form of the confusion matrix, so that it fits a telephone and either setting as that does.
pub(super) fn render(heat: &Heat) -> String {
    let (name, corner) = (escape(&heat.name), escape(&heat.corner));
    let mut html = format!(
        "<h3>{name}</h3><div class=\"scroll\" role=\"region\" aria-label=\"{name}\" tabindex=\"0\">\
         <table class=\"confusion\"><thead><tr><td class=\"corner\">{corner}</td>"
    );
    for column in &heat.columns {
        let _ = write!(html, "<th scope=\"col\"><span>{}</span></th>", escape(column));
    }
    html.push_str("</tr></thead><tbody>");
    for (row, shares) in &heat.rows {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escape(row));
        for place in 0..heat.columns.len() {
            let share = shares.get(place).copied().flatten().filter(|share| share.is_finite());
            let _ = match share {
                None => write!(html, "<td class=\"none\"></td>"),
                Some(share) => write!(
                    html,
                    "<td class=\"right\" style=\"--share:{:.3}\">{}</td>",
                    share.clamp(0.0, 1.0),
                    percent(share)
                ),
            };
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_coloured_by_its_share_and_empty_where_there_is_none() {
        let page = render(&Heat {
            name: "a <b>".into(),
            corner: "after ↓ task →".into(),
            columns: vec!["x".into(), "y".into()],
            rows: vec![
                ("1 · x".into(), vec![Some(0.25)]),
                ("2 · y".into(), vec![Some(f64::NAN), Some(1.0)]),
            ],
        });
        assert!(page.contains("a &lt;b&gt;") && !page.contains("NaN"), "{page}");
        let row = "<th scope=\"row\">1 · x</th><td class=\"right\" style=\"--share:0.250\">25.0\u{202f}%</td>\
                   <td class=\"none\"></td></tr>";
        assert!(page.contains(row), "{page}");
        assert_eq!(page.matches("<td class=\"none\">").count(), 2);
        assert!(page.contains("--share:1.000\">100.0\u{202f}%</td>"), "{page}");
    }
}
