//! The face: commands, views, prompts, errors, exit codes.
