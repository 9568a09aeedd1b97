use std::time::Duration;

use super::*;
use crate::domain::{
    AudioFormat, ContentHash, FileStat, Isrc, Provenance, Tags, VanishedFile, state::TrackRow,
};

const POLICY: MatchPolicy = MatchPolicy {
    auto: 97,
    ask: 80,
    duration_tolerance: Duration::from_secs(3),
    veto_version: true,
    veto_duration: true,
};

fn track(id: &str, title: &str, isrc: &str) -> Track {
    Track {
        id: id.into(),
        title: title.to_owned(),
        version: None,
        artists: vec!["Larry Heard".to_owned()],
        album: None,
        isrc: Isrc::parse(isrc),
        duration_s: Some(300),
        explicit: None,
        release_date: None,
        media_tags: Vec::new(),
        streamable: None,
    }
}

fn file(path: &str, title: &str) -> AudioFile {
    AudioFile {
        path: path.into(),
        stat: FileStat {
            size: 1000,
            inode: path.bytes().map(u64::from).sum(),
            ..FileStat::default()
        },
        format: AudioFormat::Mp3,
        tags: Tags {
            title: Some(title.to_owned()),
            artists: vec!["Larry Heard".to_owned()],
            ..Tags::default()
        },
        duration_ms: Some(300_000),
        bitrate_kbps: Some(320),
        sample_rate_hz: Some(44_100),
        left_ms: None,
        bit_depth: None,
        hash: None,
        problem: None,
    }
}

fn linked(state: &mut State, track: &Track, path: &str, hash: Option<ContentHash>) {
    let row = TrackRow {
        track: track.clone().into(),
        file: Some(path.into()),
        content: None,
        home: None,
        last_seen_in_tidal: None,
    };
    state.tracks.insert(track.id.clone(), row);
    let row = FileRow {
        path: path.into(),
        role: FileRole::Track,
        provenance: Provenance::Tidal,
        track: Some(track.id.clone()),
        playlist: None,
        size: 1000,
        hash,
    };
    state.files.insert(path.into(), row);
}

fn shelf(files: &[AudioFile]) -> Library {
    Library {
        files: files.to_vec(),
        ..Library::default()
    }
}

fn run(tracks: &[&Track], files: &[AudioFile], state: &State) -> Identities {
    run_in(tracks, &shelf(files), state)
}

fn run_in(tracks: &[&Track], library: &Library, state: &State) -> Identities {
    let found = identify(tracks, library, state, &BTreeMap::new(), &POLICY);
    let mut backwards = library.clone();
    backwards.files.reverse();
    let tracks: Vec<&Track> = tracks.iter().rev().copied().collect();
    assert_eq!(
        found,
        identify(&tracks, &backwards, state, &BTreeMap::new(), &POLICY)
    );
    found
}

fn how(found: &Identities, id: &str) -> (How, String) {
    let found = &found.matches[&TrackId::new(id)];
    (found.how, found.path.as_str().to_owned())
}

#[test]
fn evidence_goes_from_link_to_likeness() {
    let linked_track = track("1", "Missing You", "");
    let by_id = track("2", "Can You Feel It", "");
    let by_isrc = track("3", "Mystery of Love", "NLA321000001");
    let alike = track("4", "The Sun Can't Compare", "");
    let mut state = State::default();
    linked(&mut state, &linked_track, "own name.mp3", None);
    let mut tagged = file("a/renamed.mp3", "Can U Feel It");
    tagged.tags.tidal_id = Some("2".into());
    let mut coded = file("b/x.mp3", "Mystery Of Love");
    coded.tags.isrc = Isrc::parse("NLA321000001");
    let files = [
        file("own name.mp3", "whatever it says"),
        tagged,
        coded,
        file("c/y.mp3", "the sun cant compare"),
    ];
    let found = run(&[&linked_track, &by_id, &by_isrc, &alike], &files, &state);
    assert_eq!(how(&found, "1"), (How::Link, "own name.mp3".to_owned()));
    assert_eq!(how(&found, "2"), (How::TidalId, "a/renamed.mp3".to_owned()));
    assert_eq!(how(&found, "3"), (How::Isrc, "b/x.mp3".to_owned()));
    assert_eq!(how(&found, "4"), (How::Likeness, "c/y.mp3".to_owned()));
    assert!(found.asks.is_empty() && found.duplicates.is_empty());
}

