//! From keys and values to the vector.

use rand_core::{CryptoRng, Rng};
use rayon::prelude::*;
use symbolon_kernels::band::{self, BLOCK_SLOTS, Dependent, Row};
use symbolon_kernels::memory;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::{Secret, Seed};
use zeroize::Zeroizing;

use super::order::{Order, STRETCH_SLOTS, Stretch, stretch_firsts};
use super::{Failure, Params, RowHash};
use crate::error::Misuse;

type Pivots = Zeroizing<Vec<band::Block>>;

/// The vector that decodes to `values` at `rows`, with zeros in free columns.
///
/// # Errors
/// [`Failure::Dependent`] with a probability below 2^-40 if rows are uniform: try again with a new row seed.
/// [`Failure::EqualRows`] when a row occurs twice. [`Failure::Misuse`] when there are more rows than
/// [`Params::items`] or not one value for each.
///
/// # Security
/// Which columns are free can be seen in the vector and depends on the rows: mask it.
pub fn encode(params: &Params, rows: &[RowHash], values: &[u128]) -> Result<Vec<u128>, Failure> {
    let (pivots, mut solution) = eliminate(params, rows, values)?;
    band::substitute(params.width(), &pivots, &mut solution);
    Ok(solution)
}

/// The vector that decodes to `values` at `rows`, with entries drawn from `rng` in free columns: uniform among all such
/// vectors.
///
/// # Errors
/// As for [`encode`].
pub fn encode_filled(
    params: &Params,
    rows: &[RowHash],
    values: &[u128],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u128>, Failure> {
    let (pivots, mut solution) = eliminate(params, rows, values)?;
    let seeds: Vec<Seed> = pivots
        .chunks(STRETCH_SLOTS / BLOCK_SLOTS)
        .map(|_| {
            let mut seed = Secret::new([0; 32]);
            rng.fill_bytes(seed.expose_mut());
            seed
        })
        .collect();
    (pivots.par_chunks(STRETCH_SLOTS / BLOCK_SLOTS), solution.par_chunks_mut(STRETCH_SLOTS), seeds)
        .into_par_iter()
        .for_each(|(pivots, solution, seed)| fill(pivots, solution, seed));
    band::substitute(params.width(), &pivots, &mut solution);
    Ok(solution)
}

/// Draws the entries of free columns.
fn fill(pivots: &[band::Block], solution: &mut [u128], seed: Seed) {
    let mut rng = Prg::new(seed);
    for (pivots, entries) in pivots.iter().zip(solution.as_chunks_mut::<BLOCK_SLOTS>().0) {
        for (column, entry) in entries.iter_mut().enumerate() {
            if pivots.is_free(column) {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                *entry = u128::from_le_bytes(bytes);
            }
        }
    }
}

/// The echelon form and, in place of the solution, the values of its pivots.
fn eliminate(params: &Params, rows: &[RowHash], values: &[u128]) -> Result<(Pivots, Vec<u128>), Failure> {
    if rows.len() > params.items() {
        return Err(Misuse::Length { what: "rows", expected: params.items(), got: rows.len() }.into());
    }
    if values.len() != rows.len() {
        return Err(Misuse::Length { what: "values", expected: rows.len(), got: values.len() }.into());
    }
    let mut pivots = Zeroizing::new(memory::defaults(params.slots() / BLOCK_SLOTS));
    let mut solution = memory::defaults(params.slots());
    let order = Order::new(params, rows);
    let done = stretches(params, &order, rows, values, &mut pivots, &mut solution)
        .and_then(|behind| connect(behind, &mut pivots, &mut solution));
    match done {
        Ok(()) => Ok((pivots, solution)),
        Err(Dependent) if has_equal(rows) => Err(Failure::EqualRows),
        Err(Dependent) => Err(Failure::Dependent),
    }
}

/// Memory that one task uses for all its stretches.
#[derive(Default)]
struct Scratch {
    stretch: Stretch,
    values: Zeroizing<Vec<u128>>,
}

/// Eliminates in every stretch by itself. Returns what reaches out of each.
fn stretches(
    params: &Params,
    order: &Order,
    rows: &[RowHash],
    values: &[u128],
    pivots: &mut [band::Block],
    solution: &mut [u128],
) -> Result<Vec<Zeroizing<Vec<Row>>>, Dependent> {
    let parts = (pivots.par_chunks_mut(STRETCH_SLOTS / BLOCK_SLOTS), solution.par_chunks_mut(STRETCH_SLOTS));
    (parts, stretch_firsts(params))
        .into_par_iter()
        .enumerate()
        .map_init(Scratch::default, |Scratch { stretch, values: gathered }, (number, ((pivots, solution), first))| {
            order.gather(number, rows, stretch);
            gathered.clear();
            for part in order.parts(number) {
                gathered.extend(part.iter().map(|key| values[key.index as usize]));
            }
            let Stretch { keys, rows, .. } = stretch;
            band::eliminate(params.width(), keys, rows, gathered, first, pivots, solution).map(Zeroizing::new)
        })
        .collect()
}

/// Adds the equations that reach out of a stretch to those behind it.
fn connect(
    behind: Vec<Zeroizing<Vec<Row>>>,
    pivots: &mut [band::Block],
    solution: &mut [u128],
) -> Result<(), Dependent> {
    for row in behind.iter().flat_map(|rows| rows.iter()) {
        // A band lies in the vector, so an equation that finds no pivot there has no bit left.
        if band::insert(row.clone(), 0, pivots, solution)?.is_some() {
            return Err(Dependent);
        }
    }
    Ok(())
}

/// Whether a row occurs twice; asked only after a failure.
fn has_equal(rows: &[RowHash]) -> bool {
    let mut sorted = Zeroizing::new(rows.to_vec());
    sorted.par_sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}
