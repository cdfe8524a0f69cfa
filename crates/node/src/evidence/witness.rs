//! One job's evidence: both logs shown and vouched for before the first frame and after the last, and the receipt.
//!
//! # Protocol
//!
//! ```text
//! before the first frame, both sides alike
//!   Seen      the ends of the other's log this side has verified and that must be continued
//!   Head      a fresh end of the own log, which holds `job_started`, with a consistency proof from each size seen
//!   Cosigned  the other's head continues everything seen: this side vouches for it
//! after the last frame, before anything is matched
//!   Head      the end of the own log, which holds `job_finished`, with a proof from the head shown before
//!   Receipt   the initiator's half, then the responder's: signature over the body, and a cosignature of the head
//! ```
//!
//! A head that does not continue what was seen is recorded as a conflict with its note, which is the proof against the
//! peer, and the job ends as `PEER_LOG_FORKED`. Several jobs with one peer may run at a time: each verified end stays a
//! head until a later one is proved to continue it, so the next job closes every gap.
//!
//! The initiator, who gets the result where only one side does, signs first: a side that withholds its half has no
//! receipt, and its own node then gives no result. A peer that ends the job after it has the receipt and before its own
//! half arrives can leave this side without one; both logs then still hold `job_finished` with the same hashes.
//!
//! # Where it differs from the design
//!
//! CRYPTO F.3 has the checkpoints in the handshake. They follow it here, in messages of their own: each side can only
//! show a head that continues what the other has seen after it knows that, and a job that ends here has spent its run
//! already.

use std::sync::Arc;

use symbolon_policy::audit::{
    AuditError, Checkpoint, Entry, Finished, Hash, LogHead, NoteSignature, Origin, Receipt, ReceiptBody,
    SignedCheckpoint, Turn, Word,
};
use symbolon_policy::{Card, Lineage};
use symbolon_primitives::sign::{Signature, Signer, VerifyingKey};
use symbolon_psi::TranscriptHashes;

use crate::convert::evidence::SEEN_MAX;
use crate::error::{Error, PeerMisbehaved};
use crate::home::Home;
use crate::keys::Keys;
use crate::session::{EvidenceMessage, Notarising, Notary, NotaryStep};
use crate::store::{JobId, OwnCheckpoint, PeerCheckpoint};

/// What a job's receipt and entries say about it, known once the handshake is over. Pairs have the initiator first.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct JobSheet {
    /// The job, as in this node.
    pub job: JobId,
    /// The own side.
    pub turn: Turn,
    /// The agreement.
    pub agreement: Hash,
    /// The digest of offer and acceptance.
    pub job_spec: Hash,
    /// The session.
    pub sid: Hash,
    /// The protocol.
    pub protocol: &'static str,
    /// The kind of result.
    pub result: &'static str,
    /// The digest of the statement of what each side learns.
    pub leakage: Hash,
    /// The organisation keys both sign with.
    pub keys: [VerifyingKey; 2],
    /// Organisation keys under which the peer's log may have been opened; those its card leads back to are added.
    pub peer_origins: Vec<VerifyingKey>,
    /// The rows both declared.
    pub rows: [u64; 2],
    /// The clocks of both in offer and acceptance, milliseconds since the beginning of 1970.
    pub began_unix_millis: [u64; 2],
}

/// Conducts the exchanges of one job.
#[derive(Debug)]
pub struct Witness {
    home: Home,
    /// The keys as the job found them: it ends with the key it began with, also when that was changed meanwhile.
    keys: Arc<Keys>,
    sheet: JobSheet,
    /// Ends of the peer's log that its next head must continue.
    seen: Vec<Checkpoint>,
    /// The own head the peer was shown last.
    own: Option<SignedCheckpoint>,
    /// The peer's head this side vouched for last.
    peer: Option<Checkpoint>,
    ended: u64,
    /// The body, the own signature and the cosignature that goes with it, once the peer's end is known.
    signed: Option<(ReceiptBody, Signature, NoteSignature)>,
    receipt: Option<Receipt>,
}

impl Witness {
    /// Prepares the exchanges.
    #[must_use]
    pub fn new(home: Home, sheet: JobSheet) -> Self {
        let keys = home.keys();
        Self { home, keys, sheet, seen: Vec::new(), own: None, peer: None, ended: 0, signed: None, receipt: None }
    }

