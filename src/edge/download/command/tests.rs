#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod made;

use std::time::Instant;

use super::*;
use crate::{
    domain::{Isrc, TrackId},
    edge::local::fixture,
};

fn track(seconds: Option<u32>) -> Track {
    Track {
        id: TrackId::new("70016063"),
        title: "Looped".to_owned(),
        version: None,
        artists: vec!["Kiasmos".to_owned()],
        album: Some("Kiasmos".to_owned()),
        isrc: Isrc::parse("ISF181400101"),
        duration_s: seconds,
        explicit: None,
        release_date: None,
        media_tags: Vec::new(),
        streamable: None,
    }
}

/// A command that runs `script` in a shell, with the placeholders as `$1` to `$4`, and a WAV of
/// `seconds` at `$SOURCE`.
struct Bench {
    root: tempfile::TempDir,
    downloader: CommandDownloader,
}

impl Bench {
    fn new(script: &str, seconds: u32) -> Self {
        let root = tempfile::tempdir().unwrap();
        let source = root.path().join("source.wav");
        fs::write(&source, fixture::wav(seconds)).unwrap();
        let script = format!(
            "SOURCE='{}'\nROOT='{}'\n{script}",
            source.display(),
            root.path().display()
        );
        let command = [
            "sh", "-c", &script, "sh", "{url}", "{id}", "{dir}", "{name}",
        ];
        let downloader = CommandDownloader {
            command: Some(command.map(str::to_owned).to_vec()),
            timeout: Duration::from_secs(20),
            ffmpeg: "ffmpeg".to_owned(),
            tolerance: LEAST_TOLERANCE,
            delays: Vec::new(),
            told: Told::default(),
        };
        Self { root, downloader }
    }

    fn workspace(&self) -> PathBuf {
        self.root.path().join("work")
    }

    async fn fetch(&self, track: &Track) -> Result<Fetched, FetchError> {
        self.downloader.fetch(track, &self.workspace()).await
    }

    /// Fetches in vain, and sees that nothing is left behind.
    async fn refused(&self, track: &Track) -> FetchError {
        let error = self.fetch(track).await.unwrap_err();
        assert_eq!(
            fs::read_dir(self.workspace()).unwrap().count(),
            0,
            "{error}"
        );
        error
    }
}

async fn not_delivered(script: &str, seconds: u32, expected: &str) {
    let bench = Bench::new(script, seconds);
    match bench.refused(&track(Some(3))).await {
        FetchError::NotDelivered { reason, .. } | FetchError::Wrong { reason, .. } => {
            assert!(reason.contains(expected), "{script}: {reason}");
        }
        other => panic!("{script}: {other}"),
    }
}

#[tokio::test]
async fn a_good_download_is_verified_and_gets_its_id() {
    let bench = Bench::new(
        "echo \"$1 $2 $4\" > \"$ROOT/seen\"; pwd >> \"$ROOT/seen\"\n\
         mkdir \"$3/Album\" && cp \"$SOURCE\" \"$3/Album/$4.wav\"; touch \"$3/cover.jpg\" a.lrc",
        3,
    );
    let fetched = bench.fetch(&track(Some(3))).await.unwrap();
    assert_eq!(fetched.format, AudioFormat::Wav);
    assert_eq!(fetched.path, bench.workspace().join("verified.wav"));
    let seen = fs::read_to_string(bench.root.path().join("seen")).unwrap();
    assert!(
        seen.starts_with("https://tidal.com/browse/track/70016063 70016063 Kiasmos - Looped\n")
    );
    let pwd = seen.lines().nth(1).map(Path::new);
    assert_eq!(pwd.and_then(Path::parent), Some(&*bench.workspace()));
    let facts = tags::read_file(&fetched.path);
    assert_eq!(facts.tags.tidal_id, Some(TrackId::new("70016063")));
    assert_eq!(facts.tags.isrc, Isrc::parse("ISF181400101"));
}

#[tokio::test]
async fn an_exit_code_of_zero_proves_nothing() {
    not_delivered(
        "echo 'all is well'",
        3,
        "no audio file; it said last: all is well",
    )
    .await;
    not_delivered(
        "cp \"$SOURCE\" a.wav; cp \"$SOURCE\" b.wav",
        3,
        "2 audio files",
    )
    .await;
    not_delivered("touch a.flac", 3, "empty").await;
    not_delivered("head -c 20000 \"$SOURCE\" > a.wav", 3, "cut short").await;
    not_delivered("cp \"$SOURCE\" a.wav", 9, "lasts 9.0 s and the track 3 s").await;
    not_delivered("echo '<html>' > a.mp3", 3, "").await;
    not_delivered("ln -s \"$SOURCE\" a.wav", 3, "no audio file").await;
    not_delivered("mkfifo a.wav", 3, "no audio file").await;
    not_delivered("cp \"$SOURCE\" \"$ROOT/elsewhere.wav\"", 3, "no audio file").await;
}

