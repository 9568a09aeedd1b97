//! What is fed with the bytes of others: each function takes any bytes, must come to an end without a
//! panic, and holds what was accepted to what it is written as again. Used by the fuzz targets here and by
//! `tests/it/fuzz.rs`.

use std::path::Path;

use tidal_cleanup::{
    edge::{
        local::tags,
        rekordbox,
        tidal::{snapshot, wire},
    },
    plan::canonical,
    policy::{Policy, decisions::Decisions, format::format},
};

/// An entry: any bytes.
pub(crate) type Entry = fn(&[u8]);

/// Every entry, by the name of its corpus.
pub(crate) const ENTRIES: &[(&str, Entry)] = &[
    ("plan", plan),
    ("policy", policy),
    ("decisions", decisions),
    ("snapshot", tidal_snapshot),
    ("page", tidal_page),
    ("playlists_xml", playlists_xml),
    ("tags", audio_tags),
];

/// A plan file.
pub(crate) fn plan(bytes: &[u8]) {
    let Ok(plan) = canonical::parse(bytes) else {
        return;
    };
    let text = canonical::to_json(&plan);
    let again = canonical::parse(text.as_bytes()).expect("what was written is read");
    assert_eq!(again, plan);
    assert_eq!(canonical::to_json(&again), text);
}

/// A policy.
pub(crate) fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let parse = |text: &str| {
        let place = Path::new("/tidal-cleanup.toml");
        Policy::parse(place, text, &|_| None, Path::new("/home/dj"))
    };
    let parsed = parse(text);
    let Ok(laid_out) = format(text) else {
        assert!(parsed.is_err(), "no TOML, and a policy");
        return;
    };
    assert_eq!(format(&laid_out).as_ref(), Ok(&laid_out), "laid out twice");
    assert_eq!(parse(&laid_out).is_ok(), parsed.is_ok(), "{laid_out}");
}

/// The file of decisions.
pub(crate) fn decisions(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let first = Decisions::parse("decisions.toml", text);
    if let (Ok(first), Ok(again)) = (&first, Decisions::parse("decisions.toml", text)) {
        assert_eq!(first, &again);
    }
}

/// A saved reading of TIDAL.
pub(crate) fn tidal_snapshot(bytes: &[u8]) {
    let Ok(reading) = snapshot::parse(bytes) else {
        return;
    };
    let text = snapshot::render(&reading);
    let again = snapshot::parse(text.as_bytes()).expect("what was written is read");
    assert_eq!(snapshot::render(&again), text);
    assert_eq!(
        snapshot::content_hash(&again),
        snapshot::content_hash(&reading)
    );
}

/// A page of TIDAL's answers.
pub(crate) fn tidal_page(bytes: &[u8]) {
    let _ = serde_json::from_slice::<wire::Document<Vec<wire::Resource>>>(bytes);
    let _ = serde_json::from_slice::<wire::Document<wire::Resource>>(bytes);
    let text = wire::excerpt(bytes);
    let _ = (wire::timestamp(&text), wire::duration_s(&text));
}

/// `masterPlaylists6.xml`: untouched, it stays as it is.
pub(crate) fn playlists_xml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(again) = rekordbox::playlist_file_again(text) {
        assert_eq!(again, text);
    }
}

/// An audio file.
pub(crate) fn audio_tags(bytes: &[u8]) {
    let folder = std::env::temp_dir().join(format!("tidal-cleanup-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder is there");
    for name in ["a.mp3", "a.flac", "a.m4a", "a.wav", "a.aiff", "a.ogg"] {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("the temporary folder can be written");
        let facts = tags::read_file(&path);
        let told = facts.problem.is_some() || facts.duration_ms.is_some();
        assert!(told, "neither read nor a problem");
    }
    drop(std::fs::remove_dir_all(folder));
}
