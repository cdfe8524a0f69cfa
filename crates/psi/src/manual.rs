//! Longer texts: read in this order.
//!
//! 1. [`threat_model`]: who may attack how, and what stops them.
//! 2. [`parameters`]: sizes, lengths and limits, and where each comes from.
//! 3. [`driving`]: how to drive a machine, with a complete example.
//! 4. [`adding_a_protocol`]: what a further protocol has to bring.

pub mod adding_a_protocol;
pub mod driving;
pub mod parameters;
pub mod threat_model;
