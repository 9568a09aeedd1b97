//! What is refused, noticed or repaired around a change of a Rekordbox library.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::Connection as _;
use tidal_cleanup::{
    domain::NodeKind,
    edge::rekordbox::{
        ContentRef, Edit, NodeRef, Parent, Probe, Processes, RekordboxError, RekordboxLibrary as _,
        RekordboxReader as _, RowEdits, Staged,
    },
};

use crate::rekordbox::{World, content, node, now, open, rows, titles, track};

fn new_list(name: &str) -> Edit {
    Edit::CreateNode {
        name: name.to_owned(),
        kind: NodeKind::List,
        parent: Parent::Root,
        smart: Vec::new(),
    }
}

#[tokio::test]
async fn a_row_that_changed_meanwhile_stops_everything() {
    let mut world = World::small().await;
    let collection = world.collection().await;
    let rename = Edit::UpdateNode {
        id: node(&collection, "Peak"),
        name: Some("Mine".to_owned()),
        parent: None,
    };
    let staged = world.stage(&[new_list("Other"), rename]).await;
    world
        .meddle("UPDATE djmdPlaylist SET Name = 'Theirs' WHERE Name = 'Peak'")
        .await;
    let before = world.dump().await;
    let error = world.db.commit(&rows(&staged), now()).await.unwrap_err();
    assert!(
        matches!(&error, RekordboxError::Conflict { table, .. } if table == "djmdPlaylist"),
        "{error}"
    );
    assert_eq!(world.dump().await, before);
    assert_eq!(
        world.db.probe(&staged[1].rows).await.unwrap(),
        Probe::Conflict
    );
    assert_eq!(
        world.db.probe(&staged[0].rows).await.unwrap(),
        Probe::Before
    );
}

#[tokio::test]
async fn numbers_given_out_meanwhile_are_not_used_again() {
    let mut world = World::small().await;
    let staged = world.stage(&[new_list("Other")]).await;
    world.meddle("UPDATE djmdCue SET rb_local_usn = 5000").await;
    world.db.commit(&rows(&staged), now()).await.unwrap();
    assert_eq!(world.db.probe(&staged[0].rows).await.unwrap(), Probe::After);
    let lowest = "SELECT min(rb_local_usn) FROM djmdPlaylist WHERE Name = 'Other'";
    assert!(world.number(lowest).await > 5000);
    let counter = "SELECT int_1 FROM agentRegistry WHERE registry_id = 'localUpdateCount'";
    assert_eq!(
        world.number(counter).await,
        world.collection().await.local_usn
    );
}

#[tokio::test]
async fn broken_invariants_roll_back() {
    let mut world = World::small().await;
    let collection = world.collection().await;
    let list = node(&collection, "Peak");
    let contents = vec![ContentRef::Id(content(&collection, "Track 0"))];
    let edit = Edit::SetEntries {
        node: NodeRef::Id(list),
        contents,
    };
    let before = world.dump().await;
    let staged = world.stage(&[edit, new_list("Other")]).await;
    let spoilt = |column: &str, value: serde_json::Value| {
        let mut all: Vec<RowEdits> = rows(&staged);
        for row in all.iter_mut().flat_map(|edits| &mut edits.0) {
            if let (None, Some(image)) = (&row.before, &mut row.after)
                && image.contains_key(column)
            {
                image.insert(column.to_owned(), value.clone());
            }
        }
        all
    };
    for edits in [
        spoilt("TrackNo", 3.into()),
        spoilt("ContentID", "99".into()),
        spoilt("ParentID", "99".into()),
    ] {
        let error = world.db.commit(&edits, now()).await.unwrap_err();
        assert!(matches!(error, RekordboxError::Invariant(_)), "{error}");
    }
    assert_eq!(world.dump().await, before);
    world.db.commit(&rows(&staged), now()).await.unwrap();
}

#[tokio::test]
async fn a_journal_cannot_name_other_tables_or_columns() {
    let mut world = World::small().await;
    let staged = world.stage(&[new_list("Other")]).await;
    let mut edits = rows(&staged);
    let image = edits[0].0[0].after.as_mut().unwrap();
    image.insert("Name\" = 'x' --".to_owned(), 1.into());
    let error = world.db.commit(&edits, now()).await.unwrap_err();
    assert!(matches!(error, RekordboxError::UnknownSchema(_)), "{error}");
    edits[0].0[0].table = "djmdCue".to_owned();
    let error = world.db.commit(&edits, now()).await.unwrap_err();
    assert!(matches!(error, RekordboxError::Invalid(_)), "{error}");
}

