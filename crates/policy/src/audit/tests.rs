use chrono::{DateTime, Utc};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use symbolon_primitives::secret::Secret;
use symbolon_primitives::sign::{Signature, SigningKey, VerifyingKey};

use super::proof::{verify_consistency, verify_inclusion};
use super::*;

/// The leaves of the test vectors of RFC 6962's reference implementation.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hash(text: &str) -> Hash {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn vectors() -> Tree {
    let mut tree = Tree::new();
    for leaf in LEAVES {
        tree.push(leaf_hash(&hex::decode(leaf).unwrap()));
    }
    tree
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([byte; 32]))
}

fn time(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_760_000_000_000 + millis).unwrap()
}

#[test]
fn roots_agree_with_the_reference_vectors() {
    let tree = vectors();
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!(tree.root_at(size as u64).unwrap(), hash(root), "{size}");
    }
    assert_eq!(Tree::new().root(), hash(ROOTS[0]));
    assert_eq!(tree.root_at(9), Err(AuditError::Shorter { expected: 9, got: 8 }));
}

#[test]
fn proofs_agree_with_the_reference_vectors() {
    let tree = vectors();
    let expected = |proof: &[&str]| proof.iter().map(|text| hash(text)).collect::<Vec<_>>();
    let first = expected(&[
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]);
    assert_eq!(tree.inclusion_proof(0, 8).unwrap(), first);
    assert_eq!(tree.consistency_proof(1, 8).unwrap(), first);
    assert_eq!(
        tree.inclusion_proof(5, 8).unwrap(),
        expected(&[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ])
    );
    assert_eq!(
        tree.consistency_proof(6, 8).unwrap(),
        expected(&[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ])
    );
    assert_eq!(
        tree.consistency_proof(2, 5).unwrap(),
        expected(&[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ])
    );
}

fn numbered(size: u64) -> Tree {
    let mut tree = Tree::new();
    (0..size).for_each(|number| {
        tree.push(leaf_hash(&number.to_be_bytes()));
    });
    tree
}

#[test]
fn every_proof_of_small_trees_verifies_and_no_other() {
    let tree = numbered(40);
    for new in 0..=40 {
        let new_root = tree.root_at(new).unwrap();
        for index in 0..new {
            let proof = tree.inclusion_proof(index, new).unwrap();
            let leaf = tree.leaf(index).unwrap();
            verify_inclusion(&leaf, index, new, &new_root, &proof).unwrap();
            assert!(verify_inclusion(&leaf, index ^ 1, new, &new_root, &proof).is_err() || new == 1);
            assert!(verify_inclusion(&[9; 32], index, new, &new_root, &proof).is_err());
            let longer = [&proof[..], &[[0; 32]]].concat();
            assert!(verify_inclusion(&leaf, index, new, &new_root, &longer).is_err());
        }
        for old in 0..=new {
            let old_root = tree.root_at(old).unwrap();
            let proof = tree.consistency_proof(old, new).unwrap();
            assert!(proof.len() <= proof::PROOF_HASHES_MAX);
            verify_consistency((old, &old_root), (new, &new_root), &proof).unwrap();
            let longer = [&proof[..], &[[0; 32]]].concat();
            assert!(verify_consistency((old, &old_root), (new, &new_root), &longer).is_err());
            if old > 0 {
                assert!(verify_consistency((old, &[9; 32]), (new, &new_root), &proof).is_err());
                let changed = verify_consistency((old, &old_root), (new, &[9; 32]), &proof);
                assert_eq!(changed, Err(AuditError::Inconsistent { old, new }));
            }
            if let Some((_, shorter)) = proof.split_last() {
                assert!(verify_consistency((old, &old_root), (new, &new_root), shorter).is_err());
            }
        }
    }
    assert!(tree.inclusion_proof(40, 40).is_err() && tree.inclusion_proof(0, 41).is_err());
    assert!(tree.consistency_proof(5, 4).is_err() && tree.consistency_proof(5, 41).is_err());
}

