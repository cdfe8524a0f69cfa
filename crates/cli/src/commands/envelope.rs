//! `symbolon encrypt` and `symbolon decrypt`

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use symbolon_node::home::Home;
use symbolon_policy::Card;
use symbolon_primitives::Error;
use symbolon_primitives::envelope::{self, FileContext};
use symbolon_primitives::hpke::{SealingPublicKey, Suite};
use symbolon_primitives::sign::VerifyingKey;
use tokio::signal::unix::{SignalKind, signal};

use super::{Context, part_of};
use crate::args::{DecryptArgs, EncryptArgs};
use crate::exit::{Exit, Failure};
use crate::output::Report;
use crate::text::count;

pub(crate) async fn encrypt(args: EncryptArgs, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let card = card_of(&home, &args.to).await?;
    let recipient = sealing_key(&card)?;
    let keys = home.keys();
    let direction = direction(&keys.organisation_public(), card.organisation_key());
    let input = args.file.clone();
    let bytes = through(&args.file, &args.output, args.force, move |reader, writer| {
        let file = FileContext { direction: &direction, ..FileContext::default() };
        envelope::seal(reader, writer, &recipient, keys.organisation(), &file)
    })
    .await?
    .map_err(|error| explain(error, &input))?;
    let human = format!("{} bytes encrypted to {}: {}\n", count(bytes), args.to, args.output.display());
    Ok(Report::new(human, json!({ "file": args.output, "to": args.to, "content_bytes": bytes })))
}

pub(crate) async fn decrypt(args: DecryptArgs, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let peer = home.peer_show(&args.from).await?;
    let (keys, input) = (home.keys(), args.file.clone());
    let known = home.lineage_of(&peer).await?;
    let stands = |key: &&VerifyingKey| known.accepts_key(key).is_ok();
    let senders: Vec<VerifyingKey> = known.keys().iter().rev().filter(stands).copied().collect();
    let own: Vec<VerifyingKey> = keys.lineage().keys().iter().rev().copied().collect();
    // The file may be from before a change of keys on either side; each is told apart at its beginning.
    let mut outcome = Err(Error::VerificationFailed);
    for (sender, recipient, index) in ways(&senders, &own, keys.sealing_all().count()) {
        let (direction, keys) = (direction(&sender, &recipient), std::sync::Arc::clone(&keys));
        outcome = through(&args.file, &args.output, args.force, move |reader, writer| {
            let file = FileContext { direction: &direction, ..FileContext::default() };
            let key = keys.sealing_all().nth(index).ok_or(Error::WrongKeyOrContext)?;
            envelope::open(reader, writer, key, &sender, &file)
        })
        .await?;
        if !matches!(outcome, Err(Error::WrongKeyOrContext | Error::VerificationFailed)) {
            break;
        }
    }
    let bytes = outcome.map_err(|error| explain(error, &input))?;
    let human = format!("{} bytes from {}, checked: {}\n", count(bytes), args.from, args.output.display());
    Ok(Report::new(human, json!({ "file": args.output, "from": args.from, "content_bytes": bytes })))
}

/// Every combination of a sender's key, a key of ours it may have addressed, and a key that may open the file; the
/// present ones first.
fn ways(
    senders: &[VerifyingKey],
    own: &[VerifyingKey],
    sealing: usize,
) -> impl Iterator<Item = (VerifyingKey, VerifyingKey, usize)> {
    (0..sealing)
        .flat_map(move |index| own.iter().flat_map(move |own| senders.iter().map(move |sender| (*sender, *own, index))))
}

async fn card_of(home: &Home, peer: &str) -> Result<Card, Failure> {
    Ok(home.peer_show(peer).await?.parsed_card()?)
}

