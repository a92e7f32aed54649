//! What may be said about the views of any method.

use serde::{Deserialize, Serialize};
use tl_data::ViewRecipe;

use crate::SslError;

/// Changes to a method's own views; nothing is changed where nothing is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ViewOptions {
    /// The least share of an image's area in a large view, above 0 and up to 1. Small views of a method that
    /// has them stay as they are.
    pub min_scale: Option<f64>,
    /// How far brightness, contrast, saturation and hue vary, in times of the method's own; 0 for not at all.
    pub jitter: Option<f64>,
}

impl ViewOptions {
    /// # Errors
    /// A number that makes no sense.
    pub fn validate(&self) -> Result<(), SslError> {
        if let Some(scale) = self.min_scale.filter(|it| !(*it > 0.0 && *it <= 1.0)) {
            let (what, expected) = ("the least scale of a view", "a number above 0 and up to 1");
            return Err(SslError::BadOption { what, value: scale.to_string(), expected });
        }
        if let Some(jitter) = self.jitter.filter(|it| !(it.is_finite() && *it >= 0.0)) {
            let (what, expected) = ("the jitter of the views", "a number from 0");
            return Err(SslError::BadOption { what, value: jitter.to_string(), expected });
        }
        Ok(())
    }

    /// The method's views, changed.
    pub(crate) fn apply(&self, mut views: Vec<ViewRecipe>) -> Vec<ViewRecipe> {
        for ViewRecipe { augment, .. } in &mut views {
            let range = augment.random_resized_crop.as_mut().filter(|range| range.scale[1] >= 1.0);
            if let (Some(range), Some(scale)) = (range, self.min_scale) {
                range.scale[0] = scale;
            }
            let jitter = augment.colour.as_mut().and_then(|colour| colour.jitter.as_mut());
            if let (Some(jitter), Some(times)) = (jitter, self.jitter) {
                jitter.brightness *= times;
                jitter.contrast *= times;
                jitter.saturation *= times;
                jitter.hue = (jitter.hue * times).min(0.5);
            }
        }
        views
    }
}

#[cfg(test)]
mod tests {
    use tl_data::{Augment, Colour, CropRange};

    use super::*;

    fn view(scale: [f64; 2]) -> ViewRecipe {
        let range = CropRange { scale, ..CropRange::default() };
        let augment = Augment::cropped(range).coloured(Colour::simclr(1.0));
        ViewRecipe { size: None, augment }
    }

    fn jitter(view: &ViewRecipe) -> [f64; 2] {
        let colour = view.augment.colour.as_ref();
        colour.and_then(|it| it.jitter.as_ref()).map(|it| [it.contrast, it.hue]).unwrap()
    }

    #[test]
    fn large_views_show_more_and_all_vary_less() {
        let views = vec![view([0.2, 1.0]), view([0.05, 0.4])];
        assert_eq!(ViewOptions::default().apply(views.clone()), views);
        let changed = ViewOptions { min_scale: Some(0.5), jitter: Some(0.5) }.apply(views.clone());
        let scale =
            |at: usize| changed[at].augment.random_resized_crop.as_ref().map(|range| range.scale);
        assert_eq!([scale(0), scale(1)], [Some([0.5, 1.0]), Some([0.05, 0.4])]);
        assert_eq!([jitter(&changed[0]), jitter(&changed[1])], [[0.4, 0.1]; 2]);
        // A hue has gone round at half a turn.
        let wild = ViewOptions { jitter: Some(9.0), ..ViewOptions::default() }.apply(views);
        assert_eq!(jitter(&wild[0])[1], 0.5);
    }

    #[test]
    fn senseless_numbers_are_refused() {
        for (min_scale, jitter) in [(0.0, 1.0), (1.5, 1.0), (f64::NAN, 1.0), (0.5, -1.0)] {
            let options = ViewOptions { min_scale: Some(min_scale), jitter: Some(jitter) };
            assert!(options.validate().is_err(), "{options:?}");
        }
        assert!(ViewOptions { min_scale: Some(1.0), jitter: Some(0.0) }.validate().is_ok());
    }
}
