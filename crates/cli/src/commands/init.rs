//! `symbolon init`

use std::sync::Arc;

use serde_json::json;
use symbolon_node::clock::SystemClock;
use symbolon_node::config::ProcessEnv;
use symbolon_node::home::{self, InitOptions};
use symbolon_node::keystore::{Protection, Unlock};

use super::Context;
use crate::args::InitArgs;
use crate::exit::Failure;
use crate::output::Report;
use crate::prompt::Terminal;
use crate::text;

pub(crate) async fn run(args: InitArgs, context: &Context) -> Result<Report, Failure> {
    let port = args.endpoint.rsplit_once(':').map_or("7443", |(_, port)| port);
    let listen = args.listen.unwrap_or_else(|| format!("0.0.0.0:{port}"));
    let options = InitOptions { home: context.home.clone(), institution: args.name, listen, advertise: args.endpoint };
    let protection = super::key::settings(args.protect, args.needs)?;
    let terminal = Terminal::new(context.output);
    let unlock = Unlock::new(&ProcessEnv, &terminal);
    let home = home::init_protected(options, &protection, &unlock, Arc::new(SystemClock)).await?;
    let node = home.node_info()?;
    let human = format!(
        "{}\nBack up {}/keys{}: whoever has these keys is {}.\nNext: symbolon table add NAME FILE --key COLUMN=KIND\n",
        text::facts(&[
            ("institution", node.institution.clone()),
            ("home", context.home.display().to_string()),
            ("partners reach it at", node.endpoint.clone()),
            ("fingerprint", node.fingerprint.clone()),
            ("in words", node.fingerprint_words.clone()),
            ("keys protected", protection.protection.as_str().to_owned()),
        ]),
        context.home.display(),
        match protection.protection {
            Protection::Plain => "",
            Protection::Pkcs11 => " and, as its maker provides, the token",
            _ => ", and the passphrase in another place",
        },
        node.institution,
    );
    let json = json!({
        "home": context.home,
        "institution": node.institution,
        "endpoint": node.endpoint,
        "fingerprint": node.fingerprint,
        "fingerprint_words": node.fingerprint_words,
        "protection": protection.protection.as_str(),
    });
    Ok(Report::new(human, json))
}
