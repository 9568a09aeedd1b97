//! The text of a playlist file. Pure, so that `plan` can tell whether the one on disk is as it should
//! be, and `apply` writes the same bytes.

use std::{borrow::Cow, fmt::Write as _, path::PathBuf};

use crate::domain::{MediaPath, Track};

/// Renders the playlist file that will stand at `at`: extended M3U in UTF-8, each track with its
/// length and label, paths relative to the file's folder with `/` between their parts. A file in an
/// extra source has no way there that survives a remount, so it stands with its absolute path below
/// `roots`. Paths that are not UTF-8 cannot stand in such a file and are left out.
#[must_use]
pub fn render<'a>(
    name: &str,
    at: &MediaPath,
    entries: impl IntoIterator<Item = (&'a Track, &'a MediaPath)>,
    roots: &[PathBuf],
) -> String {
    let mut text = format!("#EXTM3U\n#PLAYLIST:{}\n", one_line(name));
    let folder = at.parent();
    let folder = folder.as_ref().map_or("", MediaPath::as_str);
    for (track, path) in entries {
        let before = text.len();
        let seconds = track.duration_s.map_or(-1, i64::from);
        // Writing to a String cannot fail.
        let _ = write!(text, "#EXTINF:{seconds},");
        let label = text.len();
        track.push_label(&mut text);
        if let Cow::Owned(one_line) = one_line(&text[label..]) {
            text.replace_range(label.., &one_line);
        }
        text.push('\n');
        match push_target(&mut text, folder, path, roots) {
            Some(()) => text.push('\n'),
            None => text.truncate(before),
        }
    }
    text
}

/// Appends the way from `folder` to the file; `None`, and nothing of use appended, where there is none.
fn push_target(text: &mut String, folder: &str, path: &MediaPath, roots: &[PathBuf]) -> Option<()> {
    if !path.is_utf8() {
        return None;
    }
    if !path.is_in_library() {
        let absolute = path.below(roots)?;
        text.push_str(&absolute.to_str()?.replace('\\', "/"));
        return Some(());
    }
    // The part of the folder that is not left, and the way down from there.
    let (mut up, mut down) = (folder, path.as_str());
    while !up.is_empty() {
        let (part, rest) = up.split_once('/').unwrap_or((up, ""));
        match down
            .strip_prefix(part)
            .and_then(|down| down.strip_prefix('/'))
        {
            Some(below) => (up, down) = (rest, below),
            None => break,
        }
    }
    if !up.is_empty() {
        for _ in up.split('/') {
            text.push_str("../");
        }
    } else if down.starts_with('#') {
        // A name that begins with # would be read as a comment.
        text.push_str("./");
    }
    text.push_str(down);
    Some(())
}

fn one_line(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| matches!(byte, b'\r' | b'\n')) {
        true => Cow::Owned(text.replace(['\r', '\n'], " ")),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(title: &str, duration_s: Option<u32>) -> Track {
        Track {
            id: "1".into(),
            title: title.to_owned(),
            version: None,
            artists: vec!["Camel".to_owned()],
            album: None,
            isrc: None,
            duration_s,
            explicit: None,
            release_date: None,
            media_tags: Vec::new(),
            streamable: None,
        }
    }

    fn lines(at: &str, path: &str) -> Vec<String> {
        let roots = [PathBuf::from("/lib"), PathBuf::from("/more music")];
        let (track, path) = (track("Rajaz\nLive", Some(497)), MediaPath::from(path));
        let text = render("A\nB", &at.into(), [(&track, &path)], &roots);
        text.lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_track_has_its_length_its_label_and_the_way_to_its_file() {
        assert_eq!(
            lines("Playlists/A/A.m3u8", "Playlists/B/x.mp3"),
            [
                "#EXTM3U",
                "#PLAYLIST:A B",
                "#EXTINF:497,Camel – Rajaz Live",
                "../B/x.mp3"
            ]
        );
    }

    #[test]
    fn the_way_is_relative_inside_the_library_only() {
        for (path, way) in [
            ("Playlists/A/x.mp3", Some("x.mp3")),
            ("Playlists/A/#1.mp3", Some("./#1.mp3")),
            ("x.mp3", Some("../../x.mp3")),
            ("//1/a/x.mp3", Some("/more music/a/x.mp3")),
            ("//2/a/x.mp3", None),
            ("//b64:/w", None),
        ] {
            let lines = lines("Playlists/A/A.m3u8", path);
            assert_eq!(lines.get(3).map(String::as_str), way, "{path}");
        }
        assert_eq!(lines("A.m3u8", "B/x.mp3")[3], "B/x.mp3");
    }

    #[test]
    fn an_unknown_length_is_minus_one() {
        let (track, path) = (track("T", None), MediaPath::from("x.mp3"));
        let text = render("A", &"A.m3u8".into(), [(&track, &path)], &[]);
        assert!(text.contains("#EXTINF:-1,"));
    }
}
