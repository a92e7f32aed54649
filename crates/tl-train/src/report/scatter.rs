//! Points in the plane as inline SVG.

use std::fmt::Write;

use super::chart::{plain, ticks};
use super::marks::Mark;
use super::markup::{count, escape};
use super::sections::{Cloud, Map};

const SIDE: f64 = 400.0;
/// Room around the outermost points.
const ROOM: f64 = 10.0;
/// Room around the outermost numbers at the axes.
const ROOM_FOR_NUMBERS: f64 = 40.0;

/// More clouds than this are told by their points alone.
const NAMED: usize = 30;

/// The map as a `<figure>`: of two clouds the first in discs, the second in rings; of more each in a colour, and each in
/// another shape than the next. Points that are not finite are left out.
pub(super) fn render(map: &Map) -> String {
    let title = escape(&map.title);
    let finite = |cloud: &Cloud| -> Vec<[f64; 2]> {
        cloud.points.iter().copied().filter(is_finite).collect()
    };
    let clouds: Vec<Vec<[f64; 2]>> = map.clouds.iter().map(finite).collect();
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    for point in clouds.iter().flatten() {
        for axis in 0..2 {
            low[axis] = low[axis].min(point[axis]);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    let shown = clouds.iter().flatten().flatten().copied().collect::<Vec<f64>>();
    let marks = if map.of_one_unit && !shown.is_empty() {
        ticks(&shown, (f64::NEG_INFINITY, f64::INFINITY))
    } else {
        Vec::new()
    };
    let mut edge = ROOM;
    if let [first, .., last] = marks[..] {
        (low, high) = ([first; 2], [last; 2]);
        edge = ROOM_FOR_NUMBERS;
    }
    // One scale for both axes, so that distances can be compared.
    let span = (high[0] - low[0]).max(high[1] - low[1]).max(f64::MIN_POSITIVE);
    let place = |value: f64, axis: usize| {
        let middle = low[axis] / 2.0 + high[axis] / 2.0;
        SIDE / 2.0 + (value - middle) / span * (SIDE - 2.0 * edge)
    };
    let sizes: Vec<String> = map
        .clouds
        .iter()
        .zip(&clouds)
        .map(|(cloud, points)| format!("{} {}", count(points.len() as u64), cloud.name))
        .collect();
    let mut svg = format!(
        "<svg viewBox=\"0 0 {SIDE} {SIDE}\" role=\"img\" aria-label=\"{title}: {}\">",
        escape(&sizes.join(", "))
    );
    let mut legend = String::new();
    let ends = (edge, SIDE - edge);
    for &mark in &marks {
        let (across, down, text) = (place(mark, 0), SIDE - place(mark, 1), escape(&plain(mark)));
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{} {down:.1}H{}M{across:.1} {}V{}\"/><text class=\"end\" x=\"{}\" y=\"{:.1}\">{text}</text>\
             <text class=\"middle\" x=\"{across:.1}\" y=\"{}\">{text}</text>",
            ends.0,
            ends.1,
            ends.0,
            ends.1,
            ends.0 - 6.0,
            down + 4.0,
            ends.1 + 18.0
        );
    }
    if !marks.is_empty() {
        let _ = write!(
            svg,
            "<path class=\"phase\" d=\"M{} {}L{} {}\"/>",
            ends.0, ends.1, ends.1, ends.0
        );
    }
    for (number, cloud) in map.clouds.iter().enumerate() {
        let mark = Mark::of(number, map.clouds.len());
        if map.clouds.len() <= NAMED {
            let _ = write!(
                legend,
                " <span class=\"legend\"><svg class=\"key\" viewBox=\"0 0 24 8\" aria-hidden=\"true\">{}</svg>{}</span>",
                mark.key(),
                escape(&cloud.name)
            );
        }
        let told = cloud.titles.iter().map(Some).chain(std::iter::repeat(None));
        for (point, title) in cloud.points.iter().zip(told).filter(|(point, _)| is_finite(point)) {
            let (across, down) = (place(point[0], 0), SIDE - place(point[1], 1));
            let title = title.map(|title| format!("<title>{}</title>", escape(title)));
            svg.push_str(&mark.point(across, down, title.as_deref().unwrap_or_default()));
        }
    }
    svg.push_str("</svg>");
    format!("<figure><figcaption>{title}{legend}</figcaption>{svg}</figure>")
}

fn is_finite(point: &[f64; 2]) -> bool {
    point.iter().all(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_one_unit_have_numbers_and_a_line_where_both_are_equal() {
        let cloud = Cloud {
            name: "texts".into(),
            points: vec![[0.0, 1.0], [4.0, 3.0], [f64::NAN, 0.0]],
            titles: Vec::new(),
        };
        let map = |of_one_unit| Map { title: "a".into(), clouds: vec![cloud.clone()], of_one_unit };
        let drawn = render(&map(true));
        // Ticks are 0 to 4, and 0 to 4 lie on 40 to 360 units: 80 units each.
        for part in [
            ">0</text>",
            ">4</text>",
            "M40 360L360 40",
            "cx=\"40.0\" cy=\"280.0\"",
            "cx=\"360.0\" cy=\"120.0\"",
        ] {
            assert!(drawn.contains(part), "{part} is not in {drawn}");
        }
        assert!(!render(&map(false)).contains("</text>"));
    }

    #[test]
    fn many_clouds_have_colours_and_points_say_what_they_are() {
        let cloud = |at: usize| Cloud {
            name: format!("class {at}"),
            points: vec![[at as f64, 0.0], [f64::NAN, 0.0], [at as f64, 1.0]],
            titles: ["a", "b", "<c>"].map(|name| format!("{name} {at}")).to_vec(),
        };
        let map = |clouds: usize| Map {
            title: "features".into(),
            clouds: (0..clouds).map(cloud).collect(),
            of_one_unit: false,
        };
        let drawn = render(&map(3));
        assert_eq!(drawn.matches("<title>").count(), 6);
        assert!(drawn.contains("<title>&lt;c&gt; 2</title>") && !drawn.contains("<title>b"));
        for hue in ["hsl(0 ", "hsl(120 ", "hsl(240 "] {
            assert_eq!(drawn.matches(hue).count(), 3, "two points and a key: {drawn}");
        }
        assert!(drawn.contains("class 2</span>"));
        assert!(!render(&map(31)).contains("legend"));
        assert!(render(&map(2)).contains("class=\"point a\""));
    }
}
