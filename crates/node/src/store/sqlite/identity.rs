//! Keys over time.

use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use symbolon_policy::{Anchor, Digest, RevokedKey};
use symbolon_primitives::sign::VerifyingKey;

use super::rows::{self, corrupt};
use super::{SqliteStore, taken};
use crate::error::Error;
use crate::store::identity::{CardUpdate, IdentityStore, PeerKeys};
use crate::store::{Answer, PeerRecord};
use crate::tls::{AcceptedKey, Trust};

/// The pins of peers whose organisation key was not withdrawn.
const ACCEPTED: &str = "SELECT * FROM peer_pins
    WHERE peer NOT IN (SELECT peers.name FROM peers JOIN revoked_keys ON value = organisation_key) ORDER BY rowid";

const TAKEN: &str = "peer with this name, key or certificate";

impl SqliteStore {
    pub(super) async fn put_peer_with(
        &self,
        peer: PeerRecord,
        keys: PeerKeys,
        replace: bool,
        at: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let name = peer.name.clone();
        super::put_peer(&mut transaction, peer, replace).await?;
        for table in ["DELETE FROM peer_pins WHERE peer = $1", "DELETE FROM peer_keys WHERE peer = $1"] {
            sqlx::query(table).bind(&name).execute(&mut *transaction).await?;
        }
        for pin in keys.pins {
            let query = sqlx::query(
                "INSERT INTO peer_pins (pin, peer, anchor, spiffe_id, not_before, not_after)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            );
            let query = query.bind(pin.pin.to_vec()).bind(&name).bind(pin.anchor.as_str());
            let query = query.bind(pin.spiffe_id.map(|id| id.to_string())).bind(pin.not_before).bind(pin.not_after);
            query.execute(&mut *transaction).await.map_err(|error| taken(error, TAKEN))?;
        }
        for (key, position) in keys.keys.into_iter().zip(0_i64..) {
            let query = sqlx::query("INSERT INTO peer_keys (key, peer, position) VALUES ($1, $2, $3)");
            let query = query.bind(key.to_vec()).bind(&name).bind(position);
            query.execute(&mut *transaction).await.map_err(|error| taken(error, TAKEN))?;
        }
        for key in keys.revoked {
            revoke(&mut transaction, &name, key, at).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn keys_of(&self, name: &str) -> Result<PeerKeys, Error> {
        let mut connection = self.pool.acquire().await?;
        let pins = sqlx::query("SELECT * FROM peer_pins WHERE peer = $1 ORDER BY rowid").bind(name);
        let pins = pins.fetch_all(&mut *connection).await?.iter().map(accepted).collect::<Result<_, _>>()?;
        let keys = sqlx::query("SELECT key FROM peer_keys WHERE peer = $1 ORDER BY position").bind(name);
        let keys = keys.fetch_all(&mut *connection).await?;
        let keys = keys.iter().map(|row| rows::array(row, "key")).collect::<Result<_, _>>()?;
        let revoked = sqlx::query("SELECT value, kind FROM revoked_keys WHERE peer = $1 ORDER BY rowid").bind(name);
        let revoked = revoked.fetch_all(&mut *connection).await?.iter().map(withdrawn).collect::<Result<_, _>>()?;
        Ok(PeerKeys { pins, keys, revoked })
    }

    async fn all_trust(&self) -> Result<Trust, Error> {
        let pins = sqlx::query(ACCEPTED).fetch_all(&self.pool).await?;
        let revoked = sqlx::query("SELECT value FROM revoked_keys WHERE kind = 'tls'").fetch_all(&self.pool).await?;
        Ok(Trust {
            accepted: pins.iter().map(accepted).collect::<Result<_, _>>()?,
            revoked: revoked.iter().map(|row| rows::array(row, "value")).collect::<Result<_, _>>()?,
        })
    }

    async fn update_of(&self, name: &str) -> Result<Option<CardUpdate>, Error> {
        let query = sqlx::query("SELECT * FROM card_updates WHERE peer = $1").bind(name);
        let row = query.fetch_optional(&self.pool).await?;
        row.map(|row| {
            let sequence: i64 = row.try_get("sequence")?;
            let sequence = u64::try_from(sequence).map_err(|_| corrupt("number of a card"))?;
            Ok(CardUpdate::new(sequence, rows::time(&row, "tried_at")?, row.try_get("failure")?))
        })
        .transpose()
    }
}

async fn revoke(
    connection: &mut SqliteConnection,
    peer: &str,
    key: RevokedKey,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let (value, kind) = match key {
        RevokedKey::Tls(pin) => (pin.as_bytes().to_vec(), "tls"),
        RevokedKey::Organisation(key) => (key.to_bytes().to_vec(), "organisation"),
    };
    let query = sqlx::query(
        "INSERT INTO revoked_keys (value, kind, peer, revoked_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    );
    query.bind(value).bind(kind).bind(peer).bind(at.timestamp_millis()).execute(connection).await?;
    Ok(())
}

fn accepted(row: &SqliteRow) -> Result<AcceptedKey, Error> {
    let anchor: String = row.try_get("anchor")?;
    let id: Option<String> = row.try_get("spiffe_id")?;
    Ok(AcceptedKey {
        pin: rows::array(row, "pin")?,
        anchor: Anchor::from_word(&anchor).ok_or_else(|| corrupt("kind of a pin"))?,
        spiffe_id: id.map(|id| id.parse().map_err(|_| corrupt("SPIFFE id"))).transpose()?,
        not_before: row.try_get("not_before")?,
        not_after: row.try_get("not_after")?,
    })
}

fn withdrawn(row: &SqliteRow) -> Result<RevokedKey, Error> {
    let (value, kind): ([u8; 32], String) = (rows::array(row, "value")?, row.try_get("kind")?);
    match kind.as_str() {
        "tls" => Ok(RevokedKey::Tls(Digest::from_bytes(value))),
        _ => VerifyingKey::from_bytes(&value).map(RevokedKey::Organisation).map_err(|_| corrupt("withdrawn key")),
    }
}

impl IdentityStore for SqliteStore {
    fn put_peer_keys(&self, peer: PeerRecord, keys: PeerKeys, replace: bool, at: DateTime<Utc>) -> Answer<'_, ()> {
        Box::pin(self.put_peer_with(peer, keys, replace, at))
    }

    fn peer_keys<'a>(&'a self, name: &'a str) -> Answer<'a, PeerKeys> {
        Box::pin(self.keys_of(name))
    }

    fn trust(&self) -> Answer<'_, Trust> {
        Box::pin(self.all_trust())
    }

    fn revoke_keys<'a>(&'a self, name: &'a str, keys: Vec<RevokedKey>, at: DateTime<Utc>) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut transaction = self.pool.begin().await?;
            for key in keys {
                revoke(&mut transaction, name, key, at).await?;
            }
            Ok(transaction.commit().await?)
        })
    }

    fn is_revoked(&self, value: [u8; 32]) -> Answer<'_, bool> {
        Box::pin(async move {
            let query = sqlx::query("SELECT 1 FROM revoked_keys WHERE value = $1").bind(value.to_vec());
            Ok(query.fetch_optional(&self.pool).await?.is_some())
        })
    }

    fn remove_peer<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query("DELETE FROM peers WHERE name = $1").bind(name);
            Ok(query.execute(&self.pool).await?.rows_affected() > 0)
        })
    }

    fn card_update<'a>(&'a self, name: &'a str) -> Answer<'a, Option<CardUpdate>> {
        Box::pin(self.update_of(name))
    }

    fn put_card_update<'a>(&'a self, name: &'a str, update: CardUpdate) -> Answer<'a, ()> {
        Box::pin(async move {
            let query = sqlx::query(
                "INSERT INTO card_updates (peer, sequence, tried_at, failure) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (peer) DO UPDATE SET sequence = $2, tried_at = $3, failure = $4",
            );
            let query = query.bind(name).bind(rows::from_count(update.sequence)?);
            query.bind(update.tried_at.timestamp_millis()).bind(update.failure).execute(&self.pool).await?;
            Ok(())
        })
    }
}
