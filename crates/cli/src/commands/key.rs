//! `symbolon key ...`

use std::path::PathBuf;

use serde_json::json;
use symbolon_node::config::ProcessEnv;
use symbolon_node::home::Home;
use symbolon_node::keystore::{KeySettings, PassphraseSource, Pkcs11Settings, Protection, Unlock};

use super::{Context, rotation};
use crate::args::{KeyCommand, ProtectionArgs, ProtectionKind};
use crate::exit::Failure;
use crate::output::Report;
use crate::prompt::Terminal;
use crate::text;

pub(crate) async fn run(command: KeyCommand, context: &Context) -> Result<Report, Failure> {
    match command {
        KeyCommand::List => rotation::list(context, false).await,
        KeyCommand::History => rotation::list(context, true).await,
        KeyCommand::Rotate(args) => rotation::rotate(args, context).await,
        KeyCommand::Revoke { key } => rotation::revoke(&key, context).await,
        KeyCommand::Show => show(&context.open().await?),
        KeyCommand::Protect { protection, needs } => {
            let settings = settings(protection, needs)?;
            protect(&context.open().await?, &settings, context).await
        }
        KeyCommand::Passphrase => {
            let home = context.open().await?;
            if home.settings().keys.protection != Protection::Passphrase {
                return Err(Failure::usage("the keys of this home are not protected by a passphrase of this kind")
                    .hint("use `symbolon key protect`"));
            }
            protect(&home, &KeySettings::new(Protection::Passphrase), context).await
        }
    }
}

/// The settings that the options describe.
pub(crate) fn settings(kind: ProtectionKind, needs: ProtectionArgs) -> Result<KeySettings, Failure> {
    let of_file = needs.passphrase_file.is_some();
    let of_token = needs.module.is_some() || needs.token.is_some() || needs.key_label.is_some();
    let of_token = of_token || needs.pin_file.is_some() || needs.pin_credential;
    if of_file && kind != ProtectionKind::File {
        return Err(Failure::usage("--passphrase-file goes with the protection `file`").hint("leave one of them out"));
    }
    if of_token && kind != ProtectionKind::Pkcs11 {
        return Err(Failure::usage("--module, --token, --key-label and --pin-... go with the protection `pkcs11`")
            .hint("leave one of them out"));
    }
    Ok(match kind {
        ProtectionKind::Plain => KeySettings::default(),
        ProtectionKind::Passphrase => KeySettings::new(Protection::Passphrase),
        ProtectionKind::Credential => KeySettings::new(Protection::Credential),
        ProtectionKind::File => {
            let path = needs.passphrase_file;
            let path = path.ok_or_else(|| Failure::usage("the protection `file` needs a file"));
            KeySettings::file(absolute(path.map_err(|failure| failure.hint("give --passphrase-file FILE"))?)?)
        }
        ProtectionKind::Pkcs11 => {
            let (Some(module), Some(token)) = (needs.module, needs.token) else {
                return Err(Failure::usage("the protection `pkcs11` needs a module and a token")
                    .hint("give --module FILE and --token LABEL"));
            };
            let mut pkcs11 = Pkcs11Settings::new(absolute(module)?, token);
            if let Some(label) = needs.key_label {
                pkcs11.label = label;
            }
            pkcs11.pin = match needs.pin_file {
                Some(path) => PassphraseSource::File(absolute(path)?),
                None if needs.pin_credential => PassphraseSource::Credential,
                None => PassphraseSource::Ask,
            };
            KeySettings::token_in(pkcs11)
        }
    })
}

fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    std::path::absolute(&path)
        .map_err(|error| Failure::bad_input(format!("{} is no path ({error})", path.display())).hint("check the path"))
}

async fn protect(home: &Home, settings: &KeySettings, context: &Context) -> Result<Report, Failure> {
    home.key_protect(settings, &Unlock::new(&ProcessEnv, &Terminal::new(context.output))).await?;
    let word = settings.protection.as_str();
    let human = format!(
        "the keys are protected: {word}; a running node goes on, its next start needs this\n\
         Back up {}/keys anew; without what opens them they are lost.\n",
        context.home.display()
    );
    Ok(Report::new(human, json!({ "protection": word })))
}

fn show(home: &Home) -> Result<Report, Failure> {
    let protection = home.key_protection()?;
    let place = if protection.in_token { "in the token" } else { "in its file" };
    let mut pairs = vec![
        ("protection", protection.protection.to_owned()),
        ("organisation key", place.to_owned()),
        ("public key", home.keys().organisation_public().to_string()),
    ];
    if protection.open {
        pairs.push(("attention", "a change was cut short and the keys lie open: repeat `symbolon key protect`".into()));
    }
    let json = json!({
        "protection": protection.protection,
        "open": protection.open,
        "in_token": protection.in_token,
        "organisation_key": home.keys().organisation_public().to_string(),
    });
    Ok(Report::new(text::facts(&pairs), json))
}
