use symbolon_kernels::clmul128;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Secret;

use super::*;

const SID: [u8; 32] = [9; 32];

fn prg(seed: u8) -> Prg {
    Prg::new(Secret::new([seed; 32]))
}

fn set_up(params: Params, sid: [u8; 32]) -> (ReceiverSetup, SenderSetup) {
    let (opening, receiver) = Receiver::start(params, sid, &mut prg(1)).unwrap();
    let (answer, sender) = Sender::start(params, sid, &mut prg(2)).unwrap();
    let answer = Answer::decode(&answer.encode(), 256).unwrap();
    (receiver.ready(&answer).unwrap(), sender.ready(&Opening::decode(&opening.encode()).unwrap()).unwrap())
}

fn block(receiver: &mut ReceiverSetup, sender: &mut SenderSetup) -> (ReceiverShare, SenderShare) {
    let params = *receiver.params();
    let (request, receiver) = receiver.request(&mut prg(3)).unwrap();
    let request = request.into_bytes();
    assert_eq!(request.len(), Request::wire_bytes(&params));
    let (reply, sender) = sender.reply(&Request::decode(&request, &params).unwrap(), &mut prg(4)).unwrap();
    let reply = reply.into_bytes();
    assert_eq!(reply.len(), Reply::wire_bytes(&params));
    (receiver.expand(&Reply::decode(&reply, &params).unwrap()).unwrap(), sender.expand())
}

fn wrong_slots(delta: &Delta, receiver: &ReceiverShare, sender: &SenderShare) -> usize {
    let mut expected = sender.b.clone();
    clmul128::mul_add(delta.expose(), &receiver.u, &mut expected);
    expected.iter().zip(&receiver.v).filter(|(expected, v)| expected != v).count()
}

#[test]
fn shares_fit_for_any_number_of_slots() {
    for slots in [1, 2, 1_000, 8_192, 8_193, 1 << 16, 100_003] {
        let (mut receiver, mut sender) = set_up(Params::for_slots(slots).unwrap(), SID);
        let (left, right) = block(&mut receiver, &mut sender);
        assert_eq!((left.u.len(), left.v.len(), right.b.len()), (slots, slots, slots));
        assert_eq!(wrong_slots(sender.delta(), &left, &right), 0);
        let mut distinct = left.u.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), slots);
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimisation")]
fn shares_fit_for_a_million_slots() {
    let (mut receiver, mut sender) = set_up(Params::for_slots(1_153_434).unwrap(), SID);
    let (left, right) = block(&mut receiver, &mut sender);
    assert_eq!(wrong_slots(sender.delta(), &left, &right), 0);
}

#[test]
fn blocks_of_one_set_up_fit_and_share_nothing_but_the_factor() {
    let params = Params::with_blocks_of(20_000, 8_192).unwrap();
    let (mut receiver, mut sender) = set_up(params, SID);
    let shares: Vec<_> = (0..3).map(|_| block(&mut receiver, &mut sender)).collect();
    assert_eq!(shares.iter().map(|(left, _)| left.u.len()).sum::<usize>(), 20_000);
    for (index, (left, right)) in shares.iter().enumerate() {
        assert_eq!(wrong_slots(sender.delta(), left, right), 0);
        // The generators of this test give every block the same noise and roots.
        for (other, _) in &shares[..index] {
            assert!(left.v.iter().zip(&other.v).filter(|(left, other)| left == other).count() < 7_100);
        }
    }
    assert_eq!(receiver.request(&mut prg(5)).unwrap_err().label(), "misuse_out_of_range");
    let (request, _) = set_up(params, SID).0.request(&mut prg(5)).unwrap();
    assert_eq!(sender.reply(&request, &mut prg(5)).unwrap_err().label(), "misuse_out_of_range");
}

#[test]
fn requests_may_run_ahead_of_replies() {
    let params = Params::with_blocks_of(20_000, 8_192).unwrap();
    let (mut receiver, mut sender) = set_up(params, SID);
    let requests: Vec<_> = (0..3).map(|seed| receiver.request(&mut prg(10 + seed)).unwrap()).collect();
    for (request, receiver) in requests {
        let (reply, right) = sender.reply(&request, &mut prg(4)).unwrap();
        assert_eq!(wrong_slots(sender.delta(), &receiver.expand(&reply).unwrap(), &right.expand()), 0);
    }
}

