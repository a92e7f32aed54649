//! How training images are varied, said in words: `crop,flip,jitter=0.4,erasing=0.25`.

use std::str::FromStr;

use crate::{Augment, Colour, CropRange, DataError, Erasing, Jitter, RandAugment};

/// The words and what they mean, for messages.
const WORDS: &str = "crop, flip, randaugment, jitter, grey, erasing";

impl FromStr for Augment {
    type Err = DataError;

    /// Reads words between commas, each perhaps with `=` and numbers between colons:
    /// `crop=LEAST` (a random part of at least this share of the area; .08),
    /// `flip=P` (mirrored with this probability; .5),
    /// `randaugment=N:M` (N changes of magnitude M of torchvision's list; 2:9),
    /// `jitter=X` or `jitter=B:C:S:H` (brightness, contrast, saturation, hue; X is `X:X:X:X/4`; .4),
    /// `grey=P` (without colour with this probability; .2),
    /// `erasing=P` (a rectangle erased with this probability; .5).
    ///
    /// What is not named does not happen.
    fn from_str(text: &str) -> Result<Self, DataError> {
        let mut augment = Self::none();
        let mut seen: Vec<&str> = Vec::new();
        for term in text.split(',').map(str::trim) {
            let (word, numbers) = match term.split_once('=') {
                Some((word, numbers)) => (word.trim(), numbers_of(term, numbers)?),
                None => (term, Vec::new()),
            };
            if seen.contains(&word) {
                return Err(DataError::Augment(format!("{word} is named twice: name it once")));
            }
            seen.push(word);
            augment.take(word, &numbers, term)?;
        }
        augment.validate()?;
        Ok(augment)
    }
}

impl Augment {
    fn take(&mut self, word: &str, numbers: &[f64], term: &str) -> Result<(), DataError> {
        let one = |usual: f64| match numbers {
            [] => Ok(usual),
            [number] => Ok(*number),
            _ => Err(DataError::Augment(format!("{term:?}: {word} takes one number"))),
        };
        match word {
            "crop" => {
                let range = CropRange::default();
                let scale = [one(range.scale[0])?, range.scale[1]];
                self.random_resized_crop = Some(CropRange { scale, ..range });
            }
            "flip" => self.flip = one(0.5)?,
            "randaugment" => self.rand_augment = Some(rand_augment(numbers, term)?),
            "jitter" => {
                let [brightness, contrast, saturation, hue] = match *numbers {
                    [] => [0.4, 0.4, 0.4, 0.1],
                    // The proportion that SimCLR has.
                    [all] => [all, all, all, all / 4.0],
                    [brightness, contrast, saturation, hue] => {
                        [brightness, contrast, saturation, hue]
                    }
                    _ => {
                        let problem = format!("{term:?}: jitter takes one number or four");
                        return Err(DataError::Augment(problem));
                    }
                };
                let jitter = Jitter { probability: 1.0, brightness, contrast, saturation, hue };
                self.colour.get_or_insert_with(Colour::default).jitter = Some(jitter);
            }
            "grey" => self.colour.get_or_insert_with(Colour::default).greyscale = one(0.2)?,
            "erasing" => {
                let usual = Erasing::default();
                let probability = one(usual.probability)?;
                self.erasing = Some(Erasing { probability, ..usual });
            }
            _ => {
                let problem = format!("there is no {word:?}: name some of {WORDS}");
                return Err(DataError::Augment(problem));
            }
        }
        Ok(())
    }
}

fn numbers_of(term: &str, numbers: &str) -> Result<Vec<f64>, DataError> {
    let number = |text: &str| {
        let wrong = || DataError::Augment(format!("{term:?}: {text:?} is no number"));
        text.trim().parse::<f64>().map_err(|_| wrong())
    };
    numbers.split(':').map(number).collect()
}

fn rand_augment(numbers: &[f64], term: &str) -> Result<RandAugment, DataError> {
    let whole = |number: f64| {
        let fits = number.fract() == 0.0 && (0.0..=1000.0).contains(&number);
        let wrong = || DataError::Augment(format!("{term:?}: {number} is no whole number"));
        if fits { Ok(number as usize) } else { Err(wrong()) }
    };
    match *numbers {
        [] => Ok(RandAugment::default()),
        [operations, magnitude] => {
            Ok(RandAugment { operations: whole(operations)?, magnitude: whole(magnitude)? })
        }
        _ => {
            let problem = format!("{term:?}: randaugment takes two numbers, as in randaugment=2:9");
            Err(DataError::Augment(problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Augment {
        text.parse().unwrap()
    }

    #[test]
    fn words_say_what_happens_and_nothing_else_does() {
        assert_eq!(read("crop,flip"), Augment::cropped(CropRange::default()));
        assert_eq!(read("flip=1"), Augment { flip: 1.0, ..Augment::none() });
        let augment = read("crop=0.3, jitter=0.4,erasing=0.25,randaugment=3:12,grey");
        assert_eq!(augment.random_resized_crop.unwrap().scale, [0.3, 1.0]);
        assert_eq!(augment.flip, 0.0);
        assert_eq!(augment.rand_augment, Some(RandAugment { operations: 3, magnitude: 12 }));
        assert_eq!(augment.erasing.unwrap().probability, 0.25);
        let colour = augment.colour.unwrap();
        assert_eq!(colour.greyscale, 0.2);
        assert_eq!(colour.jitter.unwrap().hue, 0.1);
        let jitter = read("jitter=0.1:0.2:0.3:0.05").colour.unwrap().jitter.unwrap();
        assert_eq!((jitter.brightness, jitter.contrast), (0.1, 0.2));
        assert_eq!((jitter.saturation, jitter.hue), (0.3, 0.05));
    }

    #[test]
    fn words_and_their_json_mean_the_same() {
        for text in ["crop,flip", "randaugment", "jitter,erasing", "grey=1,flip,crop=0.5"] {
            let json = serde_json::to_string(&read(text)).unwrap();
            assert_eq!(serde_json::from_str::<Augment>(&json).unwrap(), read(text), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_told_in_a_line() {
        for (text, part) in [
            ("", "name some of crop"),
            ("cut", "there is no \"cut\""),
            ("flip,flip=1", "flip is named twice"),
            ("flip=often", "\"often\" is no number"),
            ("flip=2", "the probability of a flip is 2"),
            ("flip=0:1", "one number"),
            ("jitter=1:2", "one number or four"),
            ("jitter=3", "hue is 0.75"),
            ("randaugment=2", "two numbers"),
            ("randaugment=1.5:9", "1.5 is no whole number"),
            ("randaugment=2:31", "magnitude is 31"),
            ("erasing=-1", "erasing is -1"),
            ("crop=0", "scale"),
        ] {
            let message = text.parse::<Augment>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
            assert_eq!(message.lines().count(), 1);
        }
    }
}
