//! Emoji in playlist names.
