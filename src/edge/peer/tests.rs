use std::fs;

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::*;

/// A database as the tool makes it, with these statements behind the tables.
async fn database(path: &Path, schema: &'static [&'static str]) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    for sql in schema {
        sqlx::query(*sql).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

const TODAY: &[&str] = &[
    "CREATE TABLE tracks (id INTEGER PRIMARY KEY, tidal_id VARCHAR(255) UNIQUE, title VARCHAR(500) NOT NULL, \
     artist VARCHAR(500) NOT NULL, album VARCHAR(500), year INTEGER, duration INTEGER, isrc VARCHAR(20), \
     version VARCHAR(200), normalized_name VARCHAR(1000) NOT NULL, file_paths JSON, \
     tidal_unavailable BOOLEAN NOT NULL DEFAULT 0)",
    "CREATE TABLE playlists (id INTEGER PRIMARY KEY, tidal_id VARCHAR(255) UNIQUE, \
     source VARCHAR(20) NOT NULL DEFAULT 'tidal', name VARCHAR(500) NOT NULL, description TEXT)",
    "CREATE TABLE playlist_tracks (id INTEGER PRIMARY KEY, playlist_id INTEGER NOT NULL, \
     track_id INTEGER NOT NULL, position INTEGER, in_tidal BOOLEAN NOT NULL DEFAULT 0)",
    "INSERT INTO tracks VALUES (1, '101', 'One', 'Ann, Bob', 'A', 2019, 200, 'GBAYE0000351', 'Dub', 'one', \
     '[\"Playlists/House/Ann - One.mp3\", \"Playlists/Deep/Ann - One.mp3\"]', 0)",
    "INSERT INTO tracks VALUES (2, '102', 'Two', 'Cee', NULL, NULL, NULL, NULL, NULL, 'two', NULL, 1)",
    "INSERT INTO tracks VALUES (3, NULL, 'Own', 'Me', NULL, NULL, NULL, NULL, NULL, 'own', 'null', 0)",
    "INSERT INTO playlists VALUES (1, 'uuid-1', 'tidal', 'House 🏃', NULL)",
    "INSERT INTO playlists VALUES (2, NULL, 'local', 'Mine', NULL)",
    "INSERT INTO playlist_tracks VALUES (1, 1, 2, 1, 1), (2, 1, 1, 0, 1), (3, 1, 3, 2, 0)",
];

#[tokio::test]
async fn its_database_is_read_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sync.db");
    database(&path, TODAY).await;
    let before = fs::read(&path).unwrap();
    let peer = Peer::read(&path, None).await.unwrap();
    assert_eq!(peer.tracks.len(), 3);
    assert_eq!(peer.tracks[0].paths.len(), 2);
    assert!(peer.tracks[1].unavailable && peer.tracks[2].paths.is_empty());
    assert!(peer.gaps.is_empty(), "{:?}", peer.gaps);
    let reading = peer.reading().unwrap();
    assert!(
        !reading.complete,
        "nothing is concluded from what it has not"
    );
    let [list] = reading.playlists.as_slice() else {
        panic!("{reading:?}");
    };
    let ids: Vec<&str> = list.items.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["101", "102"]);
    let track = list.items[0].track.as_ref().unwrap();
    assert_eq!(track.label(), "Ann, Bob – One (Dub)");
    assert_eq!((track.year(), track.duration_s), (Some(2019), Some(200)));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no -wal, no -shm"
    );
}

#[tokio::test]
async fn an_older_database_has_gaps_and_is_read_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sync.db");
    database(
        &path,
        &[
            "CREATE TABLE tracks (id INTEGER PRIMARY KEY, tidal_id TEXT, title TEXT, artist TEXT, file_path TEXT)",
            "CREATE TABLE playlists (id INTEGER PRIMARY KEY, tidal_id TEXT, name TEXT)",
            "CREATE TABLE playlist_tracks (playlist_id INTEGER, track_id INTEGER)",
            "INSERT INTO tracks VALUES (7, 101, 'One', 'Ann', 'Playlists/House/One.mp3')",
            "INSERT INTO playlists VALUES (1, 'uuid-1', 'House')",
            "INSERT INTO playlist_tracks VALUES (1, 7)",
        ],
    )
    .await;
    let peer = Peer::read(&path, None).await.unwrap();
    assert_eq!(peer.tracks[0].paths, ["Playlists/House/One.mp3"]);
    assert_eq!(peer.tracks[0].tidal_id.as_deref(), Some("101"));
    assert_eq!(peer.reading().unwrap().playlists[0].items.len(), 1);
    assert!(
        peer.gaps.iter().any(|gap| gap == "no column tracks.isrc"),
        "{:?}",
        peer.gaps
    );
    assert!(
        !peer.gaps.iter().any(|gap| gap.contains("file_path")),
        "{:?}",
        peer.gaps
    );
}

#[tokio::test]
async fn its_folder_tells_settings_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    fs::create_dir(&config).unwrap();
    fs::write(
        config.join(".env"),
        "# settings\nTIDAL_CLEANUP_MP3_DIRECTORY=~/Music/mp3\nTIDAL_CLEANUP_FFMPEG_QUALITY=2\n\
         TIDAL_CLEANUP_TIDAL_TOKEN_FILE=/home/dj/hush.json\nAPI_SECRET=hush\nthis is hush\n\
         TIDAL_CLEANUP_TARGET_FORMAT=.MP3\n",
    )
    .unwrap();
    fs::write(config.join("rekordbox_mytag_mapping.json"), "{}").unwrap();
    let peer = Peer::read(folder.path(), Some(Path::new("/home/dj")))
        .await
        .unwrap();
    let env = peer.env.as_ref().unwrap();
    assert_eq!(env.mp3.as_deref(), Some(Path::new("/home/dj/Music/mp3")));
    let keys: Vec<_> = env
        .settings
        .iter()
        .filter_map(|one| Some((one.key?, one.value.as_deref()?)))
        .collect();
    assert_eq!(
        keys,
        [
            ("library.root", "\"~/Music/mp3\""),
            ("library.quality", "\"V2\""),
            ("library.format", "\"mp3\"")
        ]
    );
    assert_eq!(env.unreadable, 1);
    assert!(!format!("{env:?}").contains("hush"), "{env:?}");
    assert!(peer.mapping.is_some() && peer.database.is_none());
}

#[tokio::test]
async fn what_is_not_the_tool_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let read = async |path: &Path| Peer::read(path, None).await;
    assert!(matches!(
        read(&at("absent")).await,
        Err(PeerError::Missing(_))
    ));
    assert!(matches!(
        read(folder.path()).await,
        Err(PeerError::NotThePeer(_))
    ));
    fs::write(at("text.db"), "hello").unwrap();
    assert!(matches!(
        read(&at("text.db")).await,
        Err(PeerError::NotThePeer(_))
    ));
    database(&at("other.db"), &["CREATE TABLE songs (id INTEGER)"]).await;
    assert!(matches!(
        read(&at("other.db")).await,
        Err(PeerError::NotThePeer(_))
    ));
    let mut torn = b"SQLite format 3\0".to_vec();
    torn.resize(4096, 0xff);
    fs::write(at("torn.db"), torn).unwrap();
    assert!(matches!(
        read(&at("torn.db")).await,
        Err(PeerError::Database { .. })
    ));
}
