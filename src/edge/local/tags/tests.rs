use std::{fs, path::PathBuf, time::Instant};

use tempfile::TempDir;

use super::*;
use crate::{
    domain::{Isrc, Track, TrackId},
    edge::local::fixture::{
        aiff, atom, ffmpeg, flac, id3, id3_frame, id3_text, ilst_freeform, ilst_text, m4a, mp3,
        mp3_frames, riff, wav,
    },
};

fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn read(name: &str, bytes: &[u8]) -> FileFacts {
    let (_folder, path) = file(name, bytes);
    let began = Instant::now();
    let facts = read_file(&path);
    assert!(began.elapsed().as_secs() < 5, "{name} took too long");
    facts
}

fn isrc(facts: &FileFacts) -> Option<&str> {
    facts.tags.isrc.as_ref().map(Isrc::as_str)
}

fn tidal_id(facts: &FileFacts) -> Option<&str> {
    facts.tags.tidal_id.as_ref().map(TrackId::as_str)
}

fn user_text(major: u8, key: &str, value: &str) -> Vec<u8> {
    id3_frame(major, b"TXXX", 0, format!("\0{key}\0{value}").as_bytes())
}

const CODE: &str = "USABC1234567";

#[test]
fn an_mp3_tells_its_length_and_texts() {
    let frames = [
        id3_text(4, b"TIT2", "Überfahrt"),
        id3_text(4, b"TPE1", "A\0B"),
        id3_text(4, b"TALB", "Album"),
        id3_text(4, b"TDRC", "2019-05-01"),
        id3_text(4, b"TCON", "(17)"),
    ];
    let facts = read("a.mp3", &mp3(4, &frames.concat(), 10));
    assert_eq!(facts.problem, None);
    assert_eq!(facts.tags.title.as_deref(), Some("Überfahrt"));
    assert_eq!(facts.tags.artists, ["A", "B"]);
    assert_eq!(facts.tags.year, Some(2019));
    assert_eq!(facts.tags.genre.as_deref(), Some("Rock"));
    let duration = facts.duration_ms.unwrap();
    assert!((9_800..10_100).contains(&duration), "{duration}");
    assert_eq!(
        (facts.bitrate_kbps, facts.sample_rate_hz),
        (Some(128), Some(44_100))
    );
    assert_eq!(facts.bit_depth, None);
}

#[test]
fn an_isrc_is_found_wherever_it_was_put() {
    let url = |id: &[u8; 4]| mp3(3, &id3_frame(3, id, 0, CODE.as_bytes()), 1);
    let ape = {
        let mut items = u32::try_from(CODE.len()).unwrap().to_le_bytes().to_vec();
        items.extend([0; 4]);
        items.extend(format!("ISRC\0{CODE}").as_bytes());
        let mut footer = b"APETAGEX".to_vec();
        footer.extend(2000_u32.to_le_bytes());
        footer.extend(u32::try_from(items.len() + 32).unwrap().to_le_bytes());
        footer.extend(1_u32.to_le_bytes());
        footer.extend([0; 12]);
        [mp3_frames(40), items, footer].concat()
    };
    let lower = CODE.to_ascii_lowercase();
    let cases = [
        ("tsrc.mp3", mp3(3, &id3_text(3, b"TSRC", CODE), 1)),
        ("txxx.mp3", mp3(3, &user_text(3, "ISRC", CODE), 1)),
        ("woas.mp3", url(b"WOAS")),
        ("ape.mp3", ape),
        ("atom.m4a", m4a(&ilst_text(b"isrc", CODE))),
        (
            "apple.m4a",
            m4a(&ilst_freeform("com.apple.iTunes", "ISRC", CODE)),
        ),
        (
            "xid.m4a",
            m4a(&ilst_text(b"xid ", &format!("Label:isrc:{CODE}"))),
        ),
        ("comment.flac", flac(&[("isrc", &lower)])),
        (
            "id3.wav",
            riff(&[(b"id3 ", id3(3, &id3_text(3, b"TSRC", CODE)))]),
        ),
        (
            "id3.aiff",
            aiff(&[(b"ID3 ", id3(4, &id3_text(4, b"TSRC", CODE)))]),
        ),
    ];
    for (name, bytes) in cases {
        let facts = read(name, &bytes);
        assert_eq!(isrc(&facts), Some(CODE), "{name}");
        // The chunk files hold no audio.
        assert!(
            facts.duration_ms.is_some() || name.ends_with(".wav"),
            "{name}"
        );
    }
}

