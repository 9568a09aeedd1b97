//! Libraries made at random from fixed seeds: applied to, changed, applied to again and taken back
//! twice. After each step the rules of the database hold, and what is the DJ's is as it was.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::{collections::BTreeSet, fs};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tidal_cleanup::{
    domain::{NodeKind, RekordboxSchema},
    edge::rekordbox::fixture::{NewLibrary, NewNode, NewTrack, create_library},
};

use crate::{
    harness::{BOLD, Setup, Snapshot, World, collection, collection::Rows, titled},
    rekordbox::{key, small, track},
    rekordbox_oracle as oracle,
};

/// Tables that this program may write.
const WRITTEN: [&str; 10] = [
    "agentRegistry",
    "djmdAlbum",
    "djmdArtist",
    "djmdCloudFilterPlaylist",
    "djmdContent",
    "djmdGenre",
    "djmdMyTag",
    "djmdPlaylist",
    "djmdSongMyTag",
    "djmdSongPlaylist",
];

/// Vigna's `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % sides
    }

    fn places(&mut self, among: usize, count: u64) -> Vec<usize> {
        (0..count)
            .map(|_| usize::try_from(self.below(among as u64)).unwrap())
            .collect()
    }
}

/// How the XML of a library differs from a fresh one.
const STYLES: [fn(&str) -> String; 5] = [
    str::to_owned,
    |text| text.replace("\r\n", "\n"),
    |text| format!("\u{feff}{text}"),
    // A node of the DJ's is missing.
    |text| {
        let line = text.lines().find(|line| line.contains("<NODE ")).unwrap();
        text.replacen(&format!("{line}\r\n"), "", 1)
    },
    |text| {
        text.replace("Attribute=\"0\"", "Attribute=\"0\" New=\"a &amp; b\"")
            .replace("  <PLAYLISTS>", "  <!-- mine -->\r\n  <PLAYLISTS>")
    },
];

/// The DJ's own library: nested folders, lists with a track twice, smart playlists.
fn library(dice: &mut Dice, schema: RekordboxSchema, synced: bool) -> NewLibrary {
    let usual = small(schema);
    let tracks: Vec<NewTrack> = (0..12)
        .map(|number| NewTrack {
            row: track(number),
            rating: u8::try_from(dice.below(6)).unwrap(),
            play_count: u32::try_from(dice.below(4)).unwrap(),
            hot_cues: u32::try_from(dice.below(3)).unwrap(),
            memory_cues: u32::try_from(dice.below(2)).unwrap(),
            analysed: dice.below(2) == 0,
            tags: usual.tracks[0].tags.clone(),
        })
        .collect();
    let mut nodes = usual.nodes.clone();
    let mut folders = vec![None, Some(0)];
    for number in 0..8 {
        let kind = match dice.below(4) {
            0 => NodeKind::Folder,
            _ => NodeKind::List,
        };
        let parent = folders[dice.places(folders.len(), 1)[0]];
        let size = dice.below(9);
        let entries = match kind {
            NodeKind::Folder => Vec::new(),
            _ => dice.places(tracks.len(), size),
        };
        if kind == NodeKind::Folder {
            folders.push(Some(nodes.len()));
        }
        nodes.push(NewNode {
            name: format!("Mine {number}"),
            kind,
            parent,
            tracks: entries,
            smart: Vec::new(),
        });
    }
    NewLibrary {
        tracks,
        nodes,
        synced,
        seed: dice.below(1 << 40),
        ..usual
    }
}

