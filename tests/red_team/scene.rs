//! Two institutions and a third, with tables and agreements to fight over.

use anyhow::Result;
use symbolon_node::ops::draft::{DraftAllow, DraftColumn, DraftOptions, DraftRecipient, DraftSide};
use symbolon_policy::{ColumnUse, OptionalTerms, Padding, Protocol as PolicyProtocol, ReleaseCount, ResultKind};
use symbolon_psi::{Protocol, Release};
use symbolon_tables::Duplicates;
use symbolon_tests::hostile::client::Ask;
use symbolon_tests::hostile::{Identity, Intruder};
use symbolon_tests::{Node, Pair};

/// What jobs are for.
pub(crate) const PURPOSE: &str = "Credit check of common customers";

/// The bank's rows.
const CUSTOMERS: &str = "id,name\n1,Ann\n2,Bob\n3,Cy\n4,Di\n";
/// The bureau's rows.
const FILES: &str = "key,grade,secret\n2,A,x\n3,B,y\n4,C,z\n9,D,w\n";

/// A bank and a bureau that serve, and a third institution both know.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) pair: Pair,
    pub(crate) mallory: Node,
    /// An agreement under which the bank gets the grade of common customers.
    pub(crate) agreement: [u8; 32],
}

impl Scene {
    /// Sets it up; `limits` are those of all nodes.
    pub(crate) async fn new(limits: &[(&str, u64)]) -> Result<Self> {
        let pair = Pair::start(limits).await?;
        pair.table(&pair.bank, "customers", "id", CUSTOMERS, Duplicates::First).await?;
        pair.table(&pair.bureau, "files", "key", FILES, Duplicates::First).await?;
        let mallory = Node::start(pair.dir.path(), "Mallory", limits).await?;
        let card = mallory.home().card()?.to_toml();
        for node in [&pair.bank, &pair.bureau] {
            node.home().peer_add(Some("mallory"), &card, None, false).await?;
        }
        let agreement = agree(&pair, "Grades", |_| {}).await?;
        Ok(Self { pair, mallory, agreement })
    }

    /// The bank's keys in hostile hands, at the bureau's door.
    pub(crate) fn bank(&self) -> Intruder {
        self.intruder(&self.pair.bank, &self.pair.bureau)
    }

    /// The third institution at the bureau's door.
    pub(crate) fn stranger(&self) -> Intruder {
        self.intruder(&self.mallory, &self.pair.bureau)
    }

    /// The bureau's keys in hostile hands, at the bank's door.
    pub(crate) fn bureau(&self) -> Intruder {
        self.intruder(&self.pair.bureau, &self.pair.bank)
    }

    fn intruder(&self, keys: &Node, at: &Node) -> Intruder {
        Intruder {
            home: keys.home().clone(),
            identity: Identity::of(keys.home()),
            address: at.address(),
            responder: at.home().keys().organisation_public(),
        }
    }

    /// What the agreement allows.
    pub(crate) fn ask(&self) -> Ask {
        ask(self.agreement, None)
    }
}

/// What an agreement made by [`agree`] allows.
pub(crate) fn ask(agreement: [u8; 32], release: Option<Release>) -> Ask {
    Ask {
        agreement,
        protocol: Protocol::EcdhOprf,
        result: ResultKind::Enrich,
        columns: vec!["grade".to_owned()],
        purpose: PURPOSE.to_owned(),
        rows: 4,
        release,
    }
}

/// The terms of [`agree`], before they are changed.
pub(crate) async fn options(pair: &Pair, title: &str) -> Result<DraftOptions> {
    let column = |column_use, bytes_max| DraftColumn { column_use, bytes_max };
    let columns = [
        ("grade".to_owned(), column(ColumnUse::AfterMatch, Some(4))),
        ("secret".to_owned(), column(ColumnUse::Never, None)),
    ];
    Ok(DraftOptions {
        table: "customers".to_owned(),
        peer: "bureau".to_owned(),
        partner_card: pair.bureau.home().table_card("files").await?,
        title: title.to_owned(),
        purpose: PURPOSE.to_owned(),
        allow: vec![DraftAllow {
            protocol: PolicyProtocol::EcdhOprf,
            result: ResultKind::Enrich,
            to: DraftRecipient::Own,
        }],
        valid_from: None,
        valid_days: 30,
        runs_max: 10_000,
        rows_total_max: None,
        intersection_min: 0,
        padding: Padding::Sixteenth,
        own: DraftSide { rows_min: Some(2), rows_max: Some(1_000), ..DraftSide::default() },
        partner: DraftSide { columns: columns.into(), ..DraftSide::default() },
        optional: OptionalTerms::default(),
    })
}

/// Both sign an agreement under which the bank gets the grade of common customers.
pub(crate) async fn agree(pair: &Pair, title: &str, change: impl FnOnce(&mut DraftOptions)) -> Result<[u8; 32]> {
    let mut options = options(pair, title).await?;
    change(&mut options);
    let text = pair.agree(&options).await?;
    let mut id = [0; 32];
    for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits)?, 16)?;
    }
    Ok(id)
}

/// As [`agree`], with a minimum of common keys that the bureau holds itself.
pub(crate) async fn agree_on_minimum(pair: &Pair, keys_min: u64, count: ReleaseCount) -> Result<[u8; 32]> {
    agree(pair, &format!("Grades of {keys_min} with {count}"), |options| {
        options.intersection_min = keys_min;
        options.optional.release_count = count;
    })
    .await
}
