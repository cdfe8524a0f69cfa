use super::*;

const EXAMPLE: &str = include_str!("../../../../examples/config/policies.cedar");

/// A Tuesday, 12:00 UTC.
const NOON: i64 = 1_774_958_400;

fn own(text: &str) -> Vec<Source> {
    vec![Source { name: "own.cedar".to_owned(), text: text.to_owned() }]
}

fn phase(action: &str) -> PhaseFacts {
    let text = str::to_owned;
    PhaseFacts {
        action: text(action),
        now: NOON,
        peer: PeerFacts {
            name: text("bureau"),
            organisation_key: "ab".repeat(32),
            known: true,
            certificate: Some(Validity { not_before: NOON - 10 * DAY, not_after: NOON + 10 * DAY }),
            posture: Some(PostureFacts {
                build: "cd".repeat(32),
                build_matches_own: false,
                build_changed: false,
                config: "ef".repeat(32),
                config_changed: false,
                policy_set: "01".repeat(32),
            }),
        },
        agreement: AgreementFacts {
            id: "23".repeat(32),
            title: text("Overdraft check"),
            purpose: text("credit decision"),
            standing: text("active"),
            valid_from: NOON - DAY,
            valid_until: NOON + DAY,
        },
        job: JobFacts {
            id: "45".repeat(16),
            table: text("customers"),
            side: text("initiator"),
            protocol: text("ecdh-oprf"),
            result: text("match"),
            receiver: text("own"),
            purpose: text("credit decision"),
            columns: vec![text("risk_grade")],
            rows_own: Some(2048),
            rows_peer: Some(4096),
            frames: 0,
            seconds: 0,
        },
        budget: BudgetFacts { runs_left: 1, rows_left: 10_000 },
    }
}

const DAY: i64 = 86_400;
const PHASES: [&str; 4] = ["offer", "accept", "batch", "release"];

fn decide(engine: &Engine, facts: PhaseFacts) -> Verdict {
    let facts = Facts::Phase(Box::new(facts));
    // What the node builds is what the schema promises to policies.
    let (request, _) = engine.request(&facts).unwrap();
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    let context = request.context().unwrap();
    context.validate(&schema, request.action().unwrap()).unwrap();
    engine.decide(&facts)
}

fn ids(verdict: &Verdict) -> Vec<&str> {
    verdict.determining.iter().map(|policy| policy.id.as_str()).collect()
}

fn problems(text: &str) -> Vec<String> {
    Engine::load(&own(text)).unwrap_err().problems.iter().map(ToString::to_string).collect()
}

#[test]
fn shipped_policies_permit_what_is_in_order() {
    let engine = Engine::shipped().unwrap();
    for action in PHASES {
        let verdict = decide(&engine, phase(action));
        assert!(verdict.allowed, "{action}: {verdict:?}");
        assert_eq!(ids(&verdict), ["job-under-active-agreement"]);
        assert_eq!(verdict.policy_set, engine.digest());
    }
    assert!(engine.policies().iter().all(|policy| !policy.reason.is_empty() && policy.line > 1));
}

type Change = fn(&mut PhaseFacts);

#[test]
fn each_shipped_forbid_holds_at_its_phases() {
    let engine = Engine::shipped().unwrap();
    let changes: [(&str, &[&str], Change); 9] = [
        ("agreement-not-active", &PHASES, |facts| facts.agreement.standing = "suspended".to_owned()),
        ("partner-not-known", &PHASES, |facts| facts.peer.known = false),
        ("other-purpose", &PHASES, |facts| facts.job.purpose = "marketing".to_owned()),
        ("outside-validity", &PHASES, |facts| facts.agreement.valid_from = NOON + 1),
        ("outside-validity", &PHASES, |facts| facts.agreement.valid_until = NOON),
        ("certificate-ended", &PHASES, |facts| {
            facts.peer.certificate = Some(Validity { not_before: 0, not_after: NOON - 1 });
        }),
        ("no-runs-left", &PHASES[..2], |facts| facts.budget.runs_left = 0),
        ("no-rows-left", &PHASES[..2], |facts| facts.budget.rows_left = 0),
        ("sizes-unknown", &PHASES[1..], |facts| facts.job.rows_peer = None),
    ];
    for (id, phases, change) in changes {
        for action in PHASES {
            let mut facts = phase(action);
            change(&mut facts);
            let verdict = decide(&engine, facts);
            assert_eq!(verdict.allowed, !phases.contains(&action), "{id} at {action}");
            if !verdict.allowed {
                assert_eq!(ids(&verdict), [id], "{action}");
                assert!(!verdict.determining[0].reason.is_empty());
            }
        }
    }
}