/// What real libraries have and a fresh one has not: tombstones, Rekordbox's own lists, history.
const OLD: &str = "
    CREATE TEMP TABLE c AS SELECT * FROM djmdContent ORDER BY ID LIMIT 2;
    UPDATE c SET ID = '77' || rowid, UUID = 'gone ' || rowid, rb_local_deleted = 1,
        rb_data_status = 258;
    INSERT INTO djmdContent SELECT * FROM c;
    CREATE TEMP TABLE p AS SELECT * FROM djmdPlaylist ORDER BY ID LIMIT 1;
    UPDATE p SET ID = '88', UUID = 'gone', rb_local_deleted = 1, Name = 'TIDAL';
    INSERT INTO djmdPlaylist SELECT * FROM p;
    CREATE TEMP TABLE s AS SELECT * FROM djmdSongPlaylist ORDER BY ID LIMIT 3;
    UPDATE s SET ID = 'gone ' || rowid, UUID = 'gone ' || rowid, rb_local_deleted = 1;
    INSERT INTO djmdSongPlaylist SELECT * FROM s;
    INSERT INTO djmdPlaylist (ID, Seq, Name, Attribute, ParentID, UUID, rb_data_status,
        rb_local_usn, created_at, updated_at) VALUES
        ('100000', 90, 'Trial playlist - Cloud Library Sync', -128, 'root', '100000', 256, 1,
         '1970-01-01 00:00:00.000 +00:00', '1970-01-01 00:00:00.000 +00:00'),
        ('200000', 91, 'CUE Analysis Playlist', -128, 'root', '200000', 256, 1,
         '1970-01-01 00:00:00.000 +00:00', '1970-01-01 00:00:00.000 +00:00');
    INSERT INTO djmdSongHistory (ID, HistoryID, ContentID, TrackNo, UUID, rb_local_usn, created_at,
        updated_at) SELECT 'h', '1', ID, 1, 'h', 1, created_at, updated_at FROM djmdContent LIMIT 1;
    INSERT INTO djmdMixerParam (ID, ContentID, UUID, rb_local_usn, created_at, updated_at)
        SELECT 'm', ID, 'm', 1, created_at, updated_at FROM djmdContent LIMIT 1;";

/// Rows as other programs and other years have left them.
const LEGACY: &str = "
    UPDATE djmdSongPlaylist SET UUID = NULL, ID = '4' || rowid WHERE rowid % 3 = 0;
    UPDATE djmdSongMyTag SET ID = '5' || rowid, TrackNo = 1 WHERE rowid % 2 = 0;
    UPDATE djmdContent SET created_at = '2021-03-04 05:06:07.089 -05:00 (Central Daylight Time)',
        ArtistID = '', GenreID = '0' WHERE rowid % 4 = 0;";

/// Half of what was written since becomes known to the cloud.
const SYNCHRONISED: [&str; 6] = [
    "djmdContent",
    "djmdPlaylist",
    "djmdSongPlaylist",
    "djmdMyTag",
    "djmdSongMyTag",
    "djmdCloudFilterPlaylist",
];

/// Rows that break a rule, one number a rule. `:ours` is what this program wrote.
const RULES: &[&str] = &[
    "SELECT count(*) FROM (SELECT 1 FROM djmdSongPlaylist WHERE rb_local_deleted = 0 GROUP BY \
     PlaylistID HAVING min(TrackNo) <> 1 OR max(TrackNo) <> count(*) OR \
     count(DISTINCT TrackNo) <> count(*))",
    "SELECT count(*) FROM djmdSongPlaylist s LEFT JOIN djmdContent c ON c.ID = s.ContentID AND \
     c.rb_local_deleted = 0 LEFT JOIN djmdPlaylist p ON p.ID = s.PlaylistID AND \
     p.rb_local_deleted = 0 AND p.Attribute = 0 WHERE s.rb_local_deleted = 0 AND \
     (c.ID IS NULL OR p.ID IS NULL)",
    "SELECT count(*) FROM djmdSongMyTag s LEFT JOIN djmdContent c ON c.ID = s.ContentID AND \
     c.rb_local_deleted = 0 LEFT JOIN djmdMyTag t ON t.ID = s.MyTagID AND t.rb_local_deleted = 0 \
     AND t.Attribute = 0 WHERE s.rb_local_deleted = 0 AND (c.ID IS NULL OR t.ID IS NULL)",
    "SELECT count(*) FROM (SELECT 1 FROM djmdSongMyTag WHERE rb_local_deleted = 0 \
     GROUP BY MyTagID, ContentID HAVING count(*) > 1)",
    "SELECT count(*) FROM djmdPlaylist p WHERE p.rb_local_deleted = 0 AND p.ParentID <> 'root' AND \
     NOT EXISTS (SELECT 1 FROM djmdPlaylist f WHERE f.ID = p.ParentID AND f.Attribute = 1 AND \
     f.rb_local_deleted = 0)",
    "SELECT count(*) FROM (SELECT 1 FROM djmdPlaylist WHERE rb_local_deleted = 0 \
     GROUP BY ParentID, Seq HAVING count(*) > 1)",
    "SELECT count(*) FROM djmdPlaylist WHERE Attribute = 4 AND SmartList NOT LIKE '<NODE Id=\"' || \
     (CAST(ID AS INTEGER) - (CAST(ID AS INTEGER) >= 2147483648) * 4294967296) || '\" %'",
    "SELECT count(*) FROM (SELECT 1 FROM djmdContent WHERE rb_local_deleted = 0 \
     GROUP BY FolderPath HAVING count(*) > 1)",
    "SELECT count(*) FROM djmdContent WHERE :ours AND (CAST(ID AS INTEGER) >= 268435456 OR \
     ID <> CAST(CAST(ID AS INTEGER) AS TEXT) OR substr(FolderPath, -length(FileNameL) - 1) <> \
     '/' || FileNameL OR MasterSongID <> ID)",
    "SELECT count(*) FROM djmdContent WHERE :ours AND (FileNameS || Title || BPM || Length || TrackNo \
     || BitRate || BitDepth || Commnt || FileType || Rating || ReleaseYear || KeyID || StockDate || \
     ColorID || DJPlayCount || ImagePath || MasterDBID || AnalysisDataPath || FileSize || DiscNo || \
     Subtitle || SampleRate || Analysed || ReleaseDate || DateCreated || ContentLink || \
     ModifiedByRBM || HotCueAutoLoad || DeliveryControl || DeliveryComment || Lyricist || ISRC || \
     SamplerTrackInfo || SamplerPlayOffset || SamplerGain || VideoAssociate || LyricStatus || \
     ServiceID || OrgFolderPath || ExtInfo || rb_file_id || DeviceID) IS NULL",
    "SELECT count(*) FROM djmdContent WHERE :ours AND rb_local_deleted = 0 AND (BitRate = 0 OR \
     SampleRate <> 8000 OR Length <> 1 OR FileType <> 11 OR ISRC NOT LIKE 'USABC26%' OR \
     FileSize < 1000 OR rb_file_id IN ('', '0') OR ContentLink <> 14)",
    "SELECT count(*) FROM djmdAlbum WHERE :ours AND (AlbumArtistID IS NOT '' OR Compilation IS NOT 0)",
    "SELECT count(*) FROM djmdPlaylist WHERE :ours AND (CAST(ID AS INTEGER) >= 4294967296 OR \
     ID <> CAST(CAST(ID AS INTEGER) AS TEXT) OR ImagePath IS NOT NULL)",
    "SELECT count(*) FROM djmdSongPlaylist WHERE :ours AND (length(ID) <> 36 OR ID = UUID OR \
     ID <> lower(ID))",
    "SELECT count(*) FROM djmdSongMyTag WHERE :ours AND (length(ID) <> 36 OR ID = UUID OR \
     TrackNo IS NOT NULL)",
];