#[tokio::test]
async fn nothing_is_written_while_rekordbox_runs() {
    let mut world = World::small().await;
    let staged = world.stage(&[new_list("Other")]).await;
    let before = std::fs::read(world.path("master.db")).unwrap();
    let running = || Processes::fixed(["rekordboxAgent"]);
    let mut db = open(world.folder.path(), running());
    assert_eq!(db.running().unwrap(), ["rekordboxAgent"]);
    let is_running = |error: RekordboxError| matches!(error, RekordboxError::Running(_));
    assert!(is_running(db.prepare().await.unwrap_err()));
    assert!(is_running(
        db.commit(&rows(&staged), now()).await.unwrap_err()
    ));
    assert!(is_running(db.finish(&[], now()).await.unwrap_err()));
    // It starts while the rows are being written.
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    let starting = Processes::listed_by(|| match LOOKS.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(Vec::new()),
        _ => Ok(vec!["rekordbox.exe".to_owned()]),
    });
    let mut db = open(world.folder.path(), starting);
    assert!(is_running(
        db.commit(&rows(&staged), now()).await.unwrap_err()
    ));
    assert_eq!(std::fs::read(world.path("master.db")).unwrap(), before);
    assert_eq!(
        world.db.probe(&staged[0].rows).await.unwrap(),
        Probe::Before
    );
}

#[tokio::test]
async fn another_writer_locks_us_out() {
    let mut world = World::small().await;
    let staged = world.stage(&[new_list("Other")]).await;
    let mut other = world.other().await;
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let error = world.db.prepare().await.unwrap_err();
    assert!(matches!(error, RekordboxError::Locked), "{error}");
    let error = world.db.commit(&rows(&staged), now()).await.unwrap_err();
    assert!(matches!(error, RekordboxError::Locked), "{error}");
    other.close().await.unwrap();
    world.db.commit(&rows(&staged), now()).await.unwrap();
}

/// Leaves a `-wal` behind as a crash does: the files are copied while a writer has them open.
async fn crash(world: &World) {
    let mut other = world.other().await;
    sqlx::raw_sql("UPDATE djmdContent SET Title = 'In the log' WHERE Title = 'Track 3'")
        .execute(&mut other)
        .await
        .unwrap();
    let files = ["master.db", "master.db-wal"].map(|name| world.path(name));
    let bytes = files.each_ref().map(|file| std::fs::read(file).unwrap());
    other.close().await.unwrap();
    for (file, bytes) in files.iter().zip(bytes) {
        std::fs::write(file, bytes).unwrap();
    }
}

#[tokio::test]
async fn a_crash_of_rekordbox_is_left_to_rekordbox() {
    let mut world = World::small().await;
    let staged = world.stage(&[new_list("Other")]).await;
    crash(&world).await;
    let is_leftover = |error: RekordboxError| matches!(error, RekordboxError::LeftoverWal(_));
    assert!(is_leftover(world.db.prepare().await.unwrap_err()));
    assert!(is_leftover(
        world.db.commit(&rows(&staged), now()).await.unwrap_err()
    ));
    assert!(is_leftover(world.db.finish(&[], now()).await.unwrap_err()));
    content(&world.collection().await, "In the log");
}

#[tokio::test]
async fn a_crash_of_our_own_is_repaired() {
    let mut world = World::small().await;
    crash(&world).await;
    // The note that a kill in the midst of writing leaves.
    let notes = world.path("backups/rekordbox");
    std::fs::create_dir_all(&notes).unwrap();
    let database = world.path("master.db").canonicalize().unwrap();
    std::fs::write(notes.join("writing"), database.to_str().unwrap()).unwrap();
    world.db.prepare().await.unwrap();
    assert!(!world.path("master.db-wal").exists());
    assert!(!notes.join("writing").exists());
    content(&world.collection().await, "In the log");
}

