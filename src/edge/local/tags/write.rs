//! The few tags that we write, into files that we fetched.

use std::{
    borrow::Cow,
    fs::OpenOptions,
    io::Seek as _,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use lofty::{
    TextEncoding,
    config::{GlobalOptions, ParseOptions, WriteOptions, apply_global_options},
    error::FileEncodingError,
    file::AudioFile as _,
    flac::FlacFile,
    id3::v2::{Frame, FrameId, Id3v2Tag, Id3v2Version, TextInformationFrame},
    iff::{aiff::AiffFile, wav::WavFile},
    mp4::{Atom, AtomData, AtomIdent, Ilst, Mp4File},
    mpeg::MpegFile,
    ogg::{OggPictureStorage as _, OpusFile, VorbisFile, tag::VorbisComments},
    tag::{Accessor, TagExt as _, items::Timestamp},
};

use super::{carried::Carried, chunks, chunks::Iff, id3, view::Budget, view::View};
use crate::{
    domain::{AudioFormat, Track, TrackId},
    edge::local::volume,
};

/// The name of our own tag: `TXXX:TIDAL_TRACK_ID`, `----:com.tidal-cleanup:TIDAL_TRACK_ID`, or a Vorbis
/// comment of that name.
pub(super) const KEY: &str = "TIDAL_TRACK_ID";
const MEAN: &str = "com.tidal-cleanup";

/// Why a file could not be tagged.
#[derive(Debug, thiserror::Error)]
#[error("could not write tags to {path}: {reason}")]
pub struct TagError {
    /// The file.
    pub path: PathBuf,
    /// What happened.
    pub reason: String,
}

/// Writes the track's TIDAL id into a file of ours, and its title, artist, album, ISRC and date where
/// the file has none. All other tags stay. The file is rewritten in place: for fresh downloads, before
/// they are placed.
///
/// # Errors
/// When the file cannot be read or written, or its tag is one that must not be let near a tag writer.
pub fn stamp(path: &Path, format: AudioFormat, track: &Track) -> Result<(), TagError> {
    write(path, format, &Wish::of(track), None)
}

/// As [`stamp`], for the copy of a file of another release of the same recording: title, artist, album
/// and date are the track's also where the file has some.
///
/// # Errors
/// As [`stamp`].
pub fn stamp_anew(path: &Path, format: AudioFormat, track: &Track) -> Result<(), TagError> {
    let wish = Wish {
        anew: true,
        ..Wish::of(track)
    };
    write(path, format, &wish, None)
}

/// As [`stamp`], for a file that was made from `source`: everything that stands in the tags of that one
/// comes first, its pictures and its free fields too. What speaks of the old encoding does not.
///
/// # Errors
/// As [`stamp`], for either of the files.
pub fn carry(
    source: &Path,
    path: &Path,
    format: AudioFormat,
    track: &Track,
) -> Result<(), TagError> {
    let from = super::read_file(source).format;
    let error = |reason: String| TagError {
        path: source.to_owned(),
        reason,
    };
    refuse_hostile(source, from).map_err(error)?;
    let carried = Carried::read(source, from).map_err(|problem| error(chain(&problem)))?;
    write(path, format, &Wish::of(track), Some(carried))
}

/// Writes a TIDAL track id into a file of ours. All other tags stay.
///
/// # Errors
/// As [`stamp`].
pub fn write_tidal_id(path: &Path, format: AudioFormat, id: &TrackId) -> Result<(), TagError> {
    let wish = Wish {
        id: id.as_str(),
        ..Wish::default()
    };
    write(path, format, &wish, None)
}

/// The id that must stand in the file, and what to fill in where nothing stands.
#[derive(Default)]
struct Wish<'a> {
    id: &'a str,
    title: Option<String>,
    artist: Option<String>,
    album: Option<String>,
    isrc: Option<String>,
    date: Option<String>,
    /// What stands there gives way.
    anew: bool,
}

impl<'a> Wish<'a> {
    fn of(track: &'a Track) -> Self {
        Self {
            id: track.id.as_str(),
            title: Some(track.full_title()),
            artist: Some(track.artist()),
            album: track.album.clone(),
            isrc: track.isrc.as_ref().map(|isrc| isrc.as_str().to_owned()),
            date: track.release_date.clone(),
            anew: false,
        }
    }

