//! Fashion-MNIST with a small validation part: a large one would take longer to measure than the fitting.

use std::io::Read;
use std::path::Path;

use crate::shell::{During, Failure, Outcome, cache, root, write};

/// The training images that are set aside to choose an epoch.
const VALIDATION: usize = 300;

/// Writes the folder unless it is there; answers its path. The last 300 training images become the
/// validation part.
///
/// # Errors
/// When the images were not fetched (`cargo xtask assets`), or are not what they should be.
pub fn fashion(folder: &Path) -> Outcome<()> {
    let done = folder.join("classes.txt");
    if done.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).during("cannot make a folder")?;
    for (kind, header) in [("images-idx3-ubyte", 16), ("labels-idx1-ubyte", 8)] {
        let test = unpacked(&format!("t10k-{kind}"))?;
        write(&folder.join(format!("t10k-{kind}")), &test)?;
        let training = unpacked(&format!("train-{kind}"))?;
        let [first, rest] = divided(&training, header)?;
        write(&folder.join(format!("train-{kind}")), &first)?;
        write(&folder.join(format!("validation-{kind}")), &rest)?;
    }
    let names = root().join("assets").join("fashion_mnist").join("classes.txt");
    std::fs::copy(names, &done).during("cannot write the names of the classes")?;
    Ok(())
}

fn unpacked(name: &str) -> Outcome<Vec<u8>> {
    let path = cache()?.join(format!("fashion-mnist-{name}.gz"));
    let file = std::fs::File::open(&path)
        .during(format_args!("{}: fetch it with `cargo xtask assets`", path.display()))?;
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .during(format_args!("{}", path.display()))?;
    Ok(bytes)
}

/// An IDX file with a header of so many bytes, as two: all but the last images, and those.
fn divided(bytes: &[u8], header: usize) -> Outcome<[Vec<u8>; 2]> {
    let wrong = || Failure::new("a file of Fashion-MNIST is not what it should be".to_string());
    let (head, data) = bytes.split_at_checked(header).ok_or_else(wrong)?;
    let count = head
        .get(4..8)
        .and_then(|it| it.try_into().ok())
        .map(|it| u32::from_be_bytes(it) as usize)
        .filter(|count| {
            *count > VALIDATION && !data.is_empty() && data.len().is_multiple_of(*count)
        })
        .ok_or_else(wrong)?;
    let each = data.len() / count;
    let (first, rest) = data.split_at((count - VALIDATION) * each);
    let with_head = |count: usize, data: &[u8]| {
        let count = (count as u32).to_be_bytes();
        [&head[..4], &count, &head[8..], data].concat()
    };
    Ok([with_head(count - VALIDATION, first), with_head(VALIDATION, rest)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_images_become_the_validation_part() {
        let head = [0, 0, 8, 1, 0, 0, 4, 76];
        let labels: Vec<u8> = (0..1100u32).map(|at| at as u8).collect();
        let [first, rest] = divided(&[&head[..], &labels].concat(), 8).unwrap();
        assert_eq!(first[..8], [0, 0, 8, 1, 0, 0, 3, 32]);
        assert_eq!(first[8..], labels[..800]);
        assert_eq!(rest[..8], [0, 0, 8, 1, 0, 0, 1, 44]);
        assert_eq!(rest[8..], labels[800..]);
        assert!(divided(&head, 8).is_err() && divided(&head, 16).is_err());
    }
}