#[tokio::test]
async fn backups_are_whole_and_the_newest_ten_are_kept() {
    let mut world = World::small().await;
    let notes = world.path("backups/rekordbox/my own notes");
    std::fs::create_dir_all(&notes).unwrap();
    let mut made = Vec::new();
    for _ in 0..12 {
        made.push(world.db.prepare().await.unwrap());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let kept: Vec<bool> = made.iter().map(|backup| backup.exists()).collect();
    assert_eq!(kept, [vec![false; 2], vec![true; 10]].concat());
    assert!(notes.exists());
    let backup = open(&made[11], Processes::fixed::<String>([]));
    let backup = backup.read().await.unwrap();
    assert_eq!(backup, world.db.read().await.unwrap());
    assert_eq!(backup.problems, []);
    let mut left = world.names();
    left.retain(|name| name != "backups");
    assert_eq!(left, ["master.db", "masterPlaylists6.xml"]);
}

#[tokio::test]
async fn a_damaged_database_is_not_backed_up_as_good() {
    let mut world = World::small().await;
    let path = world.path("master.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 2000;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    world.db.prepare().await.unwrap_err();
    let backups = std::fs::read_dir(world.path("backups/rekordbox")).unwrap();
    assert_eq!(backups.count(), 0);
}

#[tokio::test]
async fn nothing_is_left_beside_the_database() {
    let mut world = World::small().await;
    world.db.prepare().await.unwrap();
    world.apply(&[new_list("Other")]).await;
    let mut names = world.names();
    names.retain(|name| name != "backups");
    assert_eq!(names, ["master.db", "masterPlaylists6.xml"]);
    assert!(!world.path("backups/rekordbox/writing").exists());
    assert_eq!(world.text("PRAGMA journal_mode").await, "wal");
}

fn hexadecimal(staged: &Staged) -> String {
    let id: u32 = staged.node.as_ref().unwrap().as_str().parse().unwrap();
    format!("{id:X}")
}

#[tokio::test]
async fn the_xml_follows_the_database_and_again_changes_nothing() {
    let mut world = World::small().await;
    let collection = world.collection().await;
    let old = world.xml();
    let staged = world.apply(&[new_list("Other")]).await;
    let line = format!(
        "<NODE Id=\"{}\" ParentId=\"0\" Attribute=\"0\"",
        hexadecimal(&staged[0])
    );
    assert!(world.xml().contains(&line));
    assert!(old.lines().all(|line| world.xml().contains(line)));
    let touched = [staged[0].node.clone().unwrap()];
    let now_there = world.xml();
    world.db.finish(&touched, now()).await.unwrap();
    assert_eq!(world.xml(), now_there);

    let peak = node(&collection, "Peak");
    world.apply(&[Edit::RemoveNode { id: peak.clone() }]).await;
    let id: u32 = peak.as_str().parse().unwrap();
    assert!(!world.xml().contains(&format!("Id=\"{id:X}\"")));
    // A kill between commit and XML: the next run names the node again.
    std::fs::write(world.path("masterPlaylists6.xml"), old).unwrap();
    world
        .db
        .finish(&[peak, touched[0].clone()], now())
        .await
        .unwrap();
    assert_eq!(world.xml().matches(&line).count(), 1);
    assert!(!world.xml().contains(&format!("Id=\"{id:X}\"")));
}

#[tokio::test]
async fn a_missing_xml_is_made_and_a_malformed_one_is_left() {
    let mut world = World::small().await;
    let path = world.path("masterPlaylists6.xml");
    std::fs::remove_file(&path).unwrap();
    let problems = world.db.read().await.unwrap().problems;
    assert_eq!(problems[0].subject, "masterPlaylists6.xml");
    world.apply(&[new_list("Other")]).await;
    assert_eq!(world.xml().matches("<NODE ").count(), 5);

    std::fs::write(&path, "<MASTER_PLAYLIST><PLAYLISTS>").unwrap();
    // Before a write nothing has happened yet; after it the database is in order and the file is not.
    let before = world.db.prepare().await.unwrap_err();
    assert!(matches!(before, RekordboxError::BadXml { .. }), "{before}");
    let touched = [node(&world.collection().await, "Other")];
    let after = world.db.finish(&touched, now()).await.unwrap_err();
    assert!(matches!(after, RekordboxError::Xml { .. }), "{after}");
    assert_eq!(world.xml(), "<MASTER_PLAYLIST><PLAYLISTS>");
    assert!(!world.db.read().await.unwrap().problems.is_empty());
}

#[tokio::test]
async fn ids_avoid_nodes_that_only_the_xml_has() {
    let mut first = World::small().await;
    let taken = hexadecimal(&first.stage(&[new_list("Other")]).await[0]);
    let mut world = World::small().await;
    let leftover = format!("<NODE Id=\"{taken}\" ParentId=\"0\" Attribute=\"0\"/>");
    let xml = world.xml().replace(
        "  </PLAYLISTS>",
        &format!("    {leftover}\r\n  </PLAYLISTS>"),
    );
    std::fs::write(world.path("masterPlaylists6.xml"), xml).unwrap();
    assert_ne!(
        hexadecimal(&world.stage(&[new_list("Other")]).await[0]),
        taken
    );
}

#[tokio::test]
async fn putting_back_refuses_what_a_person_changed_since() {
    let mut world = World::small().await;
    let staged = world
        .apply(&[
            Edit::AddContent(Box::new(track(10))),
            new_list("Other"),
            Edit::SetEntries {
                node: NodeRef::Staged(1),
                contents: vec![ContentRef::Staged(0)],
            },
        ])
        .await;
    let back = |staged: &Staged| Edit::Restore(staged.rows.reversed());
    // The list still has its entry, the track is still in a list.
    for staged in &staged[..2] {
        let error = world.refused(back(staged)).await;
        assert!(matches!(error, RekordboxError::Conflict { .. }), "{error}");
    }
    world
        .meddle("UPDATE djmdPlaylist SET Name = 'Theirs' WHERE Name = 'Other'")
        .await;
    let error = world
        .db
        .stage(&[back(&staged[2]), back(&staged[1])], now())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, RekordboxError::Conflict { table, .. } if table == "djmdPlaylist"),
        "{error}"
    );
    world.apply(&[back(&staged[2])]).await;
    world
        .meddle(
            "INSERT INTO djmdCue (ID, ContentID, Kind, created_at, updated_at) SELECT '1', ID, 1, \
             'now', 'now' FROM djmdContent WHERE Title = 'Track 10'",
        )
        .await;
    let error = world.refused(back(&staged[0])).await;
    assert!(
        matches!(&error, RekordboxError::Conflict { table, .. } if table == "djmdContent"),
        "{error}"
    );
}

