//! What one item costs in each part of a protocol, on one thread.

use std::hint::black_box;

use rustix::time::ClockId;
use serde_json::{Value, json};
use symbolon_primitives::group::SecretScalar;
use symbolon_primitives::kdf::{Label, hkdf_expand};
use symbolon_primitives::oprf::{self, ServerKey};
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Secret;
use symbolon_psi::Protocol;

use crate::Result;
use crate::side::cpu_seconds;

/// Items of a chunk, as in the protocols.
const ITEMS: usize = 4_096;

/// Each part is timed as often, and the median taken.
const REPEATS: usize = 3;

/// Microseconds an item.
pub(crate) struct UnitCosts {
    blind: f64,
    evaluate: f64,
    unblind: f64,
    own_set: f64,
    dleq_prove: f64,
    dleq_verify: f64,
}

impl UnitCosts {
    /// Times the parts of `protocol`. In the protocols without proofs, masking own items stands under `blind` for
    /// one side and `own_set` for the other, multiplying the peer's points under `evaluate` and `unblind`.
    pub(crate) fn measure(protocol: Protocol) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        pool.install(|| if protocol == Protocol::EcdhOprf { Self::oprf() } else { Self::masking() })
    }

    fn oprf() -> Result<Self> {
        let (items, mut rng) = (items(), Prg::new(Secret::new([1; 32])));
        let inputs: Vec<&[u8]> = items.iter().map(|item| &item[..]).collect();
        let key = ServerKey::random(&mut rng);
        let public = key.public_key();
        let blinds = SecretScalar::random_batch(ITEMS, &mut rng);
        let blinded = oprf::hash_blind_batch(&inputs, &blinds)?;
        let (evaluated, proof) = key.evaluate_prove_batch(&blinded, &mut rng)?;
        let verified = public.verify_evaluations(&blinded, &evaluated, &proof)?;
        let positions: Vec<usize> = (0..ITEMS).collect();

        let blind = time(|| {
            let blinds = SecretScalar::random_batch(ITEMS, &mut Prg::new(Secret::new([2; 32])));
            oprf::hash_blind_batch(&inputs, &blinds)
        })?;
        let evaluate = time(|| key.evaluate_batch(&blinded))?;
        let both = time(|| key.evaluate_prove_batch(&blinded, &mut Prg::new(Secret::new([3; 32]))))?;
        let dleq_verify = time(|| public.verify_evaluations(&blinded, &evaluated, &proof))?;
        let unblind = time(|| {
            let blinds = SecretScalar::random_batch(ITEMS, &mut Prg::new(Secret::new([2; 32])));
            verified.finalize(&positions, &inputs, &blinds).map(|outputs| rows(&outputs))
        })?;
        let own_set = time(|| key.finalize_own_batch(&inputs).map(|outputs| rows(&outputs)))?;
        Ok(Self { blind, evaluate, unblind, own_set, dleq_prove: (both - evaluate).max(0.0), dleq_verify })
    }

    fn masking() -> Result<Self> {
        let items = items();
        let inputs: Vec<&[u8]> = items.iter().map(|item| &item[..]).collect();
        let scalar = SecretScalar::random_nonzero(&mut Prg::new(Secret::new([1; 32])));
        let masked = oprf::mask_items_batch(&scalar, &inputs)?;
        let item = time(|| oprf::mask_items_batch(&scalar, &inputs))?;
        let point = time(|| oprf::mask_points_batch(&scalar, &masked))?;
        Ok(Self { blind: item, evaluate: point, unblind: point, own_set: item, dleq_prove: 0.0, dleq_verify: 0.0 })
    }

    pub(crate) fn mean(&self, other: &Self) -> Self {
        let mean = |one: f64, two: f64| f64::midpoint(one, two);
        Self {
            blind: mean(self.blind, other.blind),
            evaluate: mean(self.evaluate, other.evaluate),
            unblind: mean(self.unblind, other.unblind),
            own_set: mean(self.own_set, other.own_set),
            dleq_prove: mean(self.dleq_prove, other.dleq_prove),
            dleq_verify: mean(self.dleq_verify, other.dleq_verify),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "blind": self.blind,
            "evaluate": self.evaluate,
            "unblind": self.unblind,
            "own_set": self.own_set,
            "dleq_prove": self.dleq_prove,
            "dleq_verify": self.dleq_verify,
        })
    }
}

/// Items as long as those of the run: label, session, schema and an id of 18 bytes.
fn items() -> Vec<Vec<u8>> {
    (0..ITEMS).map(|number| [&number.to_le_bytes()[..], &[0x5A; 73]].concat()).collect()
}

/// Derives the first row of each output, as both sides do.
fn rows(outputs: &[[u8; 64]]) -> u8 {
    let one = |output: &[u8; 64]| {
        let mut row = [0; 64];
        hkdf_expand(output, &[Label::A1Row.as_bytes(), &[7; 32], &[0; 4]], &mut row).map_or(0, |()| row[0])
    };
    outputs.iter().map(one).fold(0, |sum, byte| sum ^ byte)
}

/// Microseconds of this thread an item; the median of some runs over a chunk. Processor time and not the clock's, so
/// that another process on the machine does not make the floor look higher.
fn time<T>(mut work: impl FnMut() -> std::result::Result<T, symbolon_primitives::Error>) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        let start = cpu_seconds(ClockId::ThreadCPUTime);
        black_box(work()?);
        times.push((cpu_seconds(ClockId::ThreadCPUTime) - start) * 1e6);
    }
    times.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "4,096 is exact")]
    let items = ITEMS as f64;
    Ok(times[REPEATS / 2] / items)
}