    /// The receipt, once both have signed it.
    #[must_use]
    pub const fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }

    /// The job.
    #[must_use]
    pub const fn sheet(&self) -> &JobSheet {
        &self.sheet
    }

    /// The key this side signs with in this job.
    fn own_key(&self) -> &dyn Signer {
        let key = &self.sheet.keys[self.sheet.turn.index()];
        let now = self.home.clock().now();
        self.keys.organisation_for(key, now).unwrap_or_else(|| self.keys.organisation())
    }

    const fn peer_key(&self) -> &VerifyingKey {
        &self.sheet.keys[self.sheet.turn.other().index()]
    }

    /// What this side has seen of the peer's log, under whichever of its keys it was opened.
    async fn see(&mut self) -> Result<EvidenceMessage, Error> {
        if let Some(peer) = self.home.store().peer_by_key(self.peer_key().to_bytes()).await? {
            let card = Card::from_toml(&peer.card)?;
            self.sheet.peer_origins.extend(Lineage::of_card(&card).keys());
        }
        self.sheet.peer_origins.sort_unstable_by_key(VerifyingKey::to_bytes);
        self.sheet.peer_origins.dedup();
        for key in &self.sheet.peer_origins {
            let origin = Origin::of(key);
            let heads = self.home.store().log_heads(*origin.as_bytes()).await?;
            self.seen.extend(heads.iter().map(|head| Checkpoint { origin, size: head.size, root: head.root }));
        }
        self.seen.truncate(SEEN_MAX);
        Ok(EvidenceMessage::Seen(self.seen.iter().map(|head| head.size).collect()))
    }

    /// Records an event and shows the end of the own log with it.
    async fn show(&mut self, entry: Entry, seen: Vec<u64>) -> Result<EvidenceMessage, Error> {
        self.home.evidence().append(entry).await?;
        let head = self.home.evidence().head(seen).await?;
        // Signed with the key of this job: the peer need not have heard of one that took its place meanwhile.
        let checkpoint = SignedCheckpoint::sign(*head.checkpoint.checkpoint(), self.own_key());
        let checkpoint = checkpoint.map_err(symbolon_policy::Error::from)?;
        self.own = Some(checkpoint.clone());
        Ok(EvidenceMessage::Head { checkpoint, proofs: head.proofs, ended_unix_millis: self.ended })
    }

    /// Checks that the peer's head is its own, signed and continues everything in `seen`, and vouches for it.
    async fn vouch(&mut self, mut shown: SignedCheckpoint, proofs: &[Vec<Hash>]) -> Result<NoteSignature, Error> {
        let peer = *self.peer_key();
        // The peer's log may be signed with a key that took the place of the job's meanwhile.
        let mut signers = vec![peer];
        if let Some(record) = self.home.store().peer_by_key(peer.to_bytes()).await? {
            signers.extend(self.home.lineage_of(&record).await?.keys());
        }
        shown.verify_all(&signers).map_err(|_| PeerMisbehaved::Signature { what: "checkpoint" })?;
        let head = *shown.checkpoint();
        let origin = self.seen.first().map(|seen| seen.origin);
        let expected = |key: &VerifyingKey| Origin::of(key) == head.origin;
        if !self.sheet.peer_origins.iter().any(expected) {
            return Err(PeerMisbehaved::ForeignLog.into());
        }
        let now = self.home.clock().now();
        let record = |note: &SignedCheckpoint, conflict| PeerCheckpoint {
            origin: *head.origin.as_bytes(),
            size: head.size,
            root: head.root,
            peer_key: peer.to_bytes(),
            conflict,
            note: note.to_string(),
            seen_at: now,
        };
        let continues = origin.is_none_or(|origin| origin == head.origin)
            && proofs.len() == self.seen.len()
            && self.seen.iter().zip(proofs).all(|(seen, proof)| head.continues(seen, proof).is_ok());
        if !continues {
            return self.conflict(record(&shown, true)).await;
        }
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let line = shown.cosign(self.own_key(), seconds).map_err(symbolon_policy::Error::from)?;
        shown.add(line.clone(), &self.own_key().verifying_key()).map_err(symbolon_policy::Error::from)?;
        let continued: Vec<u64> = self.seen.iter().map(|seen| seen.size).collect();
        match self.home.store().put_peer_checkpoint(record(&shown, false), &continued).await {
            Ok(()) => {}
            Err(Error::PeerMisbehaved(PeerMisbehaved::LogForked)) => return self.conflict(record(&shown, true)).await,
            Err(error) => return Err(error),
        }
        self.peer = Some(head);
        Ok(line)
    }

    /// Keeps the note that contradicts what was seen: it carries the peer's own signature.
    async fn conflict(&self, shown: PeerCheckpoint) -> Result<NoteSignature, Error> {
        let mut entry = Entry::new(self.home.clock().now(), "peer_log_forked")
            .id("job", self.sheet.job.as_bytes())
            .hash("peer", &self.peer_key().to_bytes())
            .hash("shown_log", &shown.origin)
            .number("shown_size", shown.size)
            .hash("shown_root", &shown.root);
        if let Some(seen) = self.seen.first() {
            entry = entry.number("seen_size", seen.size).hash("seen_root", &seen.root);
        }
        self.home.evidence().append(entry).await?;
        self.home.store().put_peer_checkpoint(shown, &[]).await?;
        Err(PeerMisbehaved::LogForked.into())
    }

    /// Takes in that the peer vouches for the own head.
    async fn vouched(&mut self, line: NoteSignature) -> Result<(), Error> {
        let peer = *self.peer_key();
        let own =
            self.own.as_mut().ok_or(PeerMisbehaved::UnexpectedMessage { expected: "frame", got: "cosignature" })?;
        own.add(line, &peer).map_err(|_| PeerMisbehaved::Signature { what: "checkpoint" })?;
        let checkpoint = OwnCheckpoint {
            size: own.checkpoint().size,
            peer_key: peer.to_bytes(),
            note: own.to_string(),
            signed_at: self.home.clock().now(),
        };
        self.home.store().put_own_checkpoint(checkpoint).await
    }

    async fn begin_step(&mut self, peer: Option<EvidenceMessage>) -> Result<NotaryStep, Error> {
        match peer {
            None => Ok(NotaryStep::Send(self.see().await?)),
            Some(EvidenceMessage::Seen(sizes)) if self.own.is_none() => {
                let entry = self.started();
                Ok(NotaryStep::Send(self.show(entry, sizes).await?))
            }
            Some(EvidenceMessage::Head { checkpoint, proofs, .. }) if self.own.is_some() && self.peer.is_none() => {
                let line = self.vouch(checkpoint, &proofs).await?;
                Ok(NotaryStep::Send(EvidenceMessage::Cosigned(line)))
            }
            Some(EvidenceMessage::Cosigned(line)) if self.peer.is_some() => {
                self.vouched(line).await?;
                let entry = self.cosigned();
                self.home.evidence().append_all(entry.into_iter().collect()).await?;
                Ok(NotaryStep::Done)
            }
            Some(other) => Err(unexpected("the beginning of a job", &other)),
        }
    }

    async fn end_step(
        &mut self,
        transcript: TranscriptHashes,
        peer: Option<EvidenceMessage>,
    ) -> Result<NotaryStep, Error> {
        let responds = self.sheet.turn == Turn::Responder;
        match peer {
            None => {
                self.ended = millis(self.home.clock().now());
                let shown = self.own.as_ref().map(|own| own.checkpoint().size);
                let entry =
                    Entry::finished(self.home.clock().now(), self.sheet.job.as_bytes(), &self.finished(transcript));
                Ok(NotaryStep::Send(self.show(entry, shown.into_iter().collect()).await?))
            }
            Some(EvidenceMessage::Head { checkpoint, proofs, ended_unix_millis }) if self.signed.is_none() => {
                self.seen = self.peer.into_iter().collect();
                let line = self.vouch(checkpoint, &proofs).await?;
                let body = self.body(transcript, ended_unix_millis)?;
                let signature = body.sign(self.own_key()).map_err(symbolon_policy::Error::from)?;
                self.signed = Some((body, signature, line.clone()));
                if responds {
                    return Ok(NotaryStep::Await);
                }
                Ok(NotaryStep::Send(EvidenceMessage::Receipt { signature, cosignature: line }))
            }
            Some(EvidenceMessage::Receipt { signature, cosignature }) if self.signed.is_some() => {
                self.countersigned(signature, cosignature).await?;
                Ok(match self.signed.take() {
                    Some((_, signature, cosignature)) if responds => {
                        NotaryStep::SendLast(EvidenceMessage::Receipt { signature, cosignature })
                    }
                    _ => NotaryStep::Done,
                })
            }
            Some(other) => Err(unexpected("the end of a job", &other)),
        }
    }

    /// Both have signed: keeps the receipt and records it.
    async fn countersigned(&mut self, theirs: Signature, line: NoteSignature) -> Result<(), Error> {
        let Some((body, own, _)) = self.signed.clone() else { return Err(PeerMisbehaved::Receipt.into()) };
        let signatures = match self.sheet.turn {
            Turn::Initiator => [own, theirs],
            Turn::Responder => [theirs, own],
        };
        let receipt = Receipt::new(body, signatures).map_err(|_| PeerMisbehaved::Receipt)?;
        self.vouched(line).await?;
        let now = self.home.clock().now();
        self.home.evidence().append(Entry::receipt(now, self.sheet.job.as_bytes(), &receipt)).await?;
        self.home.store().put_receipt(self.sheet.job, self.sheet.sid, receipt.to_string(), now).await?;
        self.receipt = Some(receipt);
        Ok(())
    }

    fn started(&self) -> Entry {
        let sheet = &self.sheet;
        let (own, peer) = (sheet.turn.index(), sheet.turn.other().index());
        Entry::new(self.home.clock().now(), "job_started")
            .id("job", sheet.job.as_bytes())
            .word("side", sheet.turn.as_str())
            .hash("peer", &sheet.keys[peer].to_bytes())
            .hash("agreement", &sheet.agreement)
            .hash("job_spec", &sheet.job_spec)
            .hash("sid", &sheet.sid)
            .word("protocol", sheet.protocol)
            .word("result", sheet.result)
            .number("rows_own", sheet.rows[own])
            .number("rows_peer", sheet.rows[peer])
    }

    fn cosigned(&self) -> Option<Entry> {
        let head = self.peer?;
        let entry = Entry::new(self.home.clock().now(), "peer_checkpoint_cosigned")
            .id("job", self.sheet.job.as_bytes())
            .hash("peer", &self.peer_key().to_bytes())
            .hash("log", head.origin.as_bytes())
            .number("size", head.size)
            .hash("root", &head.root);
        Some(entry)
    }

    /// The hashes over what initiator and responder sent.
    const fn transcripts(&self, transcript: TranscriptHashes) -> [Hash; 2] {
        match self.sheet.turn {
            Turn::Initiator => [transcript.sent, transcript.received],
            Turn::Responder => [transcript.received, transcript.sent],
        }
    }

    const fn finished(&self, transcript: TranscriptHashes) -> Finished {
        let JobSheet { sid, agreement, job_spec, .. } = self.sheet;
        Finished { sid, agreement, job_spec, transcripts: self.transcripts(transcript) }
    }

    fn body(&self, transcript: TranscriptHashes, peer_ended: u64) -> Result<ReceiptBody, Error> {
        let sheet = &self.sheet;
        let missing = || Error::from(PeerMisbehaved::Receipt);
        let own = *self.own.as_ref().ok_or_else(missing)?.checkpoint();
        let peer = self.peer.ok_or_else(missing)?;
        let transcripts = self.transcripts(transcript);
        let side = |turn: Turn| {
            let index = turn.index();
            let (log, ended) = if turn == sheet.turn { (own, self.ended) } else { (peer, peer_ended) };
            LogHead {
                key: sheet.keys[index],
                rows: sheet.rows[index],
                transcript: transcripts[index],
                log,
                began_unix_millis: sheet.began_unix_millis[index],
                ended_unix_millis: ended,
            }
        };
        Ok(ReceiptBody {
            agreement: sheet.agreement,
            job_spec: sheet.job_spec,
            sid: sheet.sid,
            protocol: Word::new(sheet.protocol),
            result: Word::new(sheet.result),
            leakage: sheet.leakage,
            // No agreement of this release grants the count to both sides before they match.
            count: None,
            sides: Turn::BOTH.map(side),
        })
    }
}

