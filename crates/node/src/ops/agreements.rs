//! Agreements: from a draft to both signatures, by files or over the peers' connection.
//!
//! A document is kept byte for byte as it came; approvals and a signature of ours are appended to it. What a stored document is worth
//! is decided each time from its signatures, never from the state column alone.

use symbolon_policy::audit::Entry;
use symbolon_policy::{Agreement, ColumnUse, Digest, Party, Seat, SignedAgreement, Spent, Standing, State, Summary};
use symbolon_tables::{ColumnType, KeyKind};

use super::{by_prefix, text_of};
use crate::client;
use crate::error::{Error, PeerMisbehaved, Refused};
use crate::home::Home;
use crate::store::{AgreementLife, AgreementRecord, AgreementState, PeerRecord, TableRecord};

pub(super) const NO_SUCH_AGREEMENT: Error =
    Error::NotFound { what: "agreement", remedy: "give an id, or its first digits, as `agreement list` shows it" };

/// An agreement given as a document or by the id of a stored one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are these two ways")]
pub enum AgreementInput {
    /// The id of a stored agreement, enough of its first digits, or its exact title.
    Id(String),
    /// A document.
    Document(Vec<u8>),
}

/// An agreement that now carries our signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed {
    /// As it is stored.
    pub record: AgreementRecord,
    /// The document with our signature.
    pub document: Vec<u8>,
}

/// An agreement both parties have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// As it is stored.
    pub record: AgreementRecord,
    /// The document with both signatures.
    pub document: Vec<u8>,
    /// Whether the partner's node has it too; if not, hand over the document.
    pub returned: bool,
}

/// An agreement as people look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgreementView {
    /// As it is stored, or would be.
    pub record: AgreementRecord,
    /// The other party's name in the agreement.
    pub peer: String,
    /// Our position.
    pub seat: Seat,
    /// What was used up.
    pub spent: Spent,
    /// The most jobs.
    pub runs_max: u64,
    /// The most rows asked about.
    pub rows_total_max: u64,
    /// The first moment it holds, RFC 3339.
    pub valid_from: String,
    /// The first moment it no longer holds, RFC 3339.
    pub valid_until: String,
    /// The document.
    pub document: String,
    /// Who has signed, as a sentence.
    pub state_words: String,
    /// What it is worth at this moment.
    pub standing: Standing,
    /// That, with who and why, as a sentence; empty before both have signed.
    pub standing_words: String,
    /// What this institution holds back of it, a sentence each.
    pub held_back: Vec<String>,
    /// What it means for this institution, in words.
    pub summary: Summary,
}

impl AgreementView {
    /// How far the agreement is, in a word: that of its signatures until both have signed, then that of its standing.
    #[must_use]
    pub const fn state_word(&self) -> &'static str {
        match (self.record.state, self.standing) {
            (AgreementState::Active, standing) | (_, standing @ Standing::Revoked { .. }) => standing.as_str(),
            (state, _) => state.as_str(),
        }
    }
}

impl Home {
    /// Adds our signature and stores the document. It is refused unless our side of it fits our table, keys and
    /// normaliser and the other party is a known peer with the pin the document names.
    ///
    /// # Errors
    /// [`Refused`] naming what does not fit; [`Error::Policy`] for a document that is damaged or was edited after it
    /// was signed, and when too few of this institution's approvers have approved. Nothing is stored then.
    pub async fn agreement_sign(&self, input: AgreementInput) -> Result<Signed, Error> {
        let document = self.resolve(input).await?;
        let text = self.with_stored_signatures(text_of(&document)?).await?;
        let mut signed = SignedAgreement::from_toml(&text)?;
        let (seat, _) = self.check_terms(signed.agreement()).await?;
        let signed_before = signed.signature(seat).is_some();
        let text = if signed_before {
            signed.check_approvals(seat)?;
            text
        } else {
            let before = signed.clone();
            let keys = self.keys();
            let key = signed.agreement().party(seat).organisation_key;
            // A draft from before a change of keys is signed with the key it names, as long as that one counts.
            let key = keys.organisation_for(&key, self.clock().now()).ok_or(Refused::PinDiffers)?;
            signed.sign(key)?;
            append_blocks(&text, &before, &signed)?
        };
        let record = self.store_document(&text, seat).await?;
        if !signed_before {
            let entry = Entry::new(self.clock().now(), "agreement_signed").hash("agreement", &record.id);
            self.evidence().append(entry.word("state", record.state.as_str())).await?;
        }
        Ok(Signed { document: record.document.clone(), record })
    }

