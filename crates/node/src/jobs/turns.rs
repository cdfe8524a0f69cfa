//! How many jobs each peer has running here, so that one peer does not take every slot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;

/// Jobs that run for each peer that asked for them, by its organisation key.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<[u8; 32], usize>>>);

/// One job of a peer; given back when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    peer: [u8; 32],
}

impl Turns {
    /// Takes a turn, unless the peer has `max` already.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`].
    pub(super) fn enter(&self, peer: [u8; 32], max: usize) -> Result<Turn, Error> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(peer).or_default();
        if *count >= max {
            let (max, got) = (max as u64, *count as u64 + 1);
            return Err(Error::LimitExceeded { what: "the number of jobs of one peer", max, got });
        }
        *count += 1;
        Ok(Turn { turns: self.clone(), peer })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut running = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_counted_by_peer_and_given_back() {
        let turns = Turns::default();
        let (one, _two) = (turns.enter([1; 32], 2).unwrap(), turns.enter([1; 32], 2).unwrap());
        assert_eq!(turns.enter([1; 32], 2).unwrap_err().reason(), "LIMIT_EXCEEDED");
        let other = turns.enter([2; 32], 2).unwrap();
        drop(one);
        turns.enter([1; 32], 2).unwrap();
        drop(other);
        assert_eq!(turns.0.lock().unwrap().len(), 1, "who has none running is forgotten");
    }
}
