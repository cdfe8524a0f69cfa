//! `symbolon init`

use std::sync::Arc;

use serde_json::json;
use symbolon_node::clock::SystemClock;
use symbolon_node::home::{self, InitOptions};

use super::Context;
use crate::args::InitArgs;
use crate::exit::Failure;
use crate::output::Report;
use crate::text;

pub(crate) async fn run(args: InitArgs, context: &Context) -> Result<Report, Failure> {
    let port = args.endpoint.rsplit_once(':').map_or("7443", |(_, port)| port);
    let listen = args.listen.unwrap_or_else(|| format!("0.0.0.0:{port}"));
    let options = InitOptions { home: context.home.clone(), institution: args.name, listen, advertise: args.endpoint };
    let home = home::init(options, Arc::new(SystemClock)).await?;
    let node = home.node_info()?;
    let human = format!(
        "{}\nBack up {}/keys: whoever has these keys is {}.\nNext: symbolon table add NAME FILE --key COLUMN=KIND\n",
        text::facts(&[
            ("institution", node.institution.clone()),
            ("home", context.home.display().to_string()),
            ("partners reach it at", node.endpoint.clone()),
            ("fingerprint", node.fingerprint.clone()),
        ]),
        context.home.display(),
        node.institution,
    );
    let json = json!({
        "home": context.home,
        "institution": node.institution,
        "endpoint": node.endpoint,
        "fingerprint": node.fingerprint,
    });
    Ok(Report::new(human, json))
}
