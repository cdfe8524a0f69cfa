//! Homes, commands and real `symbolon serve` processes for the tests.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The shipped tables.
pub(crate) fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data").join(file)
}

/// The binary under test.
pub(crate) fn symbolon() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_symbolon"))
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }

    /// Asserts the exit code and that the error names all of `words`.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "exit code; it said:\n{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains("error: "), "an error line: {}", self.stderr);
        assert!(self.stderr.contains("hint: "), "a hint line: {}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} in: {}", self.stderr);
        }
        self
    }
}

/// One institution's home.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
}

impl Home {
    /// A command on this home.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(symbolon());
        command.env_remove("SYMBOLON_HOME").arg("--home").arg(&self.path).args(arguments).stdin(Stdio::null());
        // Variables every command on this home gets.
        let variables = std::fs::read_to_string(self.path.with_extension("env")).unwrap_or_default();
        command.envs(variables.lines().filter_map(|line| line.split_once('=')));
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::new(self.command(arguments).output().expect("symbolon starts"))
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?} at the {}:\n{}{}", self.name, ran.stdout, ran.stderr);
        ran
    }

    /// Runs a command under `--json` that must succeed.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = ["--json"].iter().chain(arguments).copied().collect();
        serde_json::from_str(&self.ok(&arguments).stdout).expect("one JSON document")
    }

    /// Makes the home anew with its keys protected in another way; `variables` are those of every later command.
    pub(crate) fn init_protected(&self, arguments: &[&str], variables: &[(&str, &str)]) {
        std::fs::remove_dir_all(&self.path).expect("a home to be replaced");
        let lines: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        std::fs::write(self.path.with_extension("env"), lines.concat()).expect("writable");
        let all = [&["init", "--name", self.name, "--endpoint", "127.0.0.1:1", "--protect"], arguments].concat();
        self.ok(&all);
    }

    /// Starts `symbolon serve` on a port the system chooses.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(self.command(&["serve", "--listen", "127.0.0.1:0"]))
    }

    /// Starts a prepared `serve` command and waits until it says where it listens.
    pub(crate) fn serve_with(&self, mut command: Command) -> Server {
        let log = self.path.with_extension("log");
        let stderr = File::options().create(true).append(true).open(&log).expect("a log file");
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("symbolon serve starts");
        let stdout = child.stdout.take().expect("a pipe");
        let mut server = Server { name: self.name, child, log, address: String::new() };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("serve speaks");
        let address = line.trim().strip_prefix("listening on ");
        address.expect("serve says where it listens").clone_into(&mut server.address);
        server
    }

    /// Everything under the home except what a running node and its database keep open.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("readable") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&self.path).expect("under the home").to_string_lossy().into_owned();
                if !["state.db-wal", "state.db-shm", "control.sock", "serve.addr"].contains(&name.as_str()) {
                    found.push(name);
                }
            }
        }
        found.sort();
        found
    }

    /// Asserts that no half-written file is left.
    #[track_caller]
    pub(crate) fn has_no_leftovers(&self) {
        let left: Vec<String> =
            self.files().into_iter().filter(|name| name.contains(".part") || name.contains("spill/")).collect();
        assert!(left.is_empty(), "left behind at the {}: {left:?}", self.name);
    }

    /// The state and failure reason of the newest job.
    pub(crate) fn newest_job(&self) -> (String, String) {
        let jobs = self.json(&["job", "list"]);
        let job = &jobs["jobs"][0];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (word(&job["state"]), word(&job["failure"]["reason"]))
    }

    /// Waits until the newest job has ended, whatever the end: a node decides it when the other side has gone.
    pub(crate) fn newest_end(&self) -> (String, String) {
        let id = self.json(&["job", "list"])["jobs"][0]["id"].as_str().expect("a job").to_owned();
        self.run(&["job", "watch", &id]);
        self.newest_job()
    }

    /// Runs spent of the only agreement.
    pub(crate) fn runs_spent(&self) -> u64 {
        self.json(&["agreement", "list"])["agreements"][0]["runs_spent"].as_u64().expect("a number")
    }
}

/// A running node; killed when dropped, its log printed when the test fails.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    pub(crate) address: String,
}

impl Server {
    /// Ends the process as a power failure would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// Asks the process to stop and waits for it.
    pub(crate) fn stop(&mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        self.child.wait().expect("the process ends").code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let printed = writeln!(std::io::stderr(), "--- log of the {}:\n{log}", self.name);
            drop(printed);
        }
    }
}

/// A `symbolon` command whose progress is read line by line while it runs.
#[derive(Debug)]
pub(crate) struct Watched {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStderr>>,
    seen: String,
}

