//! An image in memory.

use crate::DataError;

/// An image of 8 bits per channel, red, green, blue, rows from the top: `[height, width, 3]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb8 {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

impl Rgb8 {
    /// An image from its bytes, `[height, width, 3]`.
    ///
    /// # Errors
    /// A side of 0, or a number of bytes that is not `height × width × 3`.
    pub fn new(width: usize, height: usize, bytes: Vec<u8>) -> Result<Self, DataError> {
        let wanted = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3));
        if width == 0 || height == 0 || wanted != Some(bytes.len()) {
            return Err(DataError::Broken {
                name: "image".into(),
                reason: format!("{width}×{height} pixels do not fit {} bytes", bytes.len()),
            });
        }
        Ok(Self { width, height, bytes })
    }

    /// An image from grey values, `[height, width]`: each becomes red, green and blue.
    ///
    /// # Errors
    /// As [`Rgb8::new`].
    pub fn from_grey(width: usize, height: usize, grey: &[u8]) -> Result<Self, DataError> {
        let bytes = grey.iter().flat_map(|&value| [value; 3]).collect();
        Self::new(width, height, bytes)
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The image as a PNG file.
    ///
    /// # Errors
    /// A side that PNG has no room for.
    pub fn to_png(&self) -> Result<Vec<u8>, DataError> {
        use image::ImageEncoder;
        let broken = |reason: String| DataError::Broken { name: "image".into(), reason };
        let side = |pixels: usize| u32::try_from(pixels).map_err(|error| broken(error.to_string()));
        let mut png = Vec::new();
        image::codecs::png::PngEncoder::new(&mut png)
            .write_image(
                &self.bytes,
                side(self.width)?,
                side(self.height)?,
                image::ExtendedColorType::Rgb8,
            )
            .map_err(|error| broken(error.to_string()))?;
        Ok(png)
    }

    /// The bytes, `[height, width, 3]`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The part that begins at column `left` and row `top`; what lies outside the image is cut off.
    pub(crate) fn cut(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        let (left, top) = (left.min(self.width), top.min(self.height));
        let (width, height) = (width.min(self.width - left), height.min(self.height - top));
        let mut bytes = Vec::with_capacity(width * height * 3);
        for row in top..top + height {
            let start = (row * self.width + left) * 3;
            bytes.extend_from_slice(&self.bytes[start..start + width * 3]);
        }
        Self { width, height, bytes }
    }

    pub(crate) fn from_parts(width: usize, height: usize, bytes: Vec<u8>) -> Self {
        debug_assert_eq!(bytes.len(), width * height * 3);
        Self { width, height, bytes }
    }
}
