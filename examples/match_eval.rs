//! Holds the identity rules against labelled pairs: `match_eval PAIRS.json [--json]`.
//!
//! A pair is a local file (name, tags, length) beside the metadata of a TIDAL track, labelled `match` or
//! `no_match`. Each pair is decided as the planner would; pairs marked `soft` (people would argue) are
//! left out of the counts.

use std::{io::Write as _, process::ExitCode, time::Duration};

use serde::{Deserialize, Serialize};
use tidal_cleanup::{
    diff::identity::{LocalFacts, Verdict, judge},
    domain::{Isrc, Track, TrackId},
    policy::MatchPolicy,
};

#[derive(Deserialize)]
struct Pair {
    id: String,
    label: Label,
    #[serde(default)]
    soft: bool,
    #[serde(default)]
    category: String,
    local: Local,
    tidal: Tidal,
}

#[derive(Clone, Copy, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Label {
    Match,
    NoMatch,
}

#[derive(Deserialize)]
struct Local {
    filename: String,
    #[serde(default)]
    tags: Tags,
    duration: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Tags {
    title: Option<String>,
    artist: Option<Texts>,
    album: Option<String>,
    isrc: Option<String>,
    tidal_id: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Tidal {
    id: serde_json::Value,
    title: String,
    version: Option<String>,
    #[serde(default)]
    artists: Vec<String>,
    album: Option<String>,
    isrc: Option<String>,
    duration: Option<f64>,
}

#[derive(Serialize)]
struct Report {
    pairs: usize,
    auto: usize,
    ask: usize,
    auto_precision: f64,
    auto_across_version_veto: usize,
    recall_auto: f64,
    recall_auto_or_ask: f64,
    ask_rate_on_no_match: f64,
    wrong: Vec<Wrong>,
}

/// A pair that was decided otherwise than labelled: linked or asked without being a match, or missed.
#[derive(Serialize)]
struct Wrong {
    id: String,
    category: String,
    label: Label,
    decided: &'static str,
    why: String,
}

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let json = args.iter().any(|arg| arg == "--json");
    args.retain(|arg| arg != "--json");
    let outcome = match args.as_slice() {
        [path] => evaluate(path),
        _ => Err("usage: match_eval PAIRS.json [--json]".into()),
    };
    match outcome.and_then(|report| show(&report, json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing more can be done when stderr is closed.
            let _ = writeln!(std::io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn evaluate(path: &str) -> Result<Report, Box<dyn std::error::Error>> {
    let pairs: Vec<Pair> = serde_json::from_slice(&std::fs::read(path)?)?;
    let policy = MatchPolicy {
        auto: 97,
        ask: 80,
        duration_tolerance: Duration::from_secs(3),
        veto_version: true,
        veto_duration: true,
    };
    let mut wrong = Vec::new();
    let (mut matches, mut others) = ([0_usize; 3], [0_usize; 3]);
    let mut across = 0;
    for pair in pairs.iter().filter(|pair| !pair.soft) {
        let judgement = decide(pair, &policy);
        let (at, decided) = match judgement.verdict {
            Verdict::No => (0, "no"),
            Verdict::Ask => (1, "ask"),
            Verdict::Auto => (2, "auto"),
        };
        let counts = match pair.label {
            Label::Match => &mut matches,
            Label::NoMatch => &mut others,
        };
        counts[at] += 1;
        across += usize::from(
            judgement.verdict == Verdict::Auto
                && judgement
                    .vetoes
                    .iter()
                    .any(|veto| veto.starts_with("version")),
        );
        let right = match pair.label {
            Label::Match => judgement.verdict != Verdict::No,
            Label::NoMatch => judgement.verdict == Verdict::No,
        };
        if !right {
            let mut why = judgement.reasons;
            why.extend(
                judgement
                    .vetoes
                    .iter()
                    .map(|veto| format!("veto {veto}").into()),
            );
            wrong.push(Wrong {
                id: pair.id.clone(),
                category: pair.category.clone(),
                label: pair.label,
                decided,
                why: format!("{}: {}", judgement.score, why.join("; ")),
            });
        }
    }
    let share = |part: usize, whole: usize| {
        if whole == 0 {
            1.0
        } else {
            part as f64 / whole as f64
        }
    };
    let all_matches: usize = matches.iter().sum();
    Ok(Report {
        pairs: all_matches + others.iter().sum::<usize>(),
        auto: matches[2] + others[2],
        ask: matches[1] + others[1],
        auto_precision: share(matches[2], matches[2] + others[2]),
        auto_across_version_veto: across,
        recall_auto: share(matches[2], all_matches),
        recall_auto_or_ask: share(matches[2] + matches[1], all_matches),
        ask_rate_on_no_match: share(others[1], others.iter().sum()),
        wrong,
    })
}

fn decide(pair: &Pair, policy: &MatchPolicy) -> tidal_cleanup::diff::identity::Judgement {
    let tags = &pair.local.tags;
    let artists = match &tags.artist {
        None => Vec::new(),
        Some(Texts::One(artist)) => vec![artist.clone()],
        Some(Texts::Several(artists)) => artists.clone(),
    };
    let isrc = tags.isrc.as_deref().and_then(Isrc::parse);
    let tidal_id = tags.tidal_id.as_ref().map(id);
    let facts = LocalFacts {
        file_name: &pair.local.filename,
        title: tags
            .title
            .as_deref()
            .filter(|title| !title.trim().is_empty()),
        artists: &artists,
        album: tags.album.as_deref(),
        isrc: isrc.as_ref(),
        year: None,
        duration_ms: pair.local.duration.map(|s| (s * 1000.0).round() as u64),
        tidal_id: tidal_id.as_ref(),
    };
    let tidal = &pair.tidal;
    let track = Track {
        id: id(&tidal.id),
        title: tidal.title.clone(),
        version: tidal.version.clone(),
        artists: tidal.artists.clone(),
        album: tidal.album.clone(),
        isrc: tidal.isrc.as_deref().and_then(Isrc::parse),
        duration_s: tidal.duration.map(|s| s.round() as u32),
        explicit: None,
        release_date: None,
        media_tags: Vec::new(),
        streamable: None,
    };
    judge(&facts, &track, policy)
}

fn id(value: &serde_json::Value) -> TrackId {
    match value {
        serde_json::Value::String(text) => TrackId::new(text.as_str()),
        other => TrackId::new(other.to_string()),
    }
}

fn show(report: &Report, json: bool) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(out, "pairs                  {}", report.pairs)?;
    writeln!(
        out,
        "auto, ask              {}, {}",
        report.auto, report.ask
    )?;
    writeln!(out, "auto precision         {:.4}", report.auto_precision)?;
    writeln!(
        out,
        "auto across a veto     {}",
        report.auto_across_version_veto
    )?;
    writeln!(out, "recall auto            {:.4}", report.recall_auto)?;
    writeln!(
        out,
        "recall auto or ask     {:.4}",
        report.recall_auto_or_ask
    )?;
    writeln!(
        out,
        "ask rate on no_match   {:.4}",
        report.ask_rate_on_no_match
    )?;
    for wrong in &report.wrong {
        let label = match wrong.label {
            Label::Match => "match",
            Label::NoMatch => "no_match",
        };
        writeln!(
            out,
            "{} {}: {label}, decided {}: {}",
            wrong.id, wrong.category, wrong.decided, wrong.why
        )?;
    }
    Ok(())
}
