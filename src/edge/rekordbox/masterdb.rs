//! The real library: an encrypted `master.db` on disk.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use sqlx::{Connection as _, SqliteConnection};

use super::{
    Edit, IdSource, Probe, Processes, RekordboxError, RekordboxLibrary, RekordboxReader, RowEdits,
    Staged, backup,
    cache::{self, Kept},
    collect::{Raw, RawNode, assemble},
    invariants, load, locate,
    net::{After, Before, Net, NetRow},
    playlists_xml::{self, Tree, TreeNode},
    read,
    schema::Schema,
    sql::json_rows,
    sqlcipher::{ATTEMPTS, Database, Fingerprint, Snapshot, failed},
    stage::{Moment, stage},
    table::{Table, value},
    tables::Index,
    write::{self, Present},
};
use crate::{
    domain::{Collection, NodeId, Observed, Problem},
    edge::seal::Seal,
};

const XML: &str = "masterPlaylists6.xml";
/// Beside it, while it is written.
const NEW_XML: &str = ".masterPlaylists6.tidal-cleanup.tmp";

/// How many backups are kept unless somebody says otherwise.
pub const KEPT: usize = 10;

/// What a [`MasterDb`] needs besides its file.
#[derive(Debug)]
pub struct MasterDbOptions {
    /// Backups go into `rekordbox/<UTC time>` below this folder.
    pub backups: PathBuf,
    /// How running Rekordbox processes are found.
    pub processes: Processes,
    /// Where new ids come from.
    pub ids: IdSource,
    /// Dates of new tracks are local.
    pub zone: jiff::tz::TimeZone,
    /// Where the last reading is kept, so that an unchanged library is not read again; `None`: nowhere.
    pub cache: Option<PathBuf>,
    /// How many backups are kept.
    pub keep: usize,
}

impl MasterDbOptions {
    /// The system's processes, random ids, the system's time zone.
    #[must_use]
    pub fn new(backups: impl Into<PathBuf>) -> Self {
        Self {
            backups: backups.into(),
            processes: Processes::system(),
            ids: IdSource::system(),
            zone: jiff::tz::TimeZone::system(),
            cache: None,
            keep: KEPT,
        }
    }
}

/// A Rekordbox 6 or 7 library. Opens the file for each call and closes it again, so that nothing stays
/// beside it and nobody is locked out in between.
#[derive(Debug)]
pub struct MasterDb {
    database: Database,
    options: MasterDbOptions,
    /// What was known of all rows when the file last looked like this.
    known: Option<(Fingerprint, Arc<Index>)>,
}

impl MasterDb {
    /// The library at `path`: `master.db` or the folder that holds it. Nothing is opened yet.
    ///
    /// # Errors
    /// [`RekordboxError::Missing`] when there is no such file.
    pub fn open(path: &Path, options: MasterDbOptions) -> Result<Self, RekordboxError> {
        let database = Database::new(locate::explicit(path)?).with_cache(options.cache.clone());
        let known = None;
        Ok(Self {
            database,
            options,
            known,
        })
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.database.path()
    }

    /// The playlist file beside it.
    #[must_use]
    pub fn xml_path(&self) -> PathBuf {
        self.database.path().with_file_name(XML)
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) fn processes(&self) -> &Processes {
        &self.options.processes
    }

    pub(super) fn forget_known(&mut self) {
        self.known = None;
    }

    /// A backup to make of this library.
    pub(super) fn request<'r>(&'r self, spare: Option<&'r Path>) -> backup::Request<'r> {
        backup::Request {
            database: &self.database,
            xml: self.xml_path(),
            folder: self.backups(),
            keep: self.options.keep,
            spare,
        }
    }

    /// Where the backups of this library are.
    #[must_use]
    pub fn backups(&self) -> PathBuf {
        self.options.backups.join("rekordbox")
    }
}

impl RekordboxReader for MasterDb {
    async fn read(&self) -> Result<Observed<Collection>, RekordboxError> {
        let mut observed = self.read_collection().await?;
        let inspected = self
            .xml()
            .and_then(|text| text.map(|text| self.inspect(&text)).transpose());
        let found = match inspected {
            Ok(Some((_, version))) => {
                observed.value.app_version = version;
                return Ok(observed);
            }
            Ok(None) => "it is missing; the next apply makes it anew".to_owned(),
            Err(RekordboxError::Xml { reason, .. }) => {
                format!("it cannot be read, so nothing is written: {reason}")
            }
            Err(error) => error.to_string(),
        };
        observed.problems.push(problem(found));
        observed.problems.sort();
        Ok(observed)
    }

