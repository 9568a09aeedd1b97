//! Odd things on a volume: pipes, sockets, devices, links, folders nobody may read, names of all kinds.

use std::fs;

use tempfile::TempDir;
use tidal_cleanup::{
    domain::{ContentHash, MediaPath},
    edge::local::{
        LocalReader as _,
        cache::FileCache,
        folder::LibraryFolder,
        scan::{Wish, scan},
    },
};

use super::{samples::wav, scan_anew, scan_with, settle, write};

#[test]
fn names_of_all_kinds_keep_their_order() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let longest = format!("{}.wav", "n".repeat(251));
    for name in [
        "a/z.wav",
        "a-b/x.wav",
        "a b/x.wav",
        "a.wav",
        "a/b/c.wav",
        "a/\u{e9}.wav",
        "a/e\u{301}.wav",
        "new\nline.wav",
        "-dash.wav",
        "CON.wav",
        "Upper.WAV",
        longest.as_str(),
    ] {
        write(&root.join(name), &wav(1));
    }
    fs::create_dir(root.join("folder.mp3")).unwrap();
    settle();
    let first = scan_anew(root);
    let paths: Vec<&MediaPath> = first
        .library
        .value
        .files
        .iter()
        .map(|file| &file.path)
        .collect();
    assert_eq!(paths.len(), 12);
    assert!(paths.is_sorted());
    let second = scan_with(root, &first.cache.unwrap());
    assert_eq!((second.cost.opened, second.cost.reused), (0, 12));
    assert_eq!(second.library, first.library);
}

#[test]
fn content_that_changes_behind_its_stat_is_found() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    write(&root.join("a.wav"), &wav(1));
    write(&root.join("b.wav"), &wav(2));
    settle();
    let mut library = LibraryFolder::new(root, &[], FileCache::default());
    let files = library.scan().unwrap().value.files;
    let first = library.verify(&files);
    assert_eq!((first.same, first.learnt), (0, 2));
    let files = library.scan().unwrap().value.files;
    assert_eq!(files[0].hash, Some(ContentHash::of(&wav(1))));
    let second = library.verify(&files);
    assert_eq!(
        (second.same, second.learnt, second.changed.len()),
        (2, 0, 0)
    );
    // A disk that rots changes no time, which a test cannot do; a wrong memory looks the same.
    let mut files = files;
    files[1].hash = Some(ContentHash::of(b"before"));
    let third = library.verify(&files);
    assert_eq!(third.changed, [MediaPath::new("b.wav")]);
    write(&root.join("a.wav"), &wav(3));
    assert_eq!(library.verify(&files).unread, [MediaPath::new("a.wav")]);
}

#[cfg(unix)]
mod unix {
    use std::{
        fs::Permissions,
        os::unix::{
            fs::{PermissionsExt as _, symlink},
            net::UnixListener,
        },
        process::Command,
    };

    use super::*;

    #[test]
    fn pipes_sockets_and_devices_are_told_of_and_left_alone() {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        let made = Command::new("mkfifo").arg(root.join("pipe.mp3")).status();
        assert!(made.unwrap().success());
        let _socket = UnixListener::bind(root.join("socket.flac")).unwrap();
        symlink("/dev/zero", root.join("zero.mp3")).unwrap();
        symlink(".", root.join("self")).unwrap();
        write(&root.join("a.wav"), &wav(1));
        let scan = scan_anew(root);
        let told: Vec<&str> = scan
            .library
            .problems
            .iter()
            .map(|p| p.subject.as_str())
            .collect();
        assert_eq!(told, ["pipe.mp3", "socket.flac"]);
        assert_eq!(scan.library.value.files.len(), 1);
        assert!(scan.library.is_complete());
    }

    /// Root may read everything, so whoever is root lays that down for the thread that scans: threads
    /// that it starts inherit it.
    fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                #[cfg(target_os = "linux")]
                if rustix::process::geteuid().is_root() {
                    let nobody = rustix::process::Uid::from_raw(65_534);
                    rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
                }
                work()
            });
            worker.join().unwrap()
        })
    }

    #[test]
    fn a_folder_that_may_not_be_read_is_a_hole_and_a_file_a_problem() {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
        write(&root.join("a.wav"), &wav(1));
        write(&root.join("locked.wav"), &wav(1));
        write(&root.join("dark/b.wav"), &wav(1));
        settle();
        let whole = scan_anew(root);
        fs::set_permissions(root.join("dark"), Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(root.join("locked.wav"), Permissions::from_mode(0o000)).unwrap();
        let cache = whole.cache.unwrap();
        let roots = [root.to_owned()];
        let scanned = as_nobody(|| scan(&roots, &cache, Wish::default()));
        fs::set_permissions(root.join("dark"), Permissions::from_mode(0o755)).unwrap();
        let scanned = scanned.unwrap();
        assert_eq!(scanned.library.value.unreadable, [MediaPath::new("dark")]);
        assert!(!scanned.library.is_complete());
        let files = &scanned.library.value.files;
        assert_eq!(files.len(), 2);
        assert_eq!(files[0].problem, None);
        assert!(
            files[1]
                .problem
                .as_deref()
                .unwrap()
                .contains("could not be opened")
        );
    }
}
