//! Tables as text: comma-separated (RFC 4180) and tab-separated values.

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
pub(crate) fn records(text: &str, separator: char) -> Result<Vec<Record>, (usize, String)> {
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
