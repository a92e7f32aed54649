//! Schemes by which the tags of words mark where an entity begins and ends.

use serde::{Deserialize, Serialize};

/// What a tag says about its word's place in an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Outside,
    /// `B`
    Begin,
    /// `I`
    Inside,
    /// `E`, and `L` of BILOU.
    End,
    /// `S`, and `U` of BILOU: an entity of one word.
    Single,
}

/// The mark and the type of a tag: `B-geo-loc` is a beginning of `geo-loc`. Nothing for what is no tag.
pub fn mark_and_type(tag: &str) -> Option<(Mark, &str)> {
    if tag == "O" {
        return Some((Mark::Outside, ""));
    }
    let (mark, kind) = tag.split_once('-')?;
    let mark = match mark {
        "B" => Mark::Begin,
        "I" => Mark::Inside,
        "E" | "L" => Mark::End,
        "S" | "U" => Mark::Single,
        _ => return None,
    };
    (!kind.is_empty()).then_some((mark, kind))
}

/// How tags mark entities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `B` stands only between two entities of one type that touch (Ramshaw and Marcus 1995).
    Iob1,
    /// Every entity begins with `B`; also called BIO.
    #[default]
    Iob2,
    /// Ends and single words are marked too, `E` and `S`.
    Bioes,
    /// The same with `L` and `U`.
    Bilou,
}

impl Scheme {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iob1 => "IOB1",
            Self::Iob2 => "IOB2 (BIO)",
            Self::Bioes => "BIOES",
            Self::Bilou => "BILOU",
        }
    }

    /// The scheme of all `tags`, one after another with an `O` between sentences; all of them have a mark and a type.
    ///
    /// Tags with `B` and `I` alone are IOB1 where an entity begins with `I` and none with a `B` that IOB1 would
    /// not need; otherwise they are IOB2.
    pub fn of<'t>(tags: impl Iterator<Item = &'t str>) -> Self {
        let (mut needless_begins, mut opening_insides) = (0, 0);
        let mut before = "";
        let mut found = None;
        for tag in tags {
            let Some((mark, kind)) = mark_and_type(tag) else { continue };
            match mark {
                Mark::Begin if before != kind => needless_begins += 1,
                Mark::Inside if before != kind => opening_insides += 1,
                Mark::End | Mark::Single if tag.starts_with(['E', 'S']) => {
                    found = Some(Self::Bioes);
                }
                Mark::End | Mark::Single => found = Some(Self::Bilou),
                _ => {}
            }
            before = kind;
        }
        match (found, opening_insides > 0 && needless_begins == 0) {
            (Some(found), _) => found,
            (None, true) => Self::Iob1,
            (None, false) => Self::Iob2,
        }
    }
}

/// The tags of an IOB1 sentence as IOB2 writes them: every entity begins with `B`.
pub(super) fn from_iob1(tags: &mut [String]) {
    let mut before = String::new();
    for tag in tags {
        let kind = mark_and_type(tag).map_or("", |(_, kind)| kind).to_string();
        if !kind.is_empty() && kind != before {
            *tag = format!("B-{kind}");
        }
        before = kind;
    }
}

/// How many tags go on with an entity that nothing began.
pub(super) fn broken<'t>(tags: impl Iterator<Item = &'t str>) -> usize {
    let mut open = "";
    let mut count = 0;
    for tag in tags {
        let Some((mark, kind)) = mark_and_type(tag) else { continue };
        count += usize::from(matches!(mark, Mark::Inside | Mark::End) && open != kind);
        open = if matches!(mark, Mark::Begin | Mark::Inside) { kind } else { "" };
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(tags: &str) -> Scheme {
        Scheme::of(tags.split(' '))
    }

    #[test]
    fn schemes_are_told_apart() {
        assert_eq!(scheme("B-x I-x O B-x B-x O B-y"), Scheme::Iob2);
        assert_eq!(scheme("I-x I-x O I-x B-x O I-y"), Scheme::Iob1);
        assert_eq!(scheme("B-x E-x O S-y"), Scheme::Bioes);
        assert_eq!(scheme("B-x L-x O U-y"), Scheme::Bilou);
        assert_eq!(scheme("O O"), Scheme::Iob2);
        // Some entities begin with I, but others with a B that IOB1 would not have: IOB2 with faults.
        assert_eq!(scheme("B-x I-x O I-x O"), Scheme::Iob2);
    }

    #[test]
    fn iob1_becomes_iob2() {
        let mut tags: Vec<String> =
            "I-x I-x B-x I-y O I-y".split(' ').map(str::to_string).collect();
        from_iob1(&mut tags);
        assert_eq!(tags, ["B-x", "I-x", "B-x", "B-y", "O", "B-y"]);
    }

    #[test]
    fn a_tag_has_a_mark_and_a_type() {
        assert_eq!(mark_and_type("B-geo-loc"), Some((Mark::Begin, "geo-loc")));
        for wrong in ["B", "B-", "X-loc", "loc", "", "o", "BB-loc"] {
            assert_eq!(mark_and_type(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_goes_on_with_nothing_is_counted() {
        assert_eq!(broken("B-x I-x O I-x I-x B-x I-y".split(' ')), 2);
        assert_eq!(broken("B-x E-x E-x S-x I-x".split(' ')), 2);
    }
}