    /// Delivers an agreement with our signature to the other party's node: as a proposal, or, when both have signed,
    /// as the returned signature. A document is signed first.
    ///
    /// # Errors
    /// As [`Home::agreement_sign`]; [`Refused::NotActive`] when a stored agreement lacks our signature; network errors.
    pub async fn agreement_send(&self, input: AgreementInput) -> Result<AgreementRecord, Error> {
        let record = match input {
            AgreementInput::Document(_) => self.agreement_sign(input).await?.record,
            AgreementInput::Id(id) => self.find_agreement(&id).await?,
        };
        let peer = self.known_peer(record.peer_key).await?;
        match record.state {
            AgreementState::Signed => client::propose_agreement(self, &peer, &record.document).await?,
            AgreementState::Active => client::return_signature(self, &peer, &record.document).await?,
            AgreementState::Draft | AgreementState::Proposed => return Err(Refused::NotActive.into()),
        }
        Ok(record)
    }

    /// Makes an agreement active. A document must carry both signatures, its own and those stored here taken together.
    /// A stored one that the partner proposed is signed, and the signature returned to the partner's node.
    ///
    /// # Errors
    /// As [`Home::agreement_sign`]; [`Refused::NotActive`] when a signature is missing.
    pub async fn agreement_accept(&self, input: AgreementInput) -> Result<Accepted, Error> {
        let by_id = matches!(input, AgreementInput::Id(_));
        let record = if by_id {
            self.agreement_sign(input).await?.record
        } else {
            let document = self.resolve(input).await?;
            let text = self.with_stored_signatures(text_of(&document)?).await?;
            let signed = SignedAgreement::from_toml(&text)?;
            if signed.state() != State::Active {
                return Err(Refused::NotActive.into());
            }
            let (seat, _) = self.check_terms(signed.agreement()).await?;
            self.store_document(&text, seat).await?
        };
        if record.state != AgreementState::Active {
            return Err(Refused::NotActive.into());
        }
        let mut returned = false;
        if by_id {
            let peer = self.known_peer(record.peer_key).await?;
            // The agreement is active here either way; the caller says how the partner gets its copy.
            returned = client::return_signature(self, &peer, &record.document).await.is_ok();
        }
        Ok(Accepted { document: record.document.clone(), record, returned })
    }

    /// Lists the agreements, the one changed last first.
    ///
    /// # Errors
    /// Environment errors.
    pub async fn agreement_list(&self) -> Result<Vec<AgreementView>, Error> {
        let mut views = Vec::new();
        for record in self.store().agreements().await? {
            views.push(self.view(record).await?);
        }
        Ok(views)
    }

    /// Finds an agreement by its id, enough of its first digits, or its title.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Misuse`] when several ids begin like this.
    pub async fn agreement_show(&self, id: &str) -> Result<AgreementView, Error> {
        let record = self.find_agreement(id).await?;
        self.view(record).await
    }

    /// Explains a document without storing it.
    ///
    /// # Errors
    /// [`Error::Policy`] for a document that is damaged or edited; [`Refused::NotAParty`].
    pub async fn agreement_explain(&self, document: &[u8]) -> Result<AgreementView, Error> {
        let text = text_of(document)?;
        let signed = SignedAgreement::from_toml(text)?;
        let seat = self.own_seat(signed.agreement())?;
        self.view(self.record(text, &signed, seat)).await
    }