impl Watched {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("symbolon starts");
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        Self { child, lines, seen: String::new() }
    }

    /// Reads on until a line contains `word`.
    #[track_caller]
    pub(crate) fn until(&mut self, word: &str) {
        let mut found = false;
        while !found {
            let Some(line) = self.lines.next() else { break };
            let line = line.expect("UTF-8");
            found = line.contains(word);
            self.seen.push_str(&line);
            self.seen.push('\n');
        }
        assert!(found, "no line with {word:?} in:\n{}", self.seen);
    }

    /// The process id, to send it a signal.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ran {
        for line in self.lines.by_ref() {
            self.seen.push_str(&line.expect("UTF-8"));
            self.seen.push('\n');
        }
        let stdout = std::io::read_to_string(self.child.stdout.take().expect("a pipe")).expect("UTF-8");
        let code = self.child.wait().expect("it ends").code().unwrap_or(-1);
        Ran { code, stdout, stderr: self.seen }
    }
}

/// A bank and a bureau that know each other, their tables, and the files between them.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) bank: Home,
    pub(crate) bureau: Home,
    folder: TempDir,
}

impl World {
    /// Makes two homes without tables.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = |name: &'static str| Home { name, path: folder.path().join(name) };
        let world = Self { bank: home("bank"), bureau: home("bureau"), folder };
        world.bank.ok(&["init", "--name", "First Bank", "--endpoint", "127.0.0.1:1"]);
        world.bureau.ok(&["init", "--name", "Credit Bureau", "--endpoint", "127.0.0.1:1"]);
        world
    }

    /// A path beside the homes.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    /// Writes a file beside the homes.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.file(name);
        std::fs::write(&path, text).expect("writable");
        path
    }

    /// The bank's and the bureau's shipped tables.
    pub(crate) fn with_us_tables(self) -> Self {
        self.bank.ok(&["table", "add", "customers", path(&data("bank_customers.csv")), "--key", "ssn=us_ssn"]);
        let files = data("bureau_credit_files.csv");
        self.bureau.ok(&["table", "add", "files", path(&files), "--key", "ssn=us_ssn", "--duplicates", "first"]);
        self
    }

    /// Starts the bureau's node and makes both known to each other; the bank's node is started as well.
    pub(crate) fn start(&self) -> (Server, Server) {
        let (bank, bureau) = (self.bank.serve(), self.bureau.serve());
        self.introduce(&bank.address, &bureau.address);
        (bank, bureau)
    }

    /// Exchanges cards and the addresses of the running nodes.
    pub(crate) fn introduce(&self, bank: &str, bureau: &str) {
        let (bank_card, bureau_card) = (self.file("bank.card.toml"), self.file("bureau.card.toml"));
        self.bank.ok(&["peer", "card", "-o", &bank_card]);
        self.bureau.ok(&["peer", "card", "-o", &bureau_card]);
        self.bank.ok(&["peer", "add", "bureau", &bureau_card, "--yes", "--replace", "--endpoint", bureau]);
        self.bureau.ok(&["peer", "add", "bank", &bank_card, "--yes", "--replace", "--endpoint", bank]);
    }

    /// Drafts an agreement over `customers` and `files` at the bank.
    pub(crate) fn draft(&self, more: &[&str]) -> String {
        let (card, draft) = (self.file("files.table.toml"), self.file("agreement.toml"));
        self.bureau.ok(&["table", "show", "files", "--card", "-o", &card]);
        let mut arguments = vec!["agreement", "draft", "--peer", "bureau", "--table", "customers"];
        arguments.extend(["--peer-table", &card, "--title", "Test", "--purpose", "testing", "-o", &draft]);
        if !more.contains(&"--allow") {
            arguments.extend(["--allow", "ecdh-oprf:enrich:us", "--allow", "ecdh-oprf:match:us"]);
            if !more.contains(&"--get") {
                arguments.extend(["--get", "total_balance,risk_grade"]);
            }
        }
        for (option, value) in [("--rows-max", "50000"), ("--runs", "9")] {
            if !more.contains(&option) {
                arguments.extend([option, value]);
            }
        }
        arguments.extend(more);
        self.bank.ok(&arguments);
        draft
    }

    /// Has both sides sign and accept a draft.
    pub(crate) fn conclude(&self, draft: &str) {
        self.bank.ok(&["agreement", "sign", draft, "--yes"]);
        self.bureau.ok(&["agreement", "sign", draft, "--yes"]);
        self.bank.ok(&["agreement", "accept", draft]);
        self.bureau.ok(&["agreement", "accept", draft]);
    }
}

/// A path as an argument.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
