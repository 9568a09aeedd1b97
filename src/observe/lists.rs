//! The user's own playlist files: which files they name.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use super::locate;
use crate::{
    domain::{Library, MediaPath, Observed, Problem, State, text::nfc},
    edge::local::LocalReader,
};

/// Reads every playlist file that is not ours. One that cannot be read leaves a hole: what it names is
/// not known.
pub(super) fn read(
    local: &impl LocalReader,
    library: &mut Observed<Library>,
    state: &State,
) -> BTreeMap<String, MediaPath> {
    let mut named = BTreeMap::new();
    let lists = library.value.sidecars.iter();
    for list in lists.filter(|list| !state.provenance(&list.path).is_ours()) {
        match local.read(&list.path) {
            Ok(bytes) => {
                for path in names(&text(&bytes), &list.path, local.roots()) {
                    named
                        .entry(nfc(path.as_str()))
                        .or_insert_with(|| list.path.clone());
                }
            }
            Err(error) => library.problems.push(Problem {
                subject: list.path.to_string(),
                message: error.to_string(),
                leaves_hole: true,
            }),
        }
    }
    named
}

/// UTF-8, or the Latin-1 of old players.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// The files that the playlist file at `list` names, below whichever root.
fn names(text: &str, list: &MediaPath, roots: &[PathBuf]) -> Vec<MediaPath> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| name(line, list, roots))
        .collect()
}

fn name(line: &str, list: &MediaPath, roots: &[PathBuf]) -> Option<MediaPath> {
    let line = match line.strip_prefix("file://") {
        Some(url) => percent_decoded(url.strip_prefix("localhost").unwrap_or(url)),
        None if line.contains("://") => return None,
        None => line.replace('\\', "/"),
    };
    if Path::new(&line).is_absolute() || line.as_bytes().get(1) == Some(&b':') {
        return locate(roots, &line);
    }
    let mut parts: Vec<String> = Vec::new();
    let folder = list.parent().map(|folder| folder.relative());
    for part in folder.unwrap_or_default().join(&line).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?.to_owned()),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    let path = MediaPath::from_relative(list.root(), Path::new(&parts.join("/")));
    path.is_safe().then_some(path)
}

fn percent_decoded(url: &str) -> String {
    let mut bytes = Vec::with_capacity(url.len());
    let mut rest = url.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_a_player_writes_them() {
        let roots = [PathBuf::from("/music"), PathBuf::from("/bandcamp")];
        let list = MediaPath::new("Sets/2019.m3u8");
        let at = |line: &str| name(line, &list, &roots).map(|path| path.to_string());
        let cases = [
            ("a.mp3", Some("Sets/a.mp3")),
            ("../Old/b.mp3", Some("Old/b.mp3")),
            ("./c/d.mp3", Some("Sets/c/d.mp3")),
            ("..\\Old\\b.mp3", Some("Old/b.mp3")),
            ("/music/Old/b.mp3", Some("Old/b.mp3")),
            ("/bandcamp/x.flac", Some("//1/x.flac")),
            ("file:///music/Old/b%20c.mp3", Some("Old/b c.mp3")),
            ("http://radio.example/stream", None),
            ("../../outside.mp3", None),
            ("/elsewhere/x.mp3", None),
        ];
        for (line, path) in cases {
            assert_eq!(at(line).as_deref(), path, "{line}");
        }
        let text = text(b"\xef\xbb\xbf#EXTM3U\n#EXTINF:1,x\n\ncaf\xc3\xa9.mp3\r\n");
        assert_eq!(
            names(&text, &list, &roots),
            [MediaPath::new("Sets/caf\u{e9}.mp3")]
        );
        assert_eq!(super::text(b"caf\xe9.mp3"), "caf\u{e9}.mp3");
    }
}
