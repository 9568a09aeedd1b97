//! Where a file lies, independent of where the library is mounted.

use std::{
    borrow::Cow,
    ffi::OsStr,
    fmt,
    path::{Component, Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A path relative to the library root, with `/` between its parts, as one text that sorts, compares
/// and serialises the same on every machine.
///
/// | form | meaning |
/// |---|---|
/// | `Playlists/House/a.mp3` | below `[library] root` |
/// | `//1/Artist/a.mp3` | below the first of `[library] sources` (then `//2/…`) |
/// | `//b64:UGxheWxp…` | a path below the root that is not UTF-8, its bytes in base64 |
/// | `//1/b64:…` | the same below a source |
///
/// A relative path never begins with `/`, so the forms cannot be confused with a name on disk.
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct MediaPath(SmolStr);

impl MediaPath {
    /// Takes the text form as it is: a key from a plan or the state database, or a path that the
    /// program itself composed. Use [`MediaPath::is_safe`] on anything that came from outside.
    pub fn new(key: impl Into<SmolStr>) -> Self {
        Self(key.into())
    }

    /// The form of `relative`, a path below root number `root` (0 is the library, 1… are sources).
    #[must_use]
    pub fn from_relative(root: usize, relative: &Path) -> Self {
        let prefix = if root == 0 {
            String::new()
        } else {
            format!("//{root}/")
        };
        let text = match relative.to_str() {
            Some(text) => text.replace(std::path::MAIN_SEPARATOR, "/"),
            None => {
                let lead = if root == 0 { "//" } else { "" };
                let bytes = relative.as_os_str().as_encoded_bytes();
                format!("{lead}b64:{}", STANDARD_NO_PAD.encode(bytes))
            }
        };
        Self(match prefix.is_empty() {
            true => text.into(),
            false => format!("{prefix}{text}").into(),
        })
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which root it is below: 0 the library, 1… the sources.
    #[must_use]
    pub fn root(&self) -> usize {
        self.0
            .strip_prefix("//")
            .and_then(|rest| rest.split('/').next())
            .and_then(|number| number.parse().ok())
            .unwrap_or(0)
    }

    /// The path relative to its root, as the operating system knows it.
    #[must_use]
    pub fn relative(&self) -> PathBuf {
        let rest = self.rest();
        match rest
            .strip_prefix("b64:")
            .map(|code| STANDARD_NO_PAD.decode(code))
        {
            Some(Ok(bytes)) if self.0.starts_with("//") => os_path(&bytes),
            _ => PathBuf::from(rest),
        }
    }

    /// The absolute path, given the library root followed by the sources.
    /// `None` when the path names a source that is not configured.
    #[must_use]
    pub fn below(&self, roots: &[PathBuf]) -> Option<PathBuf> {
        roots
            .get(self.root())
            .map(|root| root.join(self.relative()))
    }

    /// Whether it lies below the library root, and not in an extra source.
    #[must_use]
    pub fn is_in_library(&self) -> bool {
        self.root() == 0
    }

    /// Whether the path stays below its root: no `..`, no absolute part, not empty, no NUL.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        let relative = self.relative();
        !relative.as_os_str().is_empty()
            && !relative.as_os_str().as_encoded_bytes().contains(&0)
            && relative
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
    }

    /// Whether it is UTF-8 on disk.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        !(self.0.starts_with("//") && self.rest().starts_with("b64:"))
    }

    /// The last part, lossily when it is not UTF-8.
    #[must_use]
    pub fn file_name(&self) -> String {
        if let Some(text) = self.plain() {
            return text.rsplit('/').next().unwrap_or_default().to_owned();
        }
        let relative = self.relative();
        relative
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// The last part without its extension, lossily when it is not UTF-8.
    #[must_use]
    pub fn file_stem(&self) -> String {
        let relative = self.relative();
        relative
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// The extension in lower case, without the dot; empty when there is none.
    #[must_use]
    pub fn extension(&self) -> String {
        let relative = self.relative();
        relative
            .extension()
            .map(OsStr::to_string_lossy)
            .unwrap_or_default()
            .to_lowercase()
    }

    /// The folder that contains it; `None` at the top of a root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.parent_text().map(|text| Self(text.into()))
    }

    /// The text form of the folder that contains it; `None` at the top of a root.
    #[must_use]
    pub fn parent_text(&self) -> Option<Cow<'_, str>> {
        if let Some(text) = self.plain() {
            let (folder, _) = text.rsplit_once('/')?;
            return Some(Cow::Borrowed(folder));
        }
        let relative = self.relative();
        let parent = relative
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())?;
        let parent = Self::from_relative(self.root(), parent);
        Some(Cow::Owned(parent.as_str().to_owned()))
    }

    /// Whether it lies in `folder` itself, and not in a folder below that.
    #[must_use]
    pub fn is_in(&self, folder: &Self) -> bool {
        self.parent_text().as_deref() == Some(folder.as_str())
    }

    /// `name` inside this folder; for paths that the program composes (UTF-8).
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        if self.0.is_empty() {
            Self(name.into())
        } else {
            Self(format!("{}/{name}", self.0).into())
        }
    }

    /// The same text with `.extension` appended.
    #[must_use]
    pub fn with_appended_extension(&self, extension: &str) -> Self {
        Self(format!("{}.{extension}", self.0).into())
    }

    /// The text, where it is a path in the library of parts that mean themselves: its parts are what lies
    /// between its slashes.
    fn plain(&self) -> Option<&str> {
        let odd = |part: &str| matches!(part, "" | "." | "..");
        (!self.0.split('/').any(odd)).then_some(self.0.as_str())
    }

    fn rest(&self) -> &str {
        match self.0.strip_prefix("//") {
            None => &self.0,
            Some(rest) if rest.starts_with("b64:") => rest,
            Some(rest) => rest.split_once('/').map_or("", |(_, rest)| rest),
        }
    }
}

