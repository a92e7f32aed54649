//! How good tags are as entities: an entity counts where its words and its type are right.
//!
//! Entities are read from tags in two ways, those of seqeval. The usual one is that of CoNLL-2000's script: what goes on with
//! nothing begins an entity. The strict one knows the scheme: what does not begin as the scheme says is none.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tl_data::text::{Mark, Scheme, mark_and_type};

use super::ClassScore;
use super::bootstrap::{DRAWS, middle};

/// An entity: its first word, the word behind its last one, and its type.
pub type Span<'t> = (usize, usize, &'t str);

/// Entities as the usual mode reads them: sequences that are broken hold entities too.
pub fn spans<'t>(tags: &[&'t str]) -> Vec<Span<'t>> {
    let mut found = Vec::new();
    let mut begun = 0;
    let (mut before, mut kind_before) = (b'O', "");
    for (at, tag) in tags.iter().copied().chain(["O"]).enumerate() {
        let mark = tag.bytes().next().unwrap_or(b'O');
        let kind = mark_and_type(tag).map_or("", |(_, kind)| kind);
        let other = kind != kind_before;
        let inside = before != b'O';
        let ends = match before {
            b'O' => false,
            b'E' | b'S' => true,
            b'B' | b'I' if matches!(mark, b'B' | b'S' | b'O') => true,
            _ => other,
        };
        if ends && inside {
            found.push((begun, at, kind_before));
        }
        let begins = match mark {
            b'O' => false,
            b'B' | b'S' => true,
            b'E' | b'I' => matches!(before, b'E' | b'S' | b'O') || other,
            _ => other,
        };
        if begins {
            begun = at;
        }
        (before, kind_before) = (mark, kind);
    }
    found
}

/// Entities as the strict mode reads them: in IOB2 a beginning and what goes on with it, in BIOES and BILOU a single word, or a
/// beginning, what goes on with it, and an end.
pub fn strict_spans<'t>(tags: &[&'t str], scheme: Scheme) -> Vec<Span<'t>> {
    let closes = matches!(scheme, Scheme::Bioes | Scheme::Bilou);
    let parts: Vec<(Mark, &str)> =
        tags.iter().map(|tag| mark_and_type(tag).unwrap_or((Mark::Outside, ""))).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&(mark, kind)) = parts.get(at) {
        let begun = at;
        at += 1;
        let mut whole = !closes || mark == Mark::Single;
        match mark {
            Mark::Single if closes => {}
            Mark::Begin => {
                while let Some(&(Mark::Inside | Mark::End, same)) = parts.get(at)
                    && same == kind
                {
                    at += 1;
                    if parts[at - 1].0 == Mark::End {
                        whole = true;
                        break;
                    }
                }
            }
            _ => continue,
        }
        if whole {
            found.push((begun, at, kind));
        }
    }
    found
}

/// Precision, recall and their harmonic mean; a ratio without a denominator counts as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

/// Right, predicted and true entities.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    right: u64,
    predicted: u64,
    truth: u64,
}

impl Counts {
    fn score(self) -> Score {
        let share = |of: u64| if of == 0 { 0.0 } else { self.right as f64 / of as f64 };
        let (precision, recall) = (share(self.predicted), share(self.truth));
        let sum = precision + recall;
        let f1 = if sum == 0.0 { 0.0 } else { 2.0 * precision * recall / sum };
        Score { precision, recall, f1 }
    }

    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.predicted += other.predicted;
        self.truth += other.truth;
    }
}

/// Scores over all entities and over types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntityScores {
    /// True entities.
    pub n: u64,
    /// Over all entities together.
    pub micro: Score,
    /// The mean over types, those that were only predicted included.
    #[serde(rename = "macro")]
    pub mean: Score,
    /// The mean over types by their number of true entities.
    pub weighted: Score,
    /// In the order of the alphabet.
    pub per_type: Vec<ClassScore>,
}

/// Both readings of the same tags.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entities {
    pub scheme: Scheme,
    #[serde(flatten)]
    pub usual: EntityScores,
    pub strict: EntityScores,
    /// The middle 95 % of the micro F1 over 1,000 draws of as many sentences.
    pub interval: [f64; 2],
}

/// A sentence's true tags and the predicted ones.
pub type Pair<'t> = (Vec<&'t str>, Vec<&'t str>);