#[test]
fn a_moved_file_is_found_by_content_and_never_guessed() {
    let wanted = track("1", "Missing You", "");
    let hash = ContentHash::of(b"missing you");
    let mut state = State::default();
    linked(&mut state, &wanted, "old/a.mp3", Some(hash));
    let mut moved = file("new/b.mp3", "no title of ours");
    moved.hash = Some(hash);
    let found = run(&[&wanted], &[moved.clone()], &state);
    assert_eq!(how(&found, "1"), (How::Moved, "new/b.mp3".to_owned()));
    let mut twin = file("other/c.mp3", "no title of ours");
    twin.hash = Some(hash);
    assert!(
        run(&[&wanted], &[moved.clone(), twin], &state)
            .matches
            .is_empty()
    );
    let still = file("old/a.mp3", "Missing You");
    assert_eq!(
        how(&run(&[&wanted], &[moved, still], &state), "1").0,
        How::Link
    );
}

#[test]
fn a_linked_path_that_holds_another_song_now_is_no_link() {
    let wanted = track("1", "Missing You", "");
    let mut state = State::default();
    linked(&mut state, &wanted, "a.mp3", None);
    let mut replaced = file("a.mp3", "Something Else Entirely");
    replaced.stat.size = 2000;
    assert!(run(&[&wanted], &[replaced], &state).matches.is_empty());
    let mut retagged = file("a.mp3", "Missing You");
    retagged.stat.size = 2000;
    assert_eq!(how(&run(&[&wanted], &[retagged], &state), "1").0, How::Link);
}

#[test]
fn a_truncated_or_unreadable_file_never_counts() {
    let wanted = track("1", "Missing You", "");
    let mut state = State::default();
    linked(&mut state, &wanted, "a.mp3", None);
    let mut short = file("a.mp3", "Missing You");
    short.duration_ms = Some(150_000);
    short.tags.tidal_id = Some("1".into());
    let mut broken = file("b.mp3", "Missing You");
    broken.duration_ms = None;
    broken.problem = Some("not audio".to_owned());
    let mut empty = file("c.mp3", "Missing You");
    empty.stat.size = 0;
    let found = run(&[&wanted], &[short, broken, empty], &state);
    assert!(found.matches.is_empty() && found.asks.is_empty());
}

#[test]
fn decisions_come_before_any_score() {
    let wanted = track("1", "Missing You", "");
    let files = [
        file("a.mp3", "Missing You"),
        file("b.mp3", "Nothing Like It"),
    ];
    let decided = |path: Option<&str>| {
        let decisions = BTreeMap::from([(wanted.id.clone(), path.map(MediaPath::from))]);
        identify(
            &[&wanted],
            &shelf(&files),
            &State::default(),
            &decisions,
            &POLICY,
        )
    };
    assert_eq!(
        how(&decided(Some("b.mp3")), "1"),
        (How::Decision, "b.mp3".to_owned())
    );
    let none = decided(None);
    assert!(none.matches.is_empty() && none.asks.is_empty());
    assert_eq!(how(&decided(Some("gone.mp3")), "1").0, How::Likeness);
}

#[test]
fn of_several_files_ours_then_the_better_one_is_taken() {
    let wanted = track("1", "Missing You", "");
    let mut flac = file("z/long/path.flac", "Missing You");
    flac.format = AudioFormat::Flac;
    let files = [
        file("a.mp3", "Missing You"),
        flac,
        file("ours.mp3", "Missing You"),
    ];
    let found = run(&[&wanted], &files, &State::default());
    assert_eq!(how(&found, "1").1, "z/long/path.flac");
    let others: Vec<MediaPath> = vec!["a.mp3".into(), "ours.mp3".into()];
    assert_eq!(found.duplicates[&wanted.id], others);
    let mut state = State::default();
    linked(&mut state, &track("other", "Other", ""), "ours.mp3", None);
    state.tracks.clear();
    assert_eq!(how(&run(&[&wanted], &files, &state), "1").1, "ours.mp3");
}

#[test]
fn one_recording_under_two_ids_shares_a_file_and_two_recordings_do_not() {
    let first = track("1", "Missing You", "NLA321000001");
    let again = track("2", "Missing You", "NLA321000001");
    let other = track("3", "Missing You", "NLA321000009");
    let files = [file("a.mp3", "Missing You")];
    let found = run(&[&first, &again], &files, &State::default());
    assert_eq!(how(&found, "1").1, "a.mp3");
    assert_eq!(how(&found, "2").1, "a.mp3");
    let found = run(&[&first, &other], &files, &State::default());
    assert!(found.matches.is_empty());
    assert_eq!(found.asks.len(), 2);
    let mut state = State::default();
    linked(&mut state, &first, "a.mp3", None);
    let found = run(&[&first, &again], &files, &state);
    assert_eq!(how(&found, "2"), (How::Isrc, "a.mp3".to_owned()));
}

#[test]
fn a_doubtful_file_is_a_question_with_its_reasons() {
    let wanted = track("1", "Missing You", "");
    let mut longer = file("a.mp3", "Missing You");
    longer.duration_ms = Some(305_000);
    let found = run(&[&wanted], &[longer], &State::default());
    let asked = &found.asks[&wanted.id];
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0]
            .reasons
            .iter()
            .any(|reason| reason.contains("5.0 s")),
        "{asked:?}"
    );
}

