//! Thousands of broken copies of small files: whatever is done to a file, reading it ends, without a
//! panic. The same copies in every run.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use tidal_cleanup::edge::local::tags::read_file;

use super::samples;

/// Copies of each file.
const COPIES: u64 = 400;

/// Numbers that look random and are the same every time (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) % below.max(1) as u64).unwrap()
    }
}

/// Does one to four things to a file, most of them where its headers are.
fn spoil(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.roll(4) {
        let head = match dice.roll(4) {
            0 => bytes.len(),
            _ => bytes.len().min(600),
        };
        let at = dice.roll(head);
        let end = (at + 1 + dice.roll(16)).min(bytes.len());
        match dice.roll(8) {
            0 => bytes.truncate(at),
            1 => bytes[at..end].fill(0xff),
            2 => bytes[at..end].fill(0),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy.repeat(1 + dice.roll(50)));
            }
            5 => bytes[at..end].reverse(),
            _ => {
                for byte in &mut bytes[at..end] {
                    *byte = u8::try_from(dice.roll(256)).unwrap();
                }
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

fn spoil_and_read(folder: &Path, name: &str, bytes: &[u8], seed: u64) {
    let path = folder.join(name);
    let mut dice = Dice(seed);
    for copy in 0..COPIES {
        let spoilt = spoil(bytes, &mut dice);
        fs::write(&path, &spoilt).unwrap();
        let facts = read_file(&path);
        let told = facts.problem.is_some() || facts.duration_ms.is_some();
        assert!(told, "{name} {copy}: neither read nor a problem");
        let broken = facts
            .problem
            .is_some_and(|problem| problem.contains("its structure is broken"));
        assert!(!broken, "{name} {copy}: a reader panicked");
    }
}

#[test]
fn spoilt_copies_of_built_files_are_read_or_told_of() {
    let folder = TempDir::new().unwrap();
    for (seed, (name, bytes, _)) in samples::all().into_iter().enumerate() {
        spoil_and_read(folder.path(), name, &bytes, seed as u64);
    }
}

#[test]
fn spoilt_copies_of_encoders_files_are_read_or_told_of() {
    let folder = TempDir::new().unwrap();
    for (seed, (name, codec)) in [
        ("a.mp3", "libmp3lame"),
        ("a.m4a", "aac"),
        ("b.m4a", "alac"),
        ("a.flac", "flac"),
        ("a.ogg", "libvorbis"),
        ("a.opus", "libopus"),
        ("a.wav", "pcm_s16le"),
        ("a.aiff", "pcm_s16be"),
    ]
    .into_iter()
    .enumerate()
    {
        let made = folder.path().join(name);
        let run = Command::new("ffmpeg")
            .args([
                "-nostdin",
                "-v",
                "error",
                "-f",
                "lavfi",
                "-i",
                "sine=duration=0.3",
            ])
            .args(["-metadata", "title=T", "-c:a", codec, "-y"])
            .arg(&made)
            .status();
        // Without ffmpeg, or this encoder of it, the built files must do.
        if run.is_ok_and(|status| status.success()) {
            let bytes = fs::read(&made).unwrap();
            let facts = read_file(&made);
            assert_eq!(facts.problem, None, "{name}");
            assert!(
                facts.duration_ms.unwrap().abs_diff(300) < 120,
                "{name}: {facts:?}"
            );
            spoil_and_read(folder.path(), name, &bytes, 100 + seed as u64);
        }
    }
}

#[test]
fn built_files_tell_their_title_and_length() {
    let folder = TempDir::new().unwrap();
    for (name, bytes, milliseconds) in samples::all() {
        let path = folder.path().join(name);
        fs::write(&path, &bytes).unwrap();
        let facts = read_file(&path);
        assert_eq!(facts.problem, None, "{name}");
        assert!(
            facts.duration_ms.unwrap().abs_diff(milliseconds) < 20,
            "{name}: {facts:?}"
        );
        if !name.ends_with("wav") && !name.ends_with("aiff") {
            assert_eq!(facts.tags.title.as_deref(), Some("Title"), "{name}");
        }
    }
}

/// A tag of version 2.4 that says it is `size` bytes long, and is not.
fn lying_tag(size: usize) -> Vec<u8> {
    [&b"ID3\x04\0\0"[..], &samples::synchsafe(size)].concat()
}

/// What may stand before the audio, by name.
fn in_front(length: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut dice = Dice(5);
    let mut junk = |count: usize| -> Vec<u8> {
        (0..count)
            .map(|_| u8::try_from(dice.roll(256)).unwrap())
            .collect()
    };
    vec![
        ("a byte", junk(1)),
        ("some junk", junk(3_000)),
        ("much junk", junk(150_000)),
        ("zeros", vec![0; 300_000]),
        ("a dead block", vec![0xff; 5_000]),
        ("an empty tag", lying_tag(0)),
        ("a tag that is too short", lying_tag(5)),
        ("a tag longer than the file", lying_tag(length * 3)),
    ]
}

#[test]
fn what_stands_before_the_audio_does_not_hide_it() {
    let folder = TempDir::new().unwrap();
    for (name, bytes, milliseconds) in samples::all() {
        // The tag of an MP3 stands before its frames.
        let tag = match name.ends_with("mp3") {
            true => samples::id3(&samples::text_frame(b"TIT2", "Title")).len(),
            false => 0,
        };
        for (what, front) in in_front(bytes.len()) {
            // The frame that counts the others goes with such a tag.
            if name == "x.mp3" && what == "a tag that is too short" {
                continue;
            }
            let path = folder.path().join(name);
            let (before, after) = bytes.split_at(tag);
            fs::write(&path, [before, &front, after].concat()).unwrap();
            let facts = read_file(&path);
            let length = facts.duration_ms.unwrap_or(0);
            assert!(
                length.abs_diff(milliseconds) < 60,
                "{name} behind {what}: {facts:?}"
            );
            if !name.ends_with("wav") && !name.ends_with("aiff") {
                assert_eq!(facts.tags.title.as_deref(), Some("Title"), "{name}, {what}");
            }
        }
    }
}

/// Format and seconds as ffprobe tells them.
fn probed(path: &Path) -> Option<(String, f64)> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "a", "-of", "csv=p=0"])
        .args(["-show_entries", "format=format_name,duration"])
        .arg(path)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // `mov,mp4,m4a…` stands in quotes.
    let (format, seconds) = text.trim().rsplit_once(',')?;
    Some((format.to_owned(), seconds.parse().ok()?))
}