#[test]
fn sessions_differ_and_runs_repeat() {
    let params = Params::for_slots(100).unwrap();
    let run = |sid| {
        let (mut receiver, mut sender) = set_up(params, sid);
        block(&mut receiver, &mut sender)
    };
    let (first, again, other) = (run(SID), run(SID), run([8; 32]));
    assert_eq!((&first.0.u, &first.1.b), (&again.0.u, &again.1.b));
    assert!(first.0.u.iter().all(|slot| !other.0.u.contains(slot)));
    assert!(first.1.b.iter().all(|slot| !other.1.b.contains(slot)));
    // Both of one session, but not of the other's: nothing fits.
    assert_eq!(wrong_slots(set_up(params, SID).1.delta(), &first.0, &other.1), 100);
}

#[test]
fn a_changed_message_spoils_the_shares() {
    let params = Params::for_slots(1_000).unwrap();
    let spoiled = |change: &dyn Fn(&mut Vec<u8>, &mut Vec<u8>)| {
        let (mut receiver, mut sender) = set_up(params, SID);
        let (request, left) = receiver.request(&mut prg(3)).unwrap();
        let mut request = request.into_bytes();
        change(&mut request, &mut Vec::new());
        let (reply, right) = sender.reply(&Request::decode(&request, &params).unwrap(), &mut prg(4)).unwrap();
        let mut reply = reply.into_bytes();
        change(&mut Vec::new(), &mut reply);
        let left = left.expand(&Reply::decode(&reply, &params).unwrap()).unwrap();
        wrong_slots(sender.delta(), &left, &right.expand())
    };
    let flip = |bytes: &mut Vec<u8>, index: usize| {
        if let Some(byte) = bytes.get_mut(index) {
            *byte ^= 1;
        }
    };
    assert_eq!(spoiled(&|_, _| {}), 0);
    // The last block of a tree always counts. Of a row of the correction half counts, as bits of Δ are.
    assert!(spoiled(&|_, reply| flip(reply, Reply::wire_bytes(&params) - 1)) > 300);
    let rows = (0..20).filter(|row| {
        let correction = Request::wire_bytes(&params) - noisy::wire_bytes(params.weight());
        spoiled(&|request, _| flip(request, correction + row * 16 * params.weight())) > 0
    });
    assert!((2..19).contains(&rows.count()));
}

#[test]
fn lengths_are_checked() {
    let params = Params::for_slots(1_000).unwrap();
    let (request, reply) = (Request::wire_bytes(&params), Reply::wire_bytes(&params));
    for off in [request - 1, request + 1, 0] {
        assert_eq!(Request::decode(&vec![0; off], &params).unwrap_err().label(), "peer_wrong_length");
    }
    for off in [reply - 1, reply + 1, 0] {
        assert_eq!(Reply::decode(&vec![0; off], &params).unwrap_err().label(), "peer_wrong_length");
    }
    let larger = Params::for_slots(100_000).unwrap();
    let (mut receiver, mut sender) = set_up(params, SID);
    let (request, waiting) = set_up(larger, SID).0.request(&mut prg(3)).unwrap();
    assert_eq!(sender.reply(&request, &mut prg(4)).unwrap_err().label(), "peer_wrong_length");
    let (request, _) = receiver.request(&mut prg(3)).unwrap();
    let (reply, _) = sender.reply(&request, &mut prg(4)).unwrap();
    assert_eq!(waiting.expand(&reply).unwrap_err().label(), "misuse_length");
}

#[test]
fn positions_are_below_their_bound_and_reach_all() {
    let mut rng = prg(6);
    let mut seen = [0_u32; 21];
    (0..4_200).for_each(|_| seen[below(21, &mut rng)] += 1);
    assert!(seen.iter().all(|count| (120..290).contains(count)));
}

#[test]
fn debug_shows_nothing() {
    let params = Params::for_slots(1).unwrap();
    let (mut receiver, mut sender) = set_up(params, SID);
    let delta = sender.delta().expose();
    let (request, left) = receiver.request(&mut prg(3)).unwrap();
    let (_, right) = sender.reply(&request, &mut prg(4)).unwrap();
    let text = format!("{receiver:?}{sender:?}{left:?}{right:?}");
    assert!(!text.contains(&delta.to_string()) && text.len() < 600, "{text}");
    assert_eq!(sender.into_delta().expose(), delta);
}
