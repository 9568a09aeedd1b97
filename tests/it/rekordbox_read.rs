//! Reading a Rekordbox library.

use sqlx::Connection as _;
use tidal_cleanup::{
    domain::{NodeKind, RekordboxSchema},
    edge::rekordbox::{
        MasterDb, MasterDbOptions, RekordboxError, RekordboxLibrary as _, RekordboxReader as _,
        fixture::NewLibrary,
    },
};

use crate::rekordbox::{World, content, node, small, titles};

#[tokio::test]
async fn everything_that_matters_is_read_from_both_schemas() {
    for schema in [RekordboxSchema::V6, RekordboxSchema::V7] {
        let world = World::new(&small(schema)).await;
        let observed = world.db.read().await.unwrap();
        assert_eq!(observed.problems, []);
        let collection = observed.value;
        assert_eq!(collection.schema, schema);
        assert_eq!(collection.app_version.as_deref(), Some("7.2.10"));
        assert!(!collection.cloud_sync);
        let track = &collection.contents[&content(&collection, "Track 2")];
        assert_eq!(track.folder_path, "/Music/Lists/Track 2.flac");
        assert_eq!(track.artist.as_deref(), Some("Artist 0"));
        assert_eq!(track.album.as_deref(), Some("Album"));
        assert_eq!(track.genre.as_deref(), Some("House"));
        assert_eq!(track.isrc.as_ref().unwrap().as_str(), "GBXXX2400002");
        assert_eq!((track.length_s, track.year), (Some(360), Some(2024)));
        assert_eq!((track.rating, track.play_count), (3, 2));
        assert_eq!((track.hot_cues, track.memory_cues), (2, 1));
        assert!(track.analysed);
        assert_eq!((track.file_type, track.bitrate_kbps), (5, 950));
        assert_eq!(track.my_tags.len(), 1);
        assert_eq!(
            titles(&collection, "Warm up"),
            ["Track 0", "Track 1", "Track 2", "Track 1"]
        );
        let peak = &collection.nodes[&node(&collection, "Peak")];
        assert_eq!(peak.parent, Some(node(&collection, "Sets")));
        let smart = &collection.nodes[&node(&collection, "Mornings")];
        assert_eq!(smart.kind, NodeKind::Smart);
        assert!(
            smart
                .smart
                .as_ref()
                .unwrap()
                .contains("PropertyName=\"myTag\"")
        );
        assert_eq!(collection.tag("Genre", "House").unwrap().seq, 1);
    }
}

#[tokio::test]
async fn reading_leaves_no_trace() {
    let world = World::small().await;
    let before = std::fs::read(world.path("master.db")).unwrap();
    let at = std::fs::metadata(world.path("master.db"))
        .unwrap()
        .modified()
        .unwrap();
    world.db.read().await.unwrap();
    assert_eq!(world.names(), ["master.db", "masterPlaylists6.xml"]);
    assert_eq!(std::fs::read(world.path("master.db")).unwrap(), before);
    let after = std::fs::metadata(world.path("master.db"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(after, at);
}

#[tokio::test]
async fn what_is_only_in_the_wal_is_read_too() {
    let world = World::small().await;
    let mut rekordbox = world.other().await;
    sqlx::raw_sql("UPDATE djmdContent SET Title = 'Just renamed' WHERE Title = 'Track 3'")
        .execute(&mut rekordbox)
        .await
        .unwrap();
    let names = world.names();
    assert!(names.contains(&"master.db-wal".to_owned()), "{names:?}");
    content(&world.collection().await, "Just renamed");
    assert_eq!(world.names(), names);
    rekordbox.close().await.unwrap();
    content(&world.collection().await, "Just renamed");
}

#[tokio::test]
async fn tombstones_are_left_out() {
    let world = World::small().await;
    world
        .meddle(
            "UPDATE djmdSongPlaylist SET rb_local_deleted = 1 WHERE TrackNo = 4;
             UPDATE djmdContent SET rb_local_deleted = 1 WHERE Title = 'Track 3';
             UPDATE djmdSongPlaylist SET rb_local_deleted = 1 WHERE ContentID IN
                 (SELECT ID FROM djmdContent WHERE Title = 'Track 3');
             UPDATE djmdCue SET rb_local_deleted = 1 WHERE Kind = 0;",
        )
        .await;
    let observed = world.db.read().await.unwrap();
    assert_eq!(observed.problems, []);
    assert_eq!(observed.value.contents.len(), 3);
    assert_eq!(titles(&observed.value, "Warm up").len(), 3);
    assert!(titles(&observed.value, "Peak").is_empty());
    assert!(
        observed
            .value
            .contents
            .values()
            .all(|content| content.memory_cues == 0)
    );
}

#[tokio::test]
async fn broken_rows_are_problems_and_no_holes() {
    let world = World::small().await;
    world
        .meddle(
            "UPDATE djmdContent SET FolderPath = '/Music/Lists/Track 1.flac', Length = 'long'
                 WHERE Title = 'Track 2';
             UPDATE djmdContent SET UUID = NULL, Rating = x'00' WHERE Title = 'Track 3';
             UPDATE djmdSongPlaylist SET ContentID = '99' WHERE TrackNo = 2;
             UPDATE djmdSongPlaylist SET TrackNo = 1;
             UPDATE djmdPlaylist SET ParentID = '77' WHERE Name = 'Peak';",
        )
        .await;
    let observed = world.db.read().await.unwrap();
    assert!(observed.is_complete());
    assert_eq!(observed.value.contents.len(), 4);
    let messages: Vec<String> = observed
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.subject, problem.message))
        .collect();
    insta::assert_snapshot!(messages.join("\n"), @r"
    /Music/Lists/Track 1.flac: two tracks of the collection are this file
    /Music/Lists/Track 3.flac: a track without a UUID, which Rekordbox may not show
    Peak: a playlist in a folder that does not exist
    playlist Warm up: 1 entries name no track of the collection
    playlist Warm up: its entries are not numbered 1, 2, 3 and so on
    ");
}

#[tokio::test]
async fn the_counter_is_the_largest_number_anywhere() {
    let world = World::small().await;
    world
        .meddle("UPDATE djmdCue SET rb_local_usn = 7777; UPDATE agentRegistry SET int_1 = 5;")
        .await;
    assert_eq!(world.collection().await.local_usn, 7777);
}

#[tokio::test]
async fn cloud_synchronisation_is_seen_in_the_rows() {
    let library = NewLibrary {
        synced: true,
        ..small(RekordboxSchema::V7)
    };
    assert!(World::new(&library).await.collection().await.cloud_sync);
}

#[tokio::test]
async fn files_that_are_no_library_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.db");
    let options = || MasterDbOptions::new(folder.path().join("backups"));
    assert!(matches!(
        MasterDb::open(folder.path(), options()),
        Err(RekordboxError::Missing(_))
    ));
    for bytes in [Vec::new(), b"not a database".repeat(9000), vec![0; 3]] {
        std::fs::write(&path, bytes).unwrap();
        let db = MasterDb::open(&path, options()).unwrap();
        assert!(matches!(
            db.read().await,
            Err(RekordboxError::NotADatabase(_))
        ));
    }
    for key in [None, Some("'another key'")] {
        std::fs::remove_file(&path).unwrap();
        let mut plain = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true);
        if let Some(key) = key {
            plain = plain.pragma("key", key);
        }
        let mut connection = sqlx::SqliteConnection::connect_with(&plain).await.unwrap();
        sqlx::raw_sql("CREATE TABLE djmdContent (ID)")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let db = MasterDb::open(&path, options()).unwrap();
        assert!(matches!(
            db.read().await,
            Err(RekordboxError::NotADatabase(_))
        ));
    }
}

