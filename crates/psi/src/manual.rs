//! Longer texts: read in this order.
//!
//! 1. [`choosing`]: which protocol for what, what it tells whom, and when a minimum is enforced.
//! 2. [`threat_model`]: who may attack how, and what stops them.
//! 3. [`parameters`]: sizes, lengths and limits, and where each comes from.
//! 4. [`rr22`]: the joins over a vector OLE, what is assumed and what a side that deviates could gain.
//! 5. [`okvs`]: why the store of those joins can be made: how often it fails, and the width of its band.
//! 6. [`lpn`]: the noise of the silent join: assumptions, attacks and what they cost.
//! 7. [`driving`]: how to drive a machine, with a complete example.
//! 8. [`adding_a_protocol`]: what a further protocol has to bring.

pub mod adding_a_protocol;
pub mod choosing;
pub mod driving;
pub mod lpn;
pub mod okvs;
pub mod parameters;
pub mod rr22;
pub mod threat_model;
