use std::thread;

use tempfile::TempDir;

use super::*;
use crate::edge::local::fixture::{flac, wav, write};

/// Long enough for a kernel's clock to tick, so that what was written counts as settled.
fn settle() {
    thread::sleep(TICK * 2);
}

fn scan_with(root: &Path, cache: &FileCache) -> Scan {
    scan(&[root.to_owned()], cache, Wish::default()).unwrap()
}

fn scan_anew(root: &Path) -> Scan {
    scan_with(root, &FileCache::default())
}

fn paths(scan: &Scan) -> Vec<&str> {
    let files = &scan.library.value.files;
    files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn all_formats_are_found_in_path_order() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    for name in [
        "b/x.MP3",
        "a.m4a",
        "a/z.mp4",
        "a b/1.flac",
        "B.wav",
        "c.aif",
        "c.aiff",
        "d.alac",
        "e.ogg",
        "f.opus",
    ] {
        write(&root.join(name), b"x");
    }
    for name in ["x.txt", "x.mp3.part", "x.aac", "mp3", "cover.jpg", "x.asd"] {
        write(&root.join(name), b"x");
    }
    write(&root.join("a/list.m3u8"), b"#EXTM3U\n");
    write(&root.join("list.M3U"), b"");
    let scan = scan_anew(root);
    let mut sorted = paths(&scan);
    sorted.sort_unstable();
    assert_eq!(paths(&scan), sorted);
    assert_eq!(sorted.len(), 10);
    let sidecars = &scan.library.value.sidecars;
    assert_eq!(sidecars[0].path.as_str(), "a/list.m3u8");
    assert_eq!(sidecars[0].hash, ContentHash::of(b"#EXTM3U\n"));
    assert_eq!(sidecars.len(), 2);
    assert!(scan.library.is_complete());
}

#[test]
fn an_unchanged_file_is_not_opened_again() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    for number in 0..20 {
        write(&root.join(format!("{}/{number}.wav", number % 3)), &wav(1));
    }
    write(&root.join("list.m3u8"), b"x");
    settle();
    let first = scan_anew(root);
    assert_eq!((first.cost.opened, first.cost.reused), (21, 0));
    let cache = FileCache::from_bytes(first.cache.unwrap().to_bytes());
    let second = scan_with(root, &cache);
    assert_eq!((second.cost.opened, second.cost.reused), (0, 21));
    assert!(second.cache.is_none(), "nothing new to remember");
    assert_eq!(second.library, first.library);

    fs::write(root.join("1/4.wav"), wav(2)).unwrap();
    fs::remove_file(root.join("0/0.wav")).unwrap();
    write(&root.join("new/a.wav"), &wav(1));
    settle();
    let third = scan_with(root, &cache);
    assert_eq!((third.cost.opened, third.cost.reused), (2, 19));
    let path = MediaPath::new("1/4.wav");
    assert_eq!(
        third.library.value.file(&path).unwrap().duration_ms,
        Some(2_000)
    );
    assert_eq!(
        third.library.value.files,
        scan_anew(root).library.value.files
    );
    assert_eq!(scan_with(root, &third.cache.unwrap()).cost.opened, 0);
}

#[test]
fn an_edit_that_keeps_size_and_time_is_seen() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.flac");
    write(&file, &flac(&[("TITLE", "one")]));
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    settle();
    let first = scan_anew(folder.path());
    fs::write(&file, flac(&[("TITLE", "two")])).unwrap();
    let edited = fs::File::options().write(true).open(&file).unwrap();
    edited.set_modified(time).unwrap();
    let second = scan_with(folder.path(), &first.cache.unwrap());
    let title = second.library.value.files[0].tags.title.clone();
    assert_eq!(title.as_deref(), Some("two"));
}

#[test]
fn a_file_written_just_now_is_read_again_next_time() {
    let folder = TempDir::new().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let root = folder.path();
        scope.spawn(move || {
            for number in 0..200 {
                write(&root.join("a.wav"), &wav(1 + number % 2));
            }
            sender.send(()).unwrap();
        });
        let mut cache = FileCache::default();
        while receiver.try_recv().is_err() {
            cache = scan_with(root, &cache).cache.unwrap_or(cache);
        }
        settle();
        let last = scan_with(root, &cache);
        assert_eq!(last.library.value.files[0].duration_ms, Some(2_000));
    });
}

