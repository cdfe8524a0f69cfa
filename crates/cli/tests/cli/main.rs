//! The command line tool against real `symbolon serve` processes.

mod bad_input;
mod budget;
mod crash;
mod disk;
mod envelope;
mod journey;
mod life;
mod log;
mod output;
mod policy;
mod protect;
mod support;
mod templates;
