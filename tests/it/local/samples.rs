//! Small files of every format, built header by header. Also used by `benches/local.rs`.
#![allow(dead_code, reason = "the bench needs some of them, the tests others")]

/// A file of each format with a title, and how long it says it sounds in milliseconds.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>, u64)> {
    vec![
        ("a.mp3", mp3(&text_frame(b"TIT2", "Title"), 76), 1_985),
        (
            "x.mp3",
            counted_mp3(&text_frame(b"TIT2", "Title"), 383, 10),
            10_005,
        ),
        ("a.m4a", m4a(&item(b"\xa9nam", "Title"), false), 10_000),
        ("b.m4a", m4a(&item(b"\xa9nam", "Title"), true), 10_000),
        ("a.flac", flac("Title"), 10_000),
        ("a.wav", wav(1), 1_000),
        ("a.aiff", aiff(), 1_000),
        ("a.ogg", ogg(b"\x01vorbis", "Title"), 5_000),
        ("a.opus", ogg(b"OpusHead", "Title"), 5_000),
    ]
}

/// Silent MPEG-1 layer III frames, 128 kbit/s, 44.1 kHz.
pub(crate) fn mp3_frames(count: usize) -> Vec<u8> {
    let mut frame = vec![0xff, 0xfb, 0x90, 0x64];
    frame.resize(417, 0);
    frame.repeat(count)
}

pub(crate) fn text_frame(id: &[u8; 4], text: &str) -> Vec<u8> {
    frame(id, 0, &[b"\x03", text.as_bytes()].concat())
}

/// An `ID3v2.4` frame.
pub(crate) fn frame(id: &[u8; 4], flags: u16, content: &[u8]) -> Vec<u8> {
    let size = synchsafe(content.len());
    [&id[..], &size, &flags.to_be_bytes(), content].concat()
}

pub(crate) fn id3(frames: &[u8]) -> Vec<u8> {
    [b"ID3\x04\0\0", &synchsafe(frames.len())[..], frames].concat()
}

pub(crate) fn synchsafe(size: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7f)
}

pub(crate) fn mp3(frames: &[u8], count: usize) -> Vec<u8> {
    [id3(frames), mp3_frames(count)].concat()
}

/// An MP3 whose first frame counts `frames`, of which only `there` are there; the bytes are not counted.
pub(crate) fn counted_mp3(tag: &[u8], frames: u32, there: usize) -> Vec<u8> {
    let mut audio = mp3_frames(there);
    audio[36..40].copy_from_slice(b"Xing");
    audio[40..44].copy_from_slice(&1_u32.to_be_bytes());
    audio[44..48].copy_from_slice(&frames.to_be_bytes());
    [id3(tag), audio].concat()
}

pub(crate) fn chunk(id: &[u8], size: u32, content: &[u8], little: bool) -> Vec<u8> {
    let size = if little {
        size.to_le_bytes()
    } else {
        size.to_be_bytes()
    };
    let mut chunk = [id, &size, content].concat();
    if content.len() % 2 == 1 {
        chunk.push(0);
    }
    chunk
}

/// 16-bit mono at 8 kHz.
pub(crate) fn wav(seconds: u32) -> Vec<u8> {
    let format = [
        &[1, 0, 1, 0][..],
        &8_000_u32.to_le_bytes(),
        &16_000_u32.to_le_bytes(),
        &[2, 0, 16, 0],
    ];
    let sound = vec![0; 16_000 * seconds as usize];
    riff(&[
        chunk(b"fmt ", 16, &format.concat(), true),
        chunk(b"data", 16_000 * seconds, &sound, true),
    ])
}

pub(crate) fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WAVE".to_vec(), chunks.concat()].concat();
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

pub(crate) fn form(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"AIFF".to_vec(), chunks.concat()].concat();
    [b"FORM", &(body.len() as u32).to_be_bytes()[..], &body].concat()
}

pub(crate) fn aiff() -> Vec<u8> {
    let rate = [0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0];
    let common = [&[0, 1][..], &8_000_u32.to_be_bytes(), &[0, 16], &rate];
    form(&[
        chunk(b"COMM", 18, &common.concat(), false),
        chunk(b"SSND", 16_008, &[0; 16_008], false),
    ])
}

/// A FLAC header that tells of ten seconds, and no frame.
pub(crate) fn flac(title: &str) -> Vec<u8> {
    let packed = (44_100_u64 << 44) | (1 << 41) | (15 << 36) | 441_000;
    let info = [
        &[0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0][..],
        &packed.to_be_bytes(),
        &[0; 16],
    ]
    .concat();
    let blocks = [block(0, &info), block(0x84, &comments(title))].concat();
    [b"fLaC".to_vec(), blocks, vec![0; 3_000]].concat()
}

pub(crate) fn block(kind: u8, content: &[u8]) -> Vec<u8> {
    let size = (content.len() as u32).to_be_bytes();
    [&[kind], &size[1..], content].concat()
}

pub(crate) fn comments(title: &str) -> Vec<u8> {
    let text = format!("TITLE={title}");
    let sizes = [4_u32, 1, text.len() as u32].map(u32::to_le_bytes);
    [
        &sizes[0][..],
        b"test",
        &sizes[1],
        &sizes[2],
        text.as_bytes(),
    ]
    .concat()
}

pub(crate) fn atom(id: &[u8], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], id, content].concat()
}

