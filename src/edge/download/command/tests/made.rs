//! What ffmpeg makes of a download: every format, tags, covers.

use super::*;

/// Whether ffmpeg is here; where it must be, its absence is a failure.
fn has_ffmpeg() -> bool {
    let found = std::process::Command::new("ffmpeg")
        .arg("-version")
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(
        found || std::env::var_os("TIDAL_CLEANUP_REQUIRE_FFMPEG").is_none_or(|value| value != "1"),
        "ffmpeg is required and not installed"
    );
    if !found {
        tell("SKIPPED: this test needs ffmpeg, which is not installed");
    }
    found
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn tell(text: &str) {
    eprintln!("{text}");
}

/// A tagged file of `seconds` in the format of `name`, with a cover where `cover` says so.
fn encoded(dir: &Path, name: &str, seconds: u32, args: &[&str]) -> PathBuf {
    let source = dir.join("tone.wav");
    fs::write(&source, fixture::wav(seconds)).unwrap();
    let path = dir.join(name);
    let status = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-i"])
        .arg(&source)
        .args(["-ar", "48000"])
        .args(args)
        .args([
            "-metadata",
            "title=Looped",
            "-metadata",
            "artist=Kiasmos",
            "-metadata",
            "genre=Techno",
        ])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    path
}

#[tokio::test]
async fn every_format_is_made_verified_and_tagged() {
    if !has_ffmpeg() {
        return;
    }
    let bench = Bench::new("", 3);
    let source = encoded(bench.root.path(), "source.flac", 4, &["-sample_fmt", "s16"]);
    for format in AudioFormat::ALL {
        let target = bench.root.path().join(format!("{format:?}.part"));
        bench
            .downloader
            .convert(&track(Some(4)), &source, &target, format, "V0")
            .await
            .unwrap();
        let facts = tags::read_file(&target);
        assert_eq!(facts.format, format);
        assert_eq!(
            facts.tags.tidal_id,
            Some(TrackId::new("70016063")),
            "{format:?}"
        );
        assert_eq!(facts.tags.isrc, Isrc::parse("ISF181400101"), "{format:?}");
        assert_eq!(facts.tags.title.as_deref(), Some("Looped"), "{format:?}");
        assert!(
            verify::check(&target, "ffmpeg", Duration::from_secs(20))
                .await
                .is_ok(),
            "{format:?}"
        );
    }
}

#[tokio::test]
async fn isrc_and_depth_of_the_source_are_carried_over() {
    if !has_ffmpeg() {
        return;
    }
    let bench = Bench::new("", 3);
    let source = encoded(
        bench.root.path(),
        "source.flac",
        2,
        &["-sample_fmt", "s32", "-bits_per_raw_sample", "24"],
    );
    tags::stamp(&source, AudioFormat::Flac, &track(Some(2))).unwrap();
    let mut unknown = track(Some(2));
    unknown.isrc = None;
    let target = bench.root.path().join("out.aiff");
    bench
        .downloader
        .convert(&unknown, &source, &target, AudioFormat::Aiff, "lossless")
        .await
        .unwrap();
    let facts = tags::read_file(&target);
    assert_eq!(facts.bit_depth, Some(24));
    assert_eq!(facts.tags.isrc, Isrc::parse("ISF181400101"));
    assert_eq!(facts.tags.genre.as_deref(), Some("Techno"));
}

#[tokio::test]
async fn the_wanted_format_is_copied_and_not_encoded_again() {
    let bench = Bench::new("", 3);
    let source = bench.root.path().join("source.wav");
    let target = bench.root.path().join("target.wav");
    let mut downloader = bench.downloader.clone();
    downloader.ffmpeg = "no-such-ffmpeg".to_owned();
    downloader
        .convert(
            &track(Some(3)),
            &source,
            &target,
            AudioFormat::Wav,
            "lossless",
        )
        .await
        .unwrap();
    assert_eq!(fs::read(&source).unwrap(), fixture::wav(3));
    assert_eq!(
        tags::read_file(&target).tags.tidal_id,
        Some(TrackId::new("70016063"))
    );
    let again = downloader
        .convert(
            &track(Some(3)),
            &source,
            &target,
            AudioFormat::Wav,
            "lossless",
        )
        .await;
    assert!(
        matches!(again, Err(FetchError::Io { .. })),
        "an occupied target is refused"
    );
}

#[tokio::test]
async fn without_ffmpeg_the_error_says_what_to_do_and_nothing_is_left() {
    let bench = Bench::new("", 3);
    let mut downloader = bench.downloader.clone();
    downloader.ffmpeg = "no-such-ffmpeg".to_owned();
    let target = bench.root.path().join("target.mp3");
    let source = bench.root.path().join("source.wav");
    let error = downloader
        .convert(&track(Some(3)), &source, &target, AudioFormat::Mp3, "V0")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("install ffmpeg"), "{error}");
    assert!(!target.exists());
}

#[tokio::test]
async fn a_damaged_source_is_not_converted() {
    let bench = Bench::new("", 3);
    let whole = fixture::wav(3);
    let source = bench.root.path().join("half.wav");
    fs::write(&source, &whole[..whole.len() / 2]).unwrap();
    let target = bench.root.path().join("target.mp3");
    let error = bench
        .downloader
        .convert(&track(Some(3)), &source, &target, AudioFormat::Mp3, "V0")
        .await
        .unwrap_err();
    assert!(
        matches!(error, FetchError::NotDelivered { .. }) && !target.exists(),
        "{error}"
    );
}