    fn running(&self) -> Result<Vec<String>, RekordboxError> {
        self.options.processes.running()
    }

    async fn probe(&self, edits: &RowEdits) -> Result<Probe, RekordboxError> {
        let net = Net::of([edits])?;
        for _ in 0..ATTEMPTS {
            let mut snapshot = self.database.snapshot().await?;
            let found = probe(&mut snapshot.connection, &net).await;
            if settle(snapshot).await {
                return found;
            }
        }
        Err(RekordboxError::Locked)
    }
}

impl RekordboxLibrary for MasterDb {
    async fn prepare(&mut self) -> Result<PathBuf, RekordboxError> {
        self.options.processes.refuse_running()?;
        self.finish_restore()?;
        self.recover().await?;
        self.refuse_bad_xml()?;
        let mut snapshot = self.database.snapshot().await?;
        let writable = expect_writable(&mut snapshot.connection).await;
        snapshot.close().await;
        writable?;
        self.refuse_held().await?;
        let now = jiff::Timestamp::now();
        self.make_backup(None, now).await
    }

    async fn stage(
        &mut self,
        edits: &[Edit],
        now: jiff::Timestamp,
    ) -> Result<Vec<Staged>, RekordboxError> {
        let moment = Moment::new(now, &self.options.zone);
        let xml_nodes = self.xml_nodes();
        for _ in 0..ATTEMPTS {
            let mut snapshot = self.database.snapshot().await?;
            let loaded = self.load(&mut snapshot, edits).await;
            if !settle(snapshot).await {
                self.known = None;
                continue;
            }
            let mut tables = loaded?;
            tables.xml_nodes = xml_nodes;
            return stage(&mut tables, edits, &mut self.options.ids, &moment);
        }
        Err(RekordboxError::Locked)
    }

    async fn commit(
        &mut self,
        edits: &[RowEdits],
        now: jiff::Timestamp,
    ) -> Result<(), RekordboxError> {
        let mut net = Net::of(edits)?;
        if net.rows.is_empty() {
            return Ok(());
        }
        self.options.processes.refuse_running()?;
        self.recover().await?;
        let stamp = Moment::new(now, &self.options.zone).stamp;
        let mut marking = Marking::begin(self.backups(), self.database.path().to_owned());
        let written = match self.database.writable().await {
            Ok(mut connection) => {
                let written = self.write(&mut connection, &mut net, &stamp, &mut marking);
                let written = written.await;
                let closed = connection.close().await.map_err(failed("cannot be closed"));
                written.and_then(|is_known| closed.map(|()| is_known))
            }
            Err(error) => Err(error),
        };
        // Also where it failed before: the note goes once it is there, and not some time later.
        let marked = marking.done().await;
        drop(marking);
        let is_known = written?;
        marked?;
        self.learn(&net, is_known);
        Ok(())
    }

    async fn finish(
        &mut self,
        touched: &[NodeId],
        now: jiff::Timestamp,
    ) -> Result<(), RekordboxError> {
        self.options.processes.refuse_running()?;
        self.recover().await?;
        let _marker = Marker::set(&self.backups(), self.database.path())?;
        let mut connection = self.database.writable().await?;
        let checked = check(&self.database, &mut connection).await;
        let closed = connection.close().await.map_err(failed("cannot be closed"));
        let tree = checked?;
        closed?;
        self.update_xml(&tree, touched, now.as_millisecond())
    }
}

impl MasterDb {
    /// What the database holds, from the cache where nothing changed since.
    async fn read_collection(&self) -> Result<Observed<Collection>, RekordboxError> {
        let Some(cache) = &self.options.cache else {
            return Ok(assemble(self.read_rows().await?));
        };
        let from = SystemTime::now();
        let seal = Seal::of(self.database.path()).ok();
        let kept = Kept::load(cache);
        let known = kept.as_ref().and_then(Kept::key);
        let reading = kept.as_ref().zip(seal.as_ref());
        if let Some(observed) = reading.and_then(|(kept, seal)| kept.reading(seal)) {
            return Ok(observed);
        }
        let observed = assemble(self.read_rows().await?);
        let settled = seal.filter(|seal| {
            let now = Seal::of(self.database.path());
            seal.is_settled(from) && now.is_ok_and(|now| now == *seal)
        });
        let key = self.database.keys().known();
        if let Some(key) = key.filter(|key| settled.is_some() || known.as_ref() != Some(key)) {
            let reading = settled.as_ref().map(|seal| (seal, &observed));
            // A cache that cannot be written costs time and nothing else.
            let _ = cache::save(cache, key, reading);
        }
        Ok(observed)
    }

