//! What is ranked: networks with their weights, whole or cut after a stage.

use std::fmt;

use tl_core::Stage;

use crate::network::works_on_texts;
use crate::{EMBEDDED_NETWORK, Error, Network, networks};

/// The weights that are part of the program.
const EMBEDDED: &str = "embedded";

/// A network with its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The network's name.
    pub network: String,
    /// The stage whose output is the feature; what the whole network makes where it is not given.
    pub stage: Option<String>,
    /// Where the weights come from.
    pub weights: String,
}

impl fmt::Display for Candidate {
    /// As it is given to the program.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.network)?;
        if let Some(stage) = &self.stage {
            write!(out, "@{stage}")?;
        }
        match self.weights.as_str() {
            EMBEDDED => Ok(()),
            weights => write!(out, "={weights}"),
        }
    }
}

impl Candidate {
    /// Reads `NAME`, `NAME=WEIGHTS`, `NAME@STAGE` or `NAME@STAGE=WEIGHTS`; without weights those `usual`, which are the
    /// program's own where nothing is said.
    ///
    /// # Errors
    /// A name that no network has, a network whose weights are not part of the program without any, an empty part.
    pub fn parse(text: &str, usual: Option<&str>) -> Result<Self, Error> {
        let (left, weights) = match text.split_once('=') {
            Some((left, weights)) => (left, Some(weights)),
            None => (text, None),
        };
        let (network, stage) = match left.split_once('@') {
            Some((network, stage)) => (network, Some(stage)),
            None => (left, None),
        };
        if stage == Some("") || weights == Some("") {
            return Err(Error::options(
                format!("\"{text}\" is no network with its weights"),
                "give NAME, NAME=WEIGHTS, NAME@STAGE or NAME@STAGE=WEIGHTS",
            ));
        }
        Network::check_name(network)?;
        let weights = match (weights.or(usual), network) {
            (Some(weights), _) => weights,
            (None, EMBEDDED_NETWORK) => EMBEDDED,
            (None, _) => {
                return Err(Error::options(
                    format!("no weights were given for {network}"),
                    format!("write {network}=FILE with those of {network}, or {network}=random"),
                ));
            }
        };
        let stage = stage.map(str::to_string);
        Ok(Self { network: network.to_string(), stage, weights: weights.to_string() })
    }

    /// The candidates of `given`, each of which names one or several divided by commas, in their order and each once; before
    /// them the networks whose weights are part of the program, unless only those given are wanted or they work on texts.
    ///
    /// # Errors
    /// As [`Candidate::parse`]; networks of images beside such of texts.
    pub fn all(given: &[String], usual: Option<&str>, only: bool) -> Result<Vec<Self>, Error> {
        let parts = given.iter().flat_map(|text| divided(text));
        let named: Vec<Self> =
            parts.map(|part| Self::parse(&part, usual)).collect::<Result<_, _>>()?;
        let texts = |candidate: &&Self| works_on_texts(&candidate.network);
        let of_texts = named.iter().find(texts);
        let of_images = named.iter().find(|candidate| !texts(candidate));
        if let (Some(one), Some(other)) = (of_texts, of_images) {
            return Err(Error::options(
                format!("{} works on texts and {} on images", one.network, other.network),
                "rank them in two commands, each on data of its own",
            ));
        }
        let mut found = Vec::new();
        if !only && of_texts.is_none() {
            found.push(Self::parse(EMBEDDED_NETWORK, None)?);
        }
        for candidate in named {
            if !found.contains(&candidate) {
                found.push(candidate);
            }
        }
        if found.is_empty() {
            return Err(Error::options(
                "there is no network to rank",
                "give --models NAME=WEIGHTS",
            ));
        }
        Ok(found)
    }

    /// How many leading stages make the feature.
    ///
    /// # Errors
    /// A stage that the network does not have.
    pub(super) fn cut(&self, stages: &[Stage], whole: usize) -> Result<usize, Error> {
        let Some(name) = &self.stage else { return Ok(whole) };
        let place = stages.iter().position(|stage| stage.name == *name);
        place.map(|place| place + 1).ok_or_else(|| {
            let stages = stages.iter().map(|stage| stage.name.clone()).collect();
            tl_core::CoreError::UnknownStage { name: name.clone(), stages }.into()
        })
    }
}

/// The parts of a list divided by commas; a comma that belongs to weights, as in `adapter:FOLDER,base=SRC`, divides nothing:
/// behind weights a part begins with the name of a network.
fn divided(text: &str) -> Vec<String> {
    let known = |part: &str| {
        let name = part.split(['=', '@']).next().unwrap_or_default();
        networks().contains(&name)
    };
    let mut parts: Vec<String> = Vec::new();
    for part in text.split(',').map(str::trim) {
        match parts.last_mut() {
            Some(last) if last.contains('=') && !known(part) => {
                last.push(',');
                last.push_str(part);
            }
            _ => parts.push(part.to_string()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(given: &[&str], usual: Option<&str>, only: bool) -> Result<Vec<String>, String> {
        let given: Vec<String> = given.iter().map(|text| text.to_string()).collect();
        let found = Candidate::all(&given, usual, only).map_err(|error| error.to_string())?;
        Ok(found.iter().map(Candidate::to_string).collect())
    }

    #[test]
    fn candidates_are_read_as_they_are_written() {
        let given = ["mobilenet_v2@features.17,resnet18=a/b@c.pth", "resnet10@layer2=random"];
        let found = all(&given, None, false).unwrap();
        let expected = [
            "mobilenet_v2",
            "mobilenet_v2@features.17",
            "resnet18=a/b@c.pth",
            "resnet10@layer2=random",
        ];
        assert_eq!(found, expected);
        assert_eq!(all(&given, None, true).unwrap(), expected[1..]);
        // The network of the program stands there once.
        assert_eq!(all(&["mobilenet_v2, mobilenet_v2"], None, false).unwrap(), ["mobilenet_v2"]);
        assert_eq!(all(&[], None, false).unwrap(), ["mobilenet_v2"]);
        let usual = all(&["resnet10,resnet18=x"], Some("random"), true).unwrap();
        assert_eq!(usual, ["resnet10=random", "resnet18=x"]);
    }

    #[test]
    fn a_comma_of_weights_divides_nothing() {
        let given = "bert=adapter:folder,base=MiniLM,roberta=other";
        let found = all(&[given], None, false).unwrap();
        assert_eq!(found, ["bert=adapter:folder,base=MiniLM", "roberta=other"]);
    }

    #[test]
    fn what_is_no_candidate_is_told_in_a_line() {
        for (given, part) in [
            ("resnet18", "no weights were given for resnet18; write resnet18=FILE"),
            ("nonsense=random", "no network is called \"nonsense\""),
            ("resnet18@=random", "is no network with its weights"),
            ("resnet18=", "is no network with its weights"),
            ("", "no network is called \"\""),
            ("bert=x,resnet18=random", "bert works on texts and resnet18 on images"),
        ] {
            let message = all(&[given], None, true).unwrap_err();
            assert!(message.contains(part), "{given}: {message}");
        }
        assert!(all(&[], None, true).unwrap_err().contains("no network to rank"));
    }
}
