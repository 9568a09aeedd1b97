//! Small genuine audio files, built in code, for the tests of this folder.
use std::{fs, path::Path, process::Command};

/// 16-bit mono silence with a low hum, 8 kHz.
pub(crate) fn wav(seconds: u32) -> Vec<u8> {
    let samples: Vec<u8> = (0..8_000 * seconds)
        .flat_map(|n| (i16::try_from(n % 80).unwrap() * 50).to_le_bytes())
        .collect();
    let mut format = Vec::new();
    format.extend(1_u16.to_le_bytes());
    format.extend(1_u16.to_le_bytes());
    format.extend(8_000_u32.to_le_bytes());
    format.extend(16_000_u32.to_le_bytes());
    format.extend(2_u16.to_le_bytes());
    format.extend(16_u16.to_le_bytes());
    riff(&[(b"fmt ", format), (b"data", samples)])
}

/// A RIFF WAVE file of these chunks.
pub(crate) fn riff(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = b"WAVE".to_vec();
    for (id, content) in chunks {
        body.extend(*id);
        body.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        body.extend(content);
        if content.len() % 2 == 1 {
            body.push(0);
        }
    }
    let mut file = b"RIFF".to_vec();
    file.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    file.extend(body);
    file
}

/// 8-bit big-endian silence as AIFF, with further chunks.
pub(crate) fn aiff(more: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut common = Vec::new();
    common.extend(1_u16.to_be_bytes());
    common.extend(8_000_u32.to_be_bytes());
    common.extend(16_u16.to_be_bytes());
    // 8000 as an 80-bit float.
    common.extend([0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0]);
    let mut sound = vec![0; 8];
    sound.extend(vec![0; 16_000]);
    let mut body = b"AIFF".to_vec();
    let own: [(&[u8; 4], Vec<u8>); 2] = [(b"COMM", common), (b"SSND", sound)];
    for (id, content) in own.iter().chain(more) {
        body.extend(*id);
        body.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        body.extend(content);
        if content.len() % 2 == 1 {
            body.push(0);
        }
    }
    let mut file = b"FORM".to_vec();
    file.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    file.extend(body);
    file
}

/// Silent MPEG-1 layer III frames, 128 kbit/s, 44.1 kHz: 38 make a second.
pub(crate) fn mp3_frames(count: usize) -> Vec<u8> {
    let mut frame = vec![0xff, 0xfb, 0x90, 0x64];
    frame.resize(417, 0);
    frame.repeat(count)
}

/// An `ID3v2` frame.
pub(crate) fn id3_frame(major: u8, id: &[u8; 4], flags: u16, content: &[u8]) -> Vec<u8> {
    let mut frame = id.to_vec();
    let size = u32::try_from(content.len()).unwrap();
    frame.extend(if major == 4 {
        synchsafe(size)
    } else {
        size.to_be_bytes()
    });
    frame.extend(flags.to_be_bytes());
    frame.extend(content);
    frame
}

/// A text frame in UTF-8 (v2.4) or Latin-1 (v2.3).
pub(crate) fn id3_text(major: u8, id: &[u8; 4], text: &str) -> Vec<u8> {
    let mut content = vec![if major == 4 { 3 } else { 0 }];
    content.extend(text.as_bytes());
    id3_frame(major, id, 0, &content)
}

/// An `ID3v2` tag of these frames.
pub(crate) fn id3(major: u8, frames: &[u8]) -> Vec<u8> {
    let mut tag = vec![b'I', b'D', b'3', major, 0, 0];
    tag.extend(synchsafe(u32::try_from(frames.len()).unwrap()));
    tag.extend(frames);
    tag
}

fn synchsafe(size: u32) -> [u8; 4] {
    let part = |shift: u32| u8::try_from((size >> shift) & 0x7f).unwrap();
    [part(21), part(14), part(7), part(0)]
}

/// An MP3 of `seconds` with a tag of these frames before it.
pub(crate) fn mp3(major: u8, frames: &[u8], seconds: usize) -> Vec<u8> {
    [id3(major, frames), mp3_frames(38 * seconds)].concat()
}

