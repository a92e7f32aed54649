//! Images from files to a network's input, as the program reads them: decoded, resized, cut out, normalised.

use std::path::Path;
use std::sync::Arc;

use tl::data::{Images, Loader, Preprocess};

use crate::Outcome;
use crate::networks::Work;
use crate::request::{IMAGES, Request};

/// The shorter side for 224 pixels that are cut out.
const RESIZE: [usize; 2] = [256, 224];

/// One pass over the images of the folder, on so many threads; and how many there are.
pub fn pass(request: &Request, threads: usize) -> Outcome<(Work, usize)> {
    let folder = std::env::var_os(IMAGES).ok_or("no folder of images is named")?;
    let images = Arc::new(Images::open(Path::new(&folder))?);
    let count = images.len();
    let [resize, cut] = RESIZE;
    let preprocess = Preprocess::imagenet(request.size * resize / cut, request.size);
    let loader = Loader::new(images, preprocess, threads, true)?;
    let batch = request.batch;
    let work = move || -> Outcome<()> {
        let mut seen = 0;
        for batch in loader.batches((0..count).collect(), batch, None) {
            seen += batch?.indices.len();
        }
        if seen == count { Ok(()) } else { Err(format!("{seen} of {count} images").into()) }
    };
    Ok((Box::new(work), count))
}