    /// Takes a proposal from the peer with the organisation key `peer_key`. It is stored; people decide.
    ///
    /// # Errors
    /// [`PeerMisbehaved`] when the document is damaged, lacks the peer's signature or is between others;
    /// [`Error::LimitExceeded`] when the peer has too many proposals waiting.
    pub async fn receive_proposal(&self, peer_key: [u8; 32], document: &[u8]) -> Result<AgreementRecord, Error> {
        let (text, signed, seat) = self.received(peer_key, document).await?;
        if !signed.signed_by(seat.other()) {
            return Err(PeerMisbehaved::Signature { what: "proposed agreement" }.into());
        }
        if self.store().agreement(*signed.id().as_bytes()).await?.is_none() {
            let all = self.store().agreements().await?;
            let from_peer =
                |record: &&AgreementRecord| record.peer_key == peer_key && record.state == AgreementState::Proposed;
            let waiting = u64::try_from(all.iter().filter(from_peer).count()).unwrap_or(u64::MAX);
            let max = self.settings().limits.proposals_max;
            if waiting >= max {
                return Err(Error::LimitExceeded { what: "proposals waiting", max, got: waiting + 1 });
            }
        }
        self.store_document(&text, seat).await
    }

    /// Takes an agreement back that was proposed to the peer, now with its signature.
    ///
    /// # Errors
    /// [`PeerMisbehaved`] when the document is damaged, was never signed here, or lacks the peer's signature.
    pub async fn receive_signature(&self, peer_key: [u8; 32], document: &[u8]) -> Result<AgreementRecord, Error> {
        let (text, signed, seat) = self.received(peer_key, document).await?;
        let stored = self.store().agreement(*signed.id().as_bytes()).await?;
        let signed_here =
            |record: &AgreementRecord| matches!(record.state, AgreementState::Signed | AgreementState::Active);
        if !stored.as_ref().is_some_and(signed_here) {
            return Err(PeerMisbehaved::UnknownDocument.into());
        }
        if !signed.signed_by(seat.other()) {
            return Err(PeerMisbehaved::Signature { what: "returned agreement" }.into());
        }
        self.store_document(&text, seat).await
    }

    /// A document of a peer: checked, for both of us, with the signatures held here already.
    async fn received(&self, peer_key: [u8; 32], document: &[u8]) -> Result<(String, SignedAgreement, Seat), Error> {
        let max = u64::try_from(self.settings().limits.document_bytes_max).unwrap_or(u64::MAX);
        let got = u64::try_from(document.len()).unwrap_or(u64::MAX);
        if got > max {
            return Err(PeerMisbehaved::Oversized { what: "agreement", max, got }.into());
        }
        let malformed = || PeerMisbehaved::Malformed { what: "agreement" };
        let text = std::str::from_utf8(document).map_err(|_| malformed())?;
        let text = match self.with_stored_signatures(text).await {
            Err(Error::Policy(
                symbolon_policy::Error::SignatureInvalid { .. } | symbolon_policy::Error::ApprovalInvalid { .. },
            )) => {
                return Err(PeerMisbehaved::Signature { what: "agreement" }.into());
            }
            Err(Error::Policy(_)) => return Err(malformed().into()),
            other => other?,
        };
        let signed = SignedAgreement::from_toml(&text)?;
        let seat = self.own_seat(signed.agreement())?;
        let party =
            self.store().peer_by_key(signed.agreement().party(seat.other()).organisation_key.to_bytes()).await?;
        let peer = self.store().peer_by_key(peer_key).await?;
        if party.is_none_or(|party| peer.is_none_or(|peer| peer.name != party.name)) {
            return Err(PeerMisbehaved::WrongInstitution.into());
        }
        Ok((text, signed, seat))
    }

    pub(super) async fn resolve(&self, input: AgreementInput) -> Result<Vec<u8>, Error> {
        match input {
            AgreementInput::Document(document) => Ok(document),
            AgreementInput::Id(id) => Ok(self.find_agreement(&id).await?.document),
        }
    }

    pub(super) async fn find_agreement(&self, id: &str) -> Result<AgreementRecord, Error> {
        let mut records = self.store().agreements().await?;
        if let Some(position) = records.iter().position(|record| record.title == id) {
            return Ok(records.swap_remove(position));
        }
        match by_prefix(records, id, "agreement", |record| hex::encode(record.id)) {
            Err(Error::NotFound { .. }) => Err(NO_SUCH_AGREEMENT),
            other => other,
        }
    }