#[tokio::test]
async fn putting_back_keeps_what_a_person_added_since() {
    let mut world = World::small().await;
    let collection = world.collection().await;
    let list = node(&collection, "Warm up");
    let shorter = Edit::SetEntries {
        node: NodeRef::Id(list),
        contents: vec![ContentRef::Id(content(&collection, "Track 1"))],
    };
    let staged = world.apply(&[shorter]).await;
    world
        .meddle(
            "INSERT INTO djmdSongPlaylist (ID, PlaylistID, ContentID, TrackNo, UUID, rb_local_usn, \
             created_at, updated_at) SELECT 'theirs', p.ID, c.ID, 2, 'u', 1, 'now', 'now' \
             FROM djmdPlaylist p, djmdContent c WHERE p.Name = 'Warm up' AND c.Title = 'Track 3'",
        )
        .await;
    world.undo(&staged).await;
    let titles = titles(&world.collection().await, "Warm up");
    let mut sorted = titles.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        ["Track 0", "Track 1", "Track 1", "Track 2", "Track 3"]
    );
    let without: Vec<&String> = titles.iter().filter(|title| *title != "Track 3").collect();
    assert_eq!(without, ["Track 0", "Track 1", "Track 2", "Track 1"]);
}

#[tokio::test]
async fn an_artist_that_others_use_stays() {
    let mut world = World::small().await;
    let mut new = track(10);
    new.artist = Some("Shared".to_owned());
    let staged = world.apply(&[Edit::AddContent(Box::new(new))]).await;
    world
        .meddle(
            "UPDATE djmdContent SET ArtistID = (SELECT ID FROM djmdArtist WHERE Name = 'Shared') \
             WHERE Title = 'Track 3'",
        )
        .await;
    world.undo(&staged).await;
    let collection = world.collection().await;
    assert_eq!(collection.contents.len(), 4);
    let track = &collection.contents[&content(&collection, "Track 3")];
    assert_eq!(track.artist.as_deref(), Some("Shared"));
}

#[tokio::test]
async fn what_is_back_already_is_left_alone() {
    let mut world = World::small().await;
    let staged = world.apply(&[new_list("Other")]).await;
    world.undo(&staged).await;
    let again = world.undo(&staged).await;
    assert!(again[0].rows.0.is_empty());
}
