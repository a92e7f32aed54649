//! A collapse that was planted is caught; a run that is healthy raises no alarm.

use crate::support::{fashion, plan, training};
use burn::prelude::*;
use tl_core::Backbone;
use tl_data::ViewRecipe;
use tl_models::{Architecture, SmallConv};
use tl_ssl::methods::SimClr;
use tl_ssl::projector::Projector;
use tl_ssl::{Method, Pretrained, Settings, Sizes, SslError, Step, Task, Terms, pretrain};
use tl_train::{Conduct, Silent};

/// Two views are drawn together, and nothing keeps images apart: no predictor, no stop of the gradient.
#[derive(Debug)]
struct Attraction(SimClr);

impl<B: Backbone> Method<B> for Attraction {
    type Heads = Projector;

    fn name(&self) -> &'static str {
        "attraction"
    }

    fn views(&self, image: usize) -> Vec<ViewRecipe> {
        Method::<B>::views(&self.0, image)
    }

    fn heads(
        &self,
        backbone: &B,
        sizes: Sizes,
        seed: u64,
        device: &Device,
    ) -> Result<Projector, SslError> {
        self.0.heads(backbone, sizes, seed, device)
    }

    fn embed(&self, step: &Step<'_, B, Projector>) -> Result<Vec<Tensor<2>>, SslError> {
        self.0.embed(step)
    }

    fn compare(
        &self,
        _: &Step<'_, B, Projector>,
        embedded: Vec<Tensor<2>>,
    ) -> Result<Terms, SslError> {
        let unit = |rows: &Tensor<2>| {
            let squares = (rows.clone() * rows.clone()).sum_dim(1);
            rows.clone() / squares.add_scalar(1e-12).sqrt()
        };
        let apart = unit(&embedded[0]) - unit(&embedded[1]);
        let loss = (apart.clone() * apart).sum_dim(1).mean();
        Ok(Terms::of(unit(&embedded[0])).with("distance", 1.0, loss))
    }
}

fn run<M: Method<SmallConv>>(
    method: &M,
    epochs: usize,
    rate: f64,
    monitor: bool,
) -> Result<Pretrained<SmallConv>, SslError> {
    let (device, loader) = (Device::flex(), fashion(0));
    let backbone = SmallConv::new(&device).with_head(2, 1, &device).backbone;
    let images = training(&loader, 0, 256);
    let task = Task { loader: &loader, images: &images, probe: None };
    let settings = Settings { seed: 1, batch_size: 32, monitor, ..Settings::default() };
    let conduct = Conduct::default();
    pretrain(backbone, task, method, &plan(epochs, rate), &settings, &conduct, &mut Silent)
}

#[test]
fn a_planted_collapse_is_caught_within_200_steps() {
    let planted = Attraction(SimClr::default());
    match run(&planted, 25, 1e-2, true) {
        Err(SslError::Collapsed { step, reason }) => {
            println!("step {step}: {reason}");
            assert!(step <= 200);
        }
        Err(error) => panic!("{error}"),
        Ok(found) => panic!("no collapse was seen: {:?}", found.rows.last()),
    }
    // Who switches the monitor off goes on.
    assert!(run(&planted, 25, 1e-2, false).is_ok());
}

#[test]
fn a_healthy_run_raises_no_alarm() {
    let found = run(&SimClr::default(), 25, 3e-3, true).unwrap();
    let spread = found.rows.last().unwrap().spread.unwrap();
    println!("{spread:?}");
    assert!(spread.deviation > 0.3 && spread.effective_rank > 3.0, "{spread:?}");
    let losses: Vec<f64> = found.rows.iter().skip(1).map(|row| row.terms["nt_xent"]).collect();
    assert!(losses[24] < 0.9 * losses[0], "{losses:?}");
}
