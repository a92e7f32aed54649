//! The flags of tables of images, and what they ask of the library.

use std::path::Path;

use clap::Args;
use tl::data::Images;
use tl::data::text::Columns;
use tl::works_on_texts;

use crate::failure::Failure;

/// What is said about a table of images.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Tables of images")]
pub struct TableFlags {
    /// The column of the images' paths, which are relative to the table's folder [default: the first of path, file, image
    /// and filename that is there]
    #[arg(long, value_name = "NAME")]
    pub path_column: Option<String>,

    /// The column of what images have in common, such as the patient or the video that they are of: all images of one stay in
    /// one part of the data [default: none]
    #[arg(long, value_name = "NAME")]
    pub group_column: Option<String>,
}

impl TableFlags {
    /// Takes over what was said of the table `data`, for this network.
    ///
    /// # Errors
    /// A flag that says nothing: of texts, or of what is no table.
    pub fn put_into(
        &self,
        columns: &mut Columns,
        data: &Path,
        network: &str,
    ) -> Result<(), Failure> {
        let given = [
            ("--path-column", self.path_column.is_some()),
            ("--group-column", self.group_column.is_some()),
        ];
        let images = !works_on_texts(network) && Images::is_table(data);
        if let (false, Some((flag, _))) = (images, given.iter().find(|(_, given)| *given)) {
            return Err(Failure::input(format!(
                "{flag} names a column of a table of images; leave it out, or give a .csv or .tsv and a network of images"
            )));
        }
        columns.path = self.path_column.clone().or(columns.path.take());
        columns.group = self.group_column.clone().or(columns.group.take());
        Ok(())
    }
}