#[test]
fn a_tidal_id_is_found_wherever_it_was_put() {
    let link = "https://tidal.com/browse/track/77646168";
    let cases = [
        (
            "txxx.mp3",
            mp3(3, &user_text(3, "TIDAL_TRACK_ID", "77646168"), 1),
        ),
        (
            "woaf.mp3",
            mp3(3, &id3_frame(3, b"WOAF", 0, link.as_bytes()), 1),
        ),
        (
            "woas.mp3",
            mp3(3, &id3_frame(3, b"WOAS", 0, link.as_bytes()), 1),
        ),
        (
            "wxxx.mp3",
            mp3(
                4,
                &id3_frame(4, b"WXXX", 0, format!("\0\0{link}").as_bytes()),
                1,
            ),
        ),
        (
            "comm.mp3",
            mp3(
                4,
                &id3_frame(4, b"COMM", 0, format!("\0eng\0{link}").as_bytes()),
                1,
            ),
        ),
        (
            "own.m4a",
            m4a(&ilst_freeform(
                "com.tidal-cleanup",
                "TIDAL_TRACK_ID",
                "77646168",
            )),
        ),
        (
            "apple.m4a",
            m4a(&ilst_freeform(
                "com.apple.iTunes",
                "TIDAL_TRACK_ID",
                "77646168",
            )),
        ),
        ("url.m4a", m4a(&ilst_text(b"\xa9url", link))),
        ("key.flac", flac(&[("TIDAL_TRACK_ID", "77646168")])),
        ("url.flac", flac(&[("URL", link)])),
    ];
    for (name, bytes) in cases {
        assert_eq!(tidal_id(&read(name, &bytes)), Some("77646168"), "{name}");
    }
}

#[test]
fn each_format_tells_its_length() {
    for (name, bytes, milliseconds, depth) in [
        ("a.wav", wav(3), 3_000, Some(16)),
        ("a.aiff", aiff(&[]), 1_000, Some(16)),
        ("a.flac", flac(&[]), 10_000, Some(16)),
        ("a.m4a", m4a(&[]), 10_000, None),
    ] {
        let facts = read(name, &bytes);
        assert_eq!(facts.problem, None, "{name}");
        assert_eq!(facts.duration_ms, Some(milliseconds), "{name}");
        assert_eq!(facts.bit_depth, depth, "{name}");
    }
}

#[test]
fn content_beats_the_name() {
    let facts = read("a.mp3", &flac(&[("TITLE", "T")]));
    assert_eq!(facts.format, AudioFormat::Flac);
    assert_eq!(facts.tags.title.as_deref(), Some("T"));
    assert!(facts.problem.unwrap().contains("its name says mp3"));
}

#[test]
fn utf16_and_old_versions_are_read() {
    let utf16 = |text: &str| -> Vec<u8> {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [1, 0xff, 0xfe].into_iter().chain(units).collect()
    };
    let facts = read(
        "a.mp3",
        &mp3(3, &id3_frame(3, b"TIT2", 0, &utf16("夜に\0")), 1),
    );
    assert_eq!(facts.tags.title.as_deref(), Some("夜に"));

    let old = id3(2, b"TT2\0\0\x03\0OKTRC\0\0\x0d\0USABC1234567");
    let facts = read("a.mp3", &[old, mp3_frames(40)].concat());
    assert_eq!(facts.tags.title.as_deref(), Some("OK"));
    assert_eq!(isrc(&facts), Some(CODE));
}