/// The partner's best key this release can seal to.
fn sealing_key(card: &Card) -> Result<SealingPublicKey, Failure> {
    for suite in [Suite::XWing, Suite::X25519] {
        if let Some(bytes) = card.sealing_key(suite.as_str()) {
            return SealingPublicKey::from_bytes(suite, bytes)
                .map_err(|error| symbolon_node::Error::from(error).into());
        }
    }
    Err(Failure::new(Exit::Refused, "NO_SEALING_KEY", "the partner's card has no key this release can encrypt to")
        .hint("ask the partner for its present card, then `symbolon peer add --replace`"))
}

/// Who sends to whom; bound to the file, so that it cannot be sent back as one's own.
fn direction(sender: &VerifyingKey, recipient: &VerifyingKey) -> String {
    format!("{sender} to {recipient}")
}

/// Runs `work` from one file into another. The output gets its name only when all of it is written and checked;
/// on an error or a signal nothing of it stays.
async fn through(
    input: &Path,
    output: &Path,
    force: bool,
    work: impl FnOnce(BufReader<File>, &mut BufWriter<File>) -> Result<u64, Error> + Send + 'static,
) -> Result<Result<u64, Error>, Failure> {
    if output.exists() && !force {
        return Err(Failure::new(Exit::Usage, "OUTPUT_EXISTS", format!("{} exists already", output.display()))
            .hint("choose another name, or overwrite it with --force"));
    }
    let reader = File::open(input).map_err(|error| {
        Failure::bad_input(format!("{} cannot be read ({error})", input.display())).hint("check the path")
    })?;
    let part = Part { path: part_of(output) };
    let file = File::options().write(true).create_new(true).mode(0o600).open(&part.path).map_err(|error| {
        Failure::environment(format!("{} cannot be written ({error})", output.display()))
            .hint("check the directory and its permissions")
    })?;
    let task = tokio::task::spawn_blocking(move || {
        let mut writer = BufWriter::new(file);
        let bytes = work(BufReader::new(reader), &mut writer)?;
        writer.flush()?;
        writer.get_ref().sync_all()?;
        Ok(bytes)
    });
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let done = tokio::select! {
        done = task => done,
        _ = terminate.recv() => return stopped(part),
        _ = interrupt.recv() => return stopped(part),
    };
    let done = done.map_err(|_| Failure::new(Exit::Internal, "WORKER_STOPPED", "a worker stopped unexpectedly"))?;
    let done = done.and_then(|bytes| {
        std::fs::rename(&part.path, output)?;
        Ok(bytes)
    });
    Ok(done)
}

/// The worker still writes, so the process ends here rather than wait for it.
fn stopped(part: Part) -> Result<Result<u64, Error>, Failure> {
    drop(part);
    Err(Failure::new(Exit::Cancelled, "INTERRUPTED", "interrupted; nothing was written").hint("start it again"))
}

fn signals(error: io::Error) -> Failure {
    Failure::environment(format!("signals cannot be caught ({error})")).hint("start it from another shell")
}

/// A file that is being written; removed unless it was renamed.
struct Part {
    path: PathBuf,
}

impl Drop for Part {
    fn drop(&mut self) {
        // After the rename there is nothing of that name.
        drop(std::fs::remove_file(&self.path));
    }
}

fn explain(error: Error, input: &Path) -> Failure {
    let file = input.display();
    match error {
        Error::Io(error) => Failure::environment(format!("input or output failed ({error})"))
            .hint("check the disk; nothing was left behind"),
        Error::Encoding { .. } | Error::LimitExceeded { .. } => {
            Failure::bad_input(format!("{file} is no file that symbolon encrypted"))
                .hint("check that it is the right file")
        }
        Error::Truncated { .. } => Failure::bad_input(format!("{file} ends too early")).hint("fetch it again, whole"),
        Error::WrongKeyOrContext => Failure::bad_input(format!("{file} is not encrypted to this institution"))
            .hint("ask the partner to encrypt it with your present card"),
        Error::VerificationFailed => {
            Failure::bad_input(format!("{file} was changed, or is not from this partner; nothing was written"))
                .hint("check --from, and ask the partner to send it again")
        }
        error => symbolon_node::Error::from(error).into(),
    }
}
