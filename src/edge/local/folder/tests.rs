use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::edge::local::{
    fixture::{wav, write},
    trash::{Event, MANIFEST},
};

struct World {
    folder: TempDir,
    library: LibraryFolder,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (root, source) = (folder.path().join("root"), folder.path().join("source"));
        fs::create_dir_all(&root).unwrap();
        write(&source.join("s.wav"), b"source");
        let library = LibraryFolder::new(&root, &[source], FileCache::default());
        Self { folder, library }
    }

    fn real(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path)
    }

    fn put(&self, path: &str, content: &str) -> MediaPath {
        write(&self.real(path), content.as_bytes());
        MediaPath::new(path)
    }

    fn content(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.real(path)).ok()
    }
}

fn path(path: &str) -> MediaPath {
    MediaPath::new(path)
}

fn is_occupied<T>(result: Result<T, LocalError>, at: &str) -> bool {
    matches!(result, Err(LocalError::Occupied(place)) if place.as_str() == at)
}

#[test]
fn a_file_is_placed_by_a_second_name_and_loses_the_first() {
    let mut world = World::new();
    let old = world.put("Old/a.mp3", "music");
    let new = path("New/Deep/b.mp3");
    let made = world.library.place_beside(&old, &new).unwrap();
    assert_eq!(made, [path("New"), path("New/Deep")]);
    assert_eq!(world.library.place_beside(&old, &new).unwrap(), []);
    let (a, b) = (
        world.library.stat(&old).unwrap().unwrap(),
        world.library.stat(&new).unwrap().unwrap(),
    );
    assert_eq!(a.inode, b.inode);
    world.library.drop_old_name(&old, &new).unwrap();
    world.library.drop_old_name(&old, &new).unwrap();
    assert_eq!(world.content("Old/a.mp3"), None);
    assert_eq!(world.content("New/Deep/b.mp3").as_deref(), Some("music"));
}

#[test]
fn nothing_is_ever_replaced() {
    let mut world = World::new();
    let from = world.put("a.mp3", "ours");
    let to = world.put("b.mp3", "theirs");
    let library = &mut world.library;
    assert!(is_occupied(library.place_beside(&from, &to), "b.mp3"));
    assert!(is_occupied(library.rename(&from, &to), "b.mp3"));
    assert!(is_occupied(library.copy(&from, &to), "b.mp3"));
    assert!(is_occupied(library.write_new(&to, b"new"), "b.mp3"));
    assert!(is_occupied(
        library.write_new(&path("b.mp3/c"), b"new"),
        "b.mp3"
    ));
    assert!(matches!(
        library.drop_old_name(&from, &to),
        Err(LocalError::Changed { .. })
    ));
    assert_eq!(world.content("a.mp3").as_deref(), Some("ours"));
    assert_eq!(world.content("b.mp3").as_deref(), Some("theirs"));
    assert_eq!(
        fs::read_dir(world.real("")).unwrap().count(),
        2,
        "no rest is left"
    );
}

#[test]
fn a_byte_for_byte_twin_of_the_user_is_not_taken_for_our_copy() {
    let mut world = World::new();
    let from = world.put("a.mp3", "same");
    let to = world.put("b.mp3", "same");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    for name in ["a.mp3", "b.mp3"] {
        let file = fs::File::options()
            .write(true)
            .open(world.real(name))
            .unwrap();
        file.set_modified(time).unwrap();
    }
    assert!(is_occupied(world.library.place_beside(&from, &to), "b.mp3"));
}

#[test]
fn without_the_kept_file_the_old_name_stays() {
    let mut world = World::new();
    let old = world.put("a.mp3", "music");
    let result = world.library.drop_old_name(&old, &path("gone.mp3"));
    assert!(matches!(result, Err(LocalError::Changed { .. })));
    assert_eq!(world.content("a.mp3").as_deref(), Some("music"));
}

#[test]
fn the_original_of_a_copy_goes_to_the_trash() {
    let mut world = World::new();
    let old = world.put("Old/a.mp3", "music");
    let kept = path("New/a.mp3");
    world.library.copy(&old, &kept).unwrap();
    world.library.drop_old_name(&old, &kept).unwrap();
    assert_eq!(world.content("Old/a.mp3"), None);
    let place = ".tidal-cleanup/trash/placed/Old/a.mp3";
    assert_eq!(world.content(place).as_deref(), Some("music"));
}

#[test]
fn a_copy_keeps_mode_and_time() {
    let mut world = World::new();
    let from = world.put("a.mp3", "music");
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    let file = fs::File::options()
        .write(true)
        .open(world.real("a.mp3"))
        .unwrap();
    file.set_modified(time).unwrap();
    let mut permissions = file.metadata().unwrap().permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions).unwrap();
    world.library.copy(&from, &path("c/b.mp3")).unwrap();
    let metadata = fs::metadata(world.real("c/b.mp3")).unwrap();
    assert_eq!(metadata.modified().unwrap(), time);
    assert!(metadata.permissions().readonly());
    assert_eq!(world.content("a.mp3").as_deref(), Some("music"));
}

