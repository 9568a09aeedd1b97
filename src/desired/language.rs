//! The emoji language: from a playlist's name to MyTags, folder and display name.
