//! Images in a table: a column of paths, one of labels, perhaps of parts and of groups.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path};
use std::sync::Arc;

use crate::images::{Item, Source};
use crate::relabel::in_order;
use crate::table::{Fault, PART, Table, part_in, separator_of};
use crate::text::{Columns, read_text};
use crate::{DataError, Images, Part};

/// What a column of paths is called, where nobody says: the first of these that is there.
const PATHS: [&str; 4] = ["path", "file", "image", "filename"];

/// Which columns hold what, by their places.
struct Places {
    path: usize,
    label: Option<usize>,
    part: Option<usize>,
    group: Option<usize>,
    /// What stands between labels, where an image may have several.
    separator: Option<String>,
    /// The columns of classes with 0 and 1, and their names.
    flags: Vec<(usize, String)>,
}

/// An image with the name of its class, before the classes are known, and the line that it stands in.
struct Row {
    line: usize,
    item: Item,
    class: Option<String>,
    /// The names of its classes, where it may have several.
    several: Option<Vec<String>>,
}

impl Row {
    /// The names of its classes, one or several.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.class.iter().chain(self.several.iter().flatten()).map(String::as_str)
    }
}

impl Images {
    /// Whether `path` is called like a table: `.csv`, `.tsv` or `.tab`.
    pub fn is_table(path: &Path) -> bool {
        separator_of(path).is_some()
    }

    /// The images that a table names, in the bytewise order of their paths. Its first line names the columns; a path is
    /// relative to the table's folder, or absolute.
    ///
    /// A column `split` with `train`, `validation` and `test` divides the images. Where `labelled` is not asked for, the
    /// column of labels, or a label, may be missing, and a class may stand in the test part alone.
    ///
    /// # Errors
    /// Each with its line: a column that is not there, a ragged row, a path that is empty, leads to no file or stands
    /// there twice, a missing label, a class that is tested and not trained.
    pub fn from_table(path: &Path, columns: &Columns, labelled: bool) -> Result<Self, DataError> {
        let text = read_text(path)?;
        let separator = separator_of(path).unwrap_or(',');
        let folder = path.parent().unwrap_or(Path::new(""));
        let found = from_text(&text, separator, folder, columns, labelled);
        found.map_err(|(line, problem)| DataError::TextFile {
            path: path.to_path_buf(),
            line,
            problem,
        })
    }
}

