use proptest::prelude::*;
use rand_core::Rng;
use serde::Deserialize;

use super::dleq::{Pairs, prove_with_nonce};
use super::*;
use crate::prg::Prg;

#[derive(Deserialize)]
struct File {
    suites: Vec<Suite>,
}

#[derive(Deserialize)]
struct Suite {
    mode: u8,
    group_dst: String,
    seed: String,
    key_info: String,
    secret_key: String,
    public_key: Option<String>,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    batch: usize,
    input: Vec<String>,
    blind: Vec<String>,
    blinded: Vec<String>,
    evaluated: Vec<String>,
    output: Vec<String>,
    proof: Option<String>,
    proof_nonce: Option<String>,
}

fn suites() -> Vec<Suite> {
    let text = include_str!("../../tests/vectors/oprf_ristretto255_sha512.json");
    serde_json::from_str::<File>(text).unwrap().suites
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn scalar(text: &str) -> SecretScalar {
    SecretScalar::decode(&bytes(text)).unwrap()
}

fn prg(seed: u8) -> Prg {
    Prg::new(Secret::new([seed; 32]))
}

impl Suite {
    fn mode(&self) -> Mode {
        if self.mode == 0 { Mode::Oprf } else { Mode::Voprf }
    }

    fn key(&self) -> ServerKey {
        let info = hex::decode(&self.key_info).unwrap();
        ServerKey::derive_key_pair_for(self.mode(), &Secret::new(bytes(&self.seed)), &info).unwrap()
    }
}

impl Vector {
    fn inputs(&self) -> Vec<Vec<u8>> {
        self.input.iter().map(|text| hex::decode(text).unwrap()).collect()
    }

    fn blinds(&self) -> Vec<SecretScalar> {
        self.blind.iter().map(|text| scalar(text)).collect()
    }
}

fn encodings(texts: &[String]) -> Vec<[u8; 32]> {
    texts.iter().map(|text| bytes(text)).collect()
}

fn slices(inputs: &[Vec<u8>]) -> Vec<&[u8]> {
    inputs.iter().map(Vec::as_slice).collect()
}

#[test]
fn rfc_9497_keys() {
    for suite in suites() {
        let key = suite.key();
        assert_eq!(hex::encode(key.encode().expose()), suite.secret_key);
        if let Some(public) = &suite.public_key {
            assert_eq!(hex::encode(key.public_key().encode()), *public);
            assert_eq!(PublicKey::decode(&bytes(public)).unwrap(), key.public_key());
        }
        let tag = [b"HashToGroup-", suite.mode().context()].concat();
        assert_eq!(hex::encode(tag), suite.group_dst);
    }
}

#[test]
fn rfc_9497_vectors_one_by_one() {
    let mut seen = 0;
    for suite in suites() {
        let (mode, key) = (suite.mode(), suite.key());
        for vector in &suite.vectors {
            assert_eq!(vector.input.len(), vector.batch);
            for (index, input) in vector.inputs().iter().enumerate() {
                let blind_scalar = scalar(&vector.blind[index]);
                let blinded = blind(mode, input, &blind_scalar).unwrap();
                assert_eq!(hex::encode(blinded), vector.blinded[index]);
                let evaluated = key.blind_evaluate(&blinded).unwrap();
                assert_eq!(hex::encode(evaluated), vector.evaluated[index]);
                let output = finalize(input, &blind_scalar, &evaluated).unwrap();
                assert_eq!(hex::encode(output), vector.output[index]);
                assert_eq!(key.evaluate(input).unwrap(), output);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 6);
}

#[test]
fn rfc_9497_vectors_in_batches_with_proofs() {
    let suites = suites();
    let suite = suites.iter().find(|suite| suite.mode() == Mode::Voprf).unwrap();
    let key = suite.key();
    assert!(suite.vectors.iter().any(|vector| vector.batch == 2));
    for vector in &suite.vectors {
        let (inputs, blinds) = (vector.inputs(), vector.blinds());
        let inputs = slices(&inputs);
        let blinded = hash_blind_batch(&inputs, &blinds).unwrap();
        assert_eq!(blinded, encodings(&vector.blinded));
        let evaluated = key.evaluate_batch(&blinded).unwrap();
        assert_eq!(evaluated, encodings(&vector.evaluated));

        let nonce = scalar(vector.proof_nonce.as_ref().unwrap());
        let points = group::decode_points(&blinded).unwrap();
        let proof = prove_with_nonce(&key, Pairs::new(&blinded, &evaluated).unwrap(), &points, &nonce).unwrap();
        assert_eq!(hex::encode(proof), *vector.proof.as_ref().unwrap());

        let verified = key.public_key().verify_evaluations(&blinded, &evaluated, &proof).unwrap();
        let positions: Vec<usize> = (0..inputs.len()).collect();
        let outputs = verified.finalize(&positions, &inputs, &blinds).unwrap();
        let texts: Vec<String> = outputs.iter().map(hex::encode).collect();
        assert_eq!(texts, vector.output);
        assert_eq!(finalize_batch(&inputs, &blinds, &evaluated).unwrap(), outputs);
        assert_eq!(key.finalize_own_batch(&inputs).unwrap(), outputs);
    }
}

type Encodings = Vec<[u8; 32]>;

/// A batch of `count` random items: key, blinded, evaluated, proof.
fn batch(count: usize) -> (ServerKey, Encodings, Encodings, [u8; 64]) {
    let mut rng = prg(21);
    let key = ServerKey::random(&mut rng);
    let blinded = group::random_encoded_batch(count, &mut rng);
    let (evaluated, proof) = key.evaluate_prove_batch(&blinded, &mut rng).unwrap();
    (key, blinded, evaluated, proof)
}

#[test]
fn a_flipped_bit_of_a_proof_is_refused() {
    let (key, blinded, evaluated, proof) = batch(3);
    let public = key.public_key();
    public.verify_batch(&blinded, &evaluated, &proof).unwrap();
    for position in 0..PROOF_BYTES {
        for bit in [0, 4, 7] {
            let mut bad = proof;
            bad[position] ^= 1 << bit;
            let outcome = public.verify_batch(&blinded, &evaluated, &bad);
            assert!(matches!(outcome, Err(Error::VerificationFailed)), "byte {position} bit {bit}");
        }
    }
}

#[test]
fn proof_scalars_must_be_canonical() {
    let (key, blinded, evaluated, proof) = batch(2);
    let order = bytes::<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    for half in 0..2 {
        let mut bad = proof;
        let mut carry = 0_u16;
        for (slot, add) in bad[32 * half..32 * (half + 1)].iter_mut().zip(order) {
            let sum = u16::from(*slot) + u16::from(add) + carry;
            [*slot, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
        let outcome = key.public_key().verify_batch(&blinded, &evaluated, &bad);
        assert!(matches!(outcome, Err(Error::VerificationFailed)));
    }
}

#[test]
fn a_wrong_key_is_refused() {
    let (key, blinded, evaluated, proof) = batch(4);
    let other = ServerKey::random(&mut prg(5));
    assert_ne!(other.public_key(), key.public_key());
    let refused = |outcome| assert!(matches!(outcome, Err(Error::VerificationFailed)));
    refused(other.public_key().verify_batch(&blinded, &evaluated, &proof));

    // One element under another key, with a proof made over exactly what is sent.
    let mut mixed = evaluated;
    mixed[2] = other.blind_evaluate(&blinded[2]).unwrap();
    let forged = key.prove_batch(&blinded, &mixed, &mut prg(6)).unwrap();
    refused(key.public_key().verify_batch(&blinded, &mixed, &forged));
    refused(key.public_key().verify_batch(&blinded, &mixed, &proof));
}

#[test]
fn swapped_pairs_are_refused() {
    let (key, blinded, evaluated, proof) = batch(5);
    let public = key.public_key();
    let mut swapped = evaluated.clone();
    swapped.swap(1, 3);
    assert!(matches!(public.verify_batch(&blinded, &swapped, &proof), Err(Error::VerificationFailed)));
    // The same pairs in another order are another batch.
    let mut reordered = blinded.clone();
    reordered.swap(1, 3);
    assert!(matches!(public.verify_batch(&reordered, &swapped, &proof), Err(Error::VerificationFailed)));
    assert!(matches!(public.verify_batch(&evaluated, &blinded, &proof), Err(Error::VerificationFailed)));
    let cut = public.verify_batch(&blinded[..4], &evaluated[..4], &proof);
    assert!(matches!(cut, Err(Error::VerificationFailed)));
}

#[test]
fn a_proof_covers_one_to_65535_elements() {
    let mut rng = prg(7);
    let key = ServerKey::random(&mut rng);
    let one = group::random_encoded_batch(1, &mut rng)[0];
    let over = vec![one; PROOF_ELEMENTS_MAX + 1];
    let limit = |outcome| assert!(matches!(outcome, Err(Error::LimitExceeded { max: 65_535, got: 65_536, .. })));
    limit(key.evaluate_prove_batch(&over, &mut rng).map(|_| ()));
    limit(key.prove_batch(&over, &over, &mut rng).map(|_| ()));
    limit(key.public_key().verify_batch(&over, &over, &[0; 64]));

    let misuse = |outcome| assert!(matches!(outcome, Err(Error::Misuse { .. })));
    misuse(key.evaluate_prove_batch(&[], &mut rng).map(|_| ()));
    misuse(key.prove_batch(&[], &[], &mut rng).map(|_| ()));
    misuse(key.public_key().verify_batch(&[], &[], &[0; 64]));
    misuse(key.prove_batch(&over[..2], &over[..1], &mut rng).map(|_| ()));
    misuse(key.public_key().verify_batch(&over[..2], &over[..1], &[0; 64]));
    let unverifiable = ServerKey::random_for(Mode::Oprf, &mut rng);
    misuse(unverifiable.evaluate_prove_batch(&[one], &mut rng).map(|_| ()));
}

#[test]
fn the_largest_batch_proves_and_verifies() {
    let (key, blinded, evaluated, proof) = batch(PROOF_ELEMENTS_MAX);
    key.public_key().verify_batch(&blinded, &evaluated, &proof).unwrap();
    let mut bad = evaluated;
    bad.swap(0, PROOF_ELEMENTS_MAX - 1);
    let outcome = key.public_key().verify_batch(&blinded, &bad, &proof);
    assert!(matches!(outcome, Err(Error::VerificationFailed)));
}

#[test]
fn bad_encodings_are_refused_wherever_they_stand() {
    let (key, blinded, evaluated, proof) = batch(300);
    let blinds = SecretScalar::random_batch(300, &mut prg(8));
    let inputs: Vec<&[u8]> = vec![b"x"; 300];
    // Not canonical: the field's order; not on the curve: s = -1 (RFC 9496, A.2); the identity.
    let bad_ones = [
        bytes("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        bytes("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        [0; 32],
    ];
    for bad in bad_ones {
        for position in [0, 255, 256, 299] {
            let spoil = |list: &[[u8; 32]]| {
                let mut list = list.to_vec();
                list[position] = bad;
                list
            };
            let refused = |outcome| assert!(matches!(outcome, Err(Error::Encoding { .. })));
            refused(key.evaluate_batch(&spoil(&blinded)).map(|_| ()));
            refused(key.evaluate_prove_batch(&spoil(&blinded), &mut prg(9)).map(|_| ()));
            refused(key.prove_batch(&spoil(&blinded), &evaluated, &mut prg(9)).map(|_| ()));
            refused(key.public_key().verify_batch(&spoil(&blinded), &evaluated, &proof));
            refused(key.public_key().verify_batch(&blinded, &spoil(&evaluated), &proof));
            refused(finalize_batch(&inputs, &blinds, &spoil(&evaluated)).map(|_| ()));
            refused(mask_points_batch(&blinds[0], &spoil(&blinded)).map(|_| ()));
        }
        assert!(PublicKey::decode(&bad).is_err());
        assert!(key.blind_evaluate(&bad).is_err());
        assert!(finalize(b"x", &blinds[0], &bad).is_err());
    }
}

#[test]
fn lengths_are_checked() {
    let mut rng = prg(10);
    let key = ServerKey::random(&mut rng);
    let blinds = SecretScalar::random_batch(2, &mut rng);
    let long = vec![1_u8; INPUT_BYTES_MAX + 1];
    let misuse = |outcome| assert!(matches!(outcome, Err(Error::Misuse { .. })));
    misuse(hash_blind_batch(&[b"a"], &blinds).map(|_| ()));
    misuse(finalize_batch(&[b"a"], &blinds, &[[0; 32]]).map(|_| ()));
    misuse(finalize_batch(&[b"a", b"b"], &blinds, &[[0; 32]]).map(|_| ()));

    let limit = |outcome| assert!(matches!(outcome, Err(Error::LimitExceeded { max: 65_535, got: 65_536, .. })));
    let element = group::random_encoded_batch(1, &mut rng);
    limit(hash_blind_batch(&[b"a", &long], &blinds).map(|_| ()));
    limit(finalize_batch(&[&long], &blinds[..1], &element).map(|_| ()));
    limit(key.finalize_own_batch(&[&long]).map(|_| ()));
    limit(mask_items_batch(&blinds[0], &[&long]).map(|_| ()));
    limit(blind(Mode::Voprf, &long, &blinds[0]).map(|_| ()));
    limit(finalize(&long, &blinds[0], &element[0]).map(|_| ()));
    limit(key.evaluate(&long).map(|_| ()));
    limit(ServerKey::derive_key_pair(&Secret::new([0; 32]), &long).map(|_| ()));
    assert_eq!(finalize(&long[1..], &blinds[0], &element[0]).unwrap().len(), OUTPUT_BYTES);

    let (blinded, evaluated, proof) = {
        let (evaluated, proof) = key.evaluate_prove_batch(&element, &mut rng).unwrap();
        (element, evaluated, proof)
    };
    let verified = key.public_key().verify_evaluations(&blinded, &evaluated, &proof).unwrap();
    assert_eq!((verified.len(), verified.is_empty()), (1, false));
    misuse(verified.finalize(&[1], &[b"a"], &blinds[..1]).map(|_| ()));
    misuse(verified.finalize(&[0], &[b"a", b"b"], &blinds).map(|_| ()));
    misuse(verified.finalize(&[0, 0], &[b"a", b"b"], &blinds[..1]).map(|_| ()));
    assert!(verified.finalize(&[], &[], &[]).unwrap().is_empty());
}

#[test]
fn the_modes_are_unrelated() {
    let secret = || SecretScalar::decode(&[5; 32].map(|byte: u8| byte & 0x0F)).unwrap();
    let (plain, verifiable) =
        (ServerKey::from_secret(Mode::Oprf, secret()), ServerKey::from_secret(Mode::Voprf, secret()));
    assert_eq!(plain.public_key(), verifiable.public_key());
    assert_eq!((plain.mode(), verifiable.mode()), (Mode::Oprf, Mode::Voprf));
    assert_ne!(plain.evaluate(b"x").unwrap(), verifiable.evaluate(b"x").unwrap());
    let masked = mask_items_batch(&secret(), &[b"x"]).unwrap()[0];
    assert_ne!(masked, blind(Mode::Oprf, b"x", &secret()).unwrap());
    assert_ne!(masked, blind(Mode::Voprf, b"x", &secret()).unwrap());
}

#[test]
fn debug_shows_no_secret() {
    let mut raw = [0_u8; 32];
    prg(11).fill_bytes(&mut raw);
    raw[31] = 0x0B;
    let key = ServerKey::from_secret(Mode::Voprf, SecretScalar::decode(&raw).unwrap());
    let (blinded, evaluated) = {
        let blinded = group::random_encoded_batch(1, &mut prg(12));
        let evaluated = key.evaluate_batch(&blinded).unwrap();
        (blinded, evaluated)
    };
    let proof = key.prove_batch(&blinded, &evaluated, &mut prg(13)).unwrap();
    let verified = key.public_key().verify_evaluations(&blinded, &evaluated, &proof).unwrap();
    let text = format!("{key:?} {key:#?} {verified:?} {:?} {:?}", key.scalar, key.encode());
    for secret in [raw, evaluated[0]] {
        assert!(!text.contains(&hex::encode(secret)) && !text.contains(&hex::encode_upper(secret)));
        assert!(!text.contains(&format!("{secret:?}")));
        for pair in secret.windows(3) {
            assert!(!text.contains(&format!("{}, {}, {}", pair[0], pair[1], pair[2])), "{text}");
            assert!(!text.contains(&hex::encode(pair)), "{text}");
        }
    }
    assert_eq!(format!("{key:?}"), "ServerKey { mode: Voprf, .. }");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Around one block: the batch functions, the single functions and direct evaluation say the same.
    #[test]
    fn batch_single_and_direct_evaluation_agree(
        seed in any::<[u8; 32]>(),
        inputs in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..20),
        pad in prop_oneof![Just(0_usize), 240_usize..275],
    ) {
        let mut rng = Prg::new(Secret::new(seed));
        let key = ServerKey::random(&mut rng);
        let padding = vec![vec![0xEE; 40]; pad];
        let inputs: Vec<&[u8]> = padding.iter().chain(&inputs).map(Vec::as_slice).collect();
        let blinds = SecretScalar::random_batch(inputs.len(), &mut rng);

        let blinded = hash_blind_batch(&inputs, &blinds).unwrap();
        let evaluated = key.evaluate_batch(&blinded).unwrap();
        let outputs = finalize_batch(&inputs, &blinds, &evaluated).unwrap();
        prop_assert_eq!(&outputs, &key.finalize_own_batch(&inputs).unwrap());
        for index in (0..inputs.len()).rev().take(24) {
            prop_assert_eq!(blinded[index], blind(Mode::Voprf, inputs[index], &blinds[index]).unwrap());
            prop_assert_eq!(evaluated[index], key.blind_evaluate(&blinded[index]).unwrap());
            prop_assert_eq!(outputs[index], finalize(inputs[index], &blinds[index], &evaluated[index]).unwrap());
            prop_assert_eq!(outputs[index], key.evaluate(inputs[index]).unwrap());
        }
        if !inputs.is_empty() {
            let (again, proof) = key.evaluate_prove_batch(&blinded, &mut rng).unwrap();
            prop_assert_eq!(&again, &evaluated);
            let verified = key.public_key().verify_evaluations(&blinded, &evaluated, &proof).unwrap();
            let positions: Vec<usize> = (0..inputs.len()).rev().collect();
            let backwards: Vec<&[u8]> = inputs.iter().rev().copied().collect();
            let mut blinds = blinds;
            blinds.reverse();
            let mut finalized = verified.finalize(&positions, &backwards, &blinds).unwrap();
            finalized.reverse();
            prop_assert_eq!(finalized, outputs);
        }
    }

    /// Masks commute and come off, which the protocols with one scalar a side rest on.
    #[test]
    fn masks_commute_and_come_off(seed in any::<[u8; 32]>(), count in 0_usize..300) {
        let mut rng = Prg::new(Secret::new(seed));
        let (left, right) = (SecretScalar::random_nonzero(&mut rng), SecretScalar::random_nonzero(&mut rng));
        let items: Vec<[u8; 4]> = (0_u32..).take(count).map(u32::to_be_bytes).collect();
        let inputs: Vec<&[u8]> = items.iter().map(<[u8; 4]>::as_slice).collect();
        let by_left = mask_items_batch(&left, &inputs).unwrap();
        let by_right = mask_items_batch(&right, &inputs).unwrap();
        let both = mask_points_batch(&right, &by_left).unwrap();
        prop_assert_eq!(&both, &mask_points_batch(&left, &by_right).unwrap());
        prop_assert_eq!(mask_points_batch(&left.invert(), &both).unwrap(), by_right);
    }
}
