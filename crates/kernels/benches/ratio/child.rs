//! Prints one round of figures of curve25519-dalek.

mod dalek;

fn main() {
    let costs = dalek::measure();
    println!("{} {} {} {}", costs.blind, costs.evaluate, costs.blind_single, costs.evaluate_single);
}