#[test]
fn an_old_tag_at_the_end_fills_what_is_missing() {
    let mut v1 = b"TAG".to_vec();
    v1.extend(
        format!(
            "{:\0<30}{:\0<30}{:\0<30}1999",
            "Old title", "Old artist", ""
        )
        .bytes(),
    );
    v1.extend([0; 30]);
    v1.push(17);
    let facts = read(
        "a.mp3",
        &[mp3(3, &id3_text(3, b"TIT2", "New"), 2), v1].concat(),
    );
    assert_eq!(facts.tags.title.as_deref(), Some("New"));
    assert_eq!(facts.tags.artists, ["Old artist"]);
    assert_eq!(facts.tags.year, Some(1999));
}

/// Chapters in chapters: 60 of them overflow the stack of a reader that recurses.
fn nested(id: &[u8; 4], levels: usize) -> Vec<u8> {
    (0..levels).fold(Vec::new(), |inner, _| {
        let head: &[u8] = if id == b"CHAP" { &[0; 16] } else { &[3, 0] };
        id3_frame(4, id, 0, &[b"c\0", head, &inner].concat())
    })
}

#[test]
fn nested_frames_do_not_overflow_the_stack() {
    for id in [b"CHAP", b"CTOC"] {
        let frames = [nested(id, 400), id3_text(4, b"TIT2", "After")].concat();
        for (name, bytes) in [
            ("a.mp3", mp3(4, &frames, 1)),
            ("a.wav", riff(&[(b"id3 ", id3(4, &frames))])),
            ("a.aiff", aiff(&[(b"ID3 ", id3(4, &frames))])),
            ("a.flac", [id3(4, &frames), flac(&[])].concat()),
        ] {
            assert_eq!(
                read(name, &bytes).tags.title.as_deref(),
                Some("After"),
                "{name}"
            );
            let (_folder, path) = file(name, &bytes);
            let format = format_of_name(&path).unwrap();
            assert!(write_tidal_id(&path, format, &TrackId::from("1")).is_err());
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
}

#[test]
fn packed_frames_are_not_blown_up() {
    use std::io::Write as _;
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&vec![b'x'; 64 << 20]).unwrap();
    let packed = [vec![0x0c, 0, 0, 0], packer.finish().unwrap()].concat();
    let frames = [
        id3_frame(4, b"TIT2", 0x0009, &packed),
        id3_text(4, b"TALB", "Album"),
    ];
    let bytes = mp3(4, &frames.concat(), 1);
    assert_eq!(read("a.mp3", &bytes).tags.album.as_deref(), Some("Album"));
    let (_folder, path) = file("a.mp3", &bytes);
    assert!(write_tidal_id(&path, AudioFormat::Mp3, &TrackId::from("1")).is_err());
}

#[test]
fn five_thousand_frames_are_bounded() {
    let frames: Vec<u8> = (0..5_000)
        .flat_map(|n| user_text(4, &format!("KEY{n}"), "v"))
        .collect();
    let facts = read(
        "a.mp3",
        &mp3(4, &[id3_text(4, b"TIT2", "T"), frames].concat(), 1),
    );
    assert_eq!(facts.tags.title.as_deref(), Some("T"));
    assert!(facts.problem.unwrap().contains("2000 frames"));
    assert!(facts.duration_ms.is_some());
}

#[test]
fn a_million_atoms_or_blocks_are_given_up() {
    let atoms = [m4a(&[]), b"\0\0\0\x08free".repeat(600_000)].concat();
    assert_eq!(read("a.m4a", &atoms).duration_ms, Some(10_000));
    let late = [
        b"\0\0\0\x0cftypM4A ".to_vec(),
        b"\0\0\0\x08free".repeat(600_000),
    ]
    .concat();
    assert!(read("a.m4a", &late).problem.is_some());
    let blocks = [
        b"fLaC\0\0\0\x22".to_vec(),
        vec![0; 34],
        b"\x01\0\0\0".repeat(600_000),
    ]
    .concat();
    assert!(read("a.flac", &blocks).problem.is_some());
}

#[test]
fn fragments_alone_tell_how_long_they_are() {
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_be_bytes()).collect() };
    let sound = [words(&[0, 0]), b"soun".to_vec(), vec![0; 13]].concat();
    let media = [
        atom(b"mdhd", &words(&[0, 0, 0, 44_100, 0, 0])),
        atom(b"hdlr", &sound),
    ];
    let track = [
        atom(b"tkhd", &words(&[0, 0, 0, 7, 0, 0])),
        atom(b"mdia", &media.concat()),
    ];
    let movie = [
        atom(
            b"mvhd",
            &[words(&[0, 0, 0, 1_000, 0]), vec![0; 80]].concat(),
        ),
        atom(b"trak", &track.concat()),
        atom(b"mvex", &atom(b"trex", &words(&[0, 7, 1, 4_410, 0, 0]))),
    ];
    let fragment = |header: &[u32], run: &[u32]| {
        let part = [atom(b"tfhd", &words(header)), atom(b"trun", &words(run))];
        let media = [
            atom(b"moof", &atom(b"traf", &part.concat())),
            atom(b"mdat", &[0; 900]),
        ];
        media.concat()
    };
    let file = [
        atom(b"ftyp", b"M4A \0\0\0\0M4A isom"),
        atom(b"moov", &movie.concat()),
        // Ten of the usual length, ten of another, two of their own, and one of another track.
        fragment(&[0, 7], &[0, 10]),
        fragment(&[0x1a, 7, 1, 8_820, 0], &[1, 10, 0]),
        fragment(&[0, 7], &[0x301, 2, 0, 44_100, 5, 44_100, 5]),
        fragment(&[0, 8], &[0, 10]),
    ];
    let facts = read("a.m4a", &file.concat());
    assert_eq!(facts.duration_ms, Some(1_000 + 2_000 + 2_000));
}

