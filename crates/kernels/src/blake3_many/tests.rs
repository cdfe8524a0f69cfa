use proptest::prelude::*;

use super::*;

/// The key of the published vectors.
const KEY: [u8; KEY_BYTES] = *b"whats the Elvish word for friend";

fn hashes<const N: usize>(backend: Backend, key: &[u8; KEY_BYTES], inputs: &Inputs<'_>) -> Vec<[u8; N]> {
    let mut out = vec![[0xAA; N]; inputs.len()];
    keyed_on(backend, key, inputs, &mut out);
    out
}

fn blocks(backend: Backend, key: &[u8; KEY_BYTES], inputs: &Inputs<'_>) -> Vec<u128> {
    let mut out = vec![0xAA; inputs.len()];
    keyed_blocks_on(backend, key, inputs, &mut out);
    out
}

/// Checks all forms against the library, given each input in one piece.
fn check(key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, whole: &[Vec<u8>]) {
    assert_eq!(inputs.len(), whole.len());
    for backend in Backend::all() {
        let (short, wide) = (hashes::<32>(backend, key, inputs), hashes::<64>(backend, key, inputs));
        let blocks = blocks(backend, key, inputs);
        for (index, input) in whole.iter().enumerate() {
            let mut expected = [0; 64];
            blake3::Hasher::new_keyed(key).update(input).finalize_xof().fill(&mut expected);
            assert_eq!(short[index], *blake3::keyed_hash(key, input).as_bytes(), "{backend:?}, input {index}");
            assert_eq!(wide[index], expected, "{backend:?}, input {index}");
            assert_eq!(blocks[index].to_le_bytes(), expected[..16], "{backend:?}, input {index}");
        }
    }
}

#[test]
fn published_vectors_of_one_block() {
    let none = "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26\
                b18171a2f22a4b94822c701f107153dba24918c4bae4d2945c20ece13387627d";
    let one = "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b\
               6568c0490609413006fbd428eb3fd14e7756d90f73a4725fad147f7bf70fd61c";
    let parts = [(Part::bytes(&[[]; 21]), none), (Part::bytes(&[[0]; 21]), one)];
    for (part, expected) in parts {
        for backend in Backend::all() {
            let hashes = hashes::<64>(backend, &KEY, &Inputs::of(part));
            assert_eq!(hashes.len(), 21);
            assert!(hashes.iter().all(|hash| hex::encode(hash) == expected));
        }
    }
}

fn check_length<const N: usize>(data: &[u8], count: usize) {
    let inputs: Vec<[u8; N]> = (0..count).map(|i| std::array::from_fn(|j| data[(i * 7 + j) % data.len()])).collect();
    let whole: Vec<Vec<u8>> = inputs.iter().map(|input| input.to_vec()).collect();
    check(&KEY, &Inputs::of(Part::bytes(&inputs)), &whole);
}

#[test]
fn an_input_too_long_is_refused() {
    let long = [[0_u8; 65]];
    assert!(std::panic::catch_unwind(|| Inputs::of(Part::bytes(&long))).is_err());
    let (half, more) = ([[0_u8; 32]], [[0_u128; 3]]);
    assert!(std::panic::catch_unwind(|| Inputs::pair(Part::bytes(&half), Part::rows(&more))).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn backends_agree_on_every_length(data in prop::collection::vec(any::<u8>(), 1..999), count in 0_usize..50) {
        check_length::<0>(&data, count);
        check_length::<1>(&data, count);
        check_length::<3>(&data, count);
        check_length::<16>(&data, count);
        check_length::<31>(&data, count);
        check_length::<32>(&data, count);
        check_length::<33>(&data, count);
        check_length::<48>(&data, count);
        check_length::<63>(&data, count);
        check_length::<64>(&data, count);
    }

    #[test]
    fn backends_agree_on_inputs_in_two_pieces(
        key: [u8; 32],
        items in prop::collection::vec(any::<([u8; 32], u128, u128, [u8; 5])>(), 0..50),
    ) {
        let ids: Vec<[u8; 32]> = items.iter().map(|item| item.0).collect();
        let single: Vec<u128> = items.iter().map(|item| item.1).collect();
        let rows: Vec<[u128; 2]> = items.iter().map(|item| [item.1, item.2]).collect();
        let odd: Vec<[u8; 5]> = items.iter().map(|item| item.3).collect();
        let row_bytes = |row: &[u128; 2]| [row[0].to_le_bytes(), row[1].to_le_bytes()].concat();

        let joined = |first: Vec<Vec<u8>>, second: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
            first.into_iter().zip(second).map(|(first, second)| [first, second].concat()).collect()
        };
        let bytes = |ids: &[[u8; 32]]| ids.iter().map(|id| id.to_vec()).collect::<Vec<_>>();
        let block_bytes = single.iter().map(|block| block.to_le_bytes().to_vec()).collect::<Vec<_>>();
        let rows_bytes = rows.iter().map(row_bytes).collect::<Vec<_>>();
        let odd_bytes = odd.iter().map(|odd| odd.to_vec()).collect::<Vec<_>>();

        check(&key, &Inputs::of(Part::blocks(&single)), &block_bytes);
        check(&key, &Inputs::of(Part::rows(&rows)), &rows_bytes);
        check(
            &key,
            &Inputs::pair(Part::bytes(&ids), Part::blocks(&single)),
            &joined(bytes(&ids), block_bytes),
        );
        check(&key, &Inputs::pair(Part::rows(&rows), Part::bytes(&ids)), &joined(rows_bytes.clone(), bytes(&ids)));
        check(&key, &Inputs::pair(Part::bytes(&odd), Part::rows(&rows)), &joined(odd_bytes.clone(), rows_bytes));
        check(&key, &Inputs::pair(Part::bytes(&odd), Part::bytes(&odd)), &joined(odd_bytes.clone(), odd_bytes));
    }
}
