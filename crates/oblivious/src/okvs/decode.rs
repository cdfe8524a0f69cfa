//! From a vector to the values at keys.

use rayon::prelude::*;
use symbolon_kernels::band;
use zeroize::Zeroizing;

use super::order::{Order, PIECE_ROWS, STRETCH_SLOTS, Stretch, stretch_firsts};
use super::{Params, RowHash};
use crate::error::{Error, Misuse};

/// Rows that are decoded at a time, to bound memory.
const BATCH_ROWS: usize = 1 << 20;

/// Writes to `out` what `vector` decodes to at each of `rows`, which may be any number and may repeat.
///
/// # Errors
/// [`Error::Misuse`] when the vector has not [`Params::slots`] entries or `out` not one element for each row.
pub fn decode<const W: usize>(
    params: &Params,
    rows: &[RowHash],
    vector: &[[u128; W]],
    out: &mut [[u128; W]],
) -> Result<(), Error> {
    if vector.len() != params.slots() {
        return Err(Misuse::Length { what: "vector", expected: params.slots(), got: vector.len() }.into());
    }
    if out.len() != rows.len() {
        return Err(Misuse::Length { what: "values", expected: rows.len(), got: out.len() }.into());
    }
    for (rows, out) in rows.chunks(BATCH_ROWS).zip(out.chunks_mut(BATCH_ROWS)) {
        decode_batch(params, rows, vector, out);
    }
    Ok(())
}

/// The values of one stretch, in the order of pieces.
type Values<const W: usize> = Zeroizing<Vec<[u128; W]>>;

fn decode_batch<const W: usize>(params: &Params, rows: &[RowHash], vector: &[[u128; W]], out: &mut [[u128; W]]) {
    let order = Order::new(params, rows);
    let values: Vec<Values<W>> = stretch_firsts(params)
        .into_par_iter()
        .enumerate()
        .map_init(Scratch::default, |scratch, (number, first)| {
            order.gather(number, rows, &mut scratch.stretch);
            decode_stretch(params, first, vector, scratch)
        })
        .collect();
    out.par_chunks_mut(PIECE_ROWS).enumerate().for_each(|(piece, out)| {
        for (number, values) in values.iter().enumerate() {
            let (before, keys) = order.part(number, piece);
            for (key, value) in keys.iter().zip(&values[before..]) {
                out[key.index as usize % PIECE_ROWS] = *value;
            }
        }
    });
}

/// Memory that one task uses for all its stretches.
#[derive(Default)]
struct Scratch<const W: usize> {
    stretch: Stretch,
    sorted: Values<W>,
}

/// Decodes the keys of a stretch that begins at `first`.
fn decode_stretch<const W: usize>(
    params: &Params,
    first: u32,
    vector: &[[u128; W]],
    scratch: &mut Scratch<W>,
) -> Values<W> {
    let Scratch { stretch, sorted } = scratch;
    sorted.resize(stretch.keys.len(), [0; W]);
    let begin = first as usize;
    let window = &vector[begin..vector.len().min(begin + STRETCH_SLOTS + params.width())];
    band::decode(params.width(), &stretch.keys, &stretch.rows, first, window, sorted);
    let mut values = Zeroizing::new(vec![[0; W]; stretch.keys.len()]);
    for (value, key) in sorted.iter().zip(stretch.keys.iter()) {
        values[key.index as usize] = *value;
    }
    values
}