#[test]
fn hard_links_and_our_own_copies_are_no_duplicates() {
    let wanted = track("1", "Missing You", "");
    let mut state = State::default();
    linked(&mut state, &wanted, "a.mp3", None);
    let original = file("a.mp3", "Missing You");
    let mut link = file("b.mp3", "Missing You");
    link.stat.inode = original.stat.inode;
    let copy = file("c.mp3", "Missing You");
    let mut row = state.files[&MediaPath::from("a.mp3")].clone();
    row.role = FileRole::Copy;
    row.path = "c.mp3".into();
    state.files.insert("c.mp3".into(), row);
    let found = run(&[&wanted], &[original, link, copy], &state);
    assert_eq!(found.duplicates.get(&wanted.id), None);
    assert_eq!(
        found.matches.get(&wanted.id).unwrap().path.as_str(),
        "a.mp3"
    );
}

#[test]
fn a_copy_of_ours_stands_for_its_original_under_another_id_as_well() {
    let [old, new] = ["1", "2"].map(|id| track(id, "Missing You", "NLA321000001"));
    let mut state = State::default();
    linked(&mut state, &old, "a.mp3", None);
    let mut row = state.files[&MediaPath::from("a.mp3")].clone();
    row.role = FileRole::Copy;
    row.path = "c.mp3".into();
    state.files.insert("c.mp3".into(), row);
    let files = [file("a.mp3", "Missing You"), file("c.mp3", "Missing You")];
    let found = run(&[&old, &new], &files, &state);
    for id in ["1", "2"] {
        assert_eq!(found.matches[&TrackId::from(id)].path.as_str(), "a.mp3");
    }
    // Without the code it may be another recording, and gets a file of its own.
    let other = track("2", "Missing You", "");
    let found = run(&[&old, &other], &files, &state);
    assert_eq!(found.matches.get(&other.id), None);
    // The original is gone: the copy is as good.
    let found = run(&[&old, &new], &files[1..], &state);
    assert_eq!(found.matches[&new.id].path.as_str(), "c.mp3");
}

/// A library in which `old/a.mp3` was once seen, with the facts that `file` gives it.
fn after(files: &[AudioFile], seen: &AudioFile) -> Library {
    Library {
        vanished: vec![VanishedFile {
            path: "old/a.mp3".into(),
            stat: seen.stat,
            hash: seen.hash,
        }],
        ..shelf(files)
    }
}

#[test]
fn a_renamed_file_is_known_by_its_inode() {
    let wanted = track("1", "Missing You", "");
    let mut state = State::default();
    linked(&mut state, &wanted, "old/a.mp3", None);
    let new = file("new/b.mp3", "no title of ours");
    let found = run_in(&[&wanted], &after(std::slice::from_ref(&new), &new), &state);
    assert_eq!(how(&found, "1"), (How::Moved, "new/b.mp3".to_owned()));

    // Another file got the inode that became free.
    let mut other = new.clone();
    other.stat.mtime = (7, 0);
    let found = run_in(&[&wanted], &after(&[other], &new), &state);
    assert!(found.matches.is_empty());

    // It was moved and its tags were written, which only they can tell.
    let mut tagged = file("new/b.mp3", "Missing You");
    tagged.stat.size += 500;
    let found = run_in(&[&wanted], &after(&[tagged], &new), &state);
    assert_eq!(how(&found, "1"), (How::Moved, "new/b.mp3".to_owned()));

    // Two names of one inode: no guess.
    let mut second = new.clone();
    second.path = "new/c.mp3".into();
    let found = run_in(&[&wanted], &after(&[new.clone(), second], &new), &state);
    assert!(found.matches.is_empty());
}

#[test]
fn a_hash_is_asked_for_where_it_would_tell() {
    let wanted = track("1", "Missing You", "");
    let hash = ContentHash::of(b"missing you");
    let mut state = State::default();
    linked(&mut state, &wanted, "old/a.mp3", Some(hash));
    let mut smaller = file("new/c.mp3", "no title of ours");
    smaller.stat.size = 999;
    let new = file("new/b.mp3", "no title of ours");
    let found = run(&[&wanted], &[new.clone(), smaller.clone()], &state);
    assert_eq!(found.unhashed, BTreeSet::from(["new/b.mp3".into()]));
    let mut hashed = new;
    hashed.hash = Some(hash);
    let found = run(&[&wanted], &[hashed.clone(), smaller], &state);
    assert!(found.unhashed.is_empty());
    assert_eq!(how(&found, "1").0, How::Moved);

    // The same name and size, and other content.
    hashed.path = "new/a.mp3".into();
    hashed.hash = Some(ContentHash::of(b"something else"));
    assert!(run(&[&wanted], &[hashed], &state).matches.is_empty());
}
