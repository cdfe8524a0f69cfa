//! Private keys under a passphrase and in a token.
#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says why")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::{Home, World};

/// Where distributions put SoftHSM2.
const MODULES: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/// A secret in a file only its owner may read.
fn secret(world: &World, name: &str, text: &str) -> String {
    let path = world.write(name, text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Makes a token of this test's own; nothing when SoftHSM2 is not there, and then says why.
fn token(world: &World, label: &str) -> Option<(String, String)> {
    let named = std::env::var("SYMBOLON_PKCS11_MODULE").ok();
    let module = named.or_else(|| MODULES.iter().find(|path| Path::new(path).exists()).map(|path| (*path).to_owned()));
    let Some(module) = module else {
        println!("skipped: SoftHSM2 is not installed (apt-get install softhsm2) and SYMBOLON_PKCS11_MODULE is not set");
        return None;
    };
    let tokens = world.file(&format!("{label}.tokens"));
    std::fs::create_dir_all(&tokens).unwrap();
    let text = format!("directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n");
    let conf = world.write(&format!("{label}.conf"), &text);
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", label, "--so-pin", "87654321", "--pin", "12345678"])
        .env("SOFTHSM2_CONF", &conf)
        .output();
    match made {
        Ok(made) if made.status.success() => Some((module, conf)),
        Ok(made) => {
            println!("skipped: softhsm2-util makes no token: {}", String::from_utf8_lossy(&made.stderr));
            None
        }
        Err(error) => {
            println!("skipped: softhsm2-util does not start: {error}");
            None
        }
    }
}

/// All bytes of the files in the keys' directory.
fn key_files(home: &Home) -> String {
    let entries = std::fs::read_dir(home.path.join("keys")).unwrap();
    entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn a_home_under_a_passphrase_opens_with_it_alone_and_changes_it() {
    let world = World::new();
    let (one, two) = (secret(&world, "one", "correct horse battery\n"), secret(&world, "two", "staple of the horse\n"));
    world.bank.init_protected(&["passphrase"], &[("SYMBOLON_PASSPHRASE_FILE", &one)]);
    assert_eq!(world.bank.json(&["key", "show"])["protection"], "passphrase");
    let fingerprint = world.bank.json(&["peer", "card"])["fingerprint"].clone();
    assert!(!key_files(&world.bank).contains("PRIVATE KEY"));

    let with = |file: &str, arguments: &[&str]| {
        let mut command = world.bank.command(arguments);
        if file.is_empty() {
            command.env_remove("SYMBOLON_PASSPHRASE_FILE")
        } else {
            command.env("SYMBOLON_PASSPHRASE_FILE", file)
        };
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = with("", &["job", "list"]);
    assert!(code == Some(7) && said.contains("SYMBOLON_PASSPHRASE_FILE"), "{said}");
    let (code, said) = with(&two, &["job", "list"]);
    assert!(code == Some(7) && said.contains("passphrase is wrong"), "{said}");
    assert!(!said.contains("staple"), "{said}");
    let exposed = world.write("exposed", "correct horse battery");
    std::fs::set_permissions(&exposed, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(with(&exposed, &["job", "list"]).1.contains("read by others"));

    let mut change = world.bank.command(&["key", "passphrase"]);
    assert!(change.env("SYMBOLON_NEW_PASSPHRASE_FILE", &two).status().unwrap().success());
    assert_eq!(with(&one, &["job", "list"]).0, Some(7));
    assert_eq!(with(&two, &["job", "list"]).0, Some(0));

    // By an open descriptor, as supervisors hand secrets over.
    let mut command = world.bank.command(&["job", "list"]);
    command.env_remove("SYMBOLON_PASSPHRASE_FILE").env("SYMBOLON_PASSPHRASE_FD", "0");
    assert!(command.stdin(std::fs::File::open(&two).unwrap()).status().unwrap().success());

    // A file that is read at every start, then plain again: it stays the same institution.
    let mut change = world.bank.command(&["key", "protect", "file", "--passphrase-file", &one]);
    assert!(change.env("SYMBOLON_PASSPHRASE_FILE", &two).status().unwrap().success());
    assert_eq!(with("", &["job", "list"]).0, Some(0));
    world.bank.ok(&["key", "protect", "plain"]);
    std::fs::remove_file(&one).unwrap();
    assert_eq!(world.bank.json(&["peer", "card"])["fingerprint"], fingerprint);
    world.bank.run(&["key", "protect", "file"]).fails(2, &["--passphrase-file"]);
    world.bank.run(&["key", "protect", "plain", "--token", "x"]).fails(2, &["pkcs11"]);
    world.bank.run(&["key", "passphrase"]).fails(2, &["key protect"]);
}

/// Wherever the change of protection is cut off, what lies on the disk opens by what node.toml says.
#[test]
fn kill_9_during_a_change_of_protection_locks_nobody_out() {
    let world = World::new();
    let (file, asked) =
        (secret(&world, "file", "correct horse battery\n"), secret(&world, "asked", "staple of horse\n"));
    world.bank.init_protected(&["passphrase"], &[("SYMBOLON_PASSPHRASE_FILE", &asked)]);
    let fingerprint = world.bank.json(&["peer", "card"])["fingerprint"].clone();
    let (mut finished, mut killed) = (0, 0);
    for round in 0..16_u64 {
        let to_file = world.bank.json(&["key", "show"])["protection"] == "passphrase";
        let arguments: &[&str] = if to_file {
            &["key", "protect", "file", "--passphrase-file", &file]
        } else {
            &["key", "protect", "passphrase"]
        };
        let mut change = world.bank.command(arguments);
        change.env("SYMBOLON_NEW_PASSPHRASE_FILE", &asked).stdout(std::process::Stdio::null());
        let mut change = change.stderr(std::process::Stdio::null()).spawn().unwrap();
        // Opening takes one stretching of the passphrase and the change another; the kills fall before, into and
        // after the writes.
        let wait = std::time::Duration::from_millis(40 * round);
        let deadline = Command::new("sleep").arg(format!("{:.3}", wait.as_secs_f64())).status();
        assert!(deadline.unwrap().success());
        match change.try_wait().unwrap() {
            Some(_) => finished += 1,
            None => killed += 1,
        }
        drop(change.kill());
        change.wait().unwrap();
        assert_eq!(world.bank.json(&["peer", "card"])["fingerprint"], fingerprint, "round {round}");
    }
    assert!(killed > 0, "{killed} killed, {finished} finished");
    world.bank.ok(&["key", "protect", "plain"]);
    assert_eq!(world.bank.json(&["peer", "card"])["fingerprint"], fingerprint);
    let left: Vec<String> = world.bank.files().into_iter().filter(|name| name.contains(".part")).collect();
    let ours = |name: &String| name.starts_with("keys/") || name.starts_with("node.toml");
    assert!(!left.iter().any(ours), "left behind: {left:?}");
}

/// The key of a person: its passphrase is not that of the home, and whoever has the file alone cannot approve.
#[test]
fn a_person_approves_with_a_passphrase_of_its_own() {
    let world = World::new().with_us_tables();
    let (_bank, _bureau) = world.start();
    let (ada, ben) = (secret(&world, "ada", "correct horse\n"), secret(&world, "ben", "battery staple\n"));
    let key = world.file("ada.key");
    world.bank.run(&["approver", "new", "Ada", "-o", &key]).fails(7, &["none was given", "--passphrase-file"]);
    let short = secret(&world, "short", "horse");
    world.bank.run(&["approver", "new", "Ada", "-o", &key, "--passphrase-file", &short]).fails(2, &["fewer than 8"]);
    assert!(!Path::new(&key).exists());
    let made = world.bank.json(&["approver", "new", "Ada", "-o", &key, "--passphrase-file", &ada]);
    assert_eq!(made["passphrase"], true);
    assert!(std::fs::read_to_string(&key).unwrap().starts_with("symbolon-approver-key/2 "));

    let draft = world.draft(&["--approver", &format!("Ada={}", made["key"].as_str().unwrap())]);
    let approve = |more: &[&str], variable: Option<(&str, &str)>| {
        let arguments = [&["agreement", "approve", &draft, "--key", &key, "--yes"], more].concat();
        let output = world.bank.command(&arguments).envs(variable).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // The home's own passphrase variable says nothing about a person's key.
    let (code, said) = approve(&[], Some(("SYMBOLON_PASSPHRASE_FILE", ada.as_str())));
    assert!(code == Some(7) && said.contains("SYMBOLON_APPROVER_PASSPHRASE_FILE"), "{said}");
    let (code, said) = approve(&["--passphrase-file", &ben], None);
    assert!(code == Some(7) && said.contains("passphrase is wrong") && !said.contains("staple"), "{said}");
    world.bank.run(&["agreement", "sign", &draft, "--yes"]).fails(4, &["0 of 1 approvals"]);

    let mut change = world.bank.command(&["approver", "passphrase", &key, "--passphrase-file", &ada]);
    assert!(change.env("SYMBOLON_NEW_APPROVER_PASSPHRASE_FILE", &ben).status().unwrap().success());
    assert_eq!(approve(&["--passphrase-file", &ada], None).0, Some(7), "the former one opens it no more");
    assert_eq!(approve(&[], Some(("SYMBOLON_APPROVER_PASSPHRASE_FILE", ben.as_str()))).0, Some(0));

    // As a credential of systemd, and by a descriptor.
    let credentials = world.file("credentials");
    std::fs::create_dir_all(&credentials).unwrap();
    secret(&world, "credentials/symbolon.approver-passphrase", "battery staple\n");
    let given = Some(("CREDENTIALS_DIRECTORY", credentials.as_str()));
    assert_eq!(approve(&["--passphrase-credential"], given).0, Some(0));
    let mut command = world.bank.command(&["agreement", "approve", &draft, "--key", &key, "--yes"]);
    command.env("SYMBOLON_APPROVER_PASSPHRASE_FD", "0").stdin(std::fs::File::open(&ben).unwrap());
    assert!(command.stdout(std::process::Stdio::null()).status().unwrap().success());
    world.conclude(&draft);
}

/// Ctrl-C at the question for a passphrase: the command ends as cancelled, and the terminal shows what is typed again.
#[test]
fn ctrl_c_at_the_passphrase_leaves_the_terminal_as_it_was() {
    use std::io::{Read, Write};
    let world = World::new();
    let file = secret(&world, "file", "correct horse battery\n");
    world.bank.init_protected(&["passphrase"], &[("SYMBOLON_PASSPHRASE_FILE", &file)]);
    let asking = world.bank.command(&["job", "list"]);
    let words: Vec<&str> =
        std::iter::once(asking.get_program()).chain(asking.get_args()).map(|word| word.to_str().unwrap()).collect();
    assert!(words.iter().all(|word| !word.contains(['\'', ' '])), "{words:?}");
    // `script` (util-linux) gives the command a terminal of its own.
    let line = format!("'{}'; echo ended with $?; stty -a", words.join("' '"));
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]).env_remove("SYMBOLON_PASSPHRASE_FILE");
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut terminal = match command.spawn() {
        Ok(terminal) => terminal,
        Err(error) => return println!("skipped: there is no `script` to make a terminal with ({error})"),
    };
    let (mut keys, mut shown) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let (mut text, mut byte) = (String::new(), [0]);
    while !text.contains("Passphrase of the keys: ") {
        assert_eq!(shown.read(&mut byte).unwrap(), 1, "no question: {text}");
        text.push(char::from(byte[0]));
    }
    keys.write_all(b"half a pass\x03").unwrap();
    keys.flush().unwrap();
    let mut rest = Vec::new();
    // The other end of a terminal that is gone is an error on some systems.
    drop(shown.read_to_end(&mut rest));
    drop(keys);
    terminal.wait().unwrap();
    let rest = String::from_utf8_lossy(&rest);
    assert!(!rest.contains("half a pass"), "{rest}");
    assert!(rest.contains("broken off") && rest.contains("ended with 8"), "{rest}");
    assert!(rest.contains(" echo ") && rest.contains(" icanon ") && rest.contains("isig "), "{rest}");
}

#[test]
fn a_credential_of_systemd_opens_the_keys() {
    let world = World::new();
    let credentials = world.file("credentials");
    std::fs::create_dir_all(&credentials).unwrap();
    secret(&world, "credentials/symbolon.passphrase", "correct horse battery\n");
    world.bank.init_protected(&["credential"], &[("CREDENTIALS_DIRECTORY", &credentials)]);
    world.bank.ok(&["job", "list"]);
    let mut without = world.bank.command(&["job", "list"]);
    let said = without.env_remove("CREDENTIALS_DIRECTORY").output().unwrap();
    assert_eq!(said.status.code(), Some(7));
    assert!(String::from_utf8(said.stderr).unwrap().contains("LoadCredentialEncrypted"));
}

#[test]
fn a_bank_with_its_keys_in_a_token_joins_with_a_bureau_under_a_passphrase() {
    let world = World::new();
    let Some((module, conf)) = token(&world, "bank") else { return };
    let pin = secret(&world, "pin", "12345678\n");
    let passphrase = secret(&world, "passphrase", "correct horse battery\n");
    let arguments = ["pkcs11", "--module", &module, "--token", "bank", "--pin-file", &pin];
    world.bank.init_protected(&arguments, &[("SOFTHSM2_CONF", &conf)]);
    world.bureau.init_protected(&["passphrase"], &[("SYMBOLON_PASSPHRASE_FILE", &passphrase)]);
    let shown = world.bank.json(&["key", "show"]);
    assert_eq!((shown["protection"].as_str(), shown["in_token"].as_bool()), (Some("pkcs11"), Some(true)));
    let files = key_files(&world.bank);
    assert!(files.contains("symbolon-token-key/1 organisation ") && files.contains("symbolon-token-key/1 tls "));
    assert!(files.contains("symbolon-sealed-key/1 sealing ") && !files.contains("PRIVATE KEY"));

    let world = world.with_us_tables();
    let (_bank, _bureau) = world.start();
    world.conclude(&world.draft(&[]));
    assert_eq!(world.bank.json(&["join"])["result"]["rows"], 16_673);

    // Sealed files go the way of the token too.
    let (plain, sealed, opened) = (world.write("plain", "hello"), world.file("sealed"), world.file("opened"));
    world.bank.ok(&["encrypt", &plain, "--to", "bureau", "-o", &sealed]);
    world.bureau.ok(&["decrypt", &sealed, "--from", "bank", "-o", &opened]);
    world.bureau.ok(&["encrypt", &plain, "--to", "bank", "-o", &sealed, "--force"]);
    world.bank.ok(&["decrypt", &sealed, "--from", "bureau", "-o", &opened, "--force"]);
    assert_eq!(std::fs::read_to_string(&opened).unwrap(), "hello");

    world.bank.run(&["key", "protect", "plain"]).fails(2, &["cannot leave"]);
    secret(&world, "pin", "00000000\n");
    world.bank.run(&["job", "list"]).fails(7, &["refuses the PIN"]);
    secret(&world, "pin", "12345678\n");
    world.bank.ok(&["job", "list"]);
    let mut without = world.bank.command(&["job", "list"]);
    let elsewhere = world.write("none.conf", &format!("directories.tokendir = {}\n", world.file("")));
    let said = String::from_utf8(without.env("SOFTHSM2_CONF", elsewhere).output().unwrap().stderr).unwrap();
    assert!(said.contains("no token has the label"), "{said}");
}

#[test]
fn a_plain_home_moves_its_keys_under_a_token() {
    let world = World::new();
    let Some((module, conf)) = token(&world, "mover") else { return };
    let pin = secret(&world, "pin", "12345678");
    let fingerprint = world.bank.json(&["peer", "card"])["fingerprint"].clone();
    std::fs::write(world.bank.path.with_extension("env"), format!("SOFTHSM2_CONF={conf}\n")).unwrap();
    world.bank.ok(&["key", "protect", "pkcs11", "--module", &module, "--token", "mover", "--pin-file", &pin]);
    assert_eq!(world.bank.json(&["peer", "card"])["fingerprint"], fingerprint);
    assert!(key_files(&world.bank).contains("\npkcs11 key=") && !key_files(&world.bank).contains("\nplain "));
    world.bank.ok(&["key", "protect", "plain"]);
    std::fs::write(world.bank.path.with_extension("env"), "").unwrap();
    assert_eq!(world.bank.json(&["peer", "card"])["fingerprint"], fingerprint);
}
