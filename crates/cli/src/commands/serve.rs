//! `symbolon serve`

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::json;
use symbolon_node::home::Home;
use symbolon_node::telemetry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Context, write_document};
use crate::args::ServeArgs;
use crate::exit::Failure;

pub(crate) async fn run(args: ServeArgs, context: &Context) -> Result<(), Failure> {
    let home = context.open().await?;
    let telemetry = telemetry::start(&home.settings().telemetry)?;
    let wanted = args.listen.unwrap_or_else(|| home.settings().listen.clone());
    let cannot = |error: std::io::Error| {
        Failure::environment(format!("cannot listen on {wanted} ({error})"))
            .hint("choose a free address of this machine with --listen or in node.toml")
    };
    let listener = TcpListener::bind(&wanted).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let stop = stop_signal()?;
    forget_killed(&home, &context.home.join("serve.addr"));
    let (announced, file) = (OnceLock::new(), context.home.join("serve.addr"));
    let (output, control) = (context.output, home.settings().control_socket().to_path_buf());
    let ready = || {
        // Only the process that holds the home may write this file, and only it removes the file.
        let file = announced.get_or_init(|| Announced { file });
        let told = write_document(&file.file, &format!("{address}\n")).and_then(|()| {
            if output.is_json() {
                output.stdout(&json!({ "listening": address, "control_socket": control }).to_string())
            } else {
                output.stdout(&format!("listening on {address}\n"))
            }
        });
        if let Err(failure) = told {
            // The node serves all the same; only who reads the address has to look elsewhere.
            output.note(&format!("warning: {}", failure.message));
        }
        output.note(&format!("control socket {}; Ctrl-C stops", control.display()));
    };
    symbolon_node::run(home, listener, ready, stop).await?;
    drop(announced);
    drop(telemetry);
    context.output.note("stopped");
    Ok(())
}

/// The file that tells where the node listens; it goes when the node does.
#[derive(Debug)]
struct Announced {
    file: PathBuf,
}

impl Drop for Announced {
    fn drop(&mut self) {
        // What stays behind is overwritten by the next start.
        drop(std::fs::remove_file(&self.file));
    }
}

/// Removes the address of a node that was killed and could not do so itself, so that nobody reads it meanwhile.
fn forget_killed(home: &Home, file: &Path) {
    if let Ok(lock) = home.lock() {
        // There is none, as a rule.
        drop(std::fs::remove_file(file));
        drop(lock);
    }
}

/// Resolves when the process is asked to stop.
fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            Failure::environment(format!("signals cannot be caught ({error})")).hint("start it from another shell")
        })
    };
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