#[cfg(unix)]
fn os_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn os_path(bytes: &[u8]) -> PathBuf {
    // Names that are not Unicode cannot be made from bytes here; the lossy form names no file, so
    // whatever wanted to touch it fails instead of touching another one.
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

impl fmt::Display for MediaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_utf8() {
            f.write_str(&self.0)
        } else {
            write!(f, "{}", self.relative().display())
        }
    }
}

impl fmt::Debug for MediaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaPath({:?})", self.0)
    }
}

impl From<&str> for MediaPath {
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_comes_back() {
        let roots = [PathBuf::from("/lib"), PathBuf::from("/more")];
        let plain = MediaPath::from_relative(0, Path::new("a/b.mp3"));
        assert_eq!(plain.as_str(), "a/b.mp3");
        assert_eq!(plain.below(&roots).unwrap(), Path::new("/lib/a/b.mp3"));
        let source = MediaPath::from_relative(1, Path::new("a/b.mp3"));
        assert_eq!((source.as_str(), source.root()), ("//1/a/b.mp3", 1));
        assert_eq!(source.below(&roots).unwrap(), Path::new("/more/a/b.mp3"));
        assert_eq!(source.parent().unwrap().as_str(), "//1/a");
        assert!(source.below(&roots[..1]).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf8_is_reversible() {
        let raw = os_path(b"x/\xff.mp3");
        for root in [0, 3] {
            let path = MediaPath::from_relative(root, &raw);
            assert_eq!((path.relative(), path.root()), (raw.clone(), root));
            assert!(!path.is_utf8() && path.is_safe());
        }
    }

    #[test]
    fn the_quick_way_to_a_part_is_the_long_one() {
        for text in [
            "a",
            "a/b",
            "a/b/c.mp3",
            "a//b",
            "a/",
            "/a/b",
            "./a",
            "a/./b",
            "a/..",
            "..",
            "",
            "//1/a/b",
            "//b64:/w",
            "//1/b64:/w",
            "ä/ö ü.x",
        ] {
            let path = MediaPath::new(text);
            let relative = path.relative();
            let name = relative.file_name().map(|name| name.to_string_lossy());
            assert_eq!(path.file_name(), name.unwrap_or_default(), "{text}");
            let parent = relative.parent().filter(|it| !it.as_os_str().is_empty());
            let parent = parent.map(|it| MediaPath::from_relative(path.root(), it));
            assert_eq!(path.parent(), parent, "{text}");
        }
    }

    #[test]
    fn paths_that_leave_the_root_are_unsafe() {
        for bad in [
            "../x",
            "a/../../x",
            "/etc/x",
            "",
            "a/./../..",
            "//1/../x",
            "a\0b",
        ] {
            assert!(!MediaPath::new(bad).is_safe(), "{bad:?}");
        }
        assert!(MediaPath::new("a/b c/Ü.mp3").is_safe());
    }
}