#[test]
fn an_entry_has_one_text() {
    let entry = Entry::new(time(123), "job_accepted")
        .id("job", &[0xAB; 16])
        .hash("agreement", &[7; 32])
        .number("rows", 16)
        .word("protocol", "ecdh-oprf")
        .salted([1; 16]);
    let line = entry.to_line().unwrap();
    assert_eq!(
        line,
        format!(
            "{{\"time\":\"2025-10-09T08:53:20.123Z\",\"kind\":\"job_accepted\",\"salt\":\"{}\",\"job\":\"{}\",\
             \"agreement\":\"{}\",\"rows\":16,\"protocol\":\"ecdh-oprf\"}}",
            "01".repeat(16),
            "ab".repeat(16),
            "07".repeat(32)
        )
    );
    assert_eq!(Entry::from_line(&line).unwrap(), entry);
    for (from, to) in [
        ("\"rows\":16", "\"rows\":016"),
        ("\"rows\":16", "\"rows\":-1"),
        ("\"rows\":16", "\"rows\": 16"),
        ("\"rows\":16", "\"rows\":1.6"),
        ("\"rows\":16", "\"rows\":true"),
        ("\"rows\":16", "\"rows\":\"Jane Doe\""),
        ("\"rows\":16", "\"rows\":\"13800138000\""),
        ("\"rows\":16", "\"rows\":18446744073709551616"),
        ("\"rows\":16", "\"job\":16"),
        ("\"rows\":16", "\"time\":16"),
        ("\"rows\":16", "\"Rows\":16"),
        ("\"rows\":16,", "\"rows\":16,,"),
        ("abab\"", "ABAB\""),
        ("123Z", "123+00:00"),
        ("123Z", "1230Z"),
        ("\"kind\"", "\"type\""),
        ("}", "} "),
    ] {
        let changed = line.replacen(from, to, 1);
        assert_ne!(changed, line);
        assert_eq!(Entry::from_line(&changed), Err(AuditError::Malformed { what: "entry" }), "{changed}");
    }
}

#[test]
fn what_an_entry_must_not_hold_is_refused_when_it_is_written() {
    let new = || Entry::new(time(0), "test");
    for entry in [
        Entry::new(time(0), "Test kind"),
        new().word("reason", "two words"),
        new().word("reason", ""),
        new().word("reason", "deadbeefdeadbeefdeadbeefdeadbeef"),
        new().number("Rows", 1),
        new().number("rows", 1).number("rows", 2),
        new().number("salt", 1),
        new().number("time", 1),
    ] {
        assert_eq!(entry.to_line(), Err(AuditError::Form), "{entry:?}");
    }
}

#[test]
fn a_note_of_another_implementation_is_read_and_verified() {
    // The example of the note format's first implementation, golang.org/x/mod/sumdb/note.
    let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let read = Note::parse(note, 1 << 10).unwrap();
    assert_eq!(read.to_string(), note);
    let bytes = "1a5cd907143c384c41e830c5bce12aa8817ec5649aaabf2c31388b35b2d744d6";
    let key = VerifyingKey::from_bytes(&hash(bytes)).unwrap();
    let [line] = read.signatures() else { panic!("one signature") };
    assert_eq!(line.key_id, note::key_id("PeterNeumann", note::TYPE_ED25519, &key));
    assert_eq!(line.key_id, [0xC7, 0x4F, 0x20, 0xA3]);
    key.verify_text(read.text(), &Signature::from_slice(&line.value).unwrap()).unwrap();
}