    async fn known_peer(&self, key: [u8; 32]) -> Result<PeerRecord, Error> {
        self.store().peer_by_key(key).await?.ok_or_else(|| Refused::UnknownPeer.into())
    }

    /// Checks what we can answer for before our signature stands under it.
    pub(super) async fn check_terms(&self, agreement: &Agreement) -> Result<(Seat, PeerRecord), Error> {
        let seat = self.own_seat(agreement)?;
        let (own, other) = (agreement.party(seat), agreement.party(seat.other()));
        let peer = self.known_peer(other.organisation_key.to_bytes()).await?;
        self.check_parties(own, other, &peer).await?;
        check_normaliser(agreement)?;
        super::templates::check_filled_in(agreement)?;
        self.check_replaced(agreement).await?;
        check_own_side(own, &self.table_show(own.table.as_str()).await?)?;
        Ok((seat, peer))
    }

    /// The document, with the approvals and signatures that a stored copy of the same agreement has and it has not.
    pub(super) async fn with_stored_signatures(&self, text: &str) -> Result<String, Error> {
        let signed = SignedAgreement::from_toml(text)?;
        match self.store().agreement(*signed.id().as_bytes()).await? {
            Some(stored) => merged(text, &signed, &stored),
            None => Ok(text.to_owned()),
        }
    }

    /// Stores a document. What another process has stored meanwhile is kept with it: nothing that was approved or
    /// signed gets lost.
    pub(super) async fn store_document(&self, text: &str, seat: Seat) -> Result<AgreementRecord, Error> {
        let signed = SignedAgreement::from_toml(text)?;
        loop {
            let stored = self.store().agreement(*signed.id().as_bytes()).await?;
            let text = match &stored {
                Some(stored) if stored.state.is_active() => return Ok(stored.clone()),
                Some(stored) => merged(text, &signed, stored)?,
                None => text.to_owned(),
            };
            let record = self.record(&text, &SignedAgreement::from_toml(&text)?, seat);
            let before = stored.map(|stored| stored.document);
            if self.store().swap_agreement(record, before).await? {
                return self.store().agreement(*signed.id().as_bytes()).await?.ok_or(NO_SUCH_AGREEMENT);
            }
        }
    }

    fn record(&self, text: &str, signed: &SignedAgreement, seat: Seat) -> AgreementRecord {
        let agreement = signed.agreement();
        let now = self.clock().now();
        AgreementRecord {
            id: *signed.id().as_bytes(),
            state: state_for(signed, seat),
            title: agreement.terms().title.as_str().to_owned(),
            peer_key: agreement.party(seat.other()).organisation_key.to_bytes(),
            document: text.as_bytes().to_vec(),
            replaces: agreement.terms().optional.replaces.map(|id| *id.as_bytes()),
            received_at: now,
            changed_at: now,
        }
    }

    pub(super) async fn view(&self, record: AgreementRecord) -> Result<AgreementView, Error> {
        let document = text_of(&record.document)?.to_owned();
        let stored = self.store().agreement_life(record.id).await?;
        // What is only explained may be another copy of what is stored.
        let (notices, superseded_by) =
            stored.map_or_else(Default::default, |stored| (stored.notices, stored.superseded_by));
        let stored = AgreementLife { record, notices, superseded_by };
        let now = super::life::at(&stored, super::node::timestamp(self.clock().now())?)?;
        let agreement = now.signed.agreement();
        let seat = self.own_seat(agreement)?;
        let terms = agreement.terms();
        Ok(AgreementView {
            peer: agreement.party(seat.other()).name.as_str().to_owned(),
            seat,
            spent: self.store().spent(agreement, seat, self.clock().now()).await?,
            runs_max: terms.runs_max,
            rows_total_max: terms.rows_total_max,
            valid_from: terms.valid_from.to_string(),
            valid_until: terms.valid_until.to_string(),
            state_words: symbolon_policy::state_in_words(&now.signed),
            standing: now.standing,
            standing_words: symbolon_policy::standing_in_words(&now.signed, &now.life, now.standing),
            held_back: self.store().tightening(stored.record.id).await?.in_words(),
            summary: symbolon_policy::summary(agreement, seat),
            document,
            record: stored.record,
        })
    }
}

