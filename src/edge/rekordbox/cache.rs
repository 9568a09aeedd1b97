//! What the last reading found, so that an unchanged library is not decrypted again. It is no state:
//! deleting it costs time and nothing else, and a damaged one counts as none.
//!
//! A reading is kept under a [`Seal`] of everything that changes when somebody writes:
//!
//! - size, inode, modification time and (on Unix) the time of the last change of the inode, of
//!   `master.db` and its `-wal`. The latter cannot be set back by any program, so that an edit which
//!   keeps size and modification time is seen as well;
//! - the first and the last page of `master.db`, encrypted as they are: every page ends in a fresh
//!   random number and its seal, and SQLite writes the first page in every transaction that is not in
//!   the `-wal`;
//! - the head of the `-wal` (new salts after every restart) and the index of the `-wal` in `-shm`, whose
//!   counter and checksum every transaction changes.
//!
//! Times are only as fine as the file system's: a file that was changed within that grain of the
//! reading (2 s where times are whole milliseconds or coarser, as on exFAT; else 0.1 s) could change again
//! without looking different, so such a reading is not kept. Nor is one during which the seal changed,
//! or one of a file from the future (another machine's clock).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, Metadata},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::sqlcipher::beside;
use crate::domain::{
    Collection, CollectionEntry, CollectionPlaylist, Content, ContentId, EntryId, Isrc, MyTag,
    MyTagId, NodeId, NodeKind, Observed, Problem, RekordboxSchema,
};

/// The first bytes of the file; the last one counts the versions of its form.
const MAGIC: &[u8; 8] = b"tclrbox\x03";
/// Key and seal, head, tracks in portions, nodes.
const PARTS: usize = 3 + PORTIONS;
/// Tracks are decoded in so many threads.
const PORTIONS: usize = 2;
/// Magic, checksum, and the lengths of the parts.
const HEADER: usize = 8 + 4 + PARTS * 8;

/// The grain of times on a coarse file system, with a margin.
const COARSE: Duration = Duration::from_millis(2_100);
/// The grain where times have nanoseconds: the kernel's tick, with a margin.
const FINE: Duration = Duration::from_millis(100);

const PAGE: u64 = 4096;

/// What a library's files look like from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    bytes: Vec<u8>,
    /// The latest time in it, and whether times are coarse.
    newest: SystemTime,
    coarse: bool,
}

impl Seal {
    /// Looks at the library's files.
    ///
    /// # Errors
    /// When `master.db` cannot be looked at.
    pub(super) fn of(database: &Path) -> io::Result<Self> {
        let mut seal = Self {
            bytes: fs::canonicalize(database)?
                .as_os_str()
                .as_encoded_bytes()
                .to_vec(),
            newest: UNIX_EPOCH,
            coarse: false,
        };
        let mut file = File::open(database)?;
        let about = file.metadata()?;
        seal.stat(&about);
        seal.part(&mut file, 0, PAGE)?;
        seal.part(&mut file, about.len().saturating_sub(PAGE), PAGE)?;
        seal.side(&beside(database, "-wal"), 32)?;
        seal.side(&beside(database, "-shm"), 136)?;
        Ok(seal)
    }

    /// Whether a reading that began at `from` can be told from every later state by this seal.
    pub(super) fn is_settled(&self, from: SystemTime) -> bool {
        let grain = if self.coarse { COARSE } else { FINE };
        from.duration_since(self.newest)
            .is_ok_and(|age| age > grain)
    }

    fn stat(&mut self, about: &Metadata) {
        self.bytes.extend(about.len().to_le_bytes());
        let modified = about.modified().ok();
        for time in [modified, changed(about)] {
            // A file system without times gives no proof: never settled.
            let time = time.unwrap_or(SystemTime::now() + COARSE);
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            self.bytes.extend(since.as_nanos().to_le_bytes());
            self.newest = self.newest.max(time);
        }
        let finest = changed(about).or(modified).unwrap_or(UNIX_EPOCH);
        let nanos = finest.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.coarse |= nanos.subsec_nanos().is_multiple_of(1_000_000);
        self.bytes.extend(inode(about).to_le_bytes());
    }