#[test]
fn notes_that_are_not_canonical_are_refused() {
    for bad in [
        "",
        "text",
        "text\n",
        "text\n\n",
        "text\n\n\n",
        "text\n\nname c2ln\n",
        "text\n\n\u{2014} name c2lnbg==",
        "text\n\n\u{2014} na+me c2lnbg==\n",
        "text\n\n\u{2014}  c2lnbg==\n",
        "text\n\n\u{2014} name c2lnbg\n",
        "text\n\n\u{2014} name c2lnbh==\n",
        "text\n\n\u{2014} name c2k=\n",
        "te\u{0}xt\n\n\u{2014} name c2lnbg==\n",
    ] {
        assert!(Note::parse(bad, 1 << 10).is_err(), "{bad:?}");
    }
    assert!(Note::parse("text\n\n\u{2014} name c2lnbg==\n", 1 << 10).is_ok());
    assert!(matches!(Note::parse(&"x".repeat(99), 98), Err(AuditError::TooLong { max: 98, got: 99, .. })));
}

#[test]
fn a_checkpoint_is_signed_cosigned_and_checked() {
    let (own, peer) = (key(1), key(2));
    let checkpoint = Checkpoint { origin: Origin::of(&own.verifying_key()), size: 8, root: vectors().root() };
    let mut signed = SignedCheckpoint::sign(checkpoint, &own).unwrap();
    signed.verify(&[own.verifying_key()]).unwrap();
    let missing = AuditError::SignatureMissing { what: "checkpoint" };
    assert_eq!(signed.verify(&[peer.verifying_key()]), Err(missing));
    assert_eq!(signed.cosigned(&[peer.verifying_key()]), Err(missing));

    let line = signed.cosign(&peer, 1_760_000_000).unwrap();
    assert_eq!(signed.add(line.clone(), &own.verifying_key()), Err(AuditError::Signature { what: "checkpoint" }));
    let cosignature = signed.add(line, &peer.verifying_key()).unwrap();
    assert_eq!(cosignature, Cosignature { key: peer.verifying_key(), time_unix_seconds: 1_760_000_000 });
    let again = SignedCheckpoint::parse(&signed.to_string()).unwrap();
    assert_eq!(again, signed);
    assert_eq!(again.verify_all(&[own.verifying_key()]).unwrap(), [cosignature]);
    assert_eq!(again.cosigned(&[peer.verifying_key()]).unwrap(), cosignature);

    // A cosignature of one checkpoint does not fit another.
    let mut other = SignedCheckpoint::sign(Checkpoint { size: 9, ..checkpoint }, &own).unwrap();
    let line = signed.cosign(&peer, 1_760_000_000).unwrap();
    assert!(other.add(line, &peer.verifying_key()).is_err());
    for (from, to) in [("\n8\n", "\n08\n"), ("\n8\n", "\n+8\n"), ("\n8\n", "\n8\nmore\n8\n"), ("audit/", "other/")] {
        let changed = signed.to_string().replacen(from, to, 1);
        assert!(SignedCheckpoint::parse(&changed).is_err(), "{changed}");
    }
}

#[test]
fn a_checkpoint_that_goes_back_or_sideways_does_not_continue() {
    let tree = numbered(20);
    let origin = Origin::of(&key(1).verifying_key());
    let at = |tree: &Tree, size| Checkpoint { origin, size, root: tree.root_at(size).unwrap() };
    at(&tree, 20).continues(&at(&tree, 7), &tree.consistency_proof(7, 20).unwrap()).unwrap();
    assert!(at(&tree, 7).continues(&at(&tree, 20), &[]).is_err());
    let mut fork = numbered(6);
    (0..14).for_each(|_| {
        fork.push([3; 32]);
    });
    let proof = fork.consistency_proof(7, 20).unwrap();
    assert_eq!(at(&fork, 20).continues(&at(&tree, 7), &proof), Err(AuditError::Inconsistent { old: 7, new: 20 }));
    let foreign = Checkpoint { origin: Origin::of(&key(2).verifying_key()), ..at(&tree, 20) };
    assert_eq!(foreign.continues(&at(&tree, 7), &proof), Err(AuditError::OtherLog));
}

/// A log of one institution, a checkpoint of all of it signed by both, and the receipt of a job in it.
struct Evidence {
    log: String,
    checkpoint: String,
    receipt: String,
}

