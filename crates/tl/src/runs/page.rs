//! The page on runs side by side.

use std::path::{Path, PathBuf};

use tl_train::files::{make_folder, write_bytes};
use tl_train::report::{Line, Place, Plot, ReportInput, Section, Table, Value, render};

use super::{SideBySide, Unit};
use crate::Error;
use crate::chain::CHAIN_FILE;
use crate::record::RUN_FILE;

impl SideBySide {
    /// Writes `report.html` into `folder`, which is made where it is not there, and answers its path.
    ///
    /// # Errors
    /// A folder that holds a report of its own: that of a run or a chain; one that cannot be written.
    pub fn write_page(&self, folder: &Path, command: &str) -> Result<PathBuf, Error> {
        if [RUN_FILE, CHAIN_FILE].iter().any(|name| folder.join(name).exists()) {
            return Err(Error::Run {
                path: folder.to_path_buf(),
                problem: "has a report of its own already".into(),
                mend: "choose another --out",
            });
        }
        make_folder(folder)?;
        let path = folder.join("report.html");
        write_bytes(&path, self.page(command).as_bytes())?;
        Ok(path)
    }

    /// The page as HTML.
    pub fn page(&self, command: &str) -> String {
        let columns = Self::columns().map(str::to_string).to_vec();
        let mut sentences = self.sentences();
        let warnings = if self.differ_in_parts() { sentences.pop() } else { None };
        let table = Section {
            title: "Runs".into(),
            warnings: warnings.into_iter().collect(),
            lines: sentences,
            tables: vec![Table { name: "runs".into(), columns, rows: self.rows() }],
            ..Section::default()
        };
        let curves = Section {
            title: "Validation by epoch".into(),
            plots: self.plots(),
            ..Section::default()
        };
        let drawn = !curves.plots.is_empty();
        render(&ReportInput {
            title: format!("{} runs side by side", self.runs.len()),
            command: command.to_string(),
            sections: [Some(table), drawn.then_some(curves)].into_iter().flatten().collect(),
            ..ReportInput::default()
        })
    }

    /// A drawing for each figure, with a line for each run that noted it down.
    fn plots(&self) -> Vec<Plot> {
        let mut plots: Vec<Plot> = Vec::new();
        for run in self.runs.iter().filter(|run| !run.curve.is_empty()) {
            let Some(figure) = &run.validation else { continue };
            let line = Line { name: run.run.clone(), points: run.curve.clone() };
            match plots.iter_mut().find(|plot| plot.title == figure.name) {
                Some(plot) => plot.lines.push(line),
                None => plots.push(Plot {
                    title: figure.name.clone(),
                    lines: vec![line],
                    place: Place::Epoch,
                    value: if figure.unit == Unit::Share { Value::Share } else { Value::Number },
                }),
            }
        }
        plots
    }
}
