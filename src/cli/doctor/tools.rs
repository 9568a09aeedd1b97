//! The programs that are run: the download command and ffmpeg.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::process::Command;

use crate::{
    cli::view::doctor::{Area, Finding},
    domain::AudioFormat,
    policy::Policy,
};

/// A program that says no version in this time is not asked on.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at the programs of the policy.
pub(super) async fn look(policy: Option<&Policy>) -> Vec<Finding> {
    let Some(policy) = policy else {
        return Vec::new();
    };
    let (downloader, ffmpeg) = tokio::join!(downloader(policy), ffmpeg(policy));
    vec![downloader, ffmpeg]
}

async fn downloader(policy: &Policy) -> Finding {
    const CHECK: &str = "tools.downloader";
    let Some(program) = policy.download.command.as_deref().and_then(<[_]>::first) else {
        return Finding::note(Area::Tools, CHECK, "no download command: new tracks wait")
            .remedy("name yours in `[download] command`; examples/policies has two");
    };
    match said(program, "--version").await {
        Ok(version) if version.is_empty() => {
            Finding::fine(Area::Tools, CHECK, format!("{program} can be run"))
        }
        Ok(version) => Finding::fine(Area::Tools, CHECK, format!("{program}: {version}")),
        Err(reason) => Finding::wrong(Area::Tools, CHECK, format!("{program}: {reason}"))
            .remedy("install it, or correct `[download] command`"),
    }
}

async fn ffmpeg(policy: &Policy) -> Finding {
    const CHECK: &str = "tools.ffmpeg";
    let program = policy.download.ffmpeg.as_str();
    let wanted = policy.library.format;
    let version = match said(program, "-version").await {
        Ok(version) => version,
        Err(reason) => {
            let found = format!("{program}: {reason}");
            return match wanted {
                Some(format) => Finding::wrong(Area::Tools, CHECK, found).remedy(format!(
                    "install ffmpeg: the policy wants {} files, and what is delivered otherwise is converted with it",
                    format.extension()
                )),
                None => Finding::note(Area::Tools, CHECK, found)
                    .remedy("only needed where `[library] format` asks for a conversion"),
            };
        }
    };
    let Some(encoder) = wanted.map(encoder) else {
        return Finding::fine(Area::Tools, CHECK, version);
    };
    let encoders = output(program, "-encoders").await.unwrap_or_default();
    let has = encoders
        .lines()
        .any(|line| line.split_whitespace().nth(1) == Some(encoder));
    match has {
        true => Finding::fine(Area::Tools, CHECK, format!("{version}, with {encoder}")),
        false => Finding::wrong(
            Area::Tools,
            CHECK,
            format!("{version} has no encoder {encoder}, which the policy's format needs"),
        )
        .remedy("install a full build of ffmpeg"),
    }
}

/// What ffmpeg calls the encoder that a conversion to `format` takes.
const fn encoder(format: AudioFormat) -> &'static str {
    match format {
        AudioFormat::Mp3 => "libmp3lame",
        AudioFormat::M4a => "aac",
        AudioFormat::Alac => "alac",
        AudioFormat::Flac => "flac",
        AudioFormat::Wav => "pcm_s16le",
        AudioFormat::Aiff => "pcm_s16be",
        AudioFormat::Ogg => "libvorbis",
        AudioFormat::Opus => "libopus",
    }
}

/// The first line that a program says; empty when it says nothing or does not know the flag.
async fn said(program: &str, flag: &str) -> Result<String, String> {
    let output = output(program, flag).await?;
    let line = output.lines().find(|line| !line.trim().is_empty());
    Ok(line.unwrap_or_default().trim().chars().take(80).collect())
}

async fn output(program: &str, flag: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    command
        .arg(flag)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(Ok(_)) => Ok(String::new()),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            let place = match Path::new(program).components().count() {
                1 => "is not in PATH",
                _ => "is not there",
            };
            Err(place.to_owned())
        }
        Ok(Err(error)) => Err(format!("cannot be run: {error}")),
        Err(_) => Err(format!(
            "gave no answer to {flag} in {} s",
            PATIENCE.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_there_is_said() {
        let missing = said("no-such-program-of-ours", "--version").await;
        assert_eq!(missing.unwrap_err(), "is not in PATH");
        let missing = said("/no/such/program", "--version").await;
        assert_eq!(missing.unwrap_err(), "is not there");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_that_does_not_know_the_flag_is_there_all_the_same() {
        assert_eq!(said("false", "--version").await.as_deref(), Ok(""));
        let told = said("echo", "one version").await;
        assert_eq!(told.as_deref(), Ok("one version"));
    }
}