fn from_text(
    text: &str,
    separator: char,
    folder: &Path,
    columns: &Columns,
    labelled: bool,
) -> Result<Images, Fault> {
    let mut table = Table::read(text, separator)?;
    let places = Places::of(&table, columns, labelled)?;
    let mut rows: Vec<Row> = Vec::with_capacity(table.rows.len());
    let mut lines: HashMap<String, usize> = HashMap::new();
    for (line, fields) in std::mem::take(&mut table.rows) {
        table.check_width(line, &fields)?;
        let row = places.row(line, &fields, folder, labelled)?;
        if let Some(first) = lines.insert(row.item.name.clone(), line) {
            let name = &row.item.name;
            return Err((line, format!("{name} stands in line {first} already; keep one")));
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err((1, "no image is named below the line of names; add a row for each".into()));
    }
    if labelled {
        check_trained(&rows)?;
    }
    let classes = match places.flags.is_empty() {
        true => in_order(rows.iter().flat_map(Row::names)),
        false => places.flags.iter().map(|(_, name)| name.clone()).collect(),
    };
    let numbers: HashMap<&str, usize> =
        classes.iter().enumerate().map(|(number, class)| (class.as_str(), number)).collect();
    let notes = notes(&rows, !classes.is_empty());
    let mut items: Vec<Item> = rows
        .iter()
        .map(|row| {
            let label = row.class.as_deref().and_then(|class| numbers.get(class).copied());
            let several = row.several.as_ref().map(|own| {
                let own = own.iter().filter_map(|class| numbers.get(class.as_str()).copied());
                let mut own: Vec<usize> = own.collect();
                own.sort_unstable();
                own.dedup();
                Arc::from(own)
            });
            Item { label, several, ..row.item.clone() }
        })
        .collect();
    items.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
    Ok(Images { items, notes, classes })
}

impl Places {
    fn of(table: &Table, columns: &Columns, labelled: bool) -> Result<Self, Fault> {
        let path = match &columns.path {
            Some(name) => table.needed(name, "--path-column")?,
            None => PATHS.iter().find_map(|name| table.find(name)).ok_or_else(|| {
                let known = table.names.join(", ");
                let mend = "a network that works on images needs their paths: call the column path, or name it with --path-column \
                            where the verb has it; or take a network of texts (--model bert --weights FOLDER)";
                (1, format!("there is no column {} among {known}; {mend}", PATHS.join(", ")))
            })?,
        };
        let mut named = HashSet::new();
        if let Some(name) = columns.labels.iter().find(|name| !named.insert(name.as_str())) {
            return Err((
                1,
                format!("the column of labels {name:?} is asked for twice; name it once"),
            ));
        }
        let flag = |name: &String| -> Result<Option<(usize, String)>, Fault> {
            match table.find(name) {
                None if !labelled => Ok(None),
                _ => Ok(Some((table.needed(name, "--label-columns")?, name.clone()))),
            }
        };
        let flags: Vec<Option<(usize, String)>> =
            columns.labels.iter().map(flag).collect::<Result<_, Fault>>()?;
        let label = match table.find(&columns.label) {
            _ if !columns.labels.is_empty() => None,
            None if !labelled => None,
            _ => Some(table.needed(&columns.label, "--label-column")?),
        };
        let group = columns.group.as_deref().map(|name| table.needed(name, "--group-column"));
        // Without all of the columns there is no saying what an image is of.
        let flags = match flags.iter().all(Option::is_some) {
            true => flags.into_iter().flatten().collect(),
            false => Vec::new(),
        };
        let (part, group) = (table.find(PART), group.transpose()?);
        Ok(Self { path, label, part, group, separator: columns.separator.clone(), flags })
    }

    fn row(
        &self,
        line: usize,
        fields: &[String],
        folder: &Path,
        labelled: bool,
    ) -> Result<Row, Fault> {
        let field = |at: usize| fields.get(at).map_or("", |field| field.trim());
        let written = field(self.path);
        if written.is_empty() {
            return Err((line, "names no image; give its path, or remove the row".into()));
        }
        let name = plain(written);
        let path = folder.join(written);
        let metadata = std::fs::metadata(&path).map_err(|reason| match reason.kind() {
            std::io::ErrorKind::NotFound => {
                let place = path.display();
                (line, format!("there is no {place}; correct the path, or remove the row"))
            }
            _ => (line, format!("{} cannot be read: {reason}", path.display())),
        })?;
        if !metadata.is_file() {
            return Err((line, format!("{} is no file; name an image", path.display())));
        }
        let several = self.several(line, &field)?;
        let single = self.label.filter(|_| self.separator.is_none());
        let class = single.map(field).filter(|class| !class.is_empty());
        if labelled && class.is_none() && several.is_none() {
            return Err((line, format!("{name} has no label; give it one, or remove the row")));
        }
        let group = self.group.map(field);
        if group.is_some_and(str::is_empty) {
            return Err((line, format!("{name} is of no group; give each image one")));
        }
        let part = self.part.map(|at| part_in(line, field(at))).transpose()?.flatten();
        let source = Source::File { path, bytes: metadata.len() };
        let item = Item { part, group: group.map(Arc::from), ..Item::new(name, source) };
        Ok(Row { line, item, class: class.map(str::to_string), several })
    }

    /// The names of an image's classes, where it may have several; an empty field is none of them.
    fn several<'f>(
        &self,
        line: usize,
        field: &dyn Fn(usize) -> &'f str,
    ) -> Result<Option<Vec<String>>, Fault> {
        if let (Some(separator), Some(label)) = (&self.separator, self.label) {
            let names = field(label).split(separator.as_str()).map(str::trim);
            return Ok(Some(names.filter(|name| !name.is_empty()).map(str::to_string).collect()));
        }
        if self.flags.is_empty() {
            return Ok(None);
        }
        let mut own = Vec::new();
        for (at, name) in &self.flags {
            match field(*at) {
                "1" => own.push(name.clone()),
                "0" => {}
                other => {
                    return Err((
                        line,
                        format!(
                            "{name} is {other:?}; write 1 where the image is of it, and else 0"
                        ),
                    ));
                }
            }
        }
        Ok(Some(own))
    }
}

/// A path with `/` between its parts and without `.`, so that one image has one name.
fn plain(path: &str) -> String {
    let mut name = String::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => continue,
            Component::RootDir => {
                name.push('/');
                continue;
            }
            _ if !name.is_empty() && !name.ends_with('/') => name.push('/'),
            _ => {}
        }
        name += &part.as_os_str().to_string_lossy();
    }
    name
}

/// Succeeds where every class of a part is among those of the training part, if there is one.
fn check_trained(rows: &[Row]) -> Result<(), Fault> {
    let of_train = |row: &&Row| matches!(row.item.part, Some(Part::Train) | None);
    let trained: Vec<&Row> = rows.iter().filter(of_train).collect();
    if trained.is_empty() {
        return Ok(());
    }
    let known = in_order(trained.iter().flat_map(|row| row.names()));
    for row in rows {
        let unknown = row.names().find(|class| !known.iter().any(|known| known == class));
        if let (Some(class), Some(part)) = (unknown, row.item.part) {
            let problem = format!(
                "class {class:?} of the {part} part has no image for training; a class that is tested must be trained"
            );
            return Err((row.line, problem));
        }
    }
    Ok(())
}

/// What a reader should be told.
fn notes(rows: &[Row], labelled: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let bare = rows.iter().filter(|row| row.class.is_none() && row.several.is_none()).count();
    if labelled && bare > 0 {
        notes.push(format!("{bare} images have no label"));
    }
    let mut parts: BTreeMap<&str, Option<Part>> = BTreeMap::new();
    let mut apart: Vec<&str> = Vec::new();
    for row in rows {
        let Some(group) = row.item.group.as_deref() else { continue };
        if *parts.entry(group).or_insert(row.item.part) != row.item.part {
            apart.push(group);
        }
    }
    apart.sort_unstable();
    apart.dedup();
    if let Some(first) = apart.first() {
        notes.push(format!(
            "{} groups stand in two parts of the column {PART}, such as {first:?}: what is measured on them was trained on",
            apart.len()
        ));
    }
    notes
}

#[cfg(test)]
mod tests;