impl Notary for Witness {
    fn begin(&mut self, peer: Option<EvidenceMessage>) -> Notarising<'_> {
        Box::pin(self.begin_step(peer))
    }

    fn end(&mut self, transcript: TranscriptHashes, peer: Option<EvidenceMessage>) -> Notarising<'_> {
        Box::pin(self.end_step(transcript, peer))
    }
}

fn unexpected(expected: &'static str, got: &EvidenceMessage) -> Error {
    PeerMisbehaved::UnexpectedMessage { expected, got: got.name() }.into()
}

pub(crate) fn millis(time: chrono::DateTime<chrono::Utc>) -> u64 {
    u64::try_from(time.timestamp_millis()).unwrap_or(0)
}

/// Holds the own log against everything peers vouched for.
///
/// # Errors
/// [`EvidenceError::Rewritten`](crate::error::EvidenceError::Rewritten) when it is not what they saw; environment errors.
pub(crate) async fn check_own_log(home: &Home) -> Result<(), Error> {
    let vouched = home.store().own_checkpoints().await?;
    if vouched.is_empty() {
        return Ok(());
    }
    let (bytes, _) = home.evidence().read().await?;
    let rewritten = || Error::from(crate::error::EvidenceError::Rewritten);
    let log = symbolon_policy::audit::Log::read(&bytes).map_err(|_| rewritten())?;
    let fits =
        |own: &OwnCheckpoint| -> Result<(), AuditError> { log.check(SignedCheckpoint::parse(&own.note)?.checkpoint()) };
    if vouched.iter().all(|own| fits(own).is_ok()) { Ok(()) } else { Err(rewritten()) }
}
