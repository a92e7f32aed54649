//! What the folder of a finished fitting holds.

use std::path::Path;

use tl_train::Progress;
use tl_train::regularise::{Importance, Measure, importance_of};
use tl_train::report::Section;

use crate::adapters::Purpose;
use crate::examples::Input;
use crate::finetune::IMPORTANCE_FILE;
use crate::looks::Tuned;
use crate::near::Lookout;
use crate::outcome::Outcome;
use crate::{Error, Prepared, Run, calibration, highlights, looks, near, numbers, several};

impl Prepared {
    /// Writes what the folder of a finished run holds.
    pub(crate) fn conclude(
        &mut self,
        folder: &Path,
        mut outcome: Outcome,
        progress: &mut dyn Progress,
    ) -> Result<Run, Error> {
        let table = self.table(&outcome);
        let calibration = calibration::of(&outcome, &*self.data)?;
        let near = self.near_duplicates();
        near.lines.iter().for_each(|line| progress.say(line));
        let mut sections = self.sections(&outcome, &near, progress)?;
        let calibration = calibration.map(|(found, section)| {
            sections.push(section);
            found
        });
        self.measure_importance(folder, &mut outcome)?;
        let record = &mut self.record;
        record.calibration = calibration;
        record.kept = Some(outcome.kept);
        record.steps = outcome.steps;
        record.skipped = self.data.skipped();
        record.seconds = outcome.rows.iter().map(|row| row.seconds).sum();
        record.validation = outcome.validation;
        record.test = outcome.test;
        record.numbers = outcome.numbers;
        record.several = outcome.several;
        record.near_duplicates = near.found;
        let model = match &self.adapters {
            Some(adapters) => {
                adapters.finish(folder, outcome.model, &record.options, Purpose::Classes)?
            }
            None => outcome.model,
        };
        let run = Run::finish(folder, record, model, &table, &outcome.rows, sections)?;
        // A cache serves a resume, and there is nothing left to resume.
        let _ = std::fs::remove_dir_all(folder.join("cache"));
        Ok(run)
    }

    /// What was answered, as `predictions.csv`.
    fn table(&self, outcome: &Outcome) -> String {
        let (items, (_, last)) = (self.data.items(), outcome.last());
        match (self.data.answers(), self.data.numbers()) {
            (Some(answers), _) => crate::entities::to_csv(last, &self.request.examples, answers),
            (None, Some(_)) => numbers::to_csv(last, items),
            (None, None) if self.data.several().is_some() => {
                several::to_csv(last, items, &self.request.options)
            }
            (None, None) => crate::predict::to_csv(last, items),
        }
    }

    /// What the report says beside what it says of every run.
    fn sections(
        &self,
        outcome: &Outcome,
        near: &Lookout,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Section>, Error> {
        let (part, last) = outcome.last();
        let mut sections = Vec::new();
        if let Some(found) = &outcome.numbers {
            sections.extend(numbers::section(last, &*self.data, found, part));
        }
        sections.extend(outcome.several.as_ref().and_then(several::section));
        if let Input::Texts(texts) = &self.data {
            let tokenizer = self.tokenizer.open()?;
            sections.extend(highlights::section(&outcome.model, texts, last, &tokenizer, part)?);
        }
        // Drawing takes time of which nobody knows how much.
        if let Input::Images(loader) = &self.data
            && self.record.minutes.is_none()
        {
            let (first, device) = (&self.model, &self.request.device);
            let tuned = Tuned { first, outcome, record: &self.record, device };
            sections.extend(looks::sections(&tuned, loader, progress));
        }
        sections.extend(lengths(self.data.notes()));
        sections.extend(near.found.as_ref().and_then(near::section));
        Ok(sections)
    }

    /// Measures how much each weight matters, where it is asked for.
    fn measure_importance(&mut self, folder: &Path, outcome: &mut Outcome) -> Result<(), Error> {
        let Some(measure) = self.request.options.importance else { return Ok(()) };
        // Of texts in windows each window is an example.
        let train = self.data.rows(&self.split.train);
        let seed = self.record.options.settings.seed;
        let found = match (measure, outcome.importance.take()) {
            (Measure::Si, Some(found)) => Importance::of_path(&outcome.model, found)?,
            _ => importance_of(&outcome.model, &*self.data, &train, measure, seed)?,
        };
        let earlier = self.earlier.importance.take();
        let found = match earlier.filter(|it| it.measure == measure) {
            Some(earlier) => found.with_earlier(earlier, 1.0),
            None => found,
        };
        Ok(found.write(&folder.join(IMPORTANCE_FILE))?)
    }
}

/// What the report says of texts that are too long.
fn lengths(notes: Vec<String>) -> Option<Section> {
    let title = "Lengths of the texts".to_string();
    (!notes.is_empty()).then(|| Section { title, lines: notes, ..Section::default() })
}
