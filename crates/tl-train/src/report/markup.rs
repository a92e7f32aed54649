//! Text and numbers as HTML.

/// `text` for use between tags and within quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            // Control characters are not allowed in HTML; terminals' colour codes begin with one.
            control if control.is_control() => escaped.push('\u{fffd}'),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// A number with four significant digits, without trailing zeros; powers of ten far from 1.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN" } else { "∞" }.to_string();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        let text = format!("{value:.2e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", trim(digits));
    }
    // At least one digit before the point: 0.0012 keeps four digits after its zeros.
    let whole = if size < 1e-9 { 0 } else { size.log10().floor() as i32 };
    let digits = (3 - whole).clamp(0, 6) as usize;
    trim(&format!("{value:.digits$}")).to_string()
}

fn trim(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// A share from 0 to 1 as a percentage with one decimal.
pub(super) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1}\u{202f}%", share * 100.0) } else { "–".to_string() }
}

/// A count with its thousands set apart.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 image`, `2 images`.
pub(super) fn counted(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(value))
}

/// Seconds as `4.2 s`, `3 min 20 s` or `2 h 5 min`.
pub(super) fn duration(seconds: f64) -> String {
    if !(seconds.is_finite() && seconds >= 0.0) {
        return "–".to_string();
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        format!("{} min {} s", whole / 60, whole % 60)
    } else {
        format!("{} h {} min", whole / 3600, whole % 3600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escape("<b a=\"x\" c='y'>&\u{1b}[0m"),
            "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;\u{fffd}[0m"
        );
    }

    #[test]
    fn numbers_are_short_and_exact_enough() {
        let shown = [0.0, 1.0, 0.25, 2.71349, 1234.56, 0.001, 0.00123456, 3e-5, -2.5e7];
        let expected = ["0", "1", "0.25", "2.713", "1235", "0.001", "0.001235", "3e-5", "-2.5e7"];
        assert_eq!(shown.map(number), expected);
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!([0, 999, 1000, 2_223_872].map(count), ["0", "999", "1,000", "2,223,872"]);
        assert_eq!(
            [4.2, 59.97, 200.0, 7500.0].map(duration),
            ["4.2 s", "1 min 0 s", "3 min 20 s", "2 h 5 min"]
        );
        assert_eq!(
            (counted(1, "image"), counted(0, "image")),
            ("1 image".into(), "0 images".into())
        );
    }
}