    async fn read_rows(&self) -> Result<Raw, RekordboxError> {
        for _ in 0..ATTEMPTS {
            let mut snapshot = self.database.snapshot().await?;
            let raw = read::raw(&mut snapshot).await;
            if settle(snapshot).await {
                return raw;
            }
        }
        Err(RekordboxError::Locked)
    }

    async fn load(
        &mut self,
        snapshot: &mut Snapshot,
        edits: &[Edit],
    ) -> Result<super::tables::Tables, RekordboxError> {
        let schema = Schema::read(&mut snapshot.connection).await?;
        schema.expect_writable(&mut snapshot.connection).await?;
        let with_song_ids = self.options.ids.repeats();
        let base = match &self.known {
            Some((mark, index)) if mark == snapshot.mark() => Some(Arc::clone(index)),
            Some(_) | None if with_song_ids || edits.iter().any(load::needs_index) => {
                let index = load::index(&mut snapshot.connection, with_song_ids).await?;
                Some(Arc::new(index))
            }
            Some(_) | None => None,
        };
        self.known = base
            .as_ref()
            .map(|index| (snapshot.mark().clone(), Arc::clone(index)));
        let base = base.unwrap_or_default();
        load::tables(&mut snapshot.connection, &schema, base, edits).await
    }

    /// Whether what is known of all rows is still true of the file.
    fn knows_present(&self) -> bool {
        let now = self.database.fingerprint();
        matches!((&self.known, now), (Some((mark, _)), Ok(now)) if *mark == now)
    }

    /// Keeps what is known in step with what was just written, or forgets it.
    fn learn(&mut self, net: &Net, is_known: bool) {
        let Some((_, mut index)) = self.known.take() else {
            return;
        };
        let Ok(mark) = self.database.fingerprint() else {
            return;
        };
        if !is_known || !net.rows.iter().all(is_learnable) {
            return;
        }
        let known = Arc::make_mut(&mut index);
        for row in &net.rows {
            if let (Before::Absent, After::Whole(image)) = (&row.before, &row.after) {
                known.learn(row.table, &row.id, Some(image));
            }
        }
        self.known = Some((mark, index));
    }

