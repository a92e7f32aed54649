//! Points in the plane as inline SVG.

use std::fmt::Write;

use super::markup::{count, escape};
use super::sections::Map;

const SIDE: f64 = 400.0;
/// Room around the outermost points.
const ROOM: f64 = 10.0;

/// The map as a `<figure>`: the first cloud in discs, the second in rings. Points that are not finite are left out.
pub(super) fn render(map: &Map) -> String {
    let title = escape(&map.title);
    let finite = |points: &[[f64; 2]]| -> Vec<[f64; 2]> {
        points.iter().copied().filter(|point| point.iter().all(|v| v.is_finite())).collect()
    };
    let clouds: Vec<Vec<[f64; 2]>> = map.clouds.iter().map(|cloud| finite(&cloud.points)).collect();
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    for point in clouds.iter().flatten() {
        for axis in 0..2 {
            low[axis] = low[axis].min(point[axis]);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    // One scale for both axes, so that distances can be compared.
    let span = (high[0] - low[0]).max(high[1] - low[1]).max(f64::MIN_POSITIVE);
    let place = |value: f64, axis: usize| {
        let middle = low[axis] / 2.0 + high[axis] / 2.0;
        SIDE / 2.0 + (value - middle) / span * (SIDE - 2.0 * ROOM)
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
    for ((cloud, points), class) in map.clouds.iter().zip(&clouds).zip(["a", "b"]) {
        let _ = write!(
            legend,
            " <span class=\"legend\"><svg class=\"key\" viewBox=\"0 0 24 8\" aria-hidden=\"true\"><circle \
             class=\"mark {class}\" cx=\"12\" cy=\"4\" r=\"3.5\"/></svg>{}</span>",
            escape(&cloud.name)
        );
        for point in points {
            let (across, down) = (place(point[0], 0), SIDE - place(point[1], 1));
            let _ = write!(
                svg,
                "<circle class=\"point {class}\" cx=\"{across:.1}\" cy=\"{down:.1}\" r=\"3\"/>"
            );
        }
    }
    svg.push_str("</svg>");
    format!("<figure><figcaption>{title}{legend}</figcaption>{svg}</figure>")
}