/// The same for every table with the usual columns at its end.
const RULES_OF_ALL: &[&str] = &[
    "rb_local_usn > (SELECT int_1 FROM agentRegistry WHERE registry_id = 'localUpdateCount')",
    ":ours AND (UUID IS NULL OR length(UUID) <> 36 OR typeof(ID) <> 'text')",
    ":ours AND (rb_data_status NOT IN (0, 256, 257, 258) OR rb_local_data_status <> 0 OR \
     rb_local_synced <> 0 OR (rb_data_status = 258) <> rb_local_deleted)",
    ":ours AND (updated_at NOT GLOB '????-??-?? ??:??:??.??? +00:00' OR created_at > updated_at)",
    // Never the cloud's own number.
    ":ours AND rb_data_status = 0 AND usn IS NOT NULL",
];

/// A world, and the number of changes that the DJ had made in it before.
struct Random {
    world: World,
    start: i64,
    rows: Rows,
    xml: String,
    schema: RekordboxSchema,
    legacy: bool,
}

impl Random {
    fn new(seed: u64, dice: &mut Dice) -> Self {
        let schema = [RekordboxSchema::V6, RekordboxSchema::V7][usize::try_from(seed % 2).unwrap()];
        let legacy = seed.is_multiple_of(3);
        let world = World::new(Setup {
            rekordbox: Some(schema),
            more: BOLD,
            ..Setup::default()
        });
        let folder = world.path("rekordbox");
        fs::remove_dir_all(&folder).unwrap();
        let library = library(dice, schema, seed % 4 < 2);
        block_on(create_library(&folder, &library)).unwrap();
        let path = folder.join("masterPlaylists6.xml");
        let style = STYLES[usize::try_from(seed).unwrap() % STYLES.len()];
        let xml = style(&fs::read_to_string(&path).unwrap());
        fs::write(&path, &xml).unwrap();
        let mut random = Self {
            world,
            start: 0,
            rows: Rows::new(),
            xml,
            schema,
            legacy,
        };
        random.meddle(OLD);
        if legacy {
            random.meddle(LEGACY);
        }
        random.start = random.counter();
        random.rows = random.world.rows();
        random
    }