#[test]
fn only_policies_that_can_apply_are_asked() {
    let engine = Engine::load(&own(EXAMPLE)).unwrap();
    let asked = |action: &str| {
        let policies = engine.actions[action].policies.policies();
        let mut ids: Vec<_> = policies.map(|policy| policy.id().to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(asked("hello"), ["certificate-ended", "known-partner-may-call"]);
    assert_eq!(asked("create_job"), ["operator-may-act"]);
    assert!(asked("batch").iter().all(|id| asked("accept").contains(id)));
    assert!(
        asked("accept").contains(&"office-hours".to_owned()) && !asked("batch").contains(&"office-hours".to_owned())
    );
}

#[test]
fn calls_are_for_known_partners_and_operators() {
    let engine = Engine::shipped().unwrap();
    let mut call = PeerCallFacts { action: "hello".to_owned(), now: NOON, peer: phase("offer").peer };
    assert!(engine.decide(&Facts::PeerCall(call.clone())).allowed);
    call.peer.known = false;
    let refused = engine.decide(&Facts::PeerCall(call.clone()));
    assert!(!refused.allowed && refused.determining.is_empty(), "nothing permits it");
    for action in ["get_node", "release", "peer_call", "no_such_action", ""] {
        let call = PeerCallFacts { action: action.to_owned(), peer: phase("offer").peer, ..call.clone() };
        assert!(!engine.decide(&Facts::PeerCall(call)).allowed, "{action}");
    }
    let operator = |action: &str| {
        let (action, operator, port) = (action.to_owned(), "local".to_owned(), "socket".to_owned());
        Facts::ControlCall(ControlCallFacts { action, now: NOON, operator, port })
    };
    assert!(engine.decide(&operator("create_job")).allowed);
    assert!(engine.decide(&operator("watch_job")).allowed);
    assert!(!engine.decide(&operator("exchange")).allowed);
}

#[test]
fn own_policies_forbid_more_and_name_themselves() {
    let engine = Engine::load(&own(EXAMPLE)).unwrap();
    let mut facts = phase("accept");
    assert!(decide(&engine, facts.clone()).allowed);
    let changes: [(&str, Change); 6] = [
        ("office-hours", |facts| facts.now = NOON + 9 * 3600),
        ("old-certificate", |facts| {
            facts.peer.certificate = Some(Validity { not_before: NOON - 401 * DAY, not_after: NOON + DAY });
        }),
        ("no-mutual-join", |facts| facts.job.receiver = "both".to_owned()),
        ("no-probe", |facts| (facts.job.side, facts.job.rows_peer) = ("responder".to_owned(), Some(999))),
        ("program-changed", |facts| {
            if let Some(posture) = &mut facts.peer.posture {
                posture.build_changed = true;
            }
        }),
        ("staff-count-only", |facts| facts.job.table = "staff".to_owned()),
    ];
    for (id, change) in changes {
        let mut facts = phase("accept");
        change(&mut facts);
        let verdict = decide(&engine, facts);
        assert!(!verdict.allowed);
        assert_eq!(ids(&verdict), [id]);
    }
    // Saturday.
    facts.now = NOON + 4 * DAY;
    facts.agreement.valid_until = NOON + 9 * DAY;
    assert_eq!(ids(&decide(&engine, facts)), ["office-hours"]);
}

#[test]
fn an_own_permit_takes_nothing_from_a_forbid() {
    let all = "@id(\"all\")\npermit (principal, action, resource);";
    let engine = Engine::load(&own(all)).unwrap();
    let mut facts = phase("accept");
    facts.agreement.standing = "revoked".to_owned();
    assert_eq!(ids(&decide(&engine, facts)), ["agreement-not-active"]);
}

#[test]
fn a_policy_that_cannot_be_evaluated_denies() {
    let sum = "@id(\"sum\")\nforbid (principal, action == Symbolon::Action::\"offer\", resource)\n\
               when { context.budget.rows_left + 1 == 0 };";
    let engine = Engine::load(&own(sum)).unwrap();
    assert!(decide(&engine, phase("offer")).allowed);
    let mut facts = phase("offer");
    facts.budget.rows_left = u64::MAX;
    let verdict = decide(&engine, facts);
    assert!(!verdict.allowed, "the sum overflows");
    assert_eq!(ids(&verdict), ["sum"]);
}

#[test]
fn problems_name_file_and_line() {
    for (text, start) in [
        ("@id(\"a\")\nforbid (principal, action, resource)\nwhen { context.nothing };", "own.cedar:3: "),
        ("// comment\n\n@id(\"a\")\nforbid (principal, action resource);", "own.cedar:4: "),
        ("// comment\n@id(\"a\")\nforbid (principal, action == Symbolon::Action::\"fly\", resource);", "own.cedar:3: "),
        ("\n\nforbid (principal, action, resource);", "own.cedar:3: the policy needs @id"),
        ("@id(\"a b\")\nforbid (principal, action, resource);", "own.cedar:1: the policy needs @id"),
        ("@id(\"other-purpose\")\nforbid (principal, action, resource);", "own.cedar:1: the id \"other-purpose\""),
        ("@id(\"a\")\nforbid (principal == ?principal, action, resource);", "own.cedar:1: templates"),
        // Can never apply: a count is no text.
        (
            "@id(\"a\")\nforbid (principal, action == Symbolon::Action::\"batch\", resource)\n\
             when { context.job.frames == \"64\" };",
            "own.cedar:3: ",
        ),
        (
            "@id(\"a\")\nforbid (principal is Symbolon::Operator, action == Symbolon::Action::\"batch\", resource);",
            "own",
        ),
        // The rows may be unknown.
        (
            "@id(\"a\")\nforbid (principal, action == Symbolon::Action::\"offer\", resource)\n\
             when { context.job.rows_peer < 5 };",
            "own.cedar:3: ",
        ),
    ] {
        let found = problems(text);
        assert!(found[0].starts_with(start), "{text}\n{found:?}");
        assert!(!found[0].contains('\n'));
    }
    let long = format!("// {}", "x".repeat(SOURCE_BYTES_MAX));
    assert!(problems(&long)[0].contains("256 KiB"));
}

#[test]
fn the_digest_names_the_whole_set() {
    let policy = "@id(\"a\")\nforbid (principal, action, resource) when { false };";
    let shipped = Engine::shipped().unwrap().digest();
    let load = |sources: &[(&str, &str)]| {
        let source = |(name, text): &(&str, &str)| Source { name: (*name).to_owned(), text: (*text).to_owned() };
        Engine::load(&sources.iter().map(source).collect::<Vec<_>>()).map(|engine| engine.digest())
    };
    let empty = load(&[("x.cedar", "")]).unwrap();
    assert_ne!(shipped, empty);
    assert_ne!(empty, load(&[("y.cedar", "")]).unwrap());
    assert_ne!(empty, load(&[("x.cedar", "//")]).unwrap());
    // Cedar warns of a condition that is never true, which is a mistake here.
    assert!(load(&[("x.cedar", policy)]).is_err());
    assert_eq!(load(&[("a.cedar", ""), ("b.cedar", "//")]), load(&[("b.cedar", "//"), ("a.cedar", "")]));
}

#[test]
fn facts_come_back_from_json() {
    let facts = Facts::Phase(Box::new(phase("release")));
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
    assert!(serde_json::from_str::<Facts>(&text.replace("\"frames\"", "\"frame\"")).is_err());
}