#[tokio::test]
async fn truncated_compressed_files_are_refused() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (name, args) in [
        ("a.flac", &[][..]),
        ("a.mp3", &["-b:a", "128k"]),
        ("a.m4a", &["-c:a", "aac"]),
        ("b.m4a", &["-c:a", "alac"]),
        ("a.ogg", &["-c:a", "libvorbis"]),
        ("a.opus", &["-c:a", "libopus"]),
    ] {
        let path = encoded(dir.path(), name, 20, args);
        let check = || verify::check(&path, "ffmpeg", Duration::from_secs(20));
        let whole = check().await.unwrap();
        assert!(
            whole.duration.abs_diff(Duration::from_secs(20)) < Duration::from_millis(200),
            "{name}"
        );
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let half = check().await;
        // Formats without a promise of length simply end early, which the track's length tells.
        assert!(
            half.as_ref()
                .map_or(true, |info| info.duration < Duration::from_secs(15)),
            "{name}: {half:?}"
        );
    }
}

/// What ffprobe tells of a file: tags by name in upper case (of the container, else of the stream), and
/// whether a picture is in it.
fn probed(path: &Path) -> (std::collections::BTreeMap<String, String>, bool) {
    let output = std::process::Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-of",
            "json",
            "-show_format",
            "-show_streams",
        ])
        .arg(path)
        .output()
        .unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let streams = told["streams"].as_array().unwrap();
    let of = |value: &serde_json::Value| -> Vec<(String, String)> {
        let tags = value["tags"].as_object().into_iter().flatten();
        tags.map(|(name, value)| (name.to_uppercase(), value.as_str().unwrap_or("").to_owned()))
            .collect()
    };
    let tags = streams.iter().flat_map(of).chain(of(&told["format"]));
    let cover = streams.iter().any(|stream| stream["codec_type"] == "video");
    (tags.collect(), cover)
}

/// Tags and cover go along from every format to every other, whatever ffmpeg makes of the pair.
#[tokio::test]
async fn tags_cover_and_id_reach_every_format_from_every_other() {
    if !has_ffmpeg() {
        return;
    }
    let bench = Bench::new("", 1);
    let root = bench.root.path();
    let cover = root.join("cover.png");
    let made = std::process::Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "color=red:s=64x64:d=1",
        ])
        .args(["-frames:v", "1"])
        .arg(&cover)
        .status();
    assert!(made.unwrap().success());
    let first = root.join("first.flac");
    let fields = [
        "title=Looped",
        "artist=Kiasmos",
        "album=Kiasmos",
        "album_artist=Various",
        "track=3/12",
        "disc=1/2",
        "date=2014-10-27",
        "genre=Techno",
        "composer=Arnalds",
        "copyright=Erased",
        "comment=hello",
        "bpm=120",
        "MY OWN FIELD=kept",
        "replaygain_track_gain=-7.00 dB",
        "url=https://tidal.com/browse/track/70016063",
        "lyrics=La la",
    ];
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    ffmpeg
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(root.join("source.wav"))
        .arg("-i")
        .arg(&cover)
        .args(["-map", "0:a", "-map", "1:v", "-c:v", "copy", "-ar", "48000"])
        .args(["-disposition:v", "attached_pic"]);
    for field in fields {
        ffmpeg.args(["-metadata", field]);
    }
    assert!(ffmpeg.arg(&first).status().unwrap().success());
    let wanted = track(Some(1));
    let mut sources = Vec::new();
    for format in AudioFormat::ALL {
        let path = root.join(format!("{format:?}.{}", format.extension()));
        let step = bench
            .downloader
            .convert(&wanted, &first, &path, format, "V0");
        step.await.unwrap();
        sources.push((format, path));
    }
    let pairs: Vec<_> = sources
        .iter()
        .flat_map(|source| AudioFormat::ALL.map(|target| (source, target)))
        .filter(|((from, _), to)| from.is_lossless() || !to.is_lossless())
        .collect();
    assert_eq!(pairs.len(), 48);
    let mut lacking = Vec::new();
    for ((from, source), to) in pairs {
        let pair = format!("{from:?} to {to:?}");
        let target = root.join(format!("{from:?}-{to:?}.{}", to.extension()));
        bench
            .downloader
            .convert(&wanted, source, &target, to, "V0")
            .await
            .unwrap();
        let facts = tags::read_file(&target);
        assert_eq!((facts.format, facts.problem), (to, None), "{pair}");
        let own = facts.tags;
        assert_eq!(own.title.as_deref(), Some("Looped"), "{pair}");
        assert_eq!(own.artists, ["Kiasmos"], "{pair}");
        assert_eq!(own.album.as_deref(), Some("Kiasmos"), "{pair}");
        assert_eq!(
            (own.year, own.genre.as_deref()),
            (Some(2014), Some("Techno")),
            "{pair}"
        );
        assert_eq!(own.isrc, wanted.isrc, "{pair}");
        assert_eq!(own.tidal_id.as_ref(), Some(&wanted.id), "{pair}");
        let (tags, cover) = probed(&target);
        let has = |name: &str, value: &str| tags.get(name).is_some_and(|told| told == value);
        let told = [
            cover,
            // ffprobe sees of a WAV its short list alone; the pairs from it show the rest.
            to == AudioFormat::Wav || has("COMPOSER", "Arnalds"),
            to == AudioFormat::Wav || has("MY OWN FIELD", "kept"),
            to == AudioFormat::Wav || has("TBPM", "120") || has("BPM", "120") || has("TMPO", "120"),
            has("TRACK", "3/12") || has("TRACKNUMBER", "3") || has("TRACK", "3"),
            to == AudioFormat::Wav
                || has("DISC", "1/2")
                || has("DISCNUMBER", "1")
                || has("DISC", "1"),
            to == AudioFormat::Wav
                || has("ALBUM_ARTIST", "Various")
                || has("ALBUMARTIST", "Various"),
        ];
        if told.contains(&false) {
            lacking.push(format!("{pair}: {told:?} {tags:?}"));
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}