    fn with<T>(&self, work: impl AsyncFnOnce(&mut sqlx::SqliteConnection) -> T) -> T {
        let path = self.world.path("rekordbox/master.db");
        let options = SqliteConnectOptions::new()
            .pragma("key", key(&path))
            .filename(path)
            .foreign_keys(false);
        block_on(async {
            let mut db = options.connect().await.unwrap();
            let found = work(&mut db).await;
            db.close().await.unwrap();
            found
        })
    }

    fn meddle(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        self.with(async |db| {
            sqlx::raw_sql(sql).execute(db).await.unwrap();
        });
    }

    fn counter(&self) -> i64 {
        let sql = "SELECT int_1 FROM agentRegistry WHERE registry_id = 'localUpdateCount'";
        self.with(async |db| sqlx::query_scalar(sql).fetch_one(db).await.unwrap())
    }

    /// The cloud takes in every other row of ours.
    fn synchronise(&self) {
        for table in SYNCHRONISED {
            if table == "djmdCloudFilterPlaylist" && self.schema == RekordboxSchema::V6 {
                continue;
            }
            self.meddle(&format!(
                "UPDATE {table} SET rb_data_status = 256, usn = rb_local_usn \
                 WHERE rb_data_status = 0 AND rb_local_usn > {} AND rowid % 2 = 0",
                self.start
            ));
        }
    }

    /// Every rule holds, and everything that was the DJ's is as it was.
    #[track_caller]
    fn assert_sound(&self) {
        let rows = self.world.rows();
        for (table, before) in &self.rows {
            match WRITTEN.contains(&table.as_str()) {
                true => {
                    for row in before.iter().filter(|_| table != "agentRegistry") {
                        assert!(rows[table].contains(row), "{table}: {row}");
                    }
                }
                false => assert_eq!(&rows[table], before, "{table}"),
            }
        }
        let broken = self.broken();
        assert!(broken.is_empty(), "{broken:#?}");
        self.assert_xml();
        assert!(!self.world.path("rekordbox/master.db-wal").exists());
    }

    /// Another program sees the same tree, order and tags.
    #[track_caller]
    fn assert_seen_alike(&self) {
        if !self.legacy && oracle::is_there() {
            let folder = self.world.path("rekordbox");
            assert_eq!(oracle::ask(&folder), oracle::told(&self.world.collection()));
        }
    }

    fn broken(&self) -> Vec<String> {
        let ours = format!("rb_local_usn > {}", self.start);
        let tables = self.rows.keys().filter(|table| !table.starts_with("agent"));
        let mut rules: Vec<String> = RULES.iter().map(ToString::to_string).collect();
        for table in tables.filter(|table| WRITTEN.contains(&table.as_str())) {
            let of_table = |rule: &&str| format!("SELECT count(*) FROM {table} WHERE {rule}");
            rules.extend(RULES_OF_ALL.iter().map(of_table));
        }
        if self.schema == RekordboxSchema::V7 {
            rules.push(
                "SELECT count(*) FROM djmdPlaylist p WHERE :ours AND rb_local_deleted = 0 AND 1 <> \
                 (SELECT count(*) FROM djmdCloudFilterPlaylist f WHERE f.PlaylistUUID = p.UUID \
                 AND f.rb_local_deleted = 0 AND f.Seq = 0 AND f.ParentID IS NULL)"
                    .to_owned(),
            );
        }
        self.with(async |db| {
            let mut broken = Vec::new();
            for rule in rules {
                let sql = AssertSqlSafe(rule.replace(":ours", &ours));
                let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut *db).await.unwrap();
                if count != 0 {
                    broken.push(format!("{count}: {rule}"));
                }
            }
            let whole = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut *db);
            assert_eq!(whole.await.ok(), Some("ok".to_owned()));
            let seals = sqlx::query("PRAGMA cipher_integrity_check").fetch_all(&mut *db);
            assert_eq!(seals.await.unwrap().len(), 0);
            broken
        })
    }

    /// Our nodes are in the XML as they are in the database; without them it is as it was.
    #[track_caller]
    fn assert_xml(&self) {
        let path = self.world.path("rekordbox/masterPlaylists6.xml");
        let xml = fs::read_to_string(path).unwrap();
        let sql = format!(
            "SELECT printf('<NODE Id=\"%X\" ParentId=\"%X\" Attribute=\"%d\"', ID, \
             iif(ParentID = 'root', 0, ParentID), Attribute) FROM djmdPlaylist \
             WHERE rb_local_usn > {} AND rb_local_deleted = 0",
            self.start
        );
        let sql = AssertSqlSafe(sql);
        let ours: Vec<String> =
            self.with(async |db| sqlx::query_scalar(sql).fetch_all(db).await.unwrap());
        let ours: BTreeSet<String> = ours.into_iter().collect();
        let is_ours = |line: &&str| ours.iter().any(|node| line.contains(node));
        assert_eq!(xml.lines().filter(is_ours).count(), ours.len(), "{xml}");
        let rest: String = xml
            .split_inclusive('\n')
            .filter(|line| !is_ours(line))
            .collect();
        assert_eq!(rest, self.xml);
    }

    #[track_caller]
    fn assert_lists(&self, lists: &[(char, &str, String)]) {
        for (_, name, entries) in lists {
            let titles = self.world.titles(name);
            let wanted = titled(&entries.replace('!', ""));
            let plain = |titles: Vec<String>| -> Vec<String> {
                let mut titles = titles.into_iter();
                titles
                    .by_ref()
                    .map(|t| t.replace(" (Remaster)", ""))
                    .collect()
            };
            assert_eq!(titles.map(plain), wanted, "{name}");
        }
    }
}

