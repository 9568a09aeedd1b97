//! A few seconds of genuine sound: what the demonstration has for music.

/// Samples a second.
const RATE: u32 = 22_050;

/// A 16-bit mono WAV file of `seconds` (whole): a pulse in four-four time over a tone of `hertz`.
#[must_use]
pub(super) fn wav(hertz: u32, seconds: u32) -> Vec<u8> {
    let samples = RATE * seconds;
    let bytes = samples * 2;
    let mut file = Vec::with_capacity(44 + bytes as usize);
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    file.extend([1, 0, 1, 0]);
    file.extend(RATE.to_le_bytes());
    file.extend((RATE * 2).to_le_bytes());
    // Two bytes a frame, sixteen bits a sample.
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    for at in 0..samples {
        file.extend(sample(at, hertz).to_le_bytes());
    }
    file
}

/// Beats a minute.
const TEMPO: u32 = 120;

#[expect(
    clippy::cast_possible_truncation,
    reason = "the sum of both voices stays below 0.9 of the range of a sample"
)]
fn sample(at: u32, hertz: u32) -> i16 {
    let turn = std::f64::consts::TAU;
    let time = f64::from(at) / f64::from(RATE);
    let since_beat = f64::from(at % (RATE * 60 / TEMPO)) / f64::from(RATE);
    let kick = (turn * 55.0 * since_beat).sin() * (-14.0 * since_beat).exp();
    let tone = (turn * f64::from(hertz) * time).sin() * (-3.0 * since_beat).exp();
    ((kick * 0.6 + tone * 0.25) * f64::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_what_follows() {
        let file = wav(440, 2);
        assert_eq!(file.len(), 44 + 2 * 2 * RATE as usize);
        assert_eq!(&file[..4], b"RIFF");
        assert_eq!(
            u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize,
            file.len() - 8
        );
        assert_eq!(
            u32::from_le_bytes(file[40..44].try_into().unwrap()) as usize,
            file.len() - 44
        );
        assert!(file[44..].iter().any(|byte| *byte != 0));
        assert_ne!(wav(440, 1), wav(441, 1));
    }
}
