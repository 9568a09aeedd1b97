//! What the last scan learnt, so that the next one opens only what changed. It is no state: deleting
//! it costs time and nothing else.

use std::{
    collections::BTreeMap, fs, io, io::Write as _, iter::Peekable, path::Path, sync::OnceLock,
};

use super::tags::FileFacts;
use crate::domain::{
    AudioFile, AudioFormat, ContentHash, FileStat, Isrc, Library, MediaPath, SidecarFile, Tags,
    TrackId,
};

/// The first bytes of the file; the last one counts the versions of its form.
const MAGIC: &[u8; 8] = b"tclfile\x02";
const HEADER: usize = MAGIC.len() + 4;

/// File facts by path, kept as one blob in path order, so that a hundred thousand of them are loaded
/// in the time of one read and decoded only when they are asked for.
#[derive(Clone, Debug, Default)]
pub struct FileCache {
    /// The header, and entry after entry; empty when there are none.
    blob: Vec<u8>,
    /// Where each entry begins; found out when one is first looked up.
    starts: OnceLock<Vec<usize>>,
    /// Hashes learnt since the last scan.
    learnt: BTreeMap<MediaPath, (FileStat, ContentHash)>,
    changed: bool,
}

impl FileCache {
    /// Takes a blob of [`FileCache::to_bytes`]. One that is damaged, or of another version, is an empty
    /// cache.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let is_whole = bytes
            .strip_prefix(MAGIC)
            .and_then(<[u8]>::split_first_chunk::<4>)
            .is_some_and(|(sum, entries)| u32::from_le_bytes(*sum) == checksum(entries));
        Self {
            blob: if is_whole { bytes } else { Vec::new() },
            ..Self::default()
        }
    }

    /// The cache as one blob.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self.learnt.is_empty() {
            true if self.blob.is_empty() => sealed(vec![0; HEADER]),
            true => self.blob.clone(),
            false => self.merged(),
        }
    }

    /// Reads the cache file. One that is missing or damaged is an empty cache.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        fs::read(path).map_or_else(|_| Self::default(), Self::from_bytes)
    }

    /// Writes the cache file, by a temporary name and a rename, if there is something new.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&mut self, path: &Path) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&self.to_bytes())?;
        file.persist(path)?;
        self.changed = false;
        Ok(())
    }

    /// Whether it differs from what was loaded.
    #[must_use]
    pub const fn is_changed(&self) -> bool {
        self.changed
    }

    /// Whether it remembers just the same as another, which has learnt nothing since it was loaded.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        other.learnt.is_empty() && !other.changed && self.entries() == other.entries()
    }

    /// Remembers a file's hash, with the facts of the file system that it belongs to.
    pub fn remember(&mut self, path: MediaPath, stat: FileStat, hash: ContentHash) {
        self.changed = true;
        self.learnt.insert(path, (stat, hash));
    }

    /// The hash of the file, if it is known and the file did not change.
    #[must_use]
    pub fn hash(&self, path: &MediaPath, stat: &FileStat) -> Option<ContentHash> {
        match self.learnt.get(path) {
            Some((known, hash)) if known == stat => Some(*hash),
            Some(_) | None => {
                let entry = self.entry(path)?;
                (entry.stat == *stat).then(|| entry.body.hash())?
            }
        }
    }

    /// Hashes learnt since the last scan.
    pub(super) fn learnt(&self, path: &MediaPath, stat: &FileStat) -> Option<ContentHash> {
        let (known, hash) = self.learnt.get(path)?;
        (known == stat).then_some(*hash)
    }

    fn entry(&self, path: &MediaPath) -> Option<Entry<'_>> {
        let at = |start: &usize| Entry::read(&mut Reader(self.entries().get(*start..)?));
        let starts = self.starts.get_or_init(|| {
            let mut reader = Reader(self.entries());
            let start = |reader: &Reader<'_>| self.entries().len() - reader.0.len();
            let next = |reader: &mut Reader<'_>| {
                let at = start(reader);
                Entry::read(reader).map(|_| at)
            };
            std::iter::from_fn(|| next(&mut reader)).collect()
        });
        let found = starts
            .binary_search_by(|start| {
                at(start)
                    .map_or(&[][..], |entry| entry.path)
                    .cmp(path.as_str().as_bytes())
            })
            .ok()?;
        at(&starts[found])
    }

    fn entries(&self) -> &[u8] {
        self.blob.get(HEADER..).unwrap_or_default()
    }

    /// The entries in path order; a torn one ends the walk.
    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut reader = Reader(self.entries());
        std::iter::from_fn(move || Entry::read(&mut reader))
    }

    /// The cache of a whole library, and of files that are gone, in path order. `doubtful(path)` tells
    /// which files must not be trusted later: they changed while they were read, or too recently to tell.
    pub(super) fn of(
        library: &Library,
        gone: &[Gone<'_>],
        doubtful: &dyn Fn(&MediaPath) -> bool,
    ) -> Self {
        let mut blob = Vec::with_capacity(HEADER + library.files.len() * 256);
        blob.resize(HEADER, 0);
        let mut sidecars = library.sidecars.iter().peekable();
        let mut gone = gone.iter().peekable();
        for file in &library.files {
            let path = &file.path;
            while let Some(sidecar) = sidecars.next_if(|sidecar| sidecar.path < *path) {
                put_gone(&mut blob, &mut gone, Some(&sidecar.path));
                put_sidecar(&mut blob, sidecar, doubtful);
            }
            put_gone(&mut blob, &mut gone, Some(path));
            if !doubtful(path) {
                put_entry(&mut blob, path.as_str(), &file.stat, 0, file.hash, |out| {
                    put_audio(out, file);
                });
            }
        }
        for sidecar in sidecars {
            put_gone(&mut blob, &mut gone, Some(&sidecar.path));
            put_sidecar(&mut blob, sidecar, doubtful);
        }
        put_gone(&mut blob, &mut gone, None);
        Self {
            blob: sealed(blob),
            changed: true,
            ..Self::default()
        }
    }

    fn merged(&self) -> Vec<u8> {
        let mut merged = Vec::with_capacity(self.blob.len() + self.learnt.len() * 34);
        merged.resize(HEADER, 0);
        for entry in self.iter() {
            let path = MediaPath::new(String::from_utf8_lossy(entry.path));
            let hash = self
                .learnt(&path, &entry.stat)
                .or_else(|| entry.body.hash());
            put_entry(
                &mut merged,
                path.as_str(),
                &entry.stat,
                entry.body.age(),
                hash,
                |out| {
                    out.extend(entry.body.audio_bytes());
                },
            );
        }
        sealed(merged)
    }
}

