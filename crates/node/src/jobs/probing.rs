//! Knowing own inputs again, and what follows from a sign of probing.
//!
//! See [`symbolon_policy::probing`] for what can be seen from which side.

use std::sync::Arc;

use rayon::prelude::*;
use symbolon_policy::Permit;
use symbolon_policy::audit::Entry;
use symbolon_policy::probing::{Finding, Sign, overlap_sign};
use symbolon_policy::sketch::{InputMark, Marker};
use symbolon_psi::{Protocol, Role};
use symbolon_tables::Keyed;

use super::deal::Deal;
use super::run::{Own, Run};
use crate::error::{Error, Refused};
use crate::ops::blocking;
use crate::store::{Acceptance, JobRecord};

/// Keys or rows one task adds up.
const PART: usize = 1 << 14;

impl Run {
    /// Adds up the own input: its keys, and its rows when values of `width` bytes are released.
    pub(super) async fn mark(&self, keyed: Keyed, width: usize) -> Result<(InputMark, Keyed), Error> {
        let (pool, secret) = (Arc::clone(&self.jobs.0.pool), Arc::clone(self.home().input_secret()));
        blocking(move || {
            let mark = pool.install(|| {
                let fresh = || Marker::new(&secret);
                let keys = (0..keyed.keys.len()).into_par_iter().with_min_len(PART).fold(fresh, |mut marker, index| {
                    marker.key(keyed.keys.get(index).unwrap_or_default());
                    marker
                });
                let keys = keys.reduce(fresh, Marker::join);
                if width == 0 {
                    return keys;
                }
                let rows = keyed.row_key.par_iter().zip(keyed.payload.par_chunks_exact(width)).with_min_len(PART);
                let rows = rows.fold(fresh, |mut marker, (key, released)| {
                    marker.row(keyed.keys.get(*key as usize).unwrap_or_default(), released);
                    marker
                });
                keys.join(rows.reduce(fresh, Marker::join))
            });
            Ok((mark.finish(), keyed))
        })
        .await
    }

    /// Warns when the own input nearly agrees with one the peer was asked with before, and refuses where that is
    /// configured, before anything leaves this house.
    ///
    /// # Errors
    /// [`Refused::Probing`].
    pub(super) async fn check_overlap(&self, deal: &Deal, job: &JobRecord, own: &Own) -> Result<(), Error> {
        let (home, rules) = (self.home(), self.home().settings().alerts);
        let asks = deal.role() == Role::Receiver || deal.protocol == Protocol::EcdhMutual;
        if !asks || !rules.refuse_overlap {
            return Ok(());
        }
        let near = home.store().overlap(job.peer_key, &own.mark).await?;
        let Some(finding) = near.and_then(|near| overlap_sign(near, &rules.thresholds)) else { return Ok(()) };
        home.store().raise(job, finding, home.clock().now()).await?;
        self.tell(job, &finding, true).await?;
        Err(Refused::Probing { finding }.into())
    }

    /// Accepts the job: decides, spends and looks for signs of probing, all in one transaction.
    ///
    /// # Errors
    /// The refusal of the agreement or of the budget; [`Refused::Probing`].
    pub(super) async fn take(&self, acceptance: Acceptance) -> Result<Permit, Error> {
        let job = acceptance.job.clone();
        let accepted = match self.home().store().accept_job(acceptance).await {
            Ok(accepted) => accepted,
            Err(error) => {
                self.home().metrics().not_accepted(error.reason());
                if let Error::Refused(Refused::Probing { finding }) = &error {
                    self.tell(&job, finding, true).await?;
                    // An own input that looks like an earlier one is no reason to suspend: nothing has left yet.
                    if finding.sign != Sign::InputOverlap && self.home().settings().alerts.suspend {
                        Box::pin(self.home().suspend_for_probing(job.agreement_id)).await?;
                    }
                }
                return Err(error);
            }
        };
        self.home().metrics().accepted(job.rows_own.unwrap_or_default(), job.rows_peer.unwrap_or_default());
        for finding in &accepted.findings {
            self.tell(&job, finding, false).await?;
        }
        Ok(accepted.permit)
    }

    /// Writes a sign to the log and to the evidence.
    async fn tell(&self, job: &JobRecord, finding: &Finding, refused: bool) -> Result<(), Error> {
        let (sign, found, compared) = (finding.sign.as_str(), finding.found, finding.compared);
        self.home().metrics().alert(sign);
        tracing::warn!(job = %job.id, sign, found, compared, refused, "a sign of probing: see `alert list`");
        let entry = Entry::new(self.home().clock().now(), "budget_alert");
        let entry = entry.hash("agreement", &job.agreement_id).id("job", job.id.as_bytes()).word("sign", sign);
        let entry = entry.number("found", found).number("compared", compared);
        let entry = entry.word("outcome", if refused { "refused" } else { "permitted" });
        self.home().evidence().append(entry).await?;
        Ok(())
    }
}
