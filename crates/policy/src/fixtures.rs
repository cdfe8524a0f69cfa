//! Sample agreement for the tests of this crate.
