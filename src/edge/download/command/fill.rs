//! What a command is given in place of `{url}`, `{id}`, `{dir}` and `{name}`.

use std::{ffi::OsString, path::Path};

use crate::domain::Track;

/// What stands in for the placeholders of a command.
pub(super) struct Fill {
    url: String,
    pub(super) id: String,
    dir: OsString,
    name: String,
}

impl Fill {
    pub(super) fn new(track: &Track, dir: &Path) -> Self {
        let id = track.id.as_str().to_owned();
        Self {
            url: format!("https://tidal.com/browse/track/{id}"),
            dir: dir.as_os_str().to_owned(),
            name: safe_stem(track),
            id,
        }
    }

    /// Whether the id is one: letters and digits, nothing that a program takes for an option or a path.
    pub(super) fn is_safe(&self) -> bool {
        !self.id.is_empty()
            && self
                .id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            && !self.id.starts_with('-')
    }

    /// One pass from left to right, so that nothing in a title is taken for a placeholder.
    pub(super) fn argument(&self, template: &str) -> OsString {
        let mut out = OsString::new();
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let (before, tail) = rest.split_at(at);
            out.push(before);
            let known = [
                ("{url}", OsString::from(&self.url)),
                ("{id}", OsString::from(&self.id)),
                ("{dir}", self.dir.clone()),
                ("{name}", OsString::from(&self.name)),
            ];
            rest = match known.iter().find(|(key, _)| tail.starts_with(key)) {
                Some((key, value)) => {
                    out.push(value);
                    &tail[key.len()..]
                }
                None => {
                    out.push("{");
                    &tail[1..]
                }
            };
        }
        out.push(rest);
        out
    }

    pub(super) fn text(&self, template: &str) -> String {
        self.argument(template).to_string_lossy().into_owned()
    }
}

/// `Artist - Title (Version)` as a file name that every platform takes and no program takes for an
/// option.
fn safe_stem(track: &Track) -> String {
    let artist = track.artist();
    let title = track.full_title();
    let text = if artist.is_empty() {
        title
    } else {
        format!("{artist} - {title}")
    };
    let mut name: String = text
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .collect();
    while name.len() > 120 {
        name.pop();
    }
    let name = name.trim_matches([' ', '.']).trim_start_matches('-').trim();
    if name.is_empty() {
        track.id.as_str().to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TrackId;

    fn track() -> Track {
        Track {
            title: "Looped".to_owned(),
            artists: vec!["Kiasmos".to_owned()],
            ..Track::bare(TrackId::new("70016063"))
        }
    }

    #[test]
    fn placeholders_are_filled_once_and_names_are_harmless() {
        let mut hostile = track();
        hostile.artists = vec!["--exec=rm {dir}".to_owned()];
        hostile.title = "../a/b\n$(id) {url}".to_owned();
        let fill = Fill::new(&hostile, Path::new("/some dir/x"));
        assert_eq!(
            fill.argument("-o{dir}/{name}.{x}{"),
            *"-o/some dir/x/exec=rm {dir} - .._a_b_$(id) {url}.{x}{"
        );
        assert!(fill.is_safe());
        hostile.id = TrackId::new("--help");
        assert!(!Fill::new(&hostile, Path::new("/")).is_safe());
        hostile.title = "...".to_owned();
        hostile.artists.clear();
        assert_eq!(safe_stem(&hostile), "--help");
        hostile.title = "é".repeat(200);
        assert!(safe_stem(&hostile).len() <= 120);
    }
}