    fn side(&mut self, path: &Path, head: u64) -> io::Result<()> {
        match File::open(path) {
            Ok(mut file) => {
                let about = file.metadata()?;
                // The index of the log is shared memory: its times tell nothing, its content does.
                match head == 32 && about.len() > 0 {
                    true => self.stat(&about),
                    false => self.bytes.extend(about.len().to_le_bytes()),
                }
                self.part(&mut file, 0, head)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.bytes.push(0);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn part(&mut self, file: &mut File, from: u64, length: u64) -> io::Result<()> {
        file.seek(SeekFrom::Start(from))?;
        file.take(length).read_to_end(&mut self.bytes)?;
        Ok(())
    }
}

#[cfg(unix)]
fn changed(about: &Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt as _;
    let seconds = u64::try_from(about.ctime()).ok()?;
    let nanos = u32::try_from(about.ctime_nsec()).ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(not(unix))]
fn changed(about: &Metadata) -> Option<SystemTime> {
    about.modified().ok()
}

#[cfg(unix)]
pub(super) fn inode(about: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    about.ino()
}

#[cfg(not(unix))]
pub(super) fn inode(_: &Metadata) -> u64 {
    0
}

/// Salt and derived key of a library: public knowledge both, and a tenth of a second to derive.
pub(super) type SaltAndKey = ([u8; 16], [u8; 32]);

/// A cache file, read and found whole.
pub(super) struct Kept(Vec<u8>);

impl Kept {
    /// The cache at `path`; `None` when there is none, or it is damaged or of another version.
    pub(super) fn load(path: &Path) -> Option<Self> {
        let bytes = fs::read(path).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        (u32::from_le_bytes(*sum) == checksum(rest)).then_some(Self(bytes))
    }

    fn part(&self, number: usize) -> &[u8] {
        let length = |n: usize| {
            let at = 12 + n * 8;
            let bytes = self.0.get(at..at + 8).and_then(|b| b.try_into().ok());
            bytes.map_or(0, |bytes| {
                usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(0)
            })
        };
        let start = HEADER + (0..number).map(length).sum::<usize>();
        self.0
            .get(start..start + length(number))
            .unwrap_or_default()
    }

    /// The key that was derived for a salt.
    pub(super) fn key(&self) -> Option<SaltAndKey> {
        let (salt, rest) = self.part(0).split_first_chunk::<16>()?;
        Some((*salt, *rest.first_chunk::<32>()?))
    }

    /// What was read when the files looked like `seal`. Tracks and nodes are decoded side by side.
    pub(super) fn reading(&self, seal: &Seal) -> Option<Observed<Collection>> {
        if self.part(0).get(48..)? != seal.bytes {
            return None;
        }
        let (contents, lists) = std::thread::scope(|scope| {
            let lists = scope.spawn(|| nodes(self.part(2 + PORTIONS)));
            let second = scope.spawn(|| contents(self.part(3)));
            let mut all = contents(self.part(2))?;
            all.append(&mut second.join().ok()??);
            Some((all, lists.join().ok()??))
        })?;
        let (mut value, problems) = head(self.part(1))?;
        // Sorted as they are, they become a map without a comparison out of place.
        value.contents = contents.into_iter().collect();
        value.nodes = lists;
        Some(Observed { value, problems })
    }
}

/// Writes the cache by a temporary name and a rename, for the user's eyes only.
///
/// # Errors
/// When it cannot be written.
pub(super) fn save(
    path: &Path,
    key: SaltAndKey,
    reading: Option<(&Seal, &Observed<Collection>)>,
) -> io::Result<()> {
    let bytes = render(key, reading);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".rekordbox-cache.")
        .tempfile_in(folder)?;
    file.write_all(&bytes)?;
    file.persist(path)?;
    Ok(())
}

fn render((salt, key): SaltAndKey, reading: Option<(&Seal, &Observed<Collection>)>) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    let mut lengths = Vec::new();
    let mut begun = HEADER;
    let mut end = |bytes: &Vec<u8>| {
        lengths.push(bytes.len() - begun);
        begun = bytes.len();
    };
    bytes.extend(salt);
    bytes.extend(key);
    match reading {
        None => end(&bytes),
        Some((seal, observed)) => {
            bytes.extend(&seal.bytes);
            end(&bytes);
            let mut part = |put: &dyn Fn(&mut Out)| {
                let mut out = Out::default();
                put(&mut out);
                out.put(&mut bytes);
                end(&bytes);
            };
            part(&|out| put_head(out, observed));
            let all = &observed.value.contents;
            let half = all.len() / PORTIONS;
            part(&|out| put_contents(out, all.iter().take(half)));
            part(&|out| put_contents(out, all.iter().skip(half)));
            part(&|out| put_nodes(out, &observed.value));
        }
    }
    lengths.resize(PARTS, 0);
    for (slot, length) in bytes[12..HEADER].chunks_exact_mut(8).zip(lengths) {
        slot.copy_from_slice(&(length as u64).to_le_bytes());
    }
    let sum = checksum(&bytes[12..]);
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

/// Numbers and text apart, so that the text is checked to be UTF-8 once and not piece by piece.
#[derive(Default)]
struct Out {
    numbers: Vec<u8>,
    text: String,
}

impl Out {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend((self.numbers.len() as u64).to_le_bytes());
        bytes.extend(&self.numbers);
        bytes.extend(self.text.as_bytes());
    }

    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.numbers.push(0x80 | (number & 0x7f) as u8);
            number >>= 7;
        }
        self.numbers.push(number as u8);
    }

    fn signed(&mut self, number: i64) {
        self.number(number.cast_unsigned());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.text.push_str(text);
    }

    /// 0 for nothing, else one more than the length, and the text.
    fn maybe(&mut self, text: Option<&str>) {
        self.number(text.map_or(0, |text| text.len() as u64 + 1));
        self.text.push_str(text.unwrap_or_default());
    }

    /// A UUID in 16 bytes behind a 0, else one more than the length, and the text.
    fn entry(&mut self, id: &EntryId) {
        match id.uuid() {
            Some(uuid) => {
                self.number(0);
                self.numbers.extend(uuid.as_bytes());
            }
            None => self.maybe(Some(&id.to_string())),
        }
    }
}

