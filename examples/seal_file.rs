//! Seals a file to an institution's key and opens it again; a file moved to another job or cut short is refused.
//!
//! `cargo run --release --example seal_file [FILE]`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, ensure};
use symbolon_primitives::Error;
use symbolon_primitives::envelope::{self, FileContext};
use symbolon_primitives::hpke::{SealingKey, Suite};
use symbolon_primitives::sign::{SigningKey, VerifyingKey};

fn main() -> Result<()> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/bureau_credit_files.csv");
    let input = std::env::args_os().nth(1).map_or(sample, PathBuf::from);
    let folder = std::env::temp_dir().join(format!("symbolon-seal-file-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let result = run(&input, &folder);
    fs::remove_dir_all(&folder)?;
    result
}

fn run(input: &Path, folder: &Path) -> Result<()> {
    // The bureau signs with its organisation key; the bank opens with its sealing key. Each knows the other's public
    // half from the card they exchanged.
    let bureau = SigningKey::generate()?;
    let bank = SealingKey::generate(Suite::XWing)?;
    let context = FileContext {
        agreement: b"agreement 17",
        job: b"job 4",
        direction: "bureau-to-bank",
        dataset: "credit_files",
        content_type: "text/csv",
        ..FileContext::default()
    };

    let sealed = folder.join("content.sealed");
    let reader = BufReader::new(File::open(input).with_context(|| format!("cannot read {}", input.display()))?);
    let writer = BufWriter::new(File::create(&sealed)?);
    let bytes = envelope::seal(reader, writer, bank.public_key(), &bureau, &context)?;
    println!("sealed   {bytes} bytes with {} into {} bytes", bank.suite(), fs::metadata(&sealed)?.len());

    let bureau = bureau.verifying_key();
    let opened = folder.join("content.csv");
    let bytes = open(&sealed, &opened, &bank, &bureau, &context)?;
    ensure!(fs::read(&opened)? == fs::read(input)?, "the content differs");
    println!("opened   {bytes} bytes, signed by {bureau}, equal to the original");

    let elsewhere = FileContext { job: b"job 5", ..context };
    show_refused("in another job", open(&sealed, &folder.join("replayed.csv"), &bank, &bureau, &elsewhere))?;

    let cut = folder.join("cut.sealed");
    fs::copy(&sealed, &cut)?;
    let whole = fs::metadata(&cut)?.len();
    File::options().write(true).open(&cut)?.set_len(whole - 1)?;
    show_refused("one byte short", open(&cut, &folder.join("cut.csv"), &bank, &bureau, &context))?;

    ensure!(fs::read_dir(folder)?.count() == 3, "a refused file left something behind");
    println!("nothing  is left of the refused files");
    Ok(())
}

/// Opens `sealed` into `out`; an error leaves no file, because what was written is then only a part.
fn open(
    sealed: &Path,
    out: &Path,
    key: &SealingKey,
    from: &VerifyingKey,
    context: &FileContext<'_>,
) -> Result<u64, Error> {
    let reader = BufReader::new(File::open(sealed)?);
    let result = envelope::open(reader, BufWriter::new(File::create(out)?), key, from, context);
    if result.is_err() {
        fs::remove_file(out)?;
    }
    result
}

fn show_refused(how: &str, result: Result<u64, Error>) -> Result<()> {
    let error = result.err().context("a changed file was accepted")?;
    println!("refused  {how}: {error} [{}]", error.label());
    Ok(())
}