#[tokio::test]
async fn a_length_that_tidal_does_not_tell_must_be_more_than_a_second() {
    let bench = Bench::new("cp \"$SOURCE\" a.wav", 1);
    assert!(matches!(
        bench.refused(&track(None)).await,
        FetchError::NotDelivered { .. }
    ));
    let bench = Bench::new("cp \"$SOURCE\" a.wav", 2);
    bench.fetch(&track(None)).await.unwrap();
}

#[tokio::test]
async fn another_isrc_is_another_track() {
    let mut other = track(Some(3));
    other.isrc = Isrc::parse("ISF181400999");
    let bench = Bench::new("cp \"$SOURCE\" a.wav", 3);
    tags::stamp(
        &bench.root.path().join("source.wav"),
        AudioFormat::Wav,
        &other,
    )
    .unwrap();
    match bench.refused(&track(Some(3))).await {
        FetchError::Wrong { reason, .. } => assert!(reason.contains("ISRC"), "{reason}"),
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_exit_code_other_than_zero_proves_nothing_either() {
    let bench = Bench::new("cp \"$SOURCE\" a.wav; exit 3", 3);
    bench.fetch(&track(Some(3))).await.unwrap();
    // Without a length to hold the file against, it is believed.
    let bench = Bench::new("cp \"$SOURCE\" a.wav; exit 3", 3);
    let error = bench.refused(&track(None)).await;
    assert!(matches!(error, FetchError::Failed { .. }), "{error}");
}

#[tokio::test]
async fn what_tidal_does_not_stream_is_not_asked_for_again_at_once() {
    for script in [
        "echo 'This item is not available for listening anymore on TIDAL. Skipping'",
        "echo \"Error: can't stream this track\" >&2; exit 1",
    ] {
        let mut bench = Bench::new(&format!("echo x >> \"$ROOT/tries\"; {script}"), 3);
        bench.downloader.delays = vec![Duration::from_millis(1); 2];
        let error = bench.refused(&track(Some(3))).await;
        assert!(matches!(error, FetchError::Unavailable { .. }), "{error}");
        let tries = fs::read_to_string(bench.root.path().join("tries")).unwrap();
        assert_eq!(tries, "x\n");
    }
}

#[tokio::test]
async fn who_leaves_the_group_is_killed_as_well() {
    let bench = Bench::new(
        "cp \"$SOURCE\" a.wav\n\
         setsid sh -c 'echo $$ > \"$0/child\"; while :; do sleep 0.01; echo x >> \"$1/a.wav\"; done' \"$ROOT\" \"$3\" \
         > /dev/null 2>&1 &\n\
         while ! [ -s \"$ROOT/child\" ]; do sleep 0.01; done; cp \"$SOURCE\" a.wav",
        3,
    );
    // What the stray wrote into the file may have spoilt it; that it is gone matters.
    drop(bench.fetch(&track(Some(3))).await);
    assert_gone(&bench).await;
}

#[tokio::test]
async fn another_folder_in_its_folders_place_is_not_looked_into() {
    let bench = Bench::new(
        "mkdir \"$ROOT/mine\"; cp \"$SOURCE\" \"$ROOT/mine/a.wav\"; cd /; rm -r \"$3\"; ln -s \"$ROOT/mine\" \"$3\"",
        3,
    );
    let error = bench.fetch(&track(Some(3))).await.unwrap_err();
    assert!(error.to_string().contains("folder's place"), "{error}");
    let mine = bench.root.path().join("mine/a.wav");
    assert_eq!(fs::read(mine).unwrap(), fixture::wav(3));
}

#[tokio::test]
async fn who_writes_without_end_is_stopped() {
    // A file with a hole costs no disk.
    let bench = Bench::new("truncate -s 1G a.wav; sleep 60", 3);
    let begun = Instant::now();
    let error = bench.refused(&track(Some(3))).await;
    assert!(error.to_string().contains("for one track"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn every_try_is_told_of() {
    // Too short by far: what breaks off may be whole the next time.
    let mut bench = Bench::new("cp \"$SOURCE\" a.wav; sleep 0.2; exit 0", 9);
    bench.downloader.delays = vec![Duration::from_millis(1)];
    let steps = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = std::sync::Arc::clone(&steps);
    bench.downloader = bench
        .downloader
        .telling(std::sync::Arc::new(move |step: &Step| {
            heard.lock().unwrap().push(step.clone());
        }));
    drop(bench.fetch(&track(Some(30))).await);
    let steps = steps.lock().unwrap();
    let began = steps
        .iter()
        .filter(|step| matches!(step, Step::Began { .. }));
    assert_eq!(began.count(), 2);
    assert!(
        steps
            .iter()
            .any(|step| matches!(step, Step::Bytes { bytes, .. } if *bytes > 100_000))
    );
    assert!(
        steps
            .iter()
            .any(|step| matches!(step, Step::Retries { error, .. } if error.contains("lasts")))
    );
}

#[tokio::test]
async fn our_own_settings_are_not_the_commands_business() {
    let bench = Bench::new(
        "env | grep -c '^TIDAL_CLEANUP_' > \"$ROOT/seen\"; cp \"$SOURCE\" a.wav",
        3,
    );
    bench.fetch(&track(Some(3))).await.unwrap();
    // The mark by which its processes are found.
    let seen = fs::read_to_string(bench.root.path().join("seen")).unwrap();
    assert_eq!(seen.trim(), "1");
}

#[tokio::test]
async fn a_failure_tells_the_end_of_what_was_said() {
    let bench = Bench::new("echo 'no such track' >&2; exit 3", 3);
    match bench.refused(&track(Some(3))).await {
        FetchError::Failed { status, tail, .. } => {
            assert!(status.contains('3'), "{status}");
            assert_eq!(tail, "no such track");
        }
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn output_without_end_is_kept_in_bounds() {
    let bench = Bench::new(
        "yes 0123456789abcdef | head -c 8000000; echo last >&2; exit 1",
        3,
    );
    match bench.refused(&track(Some(3))).await {
        FetchError::Failed { tail, .. } => assert_eq!(tail, "last"),
        error => panic!("{error}"),
    }
    let bench = Bench::new("yes 0123456789abcdef | head -c 8000000; exit 1", 3);
    match bench.refused(&track(Some(3))).await {
        FetchError::Failed { tail, .. } => assert!(tail.len() <= 4096, "{}", tail.len()),
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_missing_program_and_no_command_are_told_apart() {
    let mut bench = Bench::new("", 3);
    bench.downloader.command = Some(vec!["no-such-program-4711".to_owned(), "{url}".to_owned()]);
    let error = bench.refused(&track(Some(3))).await;
    assert!(
        matches!(error, FetchError::NotStarted { .. }) && !error.is_transient(),
        "{error}"
    );
    bench.downloader.command = None;
    assert!(matches!(
        bench.fetch(&track(Some(3))).await,
        Err(FetchError::NoCommand)
    ));
}

#[tokio::test]
async fn who_hangs_is_killed_with_his_children() {
    let mut bench = Bench::new(
        "(sleep 60; echo late) & echo $! > \"$ROOT/child\"; trap '' TERM; sleep 60",
        3,
    );
    bench.downloader.timeout = Duration::from_millis(400);
    let begun = Instant::now();
    let error = bench.refused(&track(Some(3))).await;
    assert!(matches!(error, FetchError::TimedOut { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_gone(&bench).await;
}

#[tokio::test]
async fn children_that_stay_behind_are_killed_and_hold_nothing_up() {
    let bench = Bench::new(
        "cp \"$SOURCE\" a.wav; sleep 60 & echo $! > \"$ROOT/child\"",
        3,
    );
    let begun = Instant::now();
    bench.fetch(&track(Some(3))).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_gone(&bench).await;
}

#[tokio::test]
async fn a_download_that_is_given_up_is_killed() {
    let bench = Bench::new("sleep 60 & echo $! > \"$ROOT/child\"; wait", 3);
    let wanted = track(Some(3));
    let child = bench.root.path().join("child");
    tokio::select! {
        result = bench.fetch(&wanted) => panic!("{result:?}"),
        () = async {
            while fs::read_to_string(&child).unwrap_or_default().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        } => {}
    }
    assert_gone(&bench).await;
    assert_eq!(fs::read_dir(bench.workspace()).unwrap().count(), 0);
}

/// The process whose id stands in `child` ends soon (or waits for whoever adopted it to notice).
async fn assert_gone(bench: &Bench) {
    let child = fs::read_to_string(bench.root.path().join("child")).unwrap();
    let pid = rustix::process::Pid::from_raw(child.trim().parse().unwrap()).unwrap();
    for _ in 0..500 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        if rustix::process::test_kill_process(pid).is_err() || stat.contains(") Z ") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("process {} is still there", child.trim());
}

#[tokio::test]
async fn what_may_pass_is_tried_again_in_a_fresh_folder() {
    let mut bench = Bench::new(
        "ls \"$3\" >> \"$ROOT/found\"; echo x >> \"$ROOT/tries\"; touch left.txt\n\
         [ $(wc -l < \"$ROOT/tries\") -lt 3 ] && exit 1; cp \"$SOURCE\" a.wav",
        3,
    );
    bench.downloader.delays = vec![Duration::from_millis(1); 2];
    bench.fetch(&track(Some(3))).await.unwrap();
    assert_eq!(
        fs::read_to_string(bench.root.path().join("found")).unwrap(),
        ""
    );
    assert_eq!(fs::read_dir(bench.workspace()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_file_that_has_another_name_elsewhere_is_copied_before_it_is_tagged() {
    let bench = Bench::new("ln \"$SOURCE\" a.wav", 3);
    bench.fetch(&track(Some(3))).await.unwrap();
    let source = bench.root.path().join("source.wav");
    assert_eq!(fs::read(source).unwrap(), fixture::wav(3));
}

#[tokio::test]
async fn a_full_disk_is_no_fault_of_the_track() {
    let bench = Bench::new("echo 'write error: No space left on device' >&2; exit 1", 3);
    let error = bench.refused(&track(Some(3))).await;
    assert!(
        matches!(error, FetchError::Io { .. }) && !error.is_transient(),
        "{error}"
    );
}

/// A run that was killed between the last byte and the name begins with what was verified.
#[tokio::test]
async fn a_verified_file_is_found_again() {
    let bench = Bench::new("echo x >> \"$ROOT/calls\"; cp \"$SOURCE\" a.wav", 3);
    let calls = || {
        let text = fs::read_to_string(bench.root.path().join("calls"));
        text.unwrap_or_default().lines().count()
    };
    let first = bench.fetch(&track(Some(3))).await.unwrap();
    assert_eq!(bench.fetch(&track(Some(3))).await.unwrap(), first);
    assert_eq!(calls(), 1);
    // Another track's, or one that was spoilt meanwhile, is none.
    let mut other = track(Some(3));
    other.id = TrackId::new("4711");
    bench.fetch(&other).await.unwrap();
    assert_eq!(calls(), 2);
    let bytes = fs::read(&first.path).unwrap();
    fs::write(&first.path, &bytes[..bytes.len() / 2]).unwrap();
    bench.fetch(&other).await.unwrap();
    assert_eq!(calls(), 3);
}

#[tokio::test]
async fn a_copy_of_another_release_has_tags_of_its_own() {
    let bench = Bench::new("exit 1", 3);
    let source = bench.root.path().join("source.wav");
    let mut single = track(Some(3));
    single.title = "Album title".to_owned();
    tags::stamp(&source, AudioFormat::Wav, &single).unwrap();
    let mut other = track(Some(3));
    other.id = TrackId::new("4711");
    other.album = Some("Looped EP".to_owned());
    fs::create_dir_all(bench.workspace()).unwrap();
    let copied = bench
        .downloader
        .copy(&other, &source, &bench.workspace())
        .await
        .unwrap();
    let own = tags::read_file(&copied.path).tags;
    assert_eq!(own.tidal_id, Some(other.id.clone()));
    assert_eq!(own.title.as_deref(), Some("Looped"));
    assert_eq!(own.album.as_deref(), Some("Looped EP"));
    let before = tags::read_file(&source).tags;
    assert_eq!(before.tidal_id, Some(single.id));
    // One that is not as long as TIDAL says is no copy of it.
    other.duration_s = Some(30);
    let refused = bench
        .downloader
        .copied(&other, &source, &bench.workspace())
        .await;
    assert!(matches!(refused, Err(FetchError::NotDelivered { .. })));
}

#[tokio::test]
async fn another_recording_is_not_fetched_a_second_time() {
    for script in [
        "cp \"$SOURCE\" a.wav",
        "cp \"$SOURCE\" a.wav; cp \"$SOURCE\" b.wav",
    ] {
        let mut bench = Bench::new(&format!("echo x >> \"$ROOT/calls\"; {script}"), 9);
        bench.downloader.delays = vec![Duration::from_millis(1); 2];
        let error = bench.refused(&track(Some(3))).await;
        assert!(matches!(error, FetchError::Wrong { .. }), "{error}");
        let calls = fs::read_to_string(bench.root.path().join("calls")).unwrap();
        assert_eq!(calls.lines().count(), 1, "{script}");
    }
}

/// A child that left the group and the environment of its command is found by where it works.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_hides_its_descent_is_killed_all_the_same() {
    let bench = Bench::new(
        "cp \"$SOURCE\" a.wav\n\
         setsid env -i sh -c 'echo $$ > \"$0/child\"; exec /bin/sleep 60' \"$ROOT\" > /dev/null 2>&1 &\n\
         while ! [ -s \"$ROOT/child\" ]; do sleep 0.01; done",
        3,
    );
    bench.fetch(&track(Some(3))).await.unwrap();
    assert_gone(&bench).await;
}