    fn date(&self) -> Option<Timestamp> {
        Timestamp::from_str(self.date.as_deref()?).ok()
    }
}

fn write(
    path: &Path,
    format: AudioFormat,
    wish: &Wish<'_>,
    carried: Option<Carried>,
) -> Result<(), TagError> {
    let error = |reason: String| TagError {
        path: path.to_owned(),
        reason,
    };
    let before = super::read_file(path);
    if before.duration_ms.is_none()
        && let Some(problem) = before.problem
    {
        return Err(error(format!("it {problem}")));
    }
    if before.format.extension() != format.extension() {
        return Err(error(format!(
            "it holds {:?}, not {format:?}",
            before.format
        )));
    }
    refuse_hostile(path, format).map_err(error)?;
    write_as(path, format, wish, carried).map_err(|problem| error(chain(&problem)))?;
    let written = super::read_file(path).tags.tidal_id;
    if written.as_ref().map(TrackId::as_str) == Some(wish.id) {
        Ok(())
    } else {
        Err(error("the TIDAL id could not be read back".to_owned()))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// lofty must read the whole `ID3v2` tag to write it, and trusts it; so ours looks first.
fn refuse_hostile(path: &Path, format: AudioFormat) -> Result<(), String> {
    let file = volume::open_regular(path).map_err(|error| error.to_string())?;
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    let mut view = View::new(&file, size, Budget::FILE);
    let hostile = match format {
        AudioFormat::Wav => chunks::read(&mut view, Iff::Wav).map(|walked| walked.hostile),
        AudioFormat::Aiff => chunks::read(&mut view, Iff::Aiff).map(|walked| walked.hostile),
        AudioFormat::Mp3
        | AudioFormat::M4a
        | AudioFormat::Alac
        | AudioFormat::Flac
        | AudioFormat::Ogg
        | AudioFormat::Opus => {
            id3::read(&mut view, 0).map(|walked| walked.is_some_and(|walked| walked.hostile))
        }
    };
    match hostile {
        Ok(false) => Ok(()),
        Ok(true) => Err("its ID3v2 tag has packed, nested or too many frames".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What the target had of itself is the encoder's, and gives way to what is carried over.
fn write_as(
    path: &Path,
    format: AudioFormat,
    wish: &Wish<'_>,
    carried: Option<Carried>,
) -> Result<(), FileEncodingError> {
    limit_memory();
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let parse = ParseOptions::new();
    let write = WriteOptions::default();
    match format {
        AudioFormat::Mp3 => {
            let read = MpegFile::read_from(&mut file, parse)?;
            save_id3(read.id3v2().cloned(), &mut file, wish, carried)?;
        }
        AudioFormat::Wav => {
            let read = WavFile::read_from(&mut file, parse)?;
            save_id3(read.id3v2().cloned(), &mut file, wish, carried)?;
        }
        AudioFormat::Aiff => {
            let read = AiffFile::read_from(&mut file, parse)?;
            save_id3(read.id3v2().cloned(), &mut file, wish, carried)?;
        }
        AudioFormat::M4a | AudioFormat::Alac => {
            let mut read = Mp4File::read_from(&mut file, parse)?;
            let known = read.remove_ilst().unwrap_or_default();
            let mut ilst = carried.map_or(known, Carried::into_atoms);
            fill_atoms(&mut ilst, wish);
            file.rewind()?;
            ilst.save_to(&mut file, write)?;
        }
        AudioFormat::Flac => {
            // Only the file as a whole knows its pictures; the tag alone would drop them.
            let mut read = FlacFile::read_from(&mut file, parse)?;
            read.remove_id3v2();
            let mut comments = read.remove_vorbis_comments().unwrap_or_default();
            if let Some(carried) = carried {
                comments = carried.into_comments();
                for (picture, information) in comments.remove_pictures() {
                    // What no picture can be made of has been none.
                    drop(read.insert_picture(picture, Some(information)));
                }
            }
            fill_comments(&mut comments, wish);
            read.set_vorbis_comments(comments);
            file.rewind()?;
            read.save_to(&mut file, write)?;
        }
        AudioFormat::Ogg => {
            let mut read = VorbisFile::read_from(&mut file, parse)?;
            let comments = read.vorbis_comments_mut();
            if let Some(carried) = carried {
                *comments = carried.into_comments();
            }
            fill_comments(comments, wish);
            file.rewind()?;
            read.vorbis_comments().save_to(&mut file, write)?;
        }
        AudioFormat::Opus => {
            let mut read = OpusFile::read_from(&mut file, parse)?;
            let comments = read.vorbis_comments_mut();
            if let Some(carried) = carried {
                *comments = carried.into_comments();
            }
            fill_comments(comments, wish);
            file.rewind()?;
            read.vorbis_comments().save_to(&mut file, write)?;
        }
    }
    Ok(file.sync_all()?)
}

/// A tag asks for no more memory than this, whatever it says of its length.
pub(super) fn limit_memory() {
    apply_global_options(GlobalOptions::new().allocation_limit(64 << 20));
}

fn save_id3(
    tag: Option<Id3v2Tag>,
    file: &mut std::fs::File,
    wish: &Wish<'_>,
    carried: Option<Carried>,
) -> Result<(), FileEncodingError> {
    // Older players and decks read v2.3 better; a file that has it keeps it, and one that we make gets it.
    let is_v3 = |tag: &Id3v2Tag| tag.original_version() == Id3v2Version::V3;
    let v3 = carried.is_some() || tag.as_ref().is_some_and(is_v3);
    let mut tag = match carried {
        Some(carried) => carried.into_id3(),
        None => tag.unwrap_or_default(),
    };
    fill_id3(&mut tag, wish);
    file.rewind()?;
    tag.save_to(file, WriteOptions::default().use_id3v23(v3))
}

const ISRC: FrameId<'static> = FrameId::Valid(Cow::Borrowed("TSRC"));

fn fill_id3(tag: &mut Id3v2Tag, wish: &Wish<'_>) {
    tag.insert_user_text(KEY.to_owned(), wish.id.to_owned());
    fill(tag, wish);
    if let Some(isrc) = &wish.isrc
        && tag.get(&ISRC).is_none()
        && tag.get_user_text("ISRC").is_none()
    {
        let frame = TextInformationFrame::new(ISRC, TextEncoding::UTF8, isrc.clone());
        tag.insert(Frame::Text(frame));
    }
}

fn fill_atoms(ilst: &mut Ilst, wish: &Wish<'_>) {
    let freeform = |mean: &'static str, name: &'static str| AtomIdent::Freeform {
        mean: Cow::Borrowed(mean),
        name: Cow::Borrowed(name),
    };
    ilst.replace_atom(Atom::new(
        freeform(MEAN, KEY),
        AtomData::UTF8(wish.id.to_owned()),
    ));
    fill(ilst, wish);
    let places = [
        AtomIdent::Fourcc(*b"isrc"),
        freeform("com.apple.iTunes", "ISRC"),
    ];
    if let Some(isrc) = &wish.isrc
        && places.iter().all(|place| ilst.get(place).is_none())
    {
        let [_, place] = places;
        ilst.insert(Atom::new(place, AtomData::UTF8(isrc.clone())));
    }
}

fn fill_comments(comments: &mut VorbisComments, wish: &Wish<'_>) {
    comments.insert(KEY.to_owned(), wish.id.to_owned());
    fill(comments, wish);
    if let Some(isrc) = wish
        .isrc
        .as_ref()
        .filter(|_| comments.get("ISRC").is_none())
    {
        comments.insert("ISRC".to_owned(), isrc.clone());
    }
}

/// Title, artist, album and date, where there are none.
fn fill(tag: &mut impl Accessor, wish: &Wish<'_>) {
    let lacks =
        |value: Option<Cow<'_, str>>| wish.anew || value.is_none_or(|text| text.trim().is_empty());
    let given = |value: &Option<String>| value.clone().filter(|text| !text.trim().is_empty());
    if lacks(tag.title())
        && let Some(title) = given(&wish.title)
    {
        tag.set_title(title);
    }
    if lacks(tag.artist())
        && let Some(artist) = given(&wish.artist)
    {
        tag.set_artist(artist);
    }
    if lacks(tag.album())
        && let Some(album) = given(&wish.album)
    {
        tag.set_album(album);
    }
    if (wish.anew || tag.date().is_none())
        && let Some(date) = wish.date()
    {
        tag.set_date(date);
    }
}