impl Entities {
    /// Compares the tags of sentences; both of a pair are equally long.
    pub fn of(sentences: &[Pair<'_>], scheme: Scheme) -> Self {
        let (usual, counts) = scores(sentences, |tags| spans(tags));
        let (strict, _) = scores(sentences, |tags| strict_spans(tags, scheme));
        Self { scheme, usual, strict, interval: interval(&counts) }
    }
}

fn scores<'t>(
    sentences: &[Pair<'t>],
    read: impl Fn(&[&'t str]) -> Vec<Span<'t>>,
) -> (EntityScores, Vec<Counts>) {
    let mut types: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut each = Vec::with_capacity(sentences.len());
    for (truth, predicted) in sentences {
        let truth: BTreeSet<Span<'_>> = read(truth).into_iter().collect();
        let predicted: BTreeSet<Span<'_>> = read(predicted).into_iter().collect();
        let mut sentence = Counts::default();
        let mut count = |kind, right, predicted, truth| {
            let one = Counts { right, predicted, truth };
            types.entry(kind).or_default().add(one);
            sentence.add(one);
        };
        truth.iter().for_each(|span| count(span.2, 0, 0, 1));
        predicted.iter().for_each(|span| count(span.2, u64::from(truth.contains(span)), 1, 0));
        each.push(sentence);
    }
    let mut all = Counts::default();
    types.values().for_each(|counts| all.add(*counts));
    let mean = |weight: &dyn Fn(&Counts) -> f64| {
        let sum: f64 = types.values().map(weight).sum();
        let over = |of: fn(Score) -> f64| {
            let weighed = types.values().map(|counts| weight(counts) * of(counts.score()));
            if sum == 0.0 { 0.0 } else { weighed.sum::<f64>() / sum }
        };
        Score {
            precision: over(|it| it.precision),
            recall: over(|it| it.recall),
            f1: over(|it| it.f1),
        }
    };
    let per_type = types.iter().map(|(kind, counts)| {
        let Score { precision, recall, f1 } = counts.score();
        ClassScore { label: kind.to_string(), precision, recall, f1, n: counts.truth }
    });
    let found = EntityScores {
        n: all.truth,
        micro: all.score(),
        mean: mean(&|_| 1.0),
        weighted: mean(&|counts| counts.truth as f64),
        per_type: per_type.collect(),
    };
    (found, each)
}

/// The bootstrap's percentiles; the draws depend on the number of sentences alone.
fn interval(sentences: &[Counts]) -> [f64; 2] {
    let draws = (0..DRAWS).map(|draw| {
        let mut random = tl_random::rng(0, "bootstrap of sentences", draw, 0);
        let mut sum = Counts::default();
        for _ in sentences {
            sum.add(sentences.get(random.below(sentences.len())).copied().unwrap_or_default());
        }
        sum.score().f1
    });
    middle(draws.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Vec<&str> {
        text.split(' ').collect()
    }

    #[test]
    fn a_sequence_that_goes_on_with_nothing_is_an_entity_in_the_usual_mode_alone() {
        let broken = tags("O I-x I-x B-y I-x");
        assert_eq!(spans(&broken), [(1, 3, "x"), (3, 4, "y"), (4, 5, "x")]);
        assert_eq!(strict_spans(&broken, Scheme::Iob2), [(3, 4, "y")]);
    }

    #[test]
    fn bioes_needs_an_end_in_the_strict_mode() {
        let text = tags("B-x I-x O S-y B-x E-x E-x");
        assert_eq!(spans(&text), [(0, 2, "x"), (3, 4, "y"), (4, 6, "x"), (6, 7, "x")]);
        assert_eq!(strict_spans(&text, Scheme::Bioes), [(3, 4, "y"), (4, 6, "x")]);
    }

    #[test]
    fn nothing_at_all_gives_zeros_and_no_nan() {
        let found = Entities::of(&[(tags("O O"), tags("O O"))], Scheme::Iob2);
        assert_eq!(
            (found.usual.micro.f1, found.usual.mean.f1, found.usual.weighted.f1),
            (0.0, 0.0, 0.0)
        );
        let found = Entities::of(&[], Scheme::Iob2);
        assert_eq!(found.interval, [0.0, 0.0]);
    }

    #[test]
    fn the_interval_holds_the_score() {
        let right = (tags("B-x O"), tags("B-x O"));
        let wrong = (tags("B-x O"), tags("O O"));
        let sentences: Vec<Pair<'_>> =
            (0..100).map(|at| if at % 4 == 0 { wrong.clone() } else { right.clone() }).collect();
        let found = Entities::of(&sentences, Scheme::Iob2);
        let [low, high] = found.interval;
        assert!(low < found.usual.micro.f1 && found.usual.micro.f1 < high && high - low < 0.2);
    }
}