#[test]
fn a_huge_picture_is_stepped_over() {
    let cover = vec![7; 20 << 20];
    let data = [&[0, 0, 0, 13, 0, 0, 0, 0], cover.as_slice()].concat();
    let covr = atom(b"covr", &atom(b"data", &data));
    let items = [ilst_text(b"\xa9nam", "T"), covr, ilst_text(b"\xa9alb", "A")].concat();
    let facts = read("a.m4a", &m4a(&items));
    assert_eq!((facts.problem, facts.duration_ms), (None, Some(10_000)));
    assert_eq!(facts.tags.album.as_deref(), Some("A"));
    let frames = [id3_frame(4, b"APIC", 0, &cover), id3_text(4, b"TIT2", "T")].concat();
    let facts = read("a.mp3", &mp3(4, &frames, 1));
    assert_eq!(
        (facts.problem, facts.tags.title.as_deref()),
        (None, Some("T"))
    );
}

#[test]
fn a_file_of_dead_flash_is_given_up() {
    let facts = read("a.mp3", &vec![0xff; 4 << 20]);
    assert!(facts.problem.is_some());
}

#[test]
fn empty_and_cut_files_are_problems_of_their_own() {
    assert_eq!(read("a.mp3", b"").problem.as_deref(), Some("is empty"));
    assert!(
        read("a.wav", &wav(3)[..20_000])
            .problem
            .unwrap()
            .contains("cut off")
    );
    let mut counted = mp3_frames(100);
    let size = u32::try_from(counted.len()).unwrap();
    counted[36..40].copy_from_slice(b"Xing");
    counted[40..44].copy_from_slice(&3_u32.to_be_bytes());
    counted[44..48].copy_from_slice(&99_u32.to_be_bytes());
    counted[48..52].copy_from_slice(&size.to_be_bytes());
    assert_eq!(read("a.mp3", &counted).problem, None);
    let facts = read("a.mp3", &counted[..30_000]);
    assert!(facts.problem.unwrap().contains("cut off"));
    let bytes = m4a(&ilst_text(b"\xa9nam", "T"));
    let facts = read("a.m4a", &bytes[..bytes.len() - 100]);
    assert!(facts.problem.unwrap().contains("cut off"));
    assert_eq!(facts.tags.title.as_deref(), Some("T"));
    assert!(read("a.flac", b"fLaC").problem.is_some());
    let tag_alone = id3(4, &id3_text(4, b"TIT2", "T"));
    let facts = read("a.mp3", &tag_alone);
    assert_eq!(facts.tags.title.as_deref(), Some("T"));
    assert!(facts.problem.is_some());
}

