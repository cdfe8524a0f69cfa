//! Messages about logs and receipts.

use symbolon_policy::audit::proof::PROOF_HASHES_MAX;
use symbolon_policy::audit::{CHECKPOINT_BYTES_MAX, Hash, NoteSignature, SignedCheckpoint};
use symbolon_primitives::sign::Signature;
use symbolon_wire::v1;
use v1::job_evidence::Message;

use crate::error::PeerMisbehaved;
use crate::session::EvidenceMessage;

/// The most ends of a log one side names.
pub(crate) const SEEN_MAX: usize = 64;

const WHAT: &str = "message about the evidence logs";
const MALFORMED: PeerMisbehaved = PeerMisbehaved::Malformed { what: WHAT };

/// The longest signature line: a name with a key in it, and a cosignature.
const LINE_BYTES_MAX: usize = 512;

impl From<EvidenceMessage> for v1::JobEvidence {
    fn from(message: EvidenceMessage) -> Self {
        Self { message: Some(encode(message)) }
    }
}

fn encode(message: EvidenceMessage) -> Message {
    let line = |line: &NoteSignature| line.to_line().into_bytes();
    match message {
        EvidenceMessage::Seen(sizes) => Message::Seen(v1::LogSeen { sizes }),
        EvidenceMessage::Head { checkpoint, proofs, ended_unix_millis } => {
            let hashes = |proof: Vec<Hash>| v1::LogProof { hashes: proof.iter().map(|hash| hash.to_vec()).collect() };
            Message::Head(v1::LogHead {
                checkpoint: checkpoint.to_string().into_bytes(),
                proofs: proofs.into_iter().map(hashes).collect(),
                ended_unix_millis,
            })
        }
        EvidenceMessage::Cosigned(cosigned) => Message::Cosigned(v1::LogCosigned { cosignature: line(&cosigned) }),
        EvidenceMessage::Receipt { signature, cosignature } => Message::Receipt(v1::JobReceipt {
            signature: signature.to_bytes().to_vec(),
            cosignature: line(&cosignature),
        }),
    }
}

impl TryFrom<v1::JobEvidence> for EvidenceMessage {
    type Error = PeerMisbehaved;

    fn try_from(message: v1::JobEvidence) -> Result<Self, PeerMisbehaved> {
        decode(message)
    }
}

fn decode(message: v1::JobEvidence) -> Result<EvidenceMessage, PeerMisbehaved> {
    Ok(match message.message.ok_or(MALFORMED)? {
        Message::Seen(seen) if seen.sizes.len() <= SEEN_MAX => EvidenceMessage::Seen(seen.sizes),
        Message::Head(head) if head.proofs.len() <= SEEN_MAX => EvidenceMessage::Head {
            checkpoint: checkpoint(&head.checkpoint)?,
            proofs: head.proofs.into_iter().map(proof).collect::<Result<_, _>>()?,
            ended_unix_millis: head.ended_unix_millis,
        },
        Message::Cosigned(cosigned) => EvidenceMessage::Cosigned(line(&cosigned.cosignature)?),
        Message::Receipt(receipt) => EvidenceMessage::Receipt {
            signature: Signature::from_slice(&receipt.signature).map_err(|_| MALFORMED)?,
            cosignature: line(&receipt.cosignature)?,
        },
        Message::Seen(_) | Message::Head(_) => return Err(MALFORMED),
    })
}

fn checkpoint(note: &[u8]) -> Result<SignedCheckpoint, PeerMisbehaved> {
    if note.len() > CHECKPOINT_BYTES_MAX {
        let (max, got) = (CHECKPOINT_BYTES_MAX as u64, note.len() as u64);
        return Err(PeerMisbehaved::Oversized { what: "checkpoint", max, got });
    }
    let note = std::str::from_utf8(note).map_err(|_| MALFORMED)?;
    SignedCheckpoint::parse(note).map_err(|_| MALFORMED)
}

fn proof(proof: v1::LogProof) -> Result<Vec<Hash>, PeerMisbehaved> {
    if proof.hashes.len() > PROOF_HASHES_MAX {
        return Err(MALFORMED);
    }
    proof.hashes.into_iter().map(|hash| hash.try_into().map_err(|_| MALFORMED)).collect()
}

fn line(line: &[u8]) -> Result<NoteSignature, PeerMisbehaved> {
    if line.len() > LINE_BYTES_MAX {
        return Err(MALFORMED);
    }
    let line = std::str::from_utf8(line).map_err(|_| MALFORMED)?;
    NoteSignature::from_line(line).map_err(|_| MALFORMED)
}
