//! Which file *is* this track: link, TIDAL id, ISRC, likeness.