    /// One transaction; anything that fails rolls it back. Returns whether what is known of all rows
    /// was still true of the file then.
    async fn write(
        &self,
        connection: &mut SqliteConnection,
        net: &mut Net,
        stamp: &str,
        marking: &mut Marking,
    ) -> Result<bool, RekordboxError> {
        let mut transaction = connection
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed("cannot be locked"))?;
        // Nobody else writes from here on: what was known until now stays true.
        let is_known = self.knows_present();
        let known = self.known.as_ref().filter(|_| is_known);
        let schema = Schema::read(&mut transaction).await?;
        schema.expect_writable(&mut transaction).await?;
        let present = Present::read(&mut transaction, &schema, net).await?;
        present.expect_before(net)?;
        let last = net.renumber(read::local_usn(&mut transaction, &schema).await?);
        // From here on something may come to stand in the `-wal`.
        marking.done().await?;
        write::rows(&mut transaction, &schema, net).await?;
        write::counter(&mut transaction, last, stamp).await?;
        invariants::check(&mut transaction, net, known.map(|(_, index)| &**index)).await?;
        self.options.processes.refuse_running()?;
        transaction
            .commit()
            .await
            .map_err(failed("cannot be committed"))?;
        Ok(is_known)
    }

    /// Another program that holds the write lock is better met before the first download than after the
    /// last one. Nothing is written.
    async fn refuse_held(&self) -> Result<(), RekordboxError> {
        // SQLite would open a file that may only be read all the same, and leave two files beside it.
        let path = self.database.path();
        let opened = fs::File::options().read(true).write(true).open(path);
        drop(opened.map_err(backup::io("write", path))?);
        let mut connection = self.database.writable().await?;
        let held = match connection.begin_with("BEGIN IMMEDIATE").await {
            Ok(mut transaction) => {
                // The lock is given for a file that may only be read as well; a row is not.
                let sql = "UPDATE agentRegistry SET int_1 = int_1 \
                     WHERE registry_id = 'localUpdateCount'";
                let tried = sqlx::query(sql).execute(&mut *transaction).await;
                let undone = transaction.rollback().await;
                tried.and(undone)
            }
            Err(error) => Err(error),
        };
        let closed = connection.close().await;
        held.and(closed).map_err(failed("cannot be written"))
    }

    /// A `-wal` that holds something was left by a crash. Ours is taken in, which is safe: SQLite keeps
    /// what was committed and drops the rest. Rekordbox's own is left to Rekordbox.
    async fn recover(&self) -> Result<(), RekordboxError> {
        if self.database.wal_size() == 0 {
            return Ok(());
        }
        if !Marker::is_set(&self.backups(), self.database.path()) {
            return Err(RekordboxError::LeftoverWal(self.database.beside("-wal")));
        }
        let connection = self.database.writable().await?;
        connection
            .close()
            .await
            .map_err(failed("cannot be closed"))?;
        // The note goes as after a write: not before the log's removal is durable.
        drop(Marker {
            path: Marker::path(&self.backups()),
            database: self.database.path().to_owned(),
        });
        Ok(())
    }

    /// A playlist file that cannot be edited is better met before anything is written. A missing one
    /// is made anew.
    fn refuse_bad_xml(&self) -> Result<(), RekordboxError> {
        let found = self.xml().and_then(|text| match text {
            Some(text) => self.inspect(&text).map(drop),
            None => Ok(()),
        });
        found.map_err(|error| match error {
            RekordboxError::Xml { path, reason } => RekordboxError::BadXml { path, reason },
            other => other,
        })
    }

    fn xml(&self) -> Result<Option<String>, RekordboxError> {
        let path = self.xml_path();
        match fs::read(&path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(self.bad_xml("it is not UTF-8".to_owned())),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.bad_xml(error.to_string())),
        }
    }

    fn inspect(&self, text: &str) -> Result<(BTreeSet<String>, Option<String>), RekordboxError> {
        playlists_xml::inspect(text).map_err(|reason| self.bad_xml(reason))
    }

    /// Ids of nodes in the XML; none where it cannot be read, which `prepare` and `finish` report.
    fn xml_nodes(&self) -> HashSet<String> {
        let text = self.xml().ok().flatten().unwrap_or_default();
        let known = playlists_xml::inspect(&text).map(|(ids, _)| ids);
        known.unwrap_or_default().into_iter().collect()
    }

    fn update_xml(&self, tree: &Tree, touched: &[NodeId], at: i64) -> Result<(), RekordboxError> {
        let old = self.xml()?;
        let touched: BTreeSet<&str> = touched.iter().map(NodeId::as_str).collect();
        let new = match &old {
            Some(text) => playlists_xml::update(text, tree, &touched, at)
                .map_err(|reason| self.bad_xml(reason))?,
            None => playlists_xml::fresh(tree, at),
        };
        let unfinished = self.xml_path().with_file_name(NEW_XML);
        if old.as_ref() == Some(&new) {
            // What a killed run left beside it goes.
            let _ = fs::remove_file(unfinished);
            return Ok(());
        }
        self.replace_xml(&new).map_err(|error| {
            let _ = fs::remove_file(unfinished);
            self.bad_xml(error.to_string())
        })
    }

    /// By a file beside it and a rename: the XML is whole at any time.
    fn replace_xml(&self, text: &str) -> std::io::Result<()> {
        use std::io::Write as _;
        let path = self.xml_path();
        let folder = path.parent().unwrap_or(Path::new("."));
        // Always the same name, so that what a killed run left is written over.
        let new = folder.join(NEW_XML);
        let mut file = fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        if let Ok(about) = fs::metadata(&path) {
            file.set_permissions(about.permissions())?;
        }
        file.sync_all()?;
        drop(file);
        fs::rename(&new, &path)?;
        if cfg!(unix) {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn bad_xml(&self, reason: String) -> RekordboxError {
        let path = self.xml_path();
        RekordboxError::Xml { path, reason }
    }
}

/// A note that this program has the database open for writing: a `-wal` found beside it later is ours.
struct Marker {
    path: PathBuf,
    database: PathBuf,
}

impl Marker {
    fn set(backups: &Path, database: &Path) -> Result<Self, RekordboxError> {
        fs::create_dir_all(backups).map_err(backup::io("make the folder", backups))?;
        let path = Self::path(backups);
        fs::write(&path, Self::text(database)).map_err(backup::io("write", &path))?;
        // A loss of power must not leave our `-wal` without it.
        backup::sync_file(&path)?;
        backup::sync_folder(backups)?;
        let database = database.to_owned();
        Ok(Self { path, database })
    }

    fn is_set(backups: &Path, database: &Path) -> bool {
        fs::read(Self::path(backups)).is_ok_and(|text| text == Self::text(database))
    }

    fn path(backups: &Path) -> PathBuf {
        backups.join("writing")
    }

    fn text(database: &Path) -> Vec<u8> {
        let path = fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
        path.as_os_str().as_encoded_bytes().to_vec()
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // What a full disk kept in the `-wal` is taken in by the next run, which must know whose it is.
        let wal = crate::edge::seal::beside(&self.database, "-wal");
        if fs::metadata(wal).is_ok_and(|facts| facts.len() > 0) {
            return;
        }
        // A loss of power must not bring a removed `-wal` back after the note is gone.
        let folder = self.database.parent().unwrap_or(Path::new("."));
        if backup::sync_folder(folder).is_err() {
            return;
        }
        let _ = fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            let _ = backup::sync_folder(folder);
        }
    }
}