#[test]
fn no_cut_or_flipped_byte_breaks_a_reader() {
    let samples: [(&str, Vec<u8>); 5] = [
        ("a.mp3", mp3(3, &id3_text(3, b"TIT2", "Title"), 1)),
        ("a.m4a", m4a(&ilst_text(b"\xa9nam", "Title"))),
        ("a.flac", flac(&[("TITLE", "Title")])),
        (
            "a.wav",
            riff(&[(b"id3 ", id3(3, &id3_text(3, b"TIT2", "T")))]),
        ),
        ("a.aiff", aiff(&[])),
    ];
    let (_folder, path) = file("x", b"");
    for (name, bytes) in samples {
        let path = path.with_file_name(name);
        for at in (0..bytes.len().min(400)).step_by(3) {
            fs::write(&path, &bytes[..at]).unwrap();
            _ = read_file(&path);
            let mut flipped = bytes.clone();
            flipped[at] ^= 0xff;
            fs::write(&path, &flipped).unwrap();
            _ = read_file(&path);
        }
    }
}

fn track() -> Track {
    Track {
        id: TrackId::from("77646168"),
        title: "Looped".to_owned(),
        version: Some("Dub".to_owned()),
        artists: vec!["Kiasmos".to_owned(), "Ólafur".to_owned()],
        album: Some("Album".to_owned()),
        isrc: Isrc::parse(CODE),
        duration_s: None,
        explicit: None,
        release_date: Some("2014-10-27".to_owned()),
        media_tags: Vec::new(),
        streamable: None,
    }
}

fn assert_stamped(facts: &FileFacts, name: &str) {
    assert_eq!(tidal_id(facts), Some("77646168"), "{name}");
    assert_eq!(facts.tags.title.as_deref(), Some("Looped (Dub)"), "{name}");
    assert_eq!(facts.tags.artists, ["Kiasmos, Ólafur"], "{name}");
    assert_eq!(facts.tags.album.as_deref(), Some("Album"), "{name}");
    assert_eq!(facts.tags.year, Some(2014), "{name}");
    assert_eq!(isrc(facts), Some(CODE), "{name}");
    assert_eq!(facts.problem, None, "{name}");
}

#[test]
fn a_stamp_fills_a_bare_file() {
    for (name, bytes) in [
        ("a.mp3", mp3_frames(80)),
        ("a.wav", wav(1)),
        ("a.aiff", aiff(&[])),
        ("a.flac", flac(&[])),
        ("a.m4a", m4a(&[])),
    ] {
        let (_folder, path) = file(name, &bytes);
        let before = read_file(&path);
        stamp(&path, before.format, &track()).unwrap();
        let after = read_file(&path);
        assert_stamped(&after, name);
        assert_eq!(after.duration_ms, before.duration_ms, "{name}");
        // A second stamp changes nothing that counts.
        stamp(&path, before.format, &track()).unwrap();
        assert_eq!(read_file(&path), after, "{name}");
    }
}