#[test]
fn broken_files_are_problems_and_no_holes() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    write(&root.join("empty.mp3"), b"");
    write(&root.join("html.mp3"), b"<html>not found</html>");
    write(&root.join("cut.wav"), &wav(2)[..9_000]);
    write(&root.join("fine.wav"), &wav(1));
    settle();
    let first = scan_anew(root);
    assert_eq!(
        paths(&first),
        ["cut.wav", "empty.mp3", "fine.wav", "html.mp3"]
    );
    let broken: Vec<&str> = first
        .library
        .problems
        .iter()
        .map(|p| p.subject.as_str())
        .collect();
    assert_eq!(broken, ["cut.wav", "empty.mp3", "html.mp3"]);
    assert!(first.library.is_complete());
    // The finding is remembered until the file changes.
    let second = scan_with(root, &first.cache.unwrap());
    assert_eq!(second.cost.opened, 0);
    assert_eq!(second.library.problems, first.library.problems);
}

#[test]
fn hidden_and_system_folders_are_left_out() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    for name in [
        ".tidal-cleanup/trash/1/a.mp3",
        ".Trashes/a.mp3",
        "@eaDir/a.mp3",
        "$RECYCLE.BIN/a.mp3",
        "x/._a.mp3",
        "x/.hidden.mp3",
    ] {
        write(&root.join(name), b"x");
    }
    for name in ["...And Justice/One.mp3", ".38 Special.mp3"] {
        write(&root.join(name), b"x");
    }
    assert_eq!(
        paths(&scan_anew(root)),
        ["...And Justice/One.mp3", ".38 Special.mp3"]
    );
}

#[test]
fn sources_are_read_under_their_number() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("root");
    let inside = root.join("Inbox");
    let other = folder.path().join("other");
    write(&root.join("a.wav"), &wav(1));
    write(&inside.join("b.wav"), &wav(1));
    write(&other.join("d/c.wav"), &wav(1));
    let gone = folder.path().join("gone");
    let roots = [root, inside, other.clone(), gone, other];
    let scan = scan(&roots, &FileCache::default(), Wish::default()).unwrap();
    assert_eq!(paths(&scan), ["//1/b.wav", "//2/d/c.wav", "a.wav"]);
    assert!(!scan.library.is_complete());
    assert_eq!(scan.library.value.unreadable, [MediaPath::new("//3")]);
    for file in &scan.library.value.files {
        assert!(file.path.below(&roots).unwrap().is_file());
    }
}

#[test]
fn hashes_are_learnt_when_asked_for() {
    let folder = TempDir::new().unwrap();
    write(&folder.path().join("a.wav"), &wav(1));
    settle();
    let first = scan_anew(folder.path());
    assert_eq!(first.library.value.files[0].hash, None);
    let roots = [folder.path().to_owned()];
    let always = Wish { hashes: true };
    let second = scan(&roots, &first.cache.unwrap(), always).unwrap();
    let hash = Some(ContentHash::of(&wav(1)));
    assert_eq!(second.library.value.files[0].hash, hash);
    let third = scan(&roots, &second.cache.unwrap(), always).unwrap();
    assert_eq!(
        (third.cost.opened, third.library.value.files[0].hash),
        (0, hash)
    );
}

#[test]
fn a_root_that_is_a_file_is_missing() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("x");
    write(&file, b"x");
    let result = scan(&[file], &FileCache::default(), Wish::default());
    assert!(matches!(result, Err(LocalError::Missing(_))));
}