/// A FLAC header that tells of ten seconds, with these comments and no audio.
pub(crate) fn flac(comments: &[(&str, &str)]) -> Vec<u8> {
    let mut info = vec![0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0];
    // 44,100 Hz, 2 channels, 16 bits, 441,000 samples.
    let packed = (44_100_u64 << 44) | (1 << 41) | (15 << 36) | 441_000;
    info.extend(packed.to_be_bytes());
    info.extend([0; 16]);
    let mut vorbis = 4_u32.to_le_bytes().to_vec();
    vorbis.extend(b"test");
    vorbis.extend(u32::try_from(comments.len()).unwrap().to_le_bytes());
    for (key, value) in comments {
        let text = format!("{key}={value}");
        vorbis.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        vorbis.extend(text.as_bytes());
    }
    let mut file = b"fLaC".to_vec();
    for (kind, block) in [(0, info), (0x84, vorbis)] {
        file.push(kind);
        file.extend(&u32::try_from(block.len()).unwrap().to_be_bytes()[1..]);
        file.extend(block);
    }
    file.extend([0xff, 0xf8, 0xc9, 0x18]);
    file.extend(vec![0; 4_000]);
    file
}

/// An MP4 atom.
pub(crate) fn atom(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut atom = u32::try_from(content.len() + 8)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    atom.extend(id);
    atom.extend(content);
    atom
}

/// An `ilst` text item.
pub(crate) fn ilst_text(id: &[u8; 4], text: &str) -> Vec<u8> {
    let data = [&[0, 0, 0, 1, 0, 0, 0, 0], text.as_bytes()].concat();
    atom(id, &atom(b"data", &data))
}

/// An `ilst` freeform item.
pub(crate) fn ilst_freeform(mean: &str, name: &str, text: &str) -> Vec<u8> {
    let flagged = |text: &str| [&[0; 4], text.as_bytes()].concat();
    let data = [&[0, 0, 0, 1, 0, 0, 0, 0], text.as_bytes()].concat();
    let parts = [
        atom(b"mean", &flagged(mean)),
        atom(b"name", &flagged(name)),
        atom(b"data", &data),
    ];
    atom(b"----", &parts.concat())
}

/// An AAC-in-MP4 skeleton of ten seconds, with these `ilst` items and no decodable audio.
pub(crate) fn m4a(items: &[u8]) -> Vec<u8> {
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_be_bytes()).collect() };
    let media_header = atom(b"mdhd", &words(&[0, 0, 0, 44_100, 441_000, 0]));
    let handler = atom(
        b"hdlr",
        &[words(&[0, 0]), b"soun".to_vec(), vec![0; 13]].concat(),
    );
    let entry = [
        vec![0; 6],
        vec![0, 1],
        vec![0; 8],
        vec![0, 2, 0, 16],
        vec![0; 4],
        words(&[44_100 << 16]),
    ];
    let stsd = atom(
        b"stsd",
        &[words(&[0, 1]), atom(b"mp4a", &entry.concat())].concat(),
    );
    let table = atom(
        b"stbl",
        &[stsd, atom(b"stts", &words(&[0, 1, 431, 1024]))].concat(),
    );
    let media = atom(
        b"mdia",
        &[media_header, handler, atom(b"minf", &table)].concat(),
    );
    let meta_handler = atom(
        b"hdlr",
        &[words(&[0, 0]), b"mdirappl".to_vec(), vec![0; 9]].concat(),
    );
    let meta = atom(
        b"meta",
        &[vec![0; 4], meta_handler, atom(b"ilst", items)].concat(),
    );
    let movie = [
        atom(
            b"mvhd",
            &[words(&[0, 0, 0, 1_000, 10_000]), vec![0; 80]].concat(),
        ),
        atom(b"trak", &media),
        atom(b"udta", &meta),
    ];
    [
        atom(b"ftyp", b"M4A \0\0\0\0M4A isom"),
        atom(b"moov", &movie.concat()),
        atom(b"mdat", &[0; 2_000]),
    ]
    .concat()
}

/// Lets ffmpeg make a second of `path`, with its codec chosen by `arguments`; `false` where there is no
/// ffmpeg.
pub(crate) fn ffmpeg(path: &Path, arguments: &[&str]) -> bool {
    let run = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i"])
        .arg("sine=frequency=440:duration=1:sample_rate=44100")
        .args(arguments)
        .arg("-y")
        .arg(path)
        .status();
    run.is_ok_and(|status| status.success())
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