#[tokio::test]
async fn an_unknown_layout_is_read_and_not_written() {
    for change in [
        "UPDATE djmdProperty SET DBVersion = '7000'",
        "ALTER TABLE djmdContent DROP COLUMN SrcLength",
        "ALTER TABLE djmdPlaylist ADD COLUMN Mood INTEGER NOT NULL DEFAULT 1;
         CREATE TRIGGER watch AFTER INSERT ON djmdPlaylist BEGIN SELECT 1; END",
        "DELETE FROM agentRegistry",
    ] {
        let mut world = World::small().await;
        world.meddle(change).await;
        assert_eq!(world.collection().await.contents.len(), 4, "{change}");
        let error = world.db.prepare().await.unwrap_err();
        assert!(
            matches!(error, RekordboxError::UnknownSchema(_)),
            "{change}: {error}"
        );
        assert!(!world.names().contains(&"backups".to_owned()));
    }
}

/// Long enough for the file system's times to tell one change from the next.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(2_300)).await;
}

#[tokio::test]
async fn a_kept_reading_is_never_older_than_the_library() {
    let world = World::small().await;
    let cache = world.path("kept.cache");
    let open = || {
        let options = MasterDbOptions {
            cache: Some(cache.clone()),
            ..MasterDbOptions::new(world.path("backups"))
        };
        MasterDb::open(world.folder.path(), options).unwrap()
    };
    let titles = async || {
        let read = open().read().await.unwrap();
        let fresh = world.db.read().await.unwrap();
        assert_eq!(read.problems, fresh.problems);
        assert_eq!(read.value, fresh.value);
    };
    settle().await;
    titles().await;
    assert!(cache.exists());
    let kept = std::fs::read(&cache).unwrap();
    titles().await;
    assert_eq!(std::fs::read(&cache).unwrap(), kept);
    // A change that is checkpointed at once, read before and after its time has settled.
    world
        .meddle("UPDATE djmdContent SET Title = 'One' WHERE Title = 'Track 1'")
        .await;
    titles().await;
    settle().await;
    titles().await;
    // Changes that stay in the log of a program that goes on running.
    let mut rekordbox = world.other().await;
    for sql in [
        "UPDATE djmdContent SET Title = 'Two' WHERE Title = 'Track 2'",
        "UPDATE djmdContent SET Title = 'Six' WHERE Title = 'Two'",
    ] {
        sqlx::raw_sql(sql).execute(&mut rekordbox).await.unwrap();
        titles().await;
        settle().await;
        titles().await;
        titles().await;
    }
    rekordbox.close().await.unwrap();
    titles().await;
    // The playlist file is read anew each time.
    settle().await;
    titles().await;
    std::fs::remove_file(world.path("masterPlaylists6.xml")).unwrap();
    titles().await;
    // Neither rubble nor another library's cache does harm.
    std::fs::write(&cache, b"rubble").unwrap();
    titles().await;
    settle().await;
    titles().await;
    let other = World::small().await;
    std::fs::copy(&cache, other.path("kept.cache")).unwrap();
    let options = MasterDbOptions {
        cache: Some(other.path("kept.cache")),
        ..MasterDbOptions::new(other.path("backups"))
    };
    let db = MasterDb::open(other.folder.path(), options).unwrap();
    assert_eq!(db.read().await.unwrap().value, other.collection().await);
    let mut names = other.names();
    names.retain(|name| name != "kept.cache");
    assert_eq!(names, ["master.db", "masterPlaylists6.xml"]);
}
