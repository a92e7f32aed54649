//! Pictures beside each other, each with what is said of it.

use serde::{Deserialize, Serialize};

use super::markup::escape;
use super::sections::base64;

/// A thing that is shown in one picture or in several of one size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shot {
    /// What is said of it.
    pub caption: String,
    /// PNG files and, for those who cannot see them, what they show.
    pub pictures: Vec<(Vec<u8>, String)>,
}

/// All of them, as many in a row as there is room for.
pub(super) fn render(shots: &[Shot]) -> String {
    let picture = |(png, what): &(Vec<u8>, String)| {
        let (data, what) = (base64(png), escape(what));
        format!("<img alt=\"{what}\" src=\"data:image/png;base64,{data}\"/>")
    };
    let shot = |shot: &Shot| {
        let pictures: String = shot.pictures.iter().map(picture).collect();
        let caption = escape(&shot.caption);
        format!("<figure>{pictures}<figcaption>{caption}</figcaption></figure>")
    };
    let all: String = shots.iter().map(shot).collect();
    format!("<div class=\"gallery\">{all}</div>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_part_of_the_page_and_captions_are_no_markup() {
        let pictures = vec![(b"foob".to_vec(), "a \"cat\"".to_string())];
        let shown = render(&[Shot { caption: "<b>".into(), pictures }]);
        assert_eq!(
            shown,
            "<div class=\"gallery\"><figure><img alt=\"a &quot;cat&quot;\" src=\"data:image/png;base64,Zm9vYg==\"/>\
             <figcaption>&lt;b&gt;</figcaption></figure></div>"
        );
    }
}