/// Writes the header into the first bytes of a blob.
fn sealed(mut blob: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&blob[HEADER..]);
    blob[..MAGIC.len()].copy_from_slice(MAGIC);
    blob[MAGIC.len()..HEADER].copy_from_slice(&sum.to_le_bytes());
    blob
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

fn put_sidecar(out: &mut Vec<u8>, file: &SidecarFile, doubtful: &dyn Fn(&MediaPath) -> bool) {
    if !doubtful(&file.path) {
        put_entry(
            out,
            file.path.as_str(),
            &file.stat,
            0,
            Some(file.hash),
            |_| {},
        );
    }
}

/// Writes the files that are gone and come before a path.
fn put_gone<'g>(
    out: &mut Vec<u8>,
    gone: &mut Peekable<impl Iterator<Item = &'g Gone<'g>>>,
    before: Option<&MediaPath>,
) {
    let is_before =
        |one: &&Gone<'_>| before.is_none_or(|path| one.entry.path < path.as_str().as_bytes());
    while let Some(Gone { entry, age, hash }) = gone.next_if(is_before) {
        let path = String::from_utf8_lossy(entry.path);
        put_entry(out, &path, &entry.stat, *age, *hash, |out| {
            out.extend(entry.body.audio_bytes());
        });
    }
}

/// A remembered audio file that is not there any more: if it turns up elsewhere, it is known again.
pub(super) struct Gone<'a> {
    pub(super) entry: Entry<'a>,
    /// One more whenever other files go; at [`OLDEST`] it is forgotten.
    pub(super) age: u8,
    pub(super) hash: Option<ContentHash>,
}

/// The greatest age of a file that is gone: what fits beside the flag.
pub(super) const OLDEST: u8 = 127;

/// One remembered file, not yet decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// UTF-8.
    pub(super) path: &'a [u8],
    pub(super) stat: FileStat,
    pub(super) body: Body<'a>,
}

/// What is remembered of a file beside its place and the file system's facts, not yet decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a>(&'a [u8]);

const HAS_HASH: u8 = 1;
/// The flag's bits above this one count how long the file has been gone; 0: it is there.
const AGE: u8 = 1;

impl<'a> Entry<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let length = reader.u32()? as usize;
        let mut inner = Reader(reader.take(length)?);
        let path = inner.bytes()?;
        let stat = FileStat {
            size: inner.u64()?,
            mtime: (inner.i64()?, inner.u32()?),
            ctime: (inner.i64()?, inner.u32()?),
            inode: inner.u64()?,
            device: inner.u64()?,
        };
        Some(Self {
            path,
            stat,
            body: Body(inner.0),
        })
    }
}