/// What the lists are called first, and what those are called later that get a new name.
const NAMES: [&str; 12] = [
    "House 🇮🇹",
    "Party",
    "Deep 🏃",
    "Techno & \"more\"",
    "Üml/aut",
    "日本",
    "Old <b>",
    "Late 🇮🇹",
    "Zed",
    "Deep",
    "Ümlaut",
    "日",
];

/// Lists on TIDAL, of different names.
fn lists(dice: &mut Dice, again: bool) -> Vec<(char, &'static str, String)> {
    let letters = "abcdef".chars().enumerate();
    letters
        .map(|(at, letter)| {
            let count = 1 + dice.below(9);
            let entries = dice.places(24, count).into_iter();
            let entries = entries.map(|number| match again && number % 7 == 0 {
                true => format!("{number}!"),
                false => number.to_string(),
            });
            let entries: Vec<String> = entries.collect();
            let renamed = again && dice.below(2) == 0;
            let name = NAMES[at + usize::from(renamed) * 6];
            (letter, name, entries.join(" "))
        })
        .collect()
}

fn snapshot(lists: &[(char, &str, String)]) -> Snapshot {
    let all = lists.iter();
    all.fold(Snapshot::new(), |said, (letter, name, entries)| {
        said.list(*letter, name, entries)
    })
}

fn live_through(seed: u64) {
    let mut dice = Dice(seed);
    let random = Random::new(seed, &mut dice);
    let world = &random.world;
    let first = lists(&mut dice, false);
    world.sync_with(&snapshot(&first));
    random.assert_sound();
    random.assert_lists(&first);
    if seed % 4 != 1 {
        random.synchronise();
    }
    let between = world.rows();
    let mut second = lists(&mut dice, true);
    second.remove(dice.places(second.len(), 1)[0]);
    world.sync_with(&snapshot(&second));
    random.assert_sound();
    random.assert_lists(&second);
    random.assert_seen_alike();
    world.assert_settled();
    world.expect(0, &["undo", "--yes"]);
    collection::assert_same(&world.rows(), &between);
    random.assert_sound();
    random.assert_lists(&first);
    world.expect(0, &["undo", "--yes"]);
    random.assert_sound();
    // What the cloud knew is a tombstone now; all else is gone.
    for table in SYNCHRONISED
        .iter()
        .filter(|table| random.rows.contains_key(**table))
    {
        let sql = AssertSqlSafe(format!(
            "SELECT count(*) FROM {table} WHERE rb_local_usn > {} AND rb_local_deleted = 0",
            random.start
        ));
        let left: i64 =
            random.with(async |db| sqlx::query_scalar(sql).fetch_one(db).await.unwrap());
        assert_eq!(left, 0, "{table}");
    }
}

macro_rules! worlds {
    ($($name:ident: $seed:literal),+ $(,)?) => {
        $(#[test]
        fn $name() {
            live_through($seed);
        })+
    };
}

worlds! {
    rekordbox_6_legacy_synced: 0,
    rekordbox_7_with_lf: 1,
    rekordbox_6_with_a_byte_order_mark: 2,
    rekordbox_7_legacy_with_a_missing_node: 3,
    rekordbox_6_synced_with_unknown_attributes: 4,
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}