#[test]
fn a_stamp_overwrites_nothing() {
    let frames = [
        id3_text(3, b"TIT2", "Mine"),
        id3_text(3, b"TSRC", "GBAAA0000001"),
        user_text(3, "MOOD", "dark"),
        id3_frame(3, b"PRIV", 0, b"owner\0secret"),
        id3_frame(3, b"APIC", 0, b"\0image/png\0\x03\0picture"),
    ];
    let (_folder, path) = file("a.mp3", &mp3(3, &frames.concat(), 1));
    stamp(&path, AudioFormat::Mp3, &track()).unwrap();
    let facts = read_file(&path);
    assert_eq!(facts.tags.title.as_deref(), Some("Mine"));
    assert_eq!(isrc(&facts), Some("GBAAA0000001"));
    assert_eq!(facts.tags.album.as_deref(), Some("Album"));
    assert_eq!(tidal_id(&facts), Some("77646168"));
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes[3], 3, "a v2.3 tag stays one");
    for kept in [b"dark".as_slice(), b"secret", b"picture"] {
        assert!(bytes.windows(kept.len()).any(|window| window == kept));
    }
    assert!(bytes.ends_with(&mp3_frames(38)));
}

#[test]
fn a_stamp_refuses_what_is_no_such_audio() {
    for (name, bytes) in [
        ("a.mp3", vec![0xff; 1 << 20]),
        ("b.mp3", flac(&[])),
        ("c.mp3", vec![]),
    ] {
        let (_folder, path) = file(name, &bytes);
        assert!(stamp(&path, AudioFormat::Mp3, &track()).is_err(), "{name}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
    }
}

#[test]
fn real_encoders_files_are_read_and_stamped() {
    let folder = TempDir::new().unwrap();
    let mut seen = 0;
    let tags = ["-metadata", "title=T", "-metadata", "isrc=USABC1234567"];
    for (name, arguments, format) in [
        ("a.mp3", &["-c:a", "libmp3lame"][..], AudioFormat::Mp3),
        ("a.m4a", &["-c:a", "aac"], AudioFormat::M4a),
        ("alac.m4a", &["-c:a", "alac"], AudioFormat::Alac),
        ("a.flac", &["-c:a", "flac"], AudioFormat::Flac),
        ("a.ogg", &["-c:a", "libvorbis"], AudioFormat::Ogg),
        ("a.opus", &["-c:a", "libopus"], AudioFormat::Opus),
        ("a.wav", &[], AudioFormat::Wav),
        ("a.aiff", &["-write_id3v2", "1"], AudioFormat::Aiff),
    ] {
        let path = folder.path().join(name);
        if !ffmpeg(&path, &[arguments, &tags].concat()) {
            continue;
        }
        seen += 1;
        let facts = read_file(&path);
        assert_eq!(facts.problem, None, "{name}");
        assert_eq!(facts.format, format, "{name}");
        assert_eq!(facts.tags.title.as_deref(), Some("T"), "{name}");
        let duration = facts.duration_ms.unwrap();
        assert!((950..1_120).contains(&duration), "{name}: {duration}");
        write_tidal_id(&path, format, &TrackId::from("5")).unwrap();
        let after = read_file(&path);
        assert_eq!(tidal_id(&after), Some("5"), "{name}");
        assert_eq!(after.tags.title.as_deref(), Some("T"), "{name}");
        assert_eq!(after.duration_ms, facts.duration_ms, "{name}");
    }
    // Without ffmpeg there is nothing to see; a build of it may lack one encoder or two.
    assert!(seen == 0 || seen >= 5, "{seen}");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_never_waited_for() {
    let (folder, _path) = file("x", b"");
    let pipe = folder.path().join("a.mp3");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(
            read_file(&pipe)
                .problem
                .unwrap()
                .contains("no regular file")
        );
    }
}