/// Takes apart what [`Out`] put together. The bytes are whole, by their checksum; anything that does
/// not fit all the same ends the reading.
struct In<'b> {
    numbers: &'b [u8],
    text: &'b str,
}

impl<'b> In<'b> {
    fn of(bytes: &'b [u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (numbers, text) = rest.split_at_checked(length)?;
        let text = std::str::from_utf8(text).ok()?;
        Some(Self { numbers, text })
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.numbers.split_first()?;
            self.numbers = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn small<N: TryFrom<u64>>(&mut self) -> Option<N> {
        N::try_from(self.number()?).ok()
    }

    fn signed(&mut self) -> Option<i64> {
        Some(self.number()?.cast_signed())
    }

    fn bytes(&mut self, length: u64) -> Option<&'b str> {
        let (text, rest) = self.text.split_at_checked(usize::try_from(length).ok()?)?;
        self.text = rest;
        Some(text)
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = self.number()?;
        self.bytes(length)
    }

    fn maybe(&mut self) -> Option<Option<&'b str>> {
        match self.number()? {
            0 => Some(None),
            length => self.bytes(length - 1).map(Some),
        }
    }

    fn owned(&mut self) -> Option<Option<String>> {
        Some(self.maybe()?.map(str::to_owned))
    }

    fn entry(&mut self) -> Option<EntryId> {
        match self.number()? {
            0 => {
                let (bytes, rest) = self.numbers.split_first_chunk::<16>()?;
                self.numbers = rest;
                Some(uuid::Uuid::from_bytes(*bytes).into())
            }
            length => self.bytes(length - 1).map(EntryId::new),
        }
    }

    /// As many as the number that stands here says.
    fn list<T, C: FromIterator<T>>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<C> {
        let count = self.number()?;
        (0..count).map(|_| item(self)).collect()
    }

    /// The same into a vector of just that size.
    fn vector<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.small::<usize>()?;
        // Every item has a byte at least: a number from nowhere claims no memory.
        let mut items = Vec::with_capacity(count.min(self.numbers.len()));
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items)
    }
}

fn put_head(out: &mut Out, observed: &Observed<Collection>) {
    let collection = &observed.value;
    out.number(u64::from(collection.schema == RekordboxSchema::V7));
    out.maybe(collection.app_version.as_deref());
    out.signed(collection.local_usn);
    out.number(u64::from(collection.cloud_sync));
    out.number(collection.my_tags.len() as u64);
    for tag in collection.my_tags.values() {
        out.text(tag.id.as_str());
        out.text(&tag.name);
        out.maybe(tag.group.as_ref().map(MyTagId::as_str));
        out.signed(tag.seq);
    }
    out.number(observed.problems.len() as u64);
    for problem in &observed.problems {
        out.text(&problem.subject);
        out.text(&problem.message);
        out.number(u64::from(problem.leaves_hole));
    }
}