#[cfg(unix)]
mod unix {
    use std::{
        ffi::OsStr,
        os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, fs::symlink},
        process::Command,
    };

    use super::*;

    #[test]
    fn links_neither_loop_nor_lead_out() {
        let folder = TempDir::new().unwrap();
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        write(&root.join("a/x.wav"), &wav(1));
        write(&outside.join("y.wav"), &wav(1));
        symlink("..", root.join("a/up")).unwrap();
        symlink("loop-b.mp3", root.join("loop-a.mp3")).unwrap();
        symlink("loop-a.mp3", root.join("loop-b.mp3")).unwrap();
        symlink("a", root.join("again")).unwrap();
        symlink("a/x.wav", root.join("again.wav")).unwrap();
        symlink(&outside, root.join("out")).unwrap();
        symlink(outside.join("y.wav"), root.join("y.wav")).unwrap();
        let scan = scan_anew(&root);
        assert_eq!(paths(&scan), ["a/x.wav"]);
        let told: Vec<&str> = scan
            .library
            .problems
            .iter()
            .map(|p| p.subject.as_str())
            .collect();
        assert_eq!(told, ["loop-a.mp3", "loop-b.mp3", "out", "y.wav"]);
        assert!(scan.library.is_complete());
    }

    #[test]
    fn a_pipe_is_reported_and_never_opened() {
        let folder = TempDir::new().unwrap();
        let made = Command::new("mkfifo")
            .arg(folder.path().join("p.mp3"))
            .status();
        assert!(made.unwrap().success());
        let scan = scan_anew(folder.path());
        assert!(paths(&scan).is_empty() && scan.library.is_complete());
        assert_eq!(scan.library.problems[0].subject, "p.mp3");
    }

    #[test]
    fn an_unreadable_folder_is_a_hole() {
        let folder = TempDir::new().unwrap();
        let locked = folder.path().join("a/locked");
        write(&locked.join("x.wav"), &wav(1));
        write(&folder.path().join("b.wav"), &wav(1));
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o0)).unwrap();
        if fs::read_dir(&locked).is_err() {
            let scan = scan_anew(folder.path());
            assert_eq!(paths(&scan), ["b.wav"]);
            assert!(!scan.library.is_complete());
            assert_eq!(scan.library.value.unreadable, [MediaPath::new("a/locked")]);
        }
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn names_that_are_no_text_are_kept_as_they_are() {
        let folder = TempDir::new().unwrap();
        let odd = folder.path().join(OsStr::from_bytes(b"d\xff"));
        write(&odd.join("x.wav"), &wav(1));
        write(&folder.path().join(OsStr::from_bytes(b"\xfe.wav")), &wav(1));
        write(&folder.path().join("e\u{301}.wav"), &wav(1));
        write(&folder.path().join("\u{e9}.wav"), &wav(1));
        settle();
        let first = scan_anew(folder.path());
        let files = &first.library.value.files;
        assert_eq!(files.len(), 4);
        assert_eq!(files.iter().filter(|file| !file.path.is_utf8()).count(), 2);
        let roots = [folder.path().to_owned()];
        assert!(
            files
                .iter()
                .all(|file| file.path.below(&roots).unwrap().is_file())
        );
        assert_eq!(
            scan_with(folder.path(), &first.cache.unwrap()).cost.opened,
            0
        );
    }

    #[test]
    fn hard_links_are_read_once() {
        let folder = TempDir::new().unwrap();
        write(&folder.path().join("a.wav"), &wav(1));
        fs::create_dir(folder.path().join("x")).unwrap();
        fs::hard_link(folder.path().join("a.wav"), folder.path().join("x/b.wav")).unwrap();
        let scan = scan_anew(folder.path());
        assert_eq!(scan.cost.opened, 1);
        let [a, b] = &scan.library.value.files[..] else {
            panic!("{:?}", paths(&scan));
        };
        assert_eq!((a.duration_ms, a.stat), (b.duration_ms, b.stat));
    }
}

#[test]
fn a_file_that_went_is_remembered_until_it_is_old() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    for name in ["a/1.wav", "a/2.wav", "b.wav"] {
        write(&root.join(name), &wav(1));
    }
    settle();
    let first = scan_anew(root);
    let mut cache = first.cache.unwrap();
    let stat = first.library.value.files[0].stat;
    let hash = ContentHash::of(b"whatever it was");
    cache.remember("a/1.wav".into(), stat, hash);

    fs::remove_file(root.join("a/1.wav")).unwrap();
    let second = scan_with(root, &cache);
    let gone = VanishedFile {
        path: "a/1.wav".into(),
        stat,
        hash: Some(hash),
    };
    assert_eq!(second.library.value.vanished, std::slice::from_ref(&gone));
    let mut cache = FileCache::from_bytes(second.cache.unwrap().to_bytes());
    let third = scan_with(root, &cache);
    assert!(third.cache.is_none(), "nothing new to remember");
    assert_eq!(third.library.value.vanished, [gone]);

    for round in 0..u32::from(OLDEST) {
        let path = root.join("b.wav");
        match round % 2 {
            0 => fs::rename(&path, root.join("c.wav")).unwrap(),
            _ => fs::rename(root.join("c.wav"), &path).unwrap(),
        }
        settle();
        cache = scan_with(root, &cache).cache.unwrap();
    }
    let last = scan_with(root, &cache);
    let names = last.library.value.vanished.iter();
    let names: Vec<_> = names.map(|file| file.path.as_str()).collect();
    assert!(!names.contains(&"a/1.wav"), "{names:?}");
}