impl<'a> Body<'a> {
    /// SHA-256, where it is known.
    pub(super) fn hash(&self) -> Option<ContentHash> {
        let mut reader = Reader(self.0);
        let kind = reader.u8()?;
        (kind & HAS_HASH != 0).then(|| reader.hash())?
    }

    /// The facts of an audio file; `None` for a playlist file, or a torn entry.
    pub(super) fn facts(&self) -> Option<FileFacts> {
        let mut reader = Reader(self.0);
        let kind = reader.u8()?;
        if kind & HAS_HASH != 0 {
            reader.hash()?;
        }
        Some(FileFacts {
            // A playlist file's entry ends here.
            format: *AudioFormat::ALL.get(usize::from(reader.u8()?))?,
            duration_ms: reader.option(Reader::u64)?,
            left_ms: reader.option(Reader::u64)?,
            bitrate_kbps: reader.option(Reader::u32)?,
            sample_rate_hz: reader.option(Reader::u32)?,
            bit_depth: reader.option(Reader::u8)?,
            problem: reader.option(Reader::string)?,
            tags: Tags {
                title: reader.option(Reader::string)?,
                album: reader.option(Reader::string)?,
                genre: reader.option(Reader::string)?,
                isrc: reader.option(|reader| Isrc::parse(reader.text()?))?,
                tidal_id: reader.option(|reader| reader.text().map(TrackId::from))?,
                year: reader.option(Reader::u16)?,
                artists: {
                    let count = reader.u8()?;
                    (0..count).map(|_| reader.string()).collect::<Option<_>>()?
                },
            },
        })
    }

    /// How long it has been gone; 0: it is there.
    pub(super) fn age(&self) -> u8 {
        self.0.first().map_or(0, |kind| kind >> AGE)
    }

    /// Whether it is no playlist file.
    pub(super) fn is_audio(&self) -> bool {
        !self.audio_bytes().is_empty()
    }

    /// The bytes after the hash: an audio file's facts as they are stored.
    fn audio_bytes(&self) -> &'a [u8] {
        let skip = match self.0.first() {
            Some(kind) if kind & HAS_HASH != 0 => 33,
            _ => 1,
        };
        self.0.get(skip..).unwrap_or_default()
    }
}

/// Takes values off the front; `None` where the bytes end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn hash(&mut self) -> Option<ContentHash> {
        self.array().map(ContentHash::from_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn string(&mut self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// The outer `None` means torn, the inner one absent.
    fn option<T>(&mut self, value: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            _ => value(self).map(Some),
        }
    }
}

