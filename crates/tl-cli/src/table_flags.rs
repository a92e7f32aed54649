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

    /// An image may have several labels or none: the column of labels holds them with TEXT between [default: one label each]
    #[arg(long, value_name = "TEXT")]
    pub label_separator: Option<String>,

    /// An image may have several labels or none: each of these columns is a class, and holds 1 or 0
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', conflicts_with = "label_separator")]
    pub label_columns: Vec<String>,
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
            ("--label-separator", self.label_separator.is_some()),
            ("--label-columns", !self.label_columns.is_empty()),
        ];
        let images = !works_on_texts(network) && Images::is_table(data);
        if let (false, Some((flag, _))) = (images, given.iter().find(|(_, given)| *given)) {
            return Err(Failure::input(format!(
                "{flag} names a column of a table of images; leave it out, or give a .csv or .tsv and a network of images"
            )));
        }
        if self.label_separator.as_deref() == Some("") {
            return Err(Failure::input(
                "--label-separator is empty; give what stands between labels, such as '|'",
            ));
        }
        // One way of several labels replaces the other.
        if self.label_separator.is_some() || !self.label_columns.is_empty() {
            columns.separator.clone_from(&self.label_separator);
            columns.labels.clone_from(&self.label_columns);
        }
        columns.path = self.path_column.clone().or(columns.path.take());
        columns.group = self.group_column.clone().or(columns.group.take());
        Ok(())
    }
}
