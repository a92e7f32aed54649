//! The method by its name, and the run's folder.

use std::path::Path;
use std::sync::Arc;

use tl_data::Preprocess;
use tl_models::save_backbone;
use tl_ssl::methods::{BarlowTwins, Byol, Dino, Mae, SimClr, SimMim, SimSiam, VicReg};
use tl_ssl::{Method, PretrainRow, Pretrained, Settings, Shown, SslError, Task};
use tl_train::files::write_bytes;
use tl_train::{Conduct, EpochRow, Progress, TrainError};

use super::PictureRows;
use super::prepare::PreparedPretraining;
use crate::choice::said;
use crate::record::{MODEL_FILE, RunRecord, Status};
use crate::{Error, Network, load_script, page};

impl PreparedPretraining {
    /// Pre-trains and writes the run's folder; `model.safetensors` holds the network alone.
    ///
    /// # Errors
    /// A folder that holds another run or cannot be written, data that cannot be used, a loss that is not
    /// finite, features that collapse, an interruption.
    pub fn fit(mut self, progress: &mut dyn Progress) -> Result<RunRecord, Error> {
        let folder = self.claim()?;
        self.record.write(&folder)?;
        match self.carry_out(&folder, progress) {
            Ok(()) => Ok(self.record),
            Err(error) => {
                self.record.status = match &error {
                    Error::Train(TrainError::Interrupted { .. }) => Status::Interrupted,
                    _ => Status::Failed,
                };
                self.record.skipped = self.loader.skipped();
                // The first error is the one to tell, not that its record could not be written.
                let _ = self.record.write(&folder);
                Err(error)
            }
        }
    }

    fn carry_out(&mut self, folder: &Path, progress: &mut dyn Progress) -> Result<(), Error> {
        let found = self.run(folder, progress)?;
        let metadata = said(&found.backbone).into_iter().collect();
        save_backbone(&folder.join(MODEL_FILE), &found.backbone, &metadata)?;
        write_bytes(&folder.join("load.py"), load_script::of(&self.record.preprocess).as_bytes())?;
        let record = &mut self.record;
        record.kept = Some("last".into());
        record.steps = found.rows.last().map_or(0, |row| row.step);
        record.skipped = self.loader.skipped();
        record.seconds = found.rows.iter().map(|row| row.seconds).sum();
        record.status = Status::Finished;
        let curves: Vec<EpochRow> = found.rows.iter().skip(1).map(curve).collect();
        let pictures = pictures(&found.shown, record.preprocess.images()?)?;
        if let Some(pretraining) = &mut record.pretraining {
            pretraining.rows = found.rows;
            pretraining.pictures = pictures;
        }
        write_bytes(
            &folder.join("report.html"),
            page::render(record, &curves, Vec::new()).as_bytes(),
        )?;
        record.write(folder)
    }

    /// Carries out the method that is asked for.
    fn run(
        &self,
        folder: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Pretrained<Network>, Error> {
        let options = &self.request.options;
        match options.method.as_str() {
            "mae" => {
                let mut mae = Mae::default();
                mae.mask_ratio = options.mask_ratio.unwrap_or(mae.mask_ratio);
                self.by(&mae, folder, progress)
            }
            "simmim" => {
                let mut simmim = SimMim::default();
                simmim.mask_ratio = options.mask_ratio.unwrap_or(simmim.mask_ratio);
                self.by(&simmim, folder, progress)
            }
            "simclr" => {
                let mut simclr = SimClr::default();
                simclr.temperature = options.temperature.unwrap_or(simclr.temperature);
                self.by(&simclr, folder, progress)
            }
            "byol" => {
                let mut byol = Byol::default();
                byol.momentum = options.momentum.unwrap_or(byol.momentum);
                self.by(&byol, folder, progress)
            }
            "simsiam" => self.by(&SimSiam::default(), folder, progress),
            "barlow_twins" => self.by(&BarlowTwins::default(), folder, progress),
            "vicreg" => self.by(&VicReg::default(), folder, progress),
            "dino" => {
                let mut dino = Dino::default();
                dino.momentum = options.momentum.unwrap_or(dino.momentum);
                dino.local_views = options.local_views.unwrap_or(dino.local_views);
                self.by(&dino, folder, progress)
            }
            _ => {
                let (name, known) = (options.method.clone(), tl_ssl::methods::names());
                Err(SslError::Unknown { name, known }.into())
            }
        }
    }

    fn by<M: Method<Network>>(
        &self,
        method: &M,
        folder: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Pretrained<Network>, Error> {
        let options = &self.request.options;
        let settings = Settings {
            seed: options.seed,
            batch_size: options.batch_size,
            monitor: options.monitor,
            fresh: self.record.load_report.is_none(),
            parts: options.parts,
            last_weight_decay: options.last_weight_decay,
            views: options.views,
        };
        let conduct = Conduct {
            out: Some(folder.to_path_buf()),
            checkpoint_every: self.request.checkpoint_every,
            resume: self.request.resume,
            stop: Arc::clone(&self.request.stop),
            weights_key: self.record.weights_key.clone(),
            ..Conduct::default()
        };
        let task = Task { loader: &self.loader, images: &self.items, probe: self.probe.as_ref() };
        let backbone = self.backbone.clone();
        Ok(tl_ssl::pretrain(backbone, task, method, &self.plan, &settings, &conduct, progress)?)
    }
}

/// What a method shows, kind by kind.
fn pictures(shown: &[Shown], preprocess: &Preprocess) -> Result<PictureRows, Error> {
    let mut rows = PictureRows::new();
    for (name, pixels) in shown.iter().flatten() {
        let png = preprocess.picture(pixels)?.to_png()?;
        match rows.iter_mut().find(|(known, _)| known == name) {
            Some((_, row)) => row.push(png),
            None => rows.push((name.to_string(), vec![png])),
        }
    }
    Ok(rows)
}

/// An epoch as the report's curves have it.
fn curve(row: &PretrainRow) -> EpochRow {
    EpochRow {
        phase: row.method.clone(),
        epoch: row.epoch,
        step: row.step,
        train_loss: row.terms.values().sum(),
        validation_loss: None,
        validation_accuracy: None,
        validation_f1: None,
        validation_r2: None,
        validation_map: None,
        ema_r2: None,
        ema_accuracy: None,
        learning_rate: row.learning_rate,
        gradient_norm: Some(row.gradient_norm),
        seconds: row.seconds,
        resident_mb: row.resident_mb,
    }
}
