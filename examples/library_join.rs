//! The library without node or network: two threads join by e-mail address, and one of them gets a column of the
//! other's. Run with `cargo run --example library_join`.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::sync::mpsc::{Receiver, Sender, channel};

use symbolon_primitives::secret::Seed;
use symbolon_psi::{
    Frame, ItemSet, Limits, Machine, Outcome, Output, Party, Protocol, ReceiverInput, Role, SenderInput, SessionSpec,
    Step, leakage, padded_rows, sid,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const LIMITS: Limits = Limits { frame_bytes_max: 1 << 20, rows_max: 1_000, payload_bytes_max: 64, key_bytes_max: 256 };

/// Bytes of the column that travels.
const GRADE_BYTES: u32 = 4;

/// What the bureau knows: an address and a grade of four characters.
const BUREAU: [(&str, &str); 4] = [
    ("ana@mail.example", "A   "),
    ("bo@mail.example", "BB+ "),
    ("cy@mail.example", "CCC "),
    ("di@mail.example", "AA- "),
];

/// Whom the bank asks about.
const BANK: [&str; 3] = ["bo@mail.example", "eve@mail.example", "di@mail.example"];

fn main() -> Result<()> {
    // Both sides have agreed on this beforehand. A node derives the session identifier from the signed job, two
    // nonces and the TLS channel; without TLS the last part is absent.
    let (nonce_bank, nonce_bureau) = (Seed::random()?, Seed::random()?);
    let spec = SessionSpec {
        protocol: Protocol::EcdhOprf,
        sid: sid::derive(b"join bank customers with grades", nonce_bank.expose(), nonce_bureau.expose(), None),
        schema_id: b"email/1".to_vec(),
        rows_sender: padded_rows(BUREAU.len() as u64),
        rows_receiver: padded_rows(BANK.len() as u64),
        payload_bytes: GRADE_BYTES,
        release: None,
    };
    let cost = spec.wire_cost();
    println!("bureau sends {} bytes, bank {} bytes", cost.bytes_sender, cost.bytes_receiver);
    for role in [Role::Sender, Role::Receiver] {
        println!("\nthe {role} learns:");
        for item in leakage::statement(spec.protocol, role, spec.payload_bytes > 0, None).learns {
            println!("  - {}", item.text);
        }
    }

    let grades = BUREAU.iter().flat_map(|(_, grade)| grade.bytes()).collect();
    let rows = SenderInput::one_row_per_key(set(BUREAU.iter().map(|row| row.0)), grades)?;
    let bureau = Party::sender(spec.clone(), rows, Seed::random()?, &LIMITS)?;
    let bank = Party::receiver(spec, ReceiverInput { keys: set(BANK.into_iter()) }, Seed::random()?, &LIMITS)?;

    let (to_bank, from_bureau) = channel();
    let (to_bureau, from_bank) = channel();
    let bureau = std::thread::spawn(move || drive(bureau, &from_bank, &to_bank));
    let outcome = drive(bank, &from_bureau, &to_bureau)?;
    let sent = bureau.join().map_err(|_| "the bureau's thread panicked")??;
    assert_eq!(sent.transcript().received, outcome.transcript().sent, "both saw the same run");

    let Output::Matched(matched) = outcome.into_output() else { return Err("a receiver gets rows".into()) };
    println!("\nthe bank got {} rows:", matched.keys.len());
    for (key, grade) in matched.keys.iter().zip(matched.payload.chunks(GRADE_BYTES as usize)) {
        println!("  {} {}", BANK[*key as usize], String::from_utf8_lossy(grade));
    }
    assert_eq!(matched.keys, [0, 2]);
    assert_eq!(matched.payload, b"BB+ AA- ");
    Ok(())
}

fn set<'a>(keys: impl Iterator<Item = &'a str>) -> ItemSet {
    keys.map(str::as_bytes).collect()
}

/// Moves a party to its end. Channels here have no bound, so a send never waits and nobody blocks the other.
fn drive(party: Party, inbound: &Receiver<Vec<u8>>, outbound: &Sender<Vec<u8>>) -> Result<Outcome> {
    let mut step = Step::Work(party);
    loop {
        step = match step {
            Step::Send(frame, next) => {
                outbound.send(frame.into_wire())?;
                next.advance(None)?
            }
            Step::Work(next) => next.advance(None)?,
            Step::Await(next) => next.advance(Some(Frame::from_wire(inbound.recv()?, &LIMITS)?))?,
            Step::Done(outcome) => return Ok(outcome),
        };
    }
}