/// The encoders' files with something in front: what ffprobe still reads as what it was, we read as well.
#[test]
fn what_ffprobe_reads_is_read() {
    let folder = TempDir::new().unwrap();
    for (name, codec) in [
        ("a.mp3", "libmp3lame"),
        ("a.m4a", "aac"),
        ("a.flac", "flac"),
        ("a.ogg", "libvorbis"),
        ("a.opus", "libopus"),
        ("a.wav", "pcm_s16le"),
        ("a.aiff", "pcm_s16be"),
    ] {
        let path = folder.path().join(name);
        let run = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i"])
            .args(["anoisesrc=duration=4:seed=1", "-metadata", "title=T"])
            .args(["-c:a", codec, "-y"])
            .arg(&path)
            .status();
        if !run.is_ok_and(|status| status.success()) {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let Some((format, _)) = probed(&path) else {
            continue;
        };
        for (what, front) in in_front(bytes.len()) {
            fs::write(&path, [&front, bytes.as_slice()].concat()).unwrap();
            let Some((_, seconds)) = probed(&path).filter(|(now, _)| *now == format) else {
                continue;
            };
            let facts = read_file(&path);
            let own = facts.duration_ms.unwrap_or(0) as f64 / 1000.0;
            // ffprobe takes junk before MP3 frames for sound.
            let is_near = (own - seconds).abs() < 0.3 || (own - 4.0).abs() < 0.3;
            assert!(is_near, "{name} behind {what}: {seconds} s, {facts:?}");
        }
    }
}

#[test]
fn a_file_cut_in_the_middle_is_a_problem() {
    let folder = TempDir::new().unwrap();
    for (name, codec, more) in [
        ("a.mp3", "libmp3lame", &[][..]),
        (
            "bare.mp3",
            "libmp3lame",
            &["-write_xing", "0", "-id3v2_version", "0"],
        ),
        ("a.m4a", "aac", &[]),
        ("a.flac", "flac", &[]),
        ("a.ogg", "libvorbis", &[]),
        ("a.opus", "libopus", &[]),
        ("a.wav", "pcm_s16le", &[]),
        ("a.aiff", "pcm_s16be", &[]),
    ] {
        let path = folder.path().join(name);
        let run = Command::new("ffmpeg")
            .args([
                "-nostdin",
                "-v",
                "error",
                "-f",
                "lavfi",
                "-i",
                "anoisesrc=duration=4:seed=1",
            ])
            .args(["-c:a", codec])
            .args(more)
            .arg("-y")
            .arg(&path)
            .status();
        if !run.is_ok_and(|status| status.success()) {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let whole = read_file(&path);
        assert_eq!(whole.problem, None, "{name}");
        for part in [5, 7, 9] {
            fs::write(&path, &bytes[..bytes.len() * part / 10 + 1]).unwrap();
            let cut = read_file(&path);
            assert!(cut.problem.is_some(), "{name} at {part}/10");
            let there = cut.left_ms.or(cut.duration_ms);
            if let (Some(there), Some(all), false) = (there, whole.duration_ms, name == "bare.mp3")
            {
                let expected = all * part as u64 / 10;
                let near = expected.abs_diff(there) <= all / 3;
                assert!(near, "{name} at {part}/10: {there} of {all} ms");
            }
        }
    }
}

/// What this thread has read by system calls; the file that tells it counts itself a little.
#[cfg(target_os = "linux")]
fn bytes_read() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_large_file_costs_little_reading() {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in samples::large() {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let before = bytes_read();
        let facts = read_file(&path);
        let read = bytes_read() - before;
        assert!(facts.duration_ms.is_some(), "{name}: {facts:?}");
        assert!(read <= 64 << 10, "{name}: {read} bytes");
        fs::remove_file(path).unwrap();
    }
}
