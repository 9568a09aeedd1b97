//! Where the policy file is found, and reading it.

use std::path::{Path, PathBuf};

use super::{Policy, diagnostic::Diagnostic};

/// The file's name.
pub const FILE_NAME: &str = "tidal-cleanup.toml";

/// Larger files are no policies.
const MOST_BYTES: u64 = 1 << 20;

/// A policy and what is odd about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub policy: Policy,
    pub warnings: Vec<Diagnostic>,
}

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The operating system says no.
    #[error("could not read the policy {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Larger than any policy.
    #[error("{path} is too large for a policy ({bytes} bytes)")]
    TooLarge { path: PathBuf, bytes: u64 },
    /// Not UTF-8.
    #[error("{path} is not UTF-8 (line {line})")]
    NotText { path: PathBuf, line: usize },
    /// It has mistakes: all of them, warnings too.
    #[error("the policy {path} has {}", mistakes(findings))]
    Invalid {
        path: PathBuf,
        findings: Vec<Diagnostic>,
    },
}

/// The policy file that counts in `folder`: there, in a folder above, or in
/// `<home>/.config/tidal-cleanup`.
#[must_use]
pub fn find(folder: &Path, home: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .map(|folder| folder.join(FILE_NAME))
        .chain([home.join(".config/tidal-cleanup").join(FILE_NAME)])
        .find(|path| path.is_file())
}

impl Policy {
    /// Reads the policy file at `path`. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// When it cannot be read, or is no policy.
    pub fn load(
        path: &Path,
        env: &dyn Fn(&str) -> Option<String>,
        home: &Path,
    ) -> Result<Loaded, LoadError> {
        let failed = |source| LoadError::Read {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > MOST_BYTES {
            let path = path.to_owned();
            return Err(LoadError::TooLarge { path, bytes });
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            LoadError::NotText {
                path: path.to_owned(),
                line: valid.iter().filter(|byte| **byte == b'\n').count() + 1,
            }
        })?;
        let path = std::path::absolute(path).map_err(failed)?;
        match Self::parse(&path, &text, env, home) {
            Ok((policy, warnings)) => Ok(Loaded { policy, warnings }),
            Err(findings) => Err(LoadError::Invalid { path, findings }),
        }
    }
}

fn mistakes(findings: &[Diagnostic]) -> String {
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == super::diagnostic::Severity::Error)
        .count();
    match errors {
        1 => "a mistake".to_owned(),
        errors => format!("{errors} mistakes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_nearest_policy_counts() {
        let world = tempfile::tempdir().unwrap();
        let (home, work) = (world.path().join("home"), world.path().join("a/b"));
        let config = home.join(".config/tidal-cleanup");
        std::fs::create_dir_all(&config).unwrap();
        std::fs::create_dir_all(&work).unwrap();
        assert_eq!(find(&work, &home), None);
        std::fs::write(config.join(FILE_NAME), "").unwrap();
        assert_eq!(find(&work, &home), Some(config.join(FILE_NAME)));
        let above = world.path().join("a").join(FILE_NAME);
        std::fs::write(&above, "").unwrap();
        assert_eq!(find(&work, &home), Some(above));
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let world = tempfile::tempdir().unwrap();
        let path = world.path().join(FILE_NAME);
        std::fs::write(&path, "version = 1\n[library]\nroot = \"music/./x/..\"\n").unwrap();
        let loaded = Policy::load(&path, &none, Path::new("/home/dj")).unwrap();
        assert_eq!(loaded.policy.library.root, world.path().join("music"));
        assert_eq!(loaded.policy.source.path, path);
        assert!(loaded.warnings.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let world = tempfile::tempdir().unwrap();
        let load = |name: &str| Policy::load(&world.path().join(name), &none, Path::new("/"));
        assert!(matches!(load("absent"), Err(LoadError::Read { .. })));
        assert!(matches!(load("."), Err(LoadError::Read { .. })));
        std::fs::write(world.path().join("latin"), b"version = 1\n# caf\xe9\n").unwrap();
        assert!(matches!(
            load("latin"),
            Err(LoadError::NotText { line: 2, .. })
        ));
        std::fs::write(world.path().join("large"), vec![b'#'; (1 << 20) + 1]).unwrap();
        assert!(matches!(load("large"), Err(LoadError::TooLarge { .. })));
        std::fs::write(world.path().join("empty"), "").unwrap();
        let error = load("empty").unwrap_err();
        assert!(error.to_string().ends_with("has 2 mistakes"), "{error}");
    }
}