fn head(bytes: &[u8]) -> Option<(Collection, Vec<Problem>)> {
    let mut from = In::of(bytes)?;
    let collection = Collection {
        schema: match from.number()? {
            0 => RekordboxSchema::V6,
            _ => RekordboxSchema::V7,
        },
        app_version: from.owned()?,
        local_usn: from.signed()?,
        cloud_sync: from.number()? == 1,
        my_tags: from.list(|from| {
            let id = MyTagId::from(from.text()?);
            let tag = MyTag {
                id: id.clone(),
                name: from.text()?.to_owned(),
                group: from.maybe()?.map(MyTagId::from),
                seq: from.signed()?,
            };
            Some((id, tag))
        })?,
        ..Collection::default()
    };
    let problems = from.list(|from| {
        Some(Problem {
            subject: from.text()?.to_owned(),
            message: from.text()?.to_owned(),
            leaves_hole: from.number()? == 1,
        })
    })?;
    Some((collection, problems))
}

fn put_contents<'c>(
    out: &mut Out,
    contents: impl ExactSizeIterator<Item = (&'c ContentId, &'c Content)>,
) {
    out.number(contents.len() as u64);
    for (id, content) in contents {
        out.text(id.as_str());
        out.text(&content.folder_path);
        out.text(&content.title);
        out.maybe(content.artist.as_deref());
        out.maybe(content.album.as_deref());
        out.maybe(content.genre.as_deref());
        out.maybe(content.isrc.as_ref().map(Isrc::as_str));
        out.number(content.length_s.map_or(0, |length| u64::from(length) + 1));
        out.number(content.year.map_or(0, |year| u64::from(year) + 1));
        out.number(u64::from(content.rating));
        out.number(u64::from(content.play_count));
        out.number(u64::from(content.hot_cues));
        out.number(u64::from(content.memory_cues));
        out.number(u64::from(content.in_history));
        out.number(u64::from(content.analysed));
        out.signed(content.file_type);
        out.number(content.file_size);
        out.number(u64::from(content.bitrate_kbps));
        out.maybe(content.stock_date.as_deref());
        out.number(content.my_tags.len() as u64);
        content
            .my_tags
            .iter()
            .for_each(|tag| out.text(tag.as_str()));
    }
}

fn contents(bytes: &[u8]) -> Option<Vec<(ContentId, Content)>> {
    In::of(bytes)?.vector(|from| {
        let id = ContentId::from(from.text()?);
        let content = Content {
            id: Some(id.clone()),
            folder_path: from.text()?.to_owned(),
            title: from.text()?.to_owned(),
            artist: from.owned()?,
            album: from.owned()?,
            genre: from.owned()?,
            isrc: from.maybe()?.and_then(Isrc::parse),
            length_s: from.small::<u32>()?.checked_sub(1),
            year: from.small::<u16>()?.checked_sub(1),
            rating: from.small()?,
            play_count: from.small()?,
            hot_cues: from.small()?,
            memory_cues: from.small()?,
            in_history: from.number()? == 1,
            analysed: from.number()? == 1,
            file_type: from.signed()?,
            file_size: from.number()?,
            bitrate_kbps: from.small()?,
            stock_date: from.owned()?,
            my_tags: from.list::<_, BTreeSet<_>>(|from| Some(MyTagId::from(from.text()?)))?,
        };
        Some((id, content))
    })
}

fn put_nodes(out: &mut Out, collection: &Collection) {
    out.number(collection.nodes.len() as u64);
    for (id, node) in &collection.nodes {
        out.text(id.as_str());
        out.text(&node.name);
        out.maybe(node.parent.as_ref().map(NodeId::as_str));
        out.number(match node.kind {
            NodeKind::List => 0,
            NodeKind::Folder => 1,
            NodeKind::Smart => 2,
            NodeKind::Special => 3,
        });
        out.signed(node.seq);
        out.maybe(node.smart.as_deref());
        out.number(node.entries.len() as u64);
        for entry in &node.entries {
            out.entry(&entry.id);
            out.text(entry.content.as_str());
        }
    }
}

