//! Times a decision on a phase of a job, with the making of its request: prints the median of many as JSON.
//!
//! ```text
//! cargo bench -p symbolon-policy --bench decide
//! ```

use std::hint::black_box;
use std::time::Instant;

use symbolon_policy::cedar::{
    AgreementFacts, BudgetFacts, Engine, Facts, JobFacts, PeerFacts, PhaseFacts, PostureFacts, Source, Validity,
};

const WARM_UP: usize = 1_000;
const RUNS: usize = 20_000;

/// An operator's own policies, of the usual kind.
const OWN: &str = include_str!("../../../examples/config/policies.cedar");

fn facts(at: i64) -> Facts {
    let text = str::to_owned;
    Facts::Phase(Box::new(PhaseFacts {
        action: text("accept"),
        // A Tuesday, 12:00 UTC.
        now: 1_774_958_400 + at,
        peer: PeerFacts {
            name: text("bureau"),
            organisation_key: "ab".repeat(32),
            known: true,
            certificate: Some(Validity { not_before: 1_774_000_000, not_after: 1_790_000_000 }),
            posture: Some(PostureFacts {
                build: "cd".repeat(32),
                build_matches_own: true,
                build_changed: false,
                config: "ef".repeat(32),
                config_changed: false,
                policy_set: "01".repeat(32),
            }),
        },
        agreement: AgreementFacts {
            id: "23".repeat(32),
            title: text("Overdraft check"),
            purpose: text("credit decision on applicants"),
            standing: text("active"),
            valid_from: 1_774_000_000,
            valid_until: 1_782_000_000,
        },
        job: JobFacts {
            id: "45".repeat(16),
            table: text("customers"),
            side: text("initiator"),
            protocol: text("ecdh-oprf"),
            result: text("enrich"),
            receiver: text("own"),
            purpose: text("credit decision on applicants"),
            columns: ["open_accounts", "total_balance", "risk_grade"].map(text).to_vec(),
            rows_own: Some(262_144),
            rows_peer: Some(262_144),
            frames: 64,
            seconds: 3,
        },
        budget: BudgetFacts { runs_left: 11, rows_left: 2_000_000 },
    }))
}

#[expect(clippy::print_stdout, reason = "the figures are the product of this program")]
#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn main() {
    let own = Source { name: "own.cedar".to_owned(), text: OWN.to_owned() };
    let engine = Engine::load(&[own]).expect("the shipped policies and the example are valid");
    let mut nanoseconds = Vec::with_capacity(RUNS);
    for run in 0..WARM_UP + RUNS {
        let at = i64::try_from(run % 60).expect("below 60");
        let start = Instant::now();
        let verdict = engine.decide(&black_box(facts(at)));
        let spent = start.elapsed().as_nanos();
        assert!(verdict.allowed, "{:?}", verdict.determining);
        if run >= WARM_UP {
            nanoseconds.push(spent);
        }
    }
    nanoseconds.sort_unstable();
    let at = |share: usize| nanoseconds[(RUNS - 1) * share / 100];
    println!(
        "{{\"decisions\": {RUNS}, \"policies\": {}, \"p50_ns\": {}, \"p90_ns\": {}, \"p99_ns\": {}}}",
        engine.policies().len(),
        at(50),
        at(90),
        at(99)
    );
}
