//! Paths in a policy: `~`, variables, and what they are relative to.

use std::path::{Component, Path, PathBuf};

use super::Surroundings;
use crate::policy::{diagnostic::Code, document::Value};

/// A path: `~` and variables expanded, relative to the policy's folder.
pub(super) fn path(value: &Value<'_>, surroundings: &Surroundings<'_>) -> Option<PathBuf> {
    let text = value.name()?;
    match expand(text, surroundings) {
        Ok(path) => Some(tidy(&surroundings.folder.join(path))),
        Err(reason) => {
            value.report(Code::BadPath, reason, None);
            None
        }
    }
}

fn expand(text: &str, surroundings: &Surroundings<'_>) -> Result<PathBuf, String> {
    if text.contains('\0') {
        return Err("a path cannot hold a NUL".to_owned());
    }
    let text = expand_variables(text, surroundings.env)?;
    match text.strip_prefix('~') {
        Some("") => Ok(surroundings.home.to_owned()),
        Some(rest) if rest.starts_with(['/', '\\']) => {
            Ok(surroundings.home.join(rest.trim_start_matches(['/', '\\'])))
        }
        Some(_) => Err("only one's own home is known: write `~/…`".to_owned()),
        None => Ok(PathBuf::from(text)),
    }
}

/// `$NAME` and `${NAME}`; `$$` is a dollar.
fn expand_variables(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let (name, after) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or("`${` is not closed")?,
            None => {
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                after.split_at(after.find(|c| !word(c)).unwrap_or(after.len()))
            }
        };
        if name.is_empty() {
            return Err("`$` stands before no name; write `$$` for a dollar".to_owned());
        }
        let value = env(name).filter(|value| !value.is_empty());
        expanded.push_str(&value.ok_or_else(|| format!("the variable `{name}` is not set"))?);
        rest = after;
    }
    Ok(expanded + rest)
}

/// Without `.` and with `..` taken back, by name only.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(tidy.components().next_back(), Some(Component::Normal(_))) =>
            {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}