/// Reads a stored agreement to run under: both signatures are verified anew.
///
/// # Errors
/// [`Refused::Edited`] when the document is not the one that was stored under this id; [`Refused::NotActive`] when a
/// signature is missing; [`Error::Policy`] when it is damaged.
pub fn read_active(record: &AgreementRecord) -> Result<SignedAgreement, Error> {
    let signed = SignedAgreement::from_toml(text_of(&record.document)?)?;
    if *signed.id().as_bytes() != record.id {
        return Err(Refused::Edited.into());
    }
    match signed.state() {
        State::Active => Ok(signed),
        State::Draft | State::SignedBy(_) => Err(Refused::NotActive.into()),
    }
}

/// Checks that the agreement was made for the rules by which this build normalises keys.
///
/// # Errors
/// [`Refused::Normaliser`].
pub fn check_normaliser(agreement: &Agreement) -> Result<(), Error> {
    let normaliser = &agreement.terms().normaliser;
    let same = normaliser.version.as_str() == symbolon_tables::NORMALISER_VERSION
        && normaliser.digest == Digest::from_bytes(symbolon_tables::rules_digest());
    if same { Ok(()) } else { Err(Refused::Normaliser.into()) }
}

/// Checks that our side of an agreement is the registered table: key, duplicates policy, columns and types.
///
/// # Errors
/// [`Refused::TableDiffers`] naming what differs.
pub fn check_own_side(own: &Party, table: &TableRecord) -> Result<(), Error> {
    let differs = |what| Err(Refused::TableDiffers { what }.into());
    let spec = &table.spec;
    let key = own.key.iter().map(|part| Some((part.column.as_str(), part.kind.as_str().parse::<KeyKind>().ok()?)));
    let of_table = spec.key.iter().map(|part| Some((part.column.as_str(), part.kind.clone())));
    if !key.eq(of_table) {
        return differs("its key columns or their kinds");
    }
    if own.duplicates.as_str() != spec.duplicates.as_str() {
        return differs("its duplicates policy");
    }
    // A column marked never stays out of everything, so it need not be there.
    for column in own.columns.iter().filter(|column| column.column_use != ColumnUse::Never) {
        let Some(found) = spec.columns.iter().find(|found| found.name == column.name.as_str()) else {
            return differs("a column listed is not there");
        };
        if column.column_type.as_str().parse::<ColumnType>().ok() != Some(found.ty) {
            return differs("the type of a column");
        }
    }
    Ok(())
}

fn state_for(signed: &SignedAgreement, own: Seat) -> AgreementState {
    match signed.state() {
        State::Draft => AgreementState::Draft,
        State::SignedBy(seat) if seat == own => AgreementState::Signed,
        State::SignedBy(_) => AgreementState::Proposed,
        State::Active => AgreementState::Active,
    }
}

/// The document `text`, which reads as `signed`, with what a stored copy has and it has not.
fn merged(text: &str, signed: &SignedAgreement, stored: &AgreementRecord) -> Result<String, Error> {
    let mut both = signed.clone();
    both.merge(&SignedAgreement::from_toml(text_of(&stored.document)?)?)?;
    append_blocks(text, signed, &both)
}

/// Appends to the document `text`, which reads as `before`, what `after` has more, so that comments and order stay as
/// people wrote them.
pub(super) fn append_blocks(text: &str, before: &SignedAgreement, after: &SignedAgreement) -> Result<String, Error> {
    let blocks = after.blocks_missing_in(before);
    if blocks.is_empty() {
        return Ok(text.to_owned());
    }
    let text = format!("{}\n{blocks}", text.trim_end());
    // What is handed out must read back as what was signed.
    if SignedAgreement::from_toml(&text)? == *after { Ok(text) } else { Err(Refused::Edited.into()) }
}

#[cfg(test)]
mod tests;
