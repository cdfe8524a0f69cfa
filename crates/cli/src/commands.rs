//! The commands: each turns arguments into calls of the node and the answer into a report.

mod agreement;
mod alert;
mod approver;
mod audit;
mod budget;
mod completions;
mod doctor;
mod envelope;
mod init;
mod job;
mod key;
mod peer;
mod policy;
mod protocol;
mod result;
mod rotation;
mod serve;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use symbolon_node::clock::SystemClock;
use symbolon_node::config::ProcessEnv;
use symbolon_node::home::Home;

use crate::args::{Args, Command};
use crate::exit::Failure;
use crate::output::{Output, Report};
use crate::prompt::Terminal;

/// What every command needs: where the home is and how to speak.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) home: PathBuf,
    pub(crate) output: Output,
}

impl Context {
    /// Opens the home's keys and state.
    pub(crate) async fn open(&self) -> Result<Home, Failure> {
        let terminal = Terminal::new(self.output);
        Ok(Home::open_asking(&self.home, &ProcessEnv, &terminal, Arc::new(SystemClock)).await?)
    }
}

/// Runs one command and prints its report.
pub(crate) fn run(args: Args, output: Output) -> Result<(), Failure> {
    if let Command::Completions(completions) = &args.command {
        return completions::run(completions, output);
    }
    let context = Context { home: home(args.home)?, output };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::environment(format!("threads cannot be started: {error}")).hint("see `ulimit -u`"))?;
    if let Some(report) = runtime.block_on(dispatch(args.command, &context))? {
        output.report(&report)?;
    }
    Ok(())
}

async fn dispatch(command: Command, context: &Context) -> Result<Option<Report>, Failure> {
    match command {
        Command::Init(args) => init::run(args, context).await.map(Some),
        Command::Table(command) => table::run(command, context).await,
        Command::Protocol(command) => protocol::run(&command).map(Some),
        Command::Peer(command) => peer::run(command, context).await,
        Command::Agreement(command) => agreement::run(command, context).await,
        Command::Approver(command) => approver::run(command, context).map(Some),
        Command::Serve(args) => serve::run(args, context).await.map(|()| None),
        Command::Join(args) => job::join(args, context).await.map(Some),
        Command::Count(args) => job::count(args, context).await.map(Some),
        Command::Job(command) => job::run(command, context).await.map(Some),
        Command::Budget(args) => budget::run(args, context).await.map(Some),
        Command::Alert(command) => alert::run(command, context).await.map(Some),
        Command::Result(command) => result::run(command, context).await,
        Command::Policy(command) => policy::run(command, context).await,
        Command::Key(command) => key::run(command, context).await.map(Some),
        Command::Audit(command) => audit::run(command, context).await,
        Command::Encrypt(args) => envelope::encrypt(args, context).await.map(Some),
        Command::Decrypt(args) => envelope::decrypt(args, context).await.map(Some),
        Command::Doctor(args) => doctor::run(args, context).await.map(Some),
        Command::Completions(_) => Ok(None),
    }
}

/// The home directory: the option or its variable, else `~/.symbolon`.
fn home(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let home = match given {
        Some(home) => home,
        None => std::env::home_dir()
            .map(|home| home.join(".symbolon"))
            .ok_or_else(|| Failure::usage("no home directory is known").hint("give --home DIR or set SYMBOLON_HOME"))?,
    };
    std::path::absolute(&home).map_err(|error| {
        Failure::environment(format!("{} cannot be used ({error})", home.display())).hint("give --home DIR")
    })
}

/// Reads a document a partner or editor wrote; nothing of this kind is large.
pub(crate) fn read_document(path: &Path) -> Result<String, Failure> {
    const BYTES_MAX: u64 = 1 << 20;
    let hint = "check the path and its permissions";
    let unreadable =
        |error: std::io::Error| Failure::bad_input(format!("{} cannot be read ({error})", path.display())).hint(hint);
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > BYTES_MAX {
        return Err(Failure::bad_input(format!("{} has {length} bytes, too many for a document", path.display()))
            .hint("check that it is the right file"));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// Writes a document beside its final name and then renames it, so that no reader sees half of it.
pub(crate) fn write_document(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::environment(format!("{} cannot be written ({error})", path.display()))
            .hint("check the directory, its permissions and the space left; the old file is as it was")
    };
    let part = part_of(path);
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        // What remains of a failed write is of no use; that it cannot be removed changes nothing.
        drop(std::fs::remove_file(&part));
    }
    written.map_err(failed)
}

/// A digest in hexadecimal.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first 16 hexadecimal digits of a digest, for tables.
pub(crate) fn hex_start(digest: &[u8; 32]) -> String {
    hex(&digest[..8])
}

/// The name a file has while it is being written.
pub(crate) fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_replace_whole_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        write_document(&path, "one").unwrap();
        write_document(&path, "two").unwrap();
        assert_eq!(read_document(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_document(&folder.path().join("none/a.toml"), "x").is_err());
    }
}
