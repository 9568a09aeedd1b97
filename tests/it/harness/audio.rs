//! Audio made by code.

/// A WAV file of that length: 16 bits, mono, 8 kHz, its pitch and so its bytes told by `seed`.
pub fn tone(seed: &str, seconds: f32) -> Vec<u8> {
    let rate = 8_000_u32;
    let count = (seconds * rate as f32) as u32;
    let pitch = 200 + seed.bytes().map(u32::from).sum::<u32>() % 400;
    let mut data = Vec::with_capacity(count as usize * 2 + 44);
    let bytes = count * 2;
    data.extend(b"RIFF");
    data.extend((36 + bytes).to_le_bytes());
    data.extend(b"WAVEfmt ");
    data.extend(16_u32.to_le_bytes());
    data.extend([1, 0, 1, 0]);
    data.extend(rate.to_le_bytes());
    data.extend((rate * 2).to_le_bytes());
    data.extend([2, 0, 16, 0]);
    data.extend(b"data");
    data.extend(bytes.to_le_bytes());
    for at in 0..count {
        let phase = at as f32 * pitch as f32 / rate as f32 * std::f32::consts::TAU;
        data.extend(((phase.sin() * 8_000.0) as i16).to_le_bytes());
    }
    data
}
