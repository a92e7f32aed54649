//! The marks by which points of several clouds are told apart.

/// A shape and a colour.
pub(super) enum Mark {
    /// By a class of the style sheet.
    Styled(&'static str),
    /// One of four shapes, in a hue of the colour circle: degrees.
    Hue { shape: usize, hue: usize },
}

impl Mark {
    /// That of the cloud `number` of `clouds`.
    pub fn of(number: usize, clouds: usize) -> Self {
        match (number, clouds) {
            (0, 0..=2) => Self::Styled("a"),
            (_, 0..=2) => Self::Styled("b"),
            _ => Self::Hue { shape: number % 4, hue: number * 360 / clouds },
        }
    }

    /// A point at a place; `inside` is markup.
    pub fn point(&self, across: f64, down: f64, inside: &str) -> String {
        match self {
            Self::Styled(class) => format!(
                "<circle class=\"point {class}\" cx=\"{across:.1}\" cy=\"{down:.1}\" r=\"3\"{}",
                closed("circle", inside)
            ),
            Self::Hue { shape, hue } => {
                // Around the place: disc, square, triangle, diamond, of about the same area.
                let path = match shape {
                    0 => format!("M{:.1} {down:.1}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z", across - 3.0),
                    1 => format!("M{:.1} {:.1}h5.4v5.4h-5.4z", across - 2.7, down - 2.7),
                    2 => format!("M{across:.1} {:.1}l3.6 6.2h-7.2z", down - 4.1),
                    _ => format!("M{across:.1} {:.1}l3.8 3.8l-3.8 3.8l-3.8 -3.8z", down - 3.8),
                };
                format!(
                    "<path class=\"hue\" style=\"fill:hsl({hue} 70% var(--hue))\" d=\"{path}\"{}",
                    closed("path", inside)
                )
            }
        }
    }

    /// The same in a legend's drawing of 24 × 8 units.
    pub fn key(&self) -> String {
        match self {
            Self::Styled(class) => {
                format!("<circle class=\"mark {class}\" cx=\"12\" cy=\"4\" r=\"3.5\"/>")
            }
            Self::Hue { .. } => self.point(12.0, 4.0, ""),
        }
    }
}

/// The end of a tag that was begun, with what stands in it.
fn closed(tag: &str, inside: &str) -> String {
    if inside.is_empty() { "/>".to_string() } else { format!(">{inside}</{tag}>") }
}
