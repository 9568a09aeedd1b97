//! Audio made by code.

use std::f64::consts::TAU;

const RATE: u32 = 8_000;

/// A WAV file of that length: 16 bits, mono, 8 kHz; its pitch, and so its bytes, told by `seed`.
pub(crate) fn tone(seed: &str, milliseconds: u32) -> Vec<u8> {
    let samples = milliseconds * RATE / 1_000;
    let pitch = 200
        + seed
            .bytes()
            .fold(0, |sum, byte| (sum * 31 + u32::from(byte)) % 1_800);
    let bytes = samples * 2;
    let mut file = Vec::with_capacity(bytes as usize + 44);
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend([1, 0, 1, 0]);
    file.extend(RATE.to_le_bytes());
    file.extend((RATE * 2).to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    for at in 0..samples {
        let phase = f64::from(at) * f64::from(pitch) / f64::from(RATE) * TAU;
        #[expect(clippy::cast_possible_truncation, reason = "a sample of 16 bits")]
        let sample = (phase.sin() * 8_000.0) as i16;
        file.extend(sample.to_le_bytes());
    }
    file
}