fn append(log: &mut String, tree: &mut Tree, entry: Entry) {
    let salt = u8::try_from(tree.size() % 251).unwrap();
    let line = entry.salted([salt; 16]).to_line().unwrap();
    tree.push(leaf_hash(line.as_bytes()));
    log.push_str(&line);
    log.push('\n');
}

fn body(tree: &Tree) -> ReceiptBody {
    let side = |number: u8, size: u64| LogHead {
        key: key(number).verifying_key(),
        rows: 16,
        transcript: [number; 32],
        log: Checkpoint {
            origin: Origin::of(&key(number).verifying_key()),
            size,
            root: if number == 1 { tree.root() } else { [8; 32] },
        },
        began_unix_millis: 1_760_000_000_000,
        ended_unix_millis: 1_760_000_001_000,
    };
    ReceiptBody {
        agreement: [5; 32],
        job_spec: [6; 32],
        sid: [7; 32],
        protocol: Word::new("ecdh-oprf"),
        result: Word::new("match"),
        leakage: [4; 32],
        count: None,
        sides: [side(1, tree.size()), side(2, 3)],
    }
}

fn evidence() -> Evidence {
    let (mut log, mut tree) = (String::new(), Tree::new());
    append(&mut log, &mut tree, Entry::opening(time(0), &key(1).verifying_key()));
    for number in 1..20 {
        append(&mut log, &mut tree, Entry::new(time(number), "test").number("number", number.unsigned_abs()));
    }
    let finished = Finished { sid: [7; 32], agreement: [5; 32], job_spec: [6; 32], transcripts: [[1; 32], [2; 32]] };
    append(&mut log, &mut tree, Entry::finished(time(30), &[3; 16], &finished));
    let body = body(&tree);
    let signatures = [body.sign(&key(1)).unwrap(), body.sign(&key(2)).unwrap()];
    let receipt = Receipt::new(body, signatures).unwrap();
    append(&mut log, &mut tree, Entry::receipt(time(31), &[3; 16], &receipt));
    append(&mut log, &mut tree, Entry::new(time(32), "job_ended").word("state", "done"));
    let origin = Origin::of(&key(1).verifying_key());
    let checkpoint = Checkpoint { origin, size: tree.size(), root: tree.root() };
    let mut signed = SignedCheckpoint::sign(checkpoint, &key(1)).unwrap();
    let line = signed.cosign(&key(2), 1_760_000_002).unwrap();
    signed.add(line, &key(2).verifying_key()).unwrap();
    Evidence { log, checkpoint: signed.to_string(), receipt: receipt.to_string() }
}

/// What a verifier does with exported bytes.
fn verify(log: &[u8], checkpoint: &[u8], receipt: &[u8]) -> Result<(), AuditError> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| AuditError::Malformed { what: "text" });
    let log = Log::read(log)?;
    let checkpoint = SignedCheckpoint::parse(text(checkpoint)?)?;
    log.check_signed(&checkpoint, &[key(1).verifying_key()])?;
    checkpoint.cosigned(&[key(2).verifying_key()])?;
    if checkpoint.checkpoint().size != log.tree().size() {
        return Err(AuditError::Shorter { expected: log.tree().size(), got: checkpoint.checkpoint().size });
    }
    let receipt = Receipt::parse(text(receipt)?)?;
    log.check_receipt(&receipt).map(drop)
}

#[test]
fn the_untouched_evidence_verifies() {
    let Evidence { log, checkpoint, receipt } = evidence();
    verify(log.as_bytes(), checkpoint.as_bytes(), receipt.as_bytes()).unwrap();
    let log = Log::read(log.as_bytes()).unwrap();
    let receipt = Receipt::parse(&receipt).unwrap();
    assert_eq!(log.check_receipt(&receipt).unwrap(), [20, 21]);
    assert_eq!(log.turn(&receipt), Some(Turn::Initiator));
}