fn nodes(bytes: &[u8]) -> Option<BTreeMap<NodeId, CollectionPlaylist>> {
    In::of(bytes)?.list(|from| {
        let id = NodeId::from(from.text()?);
        let node = CollectionPlaylist {
            id: id.clone(),
            name: from.text()?.to_owned(),
            parent: from.maybe()?.map(NodeId::from),
            kind: match from.number()? {
                0 => NodeKind::List,
                1 => NodeKind::Folder,
                2 => NodeKind::Smart,
                _ => NodeKind::Special,
            },
            seq: from.signed()?,
            smart: from.owned()?,
            entries: from.vector(|from| {
                Some(CollectionEntry {
                    id: from.entry()?,
                    content: ContentId::from(from.text()?),
                })
            })?,
        };
        Some((id, node))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Observed<Collection> {
        let id = ContentId::from("7");
        let content = Content {
            id: Some(id.clone()),
            folder_path: "/Music/ü.mp3".to_owned(),
            artist: Some(String::new()),
            isrc: Isrc::parse("USRC17607839"),
            length_s: Some(0),
            year: Some(1999),
            file_type: -1,
            file_size: u64::MAX,
            my_tags: [MyTagId::from("3")].into(),
            ..Content::default()
        };
        let node = |id: &str, parent: Option<&str>, kind| CollectionPlaylist {
            id: id.into(),
            name: format!("n{id}"),
            parent: parent.map(Into::into),
            kind,
            seq: -2,
            entries: vec![CollectionEntry {
                id: "e".into(),
                content: "7".into(),
            }],
            smart: None,
        };
        let tag = MyTag {
            id: "3".into(),
            name: "T".to_owned(),
            group: Some("1".into()),
            seq: 1,
        };
        Observed {
            value: Collection {
                schema: RekordboxSchema::V6,
                app_version: None,
                local_usn: 300,
                cloud_sync: true,
                contents: [(id, content)].into(),
                nodes: [
                    ("1".into(), node("1", None, NodeKind::Folder)),
                    ("2".into(), node("2", Some("1"), NodeKind::Smart)),
                ]
                .into(),
                my_tags: [("3".into(), tag)].into(),
            },
            problems: vec![Problem {
                subject: "s".to_owned(),
                message: "m".to_owned(),
                leaves_hole: false,
            }],
        }
    }

    struct Library {
        folder: tempfile::TempDir,
    }

    impl Library {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("master.db"), vec![7; 9000]).unwrap();
            Self { folder }
        }

        fn path(&self) -> std::path::PathBuf {
            self.folder.path().join("master.db")
        }

        fn seal(&self) -> Seal {
            Seal::of(&self.path()).unwrap()
        }
    }

    #[test]
    fn a_reading_comes_back_whole() {
        let library = Library::new();
        let path = library.folder.path().join("cache");
        let seal = library.seal();
        let key = ([1; 16], [2; 32]);
        save(&path, key, Some((&seal, &sample()))).unwrap();
        let kept = Kept::load(&path).unwrap();
        assert_eq!(kept.key(), Some(key));
        assert_eq!(kept.reading(&seal), Some(sample()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        save(&path, key, None).unwrap();
        let kept = Kept::load(&path).unwrap();
        assert_eq!((kept.key(), kept.reading(&seal)), (Some(key), None));
    }

    #[test]
    fn every_damaged_or_shortened_cache_is_none() {
        let library = Library::new();
        let path = library.folder.path().join("cache");
        let seal = library.seal();
        let bytes = render(([1; 16], [2; 32]), Some((&seal, &sample())));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, damaged).unwrap();
            assert!(Kept::load(&path).is_none(), "{at}");
            fs::write(&path, &bytes[..at]).unwrap();
            assert!(Kept::load(&path).is_none(), "{at}");
        }
    }

    #[test]
    fn every_kind_of_change_breaks_the_seal() {
        let library = Library::new();
        let path = library.path();
        let before = library.seal();
        assert_eq!(library.seal(), before);
        fs::write(beside(&path, "-wal"), [1; 40]).unwrap();
        let with_wal = library.seal();
        assert_ne!(with_wal, before);
        fs::write(beside(&path, "-shm"), [1; 200]).unwrap();
        let with_index = library.seal();
        assert_ne!(with_index, with_wal);
        fs::write(beside(&path, "-shm"), [2; 200]).unwrap();
        assert_ne!(library.seal(), with_index);
        fs::remove_file(beside(&path, "-shm")).unwrap();
        fs::remove_file(beside(&path, "-wal")).unwrap();
        assert_eq!(library.seal(), before);
        // Same size, same content at both ends, and the modification time put back.
        let at = fs::metadata(&path).unwrap().modified().unwrap();
        std::thread::sleep(FINE);
        let mut bytes = fs::read(&path).unwrap();
        bytes[4500] = 8;
        fs::write(&path, bytes).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(at).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), at);
        if cfg!(unix) {
            assert_ne!(library.seal(), before);
        }
    }

    #[test]
    fn only_files_that_have_come_to_rest_are_settled() {
        let seal = Library::new().seal();
        assert!(!seal.is_settled(seal.newest));
        assert!(!seal.is_settled(seal.newest - COARSE));
        assert!(!seal.is_settled(seal.newest + FINE));
        assert!(seal.is_settled(seal.newest + COARSE * 2));
    }
}