#[test]
fn a_rename_may_change_nothing_but_case() {
    let mut world = World::new();
    let from = world.put("song.mp3", "music");
    world.library.rename(&from, &path("Song.mp3")).unwrap();
    assert_eq!(world.content("Song.mp3").as_deref(), Some("music"));
    let names: Vec<_> = fs::read_dir(world.real(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["Song.mp3"]);
}

#[test]
fn two_links_that_differ_by_case_are_two_entries() {
    let mut world = World::new();
    let from = world.put("song.mp3", "music");
    let to = path("Song.mp3");
    world.library.place_beside(&from, &to).unwrap();
    world.library.drop_old_name(&from, &to).unwrap();
    assert_eq!(world.content("Song.mp3").as_deref(), Some("music"));
    assert_eq!(fs::read_dir(world.real("")).unwrap().count(), 1);
}

#[test]
fn what_lies_outside_is_refused() {
    let mut world = World::new();
    let own = world.put("a.mp3", "music");
    let outside = TempDir::new().unwrap();
    write(&outside.path().join("x.mp3"), b"other");
    let mut bad = vec![
        path("../x.mp3"),
        path("//1/s.wav"),
        path("/etc/x"),
        path(""),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outside.path(), world.real("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", world.real("dangling")).unwrap();
        bad.push(path("link/x.mp3"));
        bad.push(path("link/new/x.mp3"));
        bad.push(path("dangling/x.mp3"));
    }
    let library = &mut world.library;
    for bad in &bad {
        let refusals = [
            library.rename(&own, bad).err(),
            library.rename(bad, &path("b.mp3")).err(),
            library.place_beside(&own, bad).err(),
            library.place_beside(bad, &path("b.mp3")).err(),
            library.copy(&own, bad).err(),
            library.write_new(bad, b"x").err(),
            library.trash(bad, ApplyId(1), "").err(),
            library.drop_old_name(bad, &own).err(),
            library
                .remove_empty_folders(std::slice::from_ref(bad))
                .err(),
        ];
        for (number, refusal) in refusals.into_iter().enumerate() {
            assert!(
                matches!(refusal, Some(LocalError::Outside(_))),
                "{bad} {number}: {refusal:?}"
            );
        }
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    // Reading from a source is what sources are for.
    library.copy(&path("//1/s.wav"), &path("s.wav")).unwrap();
    assert_eq!(world.content("s.wav").as_deref(), Some("source"));
}

#[test]
fn a_source_inside_the_library_is_not_written() {
    let folder = TempDir::new().unwrap();
    let source = folder.path().join("Inbox");
    write(&source.join("a.mp3"), b"x");
    let mut library = LibraryFolder::new(folder.path(), &[source], FileCache::default());
    let result = library.rename(&path("Inbox/a.mp3"), &path("a.mp3"));
    assert!(matches!(result, Err(LocalError::Outside(_))));
}

#[test]
fn the_trash_keeps_the_path_and_says_why() {
    let mut world = World::new();
    let file = world.put("Playlists/House/a.mp3", "music");
    let stat = world.library.stat(&file).unwrap().unwrap();
    let place = world.library.trash(&file, ApplyId(7), "orphans").unwrap();
    assert_eq!(
        place.as_str(),
        ".tidal-cleanup/trash/7/Playlists/House/a.mp3"
    );
    assert_eq!(world.content(place.as_str()).as_deref(), Some("music"));
    assert_eq!(world.content("Playlists/House/a.mp3"), None);
    assert!(
        world
            .content(".tidal-cleanup/trash/README.txt")
            .unwrap()
            .contains("undo")
    );

    world.put("Playlists/House/a.mp3", "other");
    let second = world.library.trash(&file, ApplyId(7), "again").unwrap();
    assert_eq!(
        second.as_str(),
        ".tidal-cleanup/trash/7/Playlists/House/a (2).mp3"
    );

    world.library.rename(&place, &file).unwrap();
    let events = trash::events(&world.real(""), "7").unwrap();
    assert_eq!(events.len(), 3);
    let Event::Trashed {
        path,
        size,
        sha256,
        mtime,
        reason,
        ..
    } = &events[0]
    else {
        panic!("{events:?}");
    };
    assert_eq!((path, *size, *mtime), (&file, 5, stat.mtime));
    assert_eq!(
        (*sha256, reason.as_str()),
        (ContentHash::of(b"music"), "orphans")
    );
    assert!(matches!(&events[2], Event::Restored { place: from, .. } if *from == place));
    assert_eq!(trash::files(&world.real("")), [second]);
}

#[test]
fn a_torn_manifest_still_takes_lines() {
    let mut world = World::new();
    let (a, b) = (world.put("a.mp3", "a"), world.put("b.mp3", "b"));
    world.library.trash(&a, ApplyId(1), "").unwrap();
    let manifest = world.real(".tidal-cleanup/trash/1").join(MANIFEST);
    let mut torn = fs::read(&manifest).unwrap();
    torn.extend(b"{\"event\":\"tra");
    fs::write(&manifest, torn).unwrap();
    world.library.trash(&b, ApplyId(1), "").unwrap();
    assert_eq!(trash::events(&world.real(""), "1").unwrap().len(), 2);
}

#[test]
fn a_library_with_a_file_named_like_the_manifest_loses_none() {
    let mut world = World::new();
    let file = world.put("manifest.jsonl", "mine");
    let place = world.library.trash(&file, ApplyId(1), "").unwrap();
    assert_eq!(place.as_str(), ".tidal-cleanup/trash/1/manifest (2).jsonl");
    assert_eq!(world.content(place.as_str()).as_deref(), Some("mine"));
}

#[test]
fn only_empty_folders_go_innermost_first() {
    let mut world = World::new();
    world.put("a/b/c/x.txt", "x");
    fs::create_dir_all(world.real("a/e/f")).unwrap();
    let folders = ["a", "a/e", "a/e/f", "a/b/c", "gone"].map(path);
    let removed = world.library.remove_empty_folders(&folders).unwrap();
    assert_eq!(removed, [path("a/e/f"), path("a/e")]);
    assert!(world.real("a/b/c/x.txt").exists());
}

#[test]
fn folders_made_for_nothing_go_again() {
    let mut world = World::new();
    let file = world.put("a.mp3", "a");
    fs::remove_file(world.real("a.mp3")).unwrap();
    assert!(world.library.rename(&file, &path("x/y/a.mp3")).is_err());
    assert!(!world.real("x").exists());
}

#[test]
fn the_marker_is_planted_once() {
    let mut world = World::new();
    assert_eq!(world.library.canary().unwrap(), None);
    let id = LibraryId::from("0f2d3a5e-7b61-4f6e-9a4c-1c2f6a7d8e90");
    world.library.plant_canary(&id).unwrap();
    world.library.plant_canary(&id).unwrap();
    assert_eq!(world.library.canary().unwrap(), Some(id));
    let other = LibraryId::from("11111111-7b61-4f6e-9a4c-1c2f6a7d8e90");
    assert!(matches!(
        world.library.plant_canary(&other),
        Err(LocalError::Canary { .. })
    ));
    for damaged in ["library_id = ", "", "library_id = \"\"", "library_id = 5"] {
        fs::write(world.real(".tidal-cleanup/library.toml"), damaged).unwrap();
        assert!(matches!(
            world.library.canary(),
            Err(LocalError::Canary { .. })
        ));
        assert!(matches!(
            world.library.scan(),
            Err(LocalError::Canary { .. })
        ));
    }
}

#[test]
fn a_hash_is_learnt_once_and_forgotten_when_the_file_changes() {
    let mut world = World::new();
    world.put("a.wav", "");
    fs::write(world.real("a.wav"), wav(1)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let file = path("a.wav");
    let known = |world: &mut World| {
        world
            .library
            .scan()
            .unwrap()
            .value
            .file(&file)
            .unwrap()
            .hash
    };
    assert_eq!(known(&mut world), None);
    let hash = world.library.hash(&file).unwrap();
    assert_eq!(hash, ContentHash::of(&wav(1)));
    assert_eq!(known(&mut world), Some(hash));
    assert_eq!(world.library.cost().opened, 0);
    fs::write(world.real("a.wav"), wav(2)).unwrap();
    assert_eq!(known(&mut world), None);
    assert_eq!(world.library.hash(&file).unwrap(), ContentHash::of(&wav(2)));
}

#[test]
fn a_missing_root_is_missing() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("drive");
    let mut library = LibraryFolder::new(&root, &[], FileCache::default());
    assert!(matches!(library.scan(), Err(LocalError::Missing(at)) if at == root));
    assert!(library.write_new(&path("a"), b"x").is_err());
    assert!(!root.exists());
}

#[cfg(unix)]
#[test]
fn pipes_and_links_are_neither_moved_nor_read() {
    let mut world = World::new();
    world.put("a.mp3", "a");
    std::os::unix::fs::symlink("a.mp3", world.real("link.mp3")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(world.real("pipe.mp3"))
        .status();
    assert!(made.unwrap().success());
    for name in ["link.mp3", "pipe.mp3"] {
        let result = world.library.trash(&path(name), ApplyId(1), "");
        assert!(matches!(result, Err(LocalError::Changed { .. })));
    }
    assert!(world.library.hash(&path("pipe.mp3")).is_err());
}

#[test]
fn space_is_told() {
    assert!(World::new().library.free_bytes().unwrap() > 0);
}
