//! Tables as text: comma-separated (RFC 4180) and tab-separated values.

use crate::Part;

/// A field of a CSV file (RFC 4180).
pub(crate) fn quote(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_string(),
    }
}

/// The number of a record's first line, and its fields.
pub(crate) type Record = (usize, Vec<String>);

/// The records of a table with fields between `separator`s, or the line of what is wrong with it.
///
/// Quotation marks enclose fields of comma-separated values; between tabs they are characters like others,
/// and a record is a line.
pub(crate) fn records(text: &str, separator: char) -> Result<Vec<Record>, Fault> {
    let quoting = separator != '\t';
    let mut records = Vec::new();
    let (mut fields, mut field) = (Vec::new(), String::new());
    let (mut line, mut first_line, mut quoted) = (1, 1, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        line += usize::from(character == '\n');
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoting && (quoted || field.is_empty()) => quoted = !quoted,
            _ if quoted => field.push(character),
            _ if character == separator => fields.push(std::mem::take(&mut field)),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                fields.push(std::mem::take(&mut field));
                let record = std::mem::take(&mut fields);
                if record != [""] {
                    records.push((first_line, record));
                }
                first_line = line;
            }
            _ => field.push(character),
        }
    }
    if quoted {
        return Err((first_line, "a quotation mark is not closed".into()));
    }
    if !fields.is_empty() || !field.is_empty() {
        fields.push(field);
        records.push((first_line, fields));
    }
    Ok(records)
}

/// What is wrong with a table: the number of a line, and the problem.
pub(crate) type Fault = (usize, String);

/// A table whose first line names its columns.
pub(crate) struct Table {
    pub names: Vec<String>,
    pub rows: Vec<Record>,
    separator: char,
}

impl Table {
    /// Reads a table; one that is empty has neither names nor rows.
    pub fn read(text: &str, separator: char) -> Result<Self, Fault> {
        let mut records = records(text, separator)?.into_iter();
        let names = records.next().map(|(_, names)| names).unwrap_or_default();
        let names = names.iter().map(|name| name.trim().to_string()).collect();
        Ok(Self { names, rows: records.collect(), separator })
    }

    /// Whether not even a name is there.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The place of a column.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// The place of a column that must be there; `flag` names another.
    pub fn needed(&self, name: &str, flag: &str) -> Result<usize, Fault> {
        self.find(name).ok_or_else(|| {
            let known = self.names.join(", ");
            let mend = format!("call it so, or name another with {flag} where the verb has it");
            (1, format!("there is no column {name:?} among {known}; {mend}"))
        })
    }

    /// Succeeds where a record has a field for each column.
    pub fn check_width(&self, line: usize, fields: &[String]) -> Result<(), Fault> {
        let (found, expected) = (fields.len(), self.names.len());
        if found == expected {
            return Ok(());
        }
        let mend = match self.separator {
            '\t' => "a field may not hold a tab",
            _ => "a field that holds a comma stands in quotation marks",
        };
        Err((line, format!("has {found} fields, not {expected}; {mend}")))
    }
}

/// The separator of a table's fields, by the extension of its file's name; none where it is no table.
pub(crate) fn separator_of(path: &std::path::Path) -> Option<char> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        "csv" => Some(','),
        "tsv" | "tab" => Some('\t'),
        _ => None,
    }
}

/// The column of the part, where there is one.
pub(crate) const PART: &str = "split";

/// The part that a field of the column `split` names; none where it is empty.
pub(crate) fn part_in(line: usize, field: &str) -> Result<Option<Part>, Fault> {
    if field.trim().is_empty() {
        return Ok(None);
    }
    let wrong = || (line, format!("{PART} is {field:?}, none of train, validation, test"));
    part_of(field).map(Some).ok_or_else(wrong)
}

/// The part that a word stands for.
pub(crate) fn part_of(name: &str) -> Option<Part> {
    match name.trim() {
        "train" => Some(Part::Train),
        "validation" | "val" | "valid" | "dev" => Some(Part::Validation),
        "test" => Some(Part::Test),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_knows_its_line_whatever_its_fields_hold() {
        let text = "a,b\n\"x\ny\",\"say \"\"no\"\"\"\r\n\n1,2";
        let found = records(text, ',').unwrap();
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 5]);
        assert_eq!(found[1].1, ["x\ny", "say \"no\""]);
        assert_eq!(records("a,\"b", ',').unwrap_err().0, 1);
    }

    #[test]
    fn between_tabs_a_quotation_mark_is_a_character() {
        let found = records("\"so\tb, c\nd\t\"e\n", '\t').unwrap();
        assert_eq!(found[0].1, ["\"so", "b, c"]);
        assert_eq!(found[1].1, ["d", "\"e"]);
    }
}
