//! The pairs of `pairs.txt`, judged.

use super::{POLICY, track};
use crate::{
    diff::identity::{LocalFacts, judge::*},
    domain::Isrc,
};

const PAIRS: &str = include_str!("pairs.txt");

#[derive(Debug)]
struct Case<'a> {
    mark: &'a str,
    line: &'a str,
    name: &'a str,
    artist: Option<&'a str>,
    title: Option<&'a str>,
    seconds: u64,
    artists: Vec<&'a str>,
    track_title: &'a str,
    version: &'a str,
    length: u32,
    more: &'a str,
}

impl<'a> Case<'a> {
    fn parse(line: &'a str) -> Self {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        assert!((9..=10).contains(&fields.len()), "{line}");
        let some = |text: &'a str| (!text.is_empty()).then_some(text);
        Self {
            mark: fields[0],
            line,
            name: fields[1],
            artist: some(fields[2]),
            title: some(fields[3]),
            seconds: fields[4].parse().unwrap(),
            artists: fields[5].split(';').map(str::trim).collect(),
            track_title: fields[6],
            version: fields[7],
            length: fields[8].parse().unwrap(),
            more: fields.get(9).copied().unwrap_or_default(),
        }
    }

    fn extra(&self, key: &str) -> Option<&'a str> {
        let mut extras = self.more.split(", ");
        extras.find_map(|extra| extra.strip_prefix(key)?.strip_prefix('='))
    }

    fn judged(&self) -> Judgement {
        let artists: Vec<String> = self
            .artist
            .iter()
            .map(|artist| (*artist).to_owned())
            .collect();
        let isrc = self.extra("isrc").and_then(Isrc::parse);
        let facts = LocalFacts {
            file_name: self.name,
            title: self.title,
            artists: &artists,
            album: self.extra("album"),
            isrc: isrc.as_ref(),
            duration_ms: Some(self.seconds * 1000),
            ..LocalFacts::default()
        };
        let mut track = track(self.track_title, self.version, &self.artists, self.length);
        track.isrc = self.extra("tisrc").and_then(Isrc::parse);
        track.album = self.extra("talbum").map(str::to_owned);
        judge(&facts, &track, &POLICY)
    }
}

#[test]
fn every_pair_is_told_apart() {
    let mut wrong = Vec::new();
    let lines = PAIRS.lines().filter(|line| !line.trim().is_empty());
    for line in lines.filter(|line| !line.starts_with('#')) {
        let case = Case::parse(line);
        let judgement = case.judged();
        let right = match case.mark {
            "==" => judgement.verdict == Verdict::Auto,
            "=" => judgement.verdict != Verdict::No,
            "!!" => judgement.verdict == Verdict::No,
            "!" => judgement.verdict != Verdict::Auto,
            mark => panic!("{mark}: {line}"),
        };
        if !right {
            wrong.push(format!("{}\n      {judgement:?}", case.line));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