fn put_entry(
    out: &mut Vec<u8>,
    path: &str,
    stat: &FileStat,
    age: u8,
    hash: Option<ContentHash>,
    put_rest: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend([0; 4]);
    put_text(out, path);
    out.extend(stat.size.to_le_bytes());
    for (seconds, nanoseconds) in [stat.mtime, stat.ctime] {
        out.extend(seconds.to_le_bytes());
        out.extend(nanoseconds.to_le_bytes());
    }
    out.extend(stat.inode.to_le_bytes());
    out.extend(stat.device.to_le_bytes());
    out.push((u8::from(hash.is_some()) * HAS_HASH) | (age << AGE));
    if let Some(hash) = hash {
        out.extend(hash.as_bytes());
    }
    put_rest(out);
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn put_audio(out: &mut Vec<u8>, audio: &AudioFile) {
    let format = AudioFormat::ALL
        .iter()
        .position(|&format| format == audio.format);
    out.push(u8::try_from(format.unwrap_or_default()).unwrap_or_default());
    put_option(out, audio.duration_ms.map(u64::to_le_bytes));
    put_option(out, audio.left_ms.map(u64::to_le_bytes));
    put_option(out, audio.bitrate_kbps.map(u32::to_le_bytes));
    put_option(out, audio.sample_rate_hz.map(u32::to_le_bytes));
    put_option(out, audio.bit_depth.map(u8::to_le_bytes));
    let tags = &audio.tags;
    for text in [
        audio.problem.as_deref(),
        tags.title.as_deref(),
        tags.album.as_deref(),
        tags.genre.as_deref(),
        tags.isrc.as_ref().map(Isrc::as_str),
        tags.tidal_id.as_ref().map(TrackId::as_str),
    ] {
        out.push(u8::from(text.is_some()));
        if let Some(text) = text {
            put_text(out, text);
        }
    }
    put_option(out, tags.year.map(u16::to_le_bytes));
    let artists = tags.artists.iter().take(usize::from(u8::MAX));
    out.push(u8::try_from(artists.len()).unwrap_or(u8::MAX));
    for artist in artists {
        put_text(out, artist);
    }
}

fn put_option<const N: usize>(out: &mut Vec<u8>, value: Option<[u8; N]>) {
    out.push(u8::from(value.is_some()));
    out.extend(value.iter().flatten());
}

/// Texts are shorter than 64 KiB: tags are cut on reading, and no file system has longer paths.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = text
        .get(..text.len().min(usize::from(u16::MAX)))
        .unwrap_or_default();
    out.extend(u16::try_from(text.len()).unwrap_or_default().to_le_bytes());
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(size: u64) -> FileStat {
        FileStat {
            size,
            mtime: (-5, 7),
            ctime: (1_700_000_000, 999_999_999),
            inode: u64::MAX,
            device: 3,
        }
    }

    fn library() -> Library {
        let audio = |path: &str, tags: Tags| AudioFile {
            path: MediaPath::new(path),
            stat: stat(1),
            format: AudioFormat::Opus,
            tags,
            duration_ms: Some(1),
            bitrate_kbps: None,
            sample_rate_hz: Some(48_000),
            left_ms: Some(u64::MAX),
            bit_depth: None,
            hash: Some(ContentHash::of(path.as_bytes())),
            problem: Some("is odd".to_owned()),
        };
        let tags = Tags {
            title: Some("夜に".to_owned()),
            artists: vec!["A".to_owned(), "B".to_owned()],
            album: None,
            year: Some(1999),
            genre: Some("House".to_owned()),
            isrc: Isrc::parse("USABC1234567"),
            tidal_id: Some(TrackId::from("5")),
        };
        let sidecar = |path: &str| SidecarFile {
            path: MediaPath::new(path),
            stat: stat(2),
            hash: ContentHash::of(b"m3u8"),
        };
        Library {
            files: vec![audio("b", tags), audio("d", Tags::default())],
            sidecars: vec![sidecar("a"), sidecar("c"), sidecar("e")],
            ..Library::default()
        }
    }

    #[test]
    fn facts_survive_the_blob() {
        let library = library();
        let cache = FileCache::of(&library, &[], &|_| false);
        let again = FileCache::from_bytes(cache.to_bytes());
        let paths: Vec<&[u8]> = again.iter().map(|entry| entry.path).collect();
        assert_eq!(paths, [b"a", b"b", b"c", b"d", b"e"]);
        let tags: Vec<Tags> = again
            .iter()
            .filter_map(|entry| Some(entry.body.facts()?.tags))
            .collect();
        assert_eq!(tags[0], library.files[0].tags);
        assert_eq!(tags[1], library.files[1].tags);
        let [_, b, ..] = &again.iter().collect::<Vec<_>>()[..] else {
            panic!();
        };
        let (file, facts) = (&library.files[0], b.body.facts().unwrap());
        assert_eq!((b.stat, b.body.hash()), (file.stat, file.hash));
        assert_eq!(
            (facts.format, facts.problem),
            (file.format, file.problem.clone())
        );
        assert_eq!(facts.sample_rate_hz, file.sample_rate_hz);
        let sidecar = &library.sidecars[1];
        assert_eq!(again.hash(&sidecar.path, &sidecar.stat), Some(sidecar.hash));
        assert_eq!(again.hash(&sidecar.path, &stat(9)), None);
    }

    #[test]
    fn a_damaged_blob_is_an_empty_cache() {
        let bytes = FileCache::of(&library(), &[], &|_| false).to_bytes();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(FileCache::from_bytes(damaged).entries().is_empty());
            assert!(
                FileCache::from_bytes(bytes[..at].to_vec())
                    .entries()
                    .is_empty()
            );
        }
    }

    #[test]
    fn a_learnt_hash_is_kept() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("files.cache");
        let (file, hash) = (MediaPath::new("d"), ContentHash::of(b"new"));
        let mut cache = FileCache::of(&library(), &[], &|_| false);
        cache.remember(file.clone(), stat(1), hash);
        assert_eq!(cache.hash(&file, &stat(1)), Some(hash));
        cache.save(&path).unwrap();
        let mut loaded = FileCache::load(&path);
        assert_eq!(loaded.hash(&file, &stat(1)), Some(hash));
        fs::remove_file(&path).unwrap();
        loaded.save(&path).unwrap();
        assert!(!path.exists(), "nothing new is not written");
    }
}
