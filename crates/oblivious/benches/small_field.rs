//! CPU time of the vector OLE over GF(2^8), both sides in one process.
//!
//! `cargo bench -p symbolon-oblivious --bench small_field` prints one JSON line for 2^16 and 2^20 items, with as many
//! slots as their store has: medians of all rounds in milliseconds of CPU, on one thread, of the set-up, the
//! expansion, masking (C(P) ⊕ U, packed), unmasking (W = B ⊕ Δ ⊙ D) and shifting the sender's rows by Δ ⊙ C(h), one
//! for each item. `ns_a_slot` is for both sides together.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::error::Error;

use rayon::ThreadPoolBuilder;
use rustix::time::{ClockId, clock_gettime};
use symbolon_oblivious::okvs::Params;
use symbolon_oblivious::vole::back_end::{BackEnd, ReceiverCorrelation, SenderCorrelation, SetUp, SetUpStep};
use symbolon_oblivious::vole::small_field::back_end::SmallField;
use symbolon_primitives::secret::Secret;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Runs of which the median is taken.
const ROUNDS: usize = 5;

/// What is timed, in the order of a run.
const PHASES: [&str; 7] = ["choose", "respond", "expand_sender", "expand_receiver", "mask", "unmask", "shift"];

fn main() -> Result<()> {
    let pool = ThreadPoolBuilder::new().num_threads(1).build()?;
    for log in [16, 20] {
        let items = 1 << log;
        let slots = Params::for_items(items)?.slots();
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(pool.install(|| run(items, slots))?);
        }
        let median = |phase: usize| {
            let mut times: Vec<f64> = rounds.iter().map(|round| round[phase]).collect();
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        let medians: Vec<f64> = (0..PHASES.len()).map(median).collect();
        let total: f64 = medians.iter().sum();
        let phases: Vec<String> =
            PHASES.iter().zip(&medians).map(|(name, time)| format!("\"{name}_ms\":{time:.2}")).collect();
        let set_up: u64 = SmallField::message_bytes(slots).iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "a bench")]
        let (ns, bytes) =
            (total * 1e6 / slots as f64, (set_up + (slots * SmallField::MASKED_BYTES) as u64) as f64 / items as f64);
        println!(
            "{{\"items\":{items},\"slots\":{slots},{},\"total_ms\":{total:.1},\"ns_a_slot\":{ns:.0},\
             \"bytes_an_item\":{bytes:.2}}}",
            phases.join(",")
        );
    }
    Ok(())
}

/// Processor time of this thread in milliseconds.
fn processor_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "a bench")]
    let ms = now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6;
    ms
}

/// The result of `work` and its time.
fn timed<T>(times: &mut Vec<f64>, work: impl FnOnce() -> T) -> T {
    let start = processor_ms();
    let result = work();
    times.push(processor_ms() - start);
    result
}

fn sent<S: SetUp>(step: SetUpStep<S>) -> Result<(Vec<u8>, S)> {
    match step {
        SetUpStep::Send(message, next) => Ok((message, next)),
        SetUpStep::Done(_) => Err("a message is due".into()),
    }
}

fn done<S: SetUp>(step: SetUpStep<S>) -> Result<S::Correlation> {
    match step {
        SetUpStep::Send(..) => Err("no message is due".into()),
        SetUpStep::Done(correlation) => Ok(correlation),
    }
}

fn run(items: usize, slots: usize) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    let sender = SmallField::sender(slots, &[0; 32], Secret::new([1; 32]))?;
    let receiver = SmallField::receiver(slots, &[0; 32], Secret::new([2; 32]))?;
    let (first, sender) = sent(timed(&mut times, || sender.advance(None))?)?;
    let (second, receiver) = sent(timed(&mut times, || receiver.advance(Some(&first)))?)?;
    let mut sender = done(timed(&mut times, || sender.advance(Some(&second)))?)?;
    let mut receiver = done(timed(&mut times, || receiver.advance(None))?)?;
    let values: Vec<u128> = (0..slots as u128).map(|slot| slot.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
    let mut masked = Vec::with_capacity(slots * SmallField::MASKED_BYTES);
    timed(&mut times, || receiver.mask(0, &values, &mut masked))?;
    timed(&mut times, || sender.unmask(0, &masked))?;
    let mut rows = sender.rows()[..items].to_vec();
    timed(&mut times, || sender.shift(&values[..items], &mut rows))?;
    if sender.rows().len() != receiver.rows().len() {
        return Err("both sides have the same slots".into());
    }
    Ok(times)
}
