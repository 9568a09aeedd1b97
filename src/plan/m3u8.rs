//! Playlist files: extended M3U in UTF-8, with relative paths and forward slashes, which is what DJ
//! software and players on every platform read.

use crate::domain::MediaPath;

/// One line of a playlist file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The audio file.
    pub path: &'a MediaPath,
    /// `Artist – Title`.
    pub label: String,
    /// Whole seconds; −1 where unknown, as the format has it.
    pub duration_s: Option<u32>,
}

/// The content of the playlist file that lies in `folder`. Files outside the library root cannot be
/// named relatively and are left out.
#[must_use]
pub fn render<'a>(folder: &MediaPath, lines: impl IntoIterator<Item = Line<'a>>) -> String {
    let mut text = String::from("#EXTM3U\n");
    for line in lines {
        if !line.path.is_in_library() || !line.path.is_utf8() {
            continue;
        }
        let seconds = line.duration_s.map_or(-1, i64::from);
        let label = line.label.replace(['\r', '\n'], " ");
        let path = relative(folder, line.path);
        text.push_str(&format!("#EXTINF:{seconds},{label}\n{path}\n"));
    }
    text
}

/// `path` as seen from `folder`.
fn relative(folder: &MediaPath, path: &MediaPath) -> String {
    let from: Vec<&str> = folder
        .as_str()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let to: Vec<&str> = path.as_str().split('/').collect();
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - same);
    up.chain(to[same..].iter().copied())
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_folder() {
        let folder = MediaPath::new("Playlists/House 🇮🇹");
        let here = MediaPath::new("Playlists/House 🇮🇹/a.mp3");
        let there = MediaPath::new("Playlists/Deep/b.mp3");
        let line = |path, seconds| Line {
            path,
            label: "A – B\nC".into(),
            duration_s: seconds,
        };
        assert_eq!(
            render(&folder, [line(&here, Some(61)), line(&there, None)]),
            "#EXTM3U\n#EXTINF:61,A – B C\na.mp3\n#EXTINF:-1,A – B C\n../Deep/b.mp3\n"
        );
    }
}