/// A note that is being made durable while the database is opened and read, which writes nothing.
struct Marking {
    task: Option<tokio::task::JoinHandle<Result<Marker, RekordboxError>>>,
    /// Held until the database is closed.
    marker: Option<Marker>,
}

impl Marking {
    fn begin(backups: PathBuf, database: PathBuf) -> Self {
        let set = move || Marker::set(&backups, &database);
        Self {
            task: Some(tokio::task::spawn_blocking(set)),
            marker: None,
        }
    }

    /// Waits until the note is durable.
    async fn done(&mut self) -> Result<(), RekordboxError> {
        if let Some(task) = self.task.take() {
            let marker = task.await.map_err(|error| {
                let (doing, source) = ("cannot be marked", sqlx::Error::Io(error.into()));
                RekordboxError::Database { doing, source }
            })?;
            self.marker = Some(marker?);
        }
        Ok(())
    }
}

/// Whether a row of the net change can be followed without reading it: a new one, or one whose name,
/// path and existence stay.
fn is_learnable(row: &NetRow) -> bool {
    match row.table {
        Table::Content | Table::Artist | Table::Album | Table::Genre => {}
        Table::Playlist
        | Table::CloudFilter
        | Table::SongPlaylist
        | Table::MyTag
        | Table::SongMyTag => {
            return matches!(row.after, After::Columns(_) | After::Whole(_));
        }
    }
    match (&row.before, &row.after) {
        (Before::Absent, After::Whole(_)) => true,
        (Before::Columns(old), After::Columns(new)) => ["FolderPath", "Name", "rb_local_deleted"]
            .iter()
            .all(|column| value(old, column) == value(new, column)),
        (Before::Absent | Before::Columns(_) | Before::Whole(_), _) => false,
    }
}

/// Closes the snapshot; whether what was read of it is one state.
async fn settle(snapshot: Snapshot) -> bool {
    let undisturbed = snapshot.is_undisturbed();
    snapshot.close().await;
    undisturbed
}

async fn probe(connection: &mut SqliteConnection, net: &Net) -> Result<Probe, RekordboxError> {
    let schema = Schema::read(connection).await?;
    let present = Present::read(connection, &schema, net).await?;
    Ok(present.probe(net))
}

async fn expect_writable(connection: &mut SqliteConnection) -> Result<(), RekordboxError> {
    let schema = Schema::read(connection).await?;
    schema.expect_writable(connection).await
}

/// Checkpoint, integrity of what is on disk then, and the tree of playlists as it is.
async fn check(
    database: &Database,
    connection: &mut SqliteConnection,
) -> Result<Tree, RekordboxError> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut *connection)
        .await
        .map_err(failed("cannot be checkpointed"))?;
    let mut reader = database.beside_writer().await?;
    let sound = backup::both_checks(connection, &mut reader).await;
    // It only read.
    let _ = reader.close().await;
    sound?;
    let nodes = read::nodes(&Schema::read(connection).await?);
    let rows: Vec<RawNode> = json_rows(connection, nodes).await?;
    let node = |row: RawNode| {
        let node = TreeNode {
            parent: row.parent.unwrap_or_default(),
            attribute: row.attribute.unwrap_or(0),
            seq: row.seq.unwrap_or(0),
        };
        Some((row.id?, node))
    };
    Ok(rows.into_iter().filter_map(node).collect())
}

fn problem(message: String) -> Problem {
    Problem {
        subject: XML.to_owned(),
        message,
        leaves_hole: false,
    }
}
