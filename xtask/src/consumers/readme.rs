//! The program in a README.

/// A program and what it needs beside its crate.
#[derive(Debug, PartialEq)]
pub struct Program {
    pub code: String,
    /// Names of the workspace's dependencies, from a comment line `// needs: a, b`.
    pub needs: Vec<String>,
}

/// The first block of Rust with a `fn main` in the Markdown `text`.
pub fn program(text: &str) -> Option<Program> {
    blocks(text).into_iter().find(|block| block.contains("fn main(")).map(|block| {
        // rustdoc hides lines that begin with "# "; a package needs them whole.
        let whole = |line: &str| match line.strip_prefix("# ") {
            Some(hidden) => hidden.to_string(),
            None => line.to_string(),
        };
        let lines: Vec<String> = block.lines().map(whole).collect();
        let needs = lines
            .iter()
            .filter_map(|line| line.trim().strip_prefix("// needs:"))
            .flat_map(|names| names.split(','))
            .map(|name| name.trim().to_string())
            .collect();
        Program { code: lines.join("\n") + "\n", needs }
    })
}

fn blocks(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match (&mut block, line.trim_end()) {
            (None, fence) if fence.starts_with("```rust") => block = Some(String::new()),
            (Some(_), "```") => found.extend(block.take()),
            (Some(code), _) => *code += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_with_a_main_is_taken_with_its_hidden_lines_and_needs() {
        let text = "a\n```rust\nlet x = 1;\n```\n```text\nfn main()\n```\n```rust,no_run\n# use a::b;\n// needs: burn, serde\nfn main() {}\n```\n";
        let program = program(text).unwrap();
        assert_eq!(program.code, "use a::b;\n// needs: burn, serde\nfn main() {}\n");
        assert_eq!(program.needs, ["burn", "serde"]);
    }

    #[test]
    fn a_readme_without_a_program_has_none() {
        assert_eq!(program("```rust\nlet x = 1;\n```\n"), None);
    }
}