pub(crate) fn item(id: &[u8; 4], text: &str) -> Vec<u8> {
    atom(
        id,
        &atom(
            b"data",
            &[&[0, 0, 0, 1, 0, 0, 0, 0], text.as_bytes()].concat(),
        ),
    )
}

/// Ten seconds of AAC in MP4, with no decodable audio; the movie before or after the media.
pub(crate) fn m4a(items: &[u8], movie_last: bool) -> Vec<u8> {
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_be_bytes()).collect() };
    let entry = [
        vec![0; 16],
        vec![0, 2, 0, 16, 0, 0, 0, 0],
        words(&[44_100 << 16]),
    ]
    .concat();
    let stsd = atom(b"stsd", &[words(&[0, 1]), atom(b"mp4a", &entry)].concat());
    let media = [
        atom(b"mdhd", &words(&[0, 0, 0, 44_100, 441_000, 0])),
        atom(
            b"hdlr",
            &[words(&[0, 0]), b"soun".to_vec(), vec![0; 13]].concat(),
        ),
        atom(b"minf", &atom(b"stbl", &stsd)),
    ];
    let handler = atom(
        b"hdlr",
        &[words(&[0, 0]), b"mdirappl".to_vec(), vec![0; 9]].concat(),
    );
    let meta = [vec![0; 4], handler, atom(b"ilst", items)].concat();
    let movie = [
        atom(
            b"mvhd",
            &[words(&[0, 0, 0, 1_000, 10_000]), vec![0; 80]].concat(),
        ),
        atom(b"trak", &atom(b"mdia", &media.concat())),
        atom(b"udta", &atom(b"meta", &meta)),
    ];
    let mut parts = [
        atom(b"ftyp", b"M4A \0\0\0\0M4A isom"),
        atom(b"moov", &movie.concat()),
        atom(b"mdat", &[0; 2_000]),
    ];
    if movie_last {
        parts.swap(1, 2);
    }
    parts.concat()
}

/// A page of one packet; `flags`: 2 first, 4 last.
pub(crate) fn page(flags: u8, position: u64, number: u32, packet: &[u8]) -> Vec<u8> {
    let mut lengths = vec![255; packet.len() / 255];
    lengths.push((packet.len() % 255) as u8);
    let parts = [
        b"OggS\0".to_vec(),
        vec![flags],
        position.to_le_bytes().to_vec(),
        7_u32.to_le_bytes().to_vec(),
        number.to_le_bytes().to_vec(),
        vec![0; 4],
        vec![lengths.len() as u8],
        lengths,
        packet.to_vec(),
    ];
    parts.concat()
}

/// Five seconds of Vorbis or Opus: headers, comments, and one page that no decoder would like.
pub(crate) fn ogg(mark: &[u8], title: &str) -> Vec<u8> {
    let (head, tag, position) = if mark == b"OpusHead" {
        let head = [mark, &[1, 2, 0, 0], &48_000_u32.to_le_bytes(), &[0; 3]].concat();
        (head, b"OpusTags".to_vec(), 240_000)
    } else {
        let rates = [0, 192_000, 0].map(u32::to_le_bytes).concat();
        let head = [
            mark,
            &[0; 4],
            &[2],
            &44_100_u32.to_le_bytes(),
            &rates,
            &[0xb8, 1],
        ]
        .concat();
        (head, b"\x03vorbis".to_vec(), 220_500)
    };
    [
        page(2, 0, 0, &head),
        page(0, 0, 1, &[tag, comments(title)].concat()),
        page(4, position, 2, &[0; 3_000]),
    ]
    .concat()
}

/// Files of some megabytes, with what matters at either end, or behind a picture.
pub(crate) fn large() -> Vec<(&'static str, Vec<u8>)> {
    let tag = text_frame(b"TIT2", "Title");
    let cover = frame(b"APIC", 0, &vec![7; 500_000]);
    let start = atom(b"ftyp", b"M4A \0\0\0\0");
    let (media, movie) = (
        atom(b"mdat", &vec![0; 8 << 20]),
        m4a(&item(b"\xa9nam", "Title"), false),
    );
    let pages = |size: usize| -> Vec<u8> {
        (2..200)
            .flat_map(|n| page(0, 40_000, n, &vec![1; size]))
            .collect()
    };
    let ogg = |mark: &[u8], size: usize, end: usize| {
        let head = ogg(mark, "Title");
        [head, pages(size), page(4, 9_000_000, 200, &vec![0; end])].concat()
    };
    let rate = [0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0];
    let common = [&[0, 1][..], &4_000_000_u32.to_be_bytes(), &[0, 16], &rate];
    let aiff = form(&[
        chunk(b"COMM", 18, &common.concat(), false),
        chunk(b"SSND", 8_000_008, &vec![0; 8_000_008], false),
    ]);
    vec![
        (
            "plain.mp3",
            mp3(&[tag.clone(), cover.clone()].concat(), 20_000),
        ),
        (
            "xing.mp3",
            counted_mp3(&[cover, tag].concat(), 20_000, 20_000),
        ),
        ("late.m4a", [start, media.clone(), movie.clone()].concat()),
        ("early.m4a", [movie, media].concat()),
        ("long.flac", [flac("Title"), vec![0; 8 << 20]].concat()),
        ("long.wav", wav(500)),
        ("long.aiff", aiff),
        ("short pages.ogg", ogg(b"\x01vorbis", 4_100, 4_000)),
        ("long pages.ogg", ogg(b"\x01vorbis", 42_000, 42_000)),
        ("long.opus", ogg(b"OpusHead", 20_000, 12_000)),
    ]
}
