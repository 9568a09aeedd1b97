//! `login`, `logout` and `whoami`.

use std::io::BufReader;

use crate::{
    cli::{
        args::LoginArgs,
        engine::load_policy,
        error::{CliError, Exit},
        readings::tidal_settings,
        settings::Settings,
        ui::Ui,
        view::Envelope,
    },
    edge::tidal::{TidalSettings, login},
};

/// The account's settings: from the policy where there is one, for it may name the account and the
/// state database.
fn account(settings: &Settings, ui: &Ui) -> Result<TidalSettings, CliError> {
    let policy = match settings.policy_path() {
        Ok(_) => Some(load_policy(settings, ui)?),
        Err(_) => None,
    };
    tidal_settings(settings, &settings.place(policy.as_ref())?)
}

/// `login`
///
/// # Errors
/// When it is refused, tampered with, too late, or without the permissions that were asked for.
pub async fn log_in(settings: &Settings, ui: &Ui, args: &LoginArgs) -> Result<Exit, CliError> {
    let options = login::LoginOptions {
        no_browser: args.no_browser,
        write: args.write,
        ports: ports(settings)?,
    };
    let said = login::login(
        &account(settings, ui)?,
        &options,
        BufReader::new(std::io::stdin()),
        &mut |line| ui.status(line),
    )
    .await?;
    let name = said.account.as_str().to_owned();
    ui.answer_either(
        format!("Logged in as account {name:?}. `tidal-cleanup plan` reads your playlists."),
        &Envelope::new(
            "login",
            serde_json::json!({ "account": name, "scopes": said.scopes }),
        ),
    )?;
    Ok(Exit::Done)
}

/// Where the browser comes back to: for an app that was registered with other addresses,
/// `TIDAL_CLEANUP_TIDAL_PORTS` names them. 0 is any port.
fn ports(settings: &Settings) -> Result<Vec<u16>, CliError> {
    let name = "TIDAL_CLEANUP_TIDAL_PORTS";
    let Some(text) = settings.around.variable(name) else {
        return Ok(login::PORTS.to_vec());
    };
    let ports: Result<Vec<u16>, _> = text.split(',').map(|port| port.trim().parse()).collect();
    ports.map_err(|_| {
        CliError::config(format!("{name}={text:?} is no list of ports"))
            .hint(format!("write {name}=8765,8766"))
    })
}

/// `logout`
///
/// # Errors
/// When the log-in cannot be removed.
pub fn log_out(settings: &Settings, ui: &Ui) -> Result<Exit, CliError> {
    let was = login::logout(&account(settings, ui)?)?;
    let text = if was {
        "Logged out."
    } else {
        "Nobody was logged in."
    };
    ui.answer_either(
        text,
        &Envelope::new("logout", serde_json::json!({ "was_logged_in": was })),
    )?;
    Ok(Exit::Done)
}

/// `whoami`
///
/// # Errors
/// When nobody is logged in, or TIDAL does not answer.
pub async fn who_am_i(settings: &Settings, ui: &Ui) -> Result<Exit, CliError> {
    let account = account(settings, ui)?;
    let me = login::whoami(&account).await?;
    let name = me.username.clone().unwrap_or_else(|| me.user.id.clone());
    let country = me.user.country.clone().unwrap_or_default();
    let answer = serde_json::json!({
        "account": account.account.as_str(), "id": me.user.id, "country": country, "username": me.username,
    });
    ui.answer_either(
        format!("{name} (TIDAL user {}, {country})", me.user.id),
        &Envelope::new("whoami", answer),
    )?;
    Ok(Exit::Done)
}