#[test]
fn a_receipt_fits_only_the_logs_that_recorded_it() {
    let Evidence { log, receipt, .. } = evidence();
    let receipt = Receipt::parse(&receipt).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let read = |lines: &[&str]| Log::read((lines.join("\n") + "\n").as_bytes()).unwrap();
    assert_eq!(read(&lines[..21]).check_receipt(&receipt), Err(AuditError::ReceiptNotLogged));
    assert_eq!(read(&lines[..20]).check_receipt(&receipt), Err(AuditError::Shorter { expected: 21, got: 20 }));
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    assert_eq!(read(&swapped).check_receipt(&receipt), Err(AuditError::RootDiffers { size: 21 }));
    let opening = Entry::opening(time(0), &key(9).verifying_key()).to_line().unwrap();
    let foreign = [vec![opening.as_str()], lines[1..].to_vec()].concat();
    assert_eq!(read(&foreign).check_receipt(&receipt), Err(AuditError::OtherLog));
    assert_eq!(Log::read(lines[1].as_bytes()).unwrap_err(), AuditError::Malformed { what: "log" });
    let unopened = Log::read(format!("{}\n", lines[1]).as_bytes());
    assert_eq!(unopened.unwrap_err(), AuditError::Opening { line: 1 });
    let twice = Log::read(format!("{}\n{}\n", lines[0], lines[0]).as_bytes());
    assert_eq!(twice.unwrap_err(), AuditError::Opening { line: 2 });

    // A receipt both sides signed about other transcripts than the log's.
    let mut body = receipt.body().clone();
    body.sides[1].transcript = [0xEE; 32];
    let signatures = [body.sign(&key(1)).unwrap(), body.sign(&key(2)).unwrap()];
    let other = Receipt::new(body.clone(), signatures).unwrap();
    assert_eq!(read(&lines).check_receipt(&other), Err(AuditError::ReceiptDiffers));
    let swapped = Receipt::new(body, [signatures[1], signatures[0]]);
    assert_eq!(swapped.unwrap_err(), AuditError::Signature { what: "receipt" });
}

/// 1,000 random changes of one byte in each of a log, a checkpoint and a receipt: every one is detected.
#[test]
fn every_single_byte_change_is_detected() {
    let whole = evidence();
    let [log, checkpoint, receipt] = [&whole.log, &whole.checkpoint, &whole.receipt].map(|text| text.as_bytes());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (any::<prop::sample::Index>(), 1..=255_u8);
    for _ in 0..1000 {
        let (at, flip) = strategy.new_tree(&mut runner).unwrap().current();
        let changed = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            bytes
        };
        assert!(verify(&changed(log), checkpoint, receipt).is_err());
        assert!(verify(log, &changed(checkpoint), receipt).is_err());
        assert!(verify(log, checkpoint, &changed(receipt)).is_err());
    }
}

proptest! {
    #[test]
    fn reading_never_panics_and_only_canonical_text_is_read(text in "\\PC{0,200}", bytes in any::<Vec<u8>>()) {
        if let Ok(entry) = Entry::from_line(&text) {
            prop_assert_eq!(entry.to_line().unwrap(), text.clone());
        }
        prop_assert!(Log::read(&bytes).is_err());
        prop_assert!(Receipt::parse(&text).is_err());
        prop_assert!(SignedCheckpoint::parse(&text).is_err());
    }

    #[test]
    fn trees_of_any_size_prove_themselves(old in 1_u64..3000, more in 0_u64..3000) {
        let new = old + more;
        let tree = numbered(new);
        let proof = tree.consistency_proof(old, new).unwrap();
        let (old_root, new_root) = (tree.root_at(old).unwrap(), tree.root());
        prop_assert!(verify_consistency((old, &old_root), (new, &new_root), &proof).is_ok());
        let inclusion = tree.inclusion_proof(old - 1, new).unwrap();
        prop_assert!(verify_inclusion(&tree.leaf(old - 1).unwrap(), old - 1, new, &new_root, &inclusion).is_ok());
    }
}
