//! The operations of a node on its home: what the command line tool does in its own process and the control service
//! does for others. All are methods of [`Home`](crate::home::Home).
//!
//! Each reads the store anew, checks before it writes, and leaves everything as it was when it fails.

pub mod agreements;
pub mod approver;
pub mod audit;
pub mod budget;
pub mod cards;
pub mod draft;
pub mod jobs;
pub mod keys;
pub mod life;
pub mod node;
pub mod peers;
pub mod policies;
pub mod protect;
pub mod protocols;
pub mod results;
pub mod tables;
pub mod templates;
pub mod trust;
pub mod versions;

#[cfg(test)]
pub(crate) mod testing;

use crate::error::{Environment, Error};

/// Runs work that reads files or computes for long away from the async threads.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|_| Environment::Worker)?
}

/// Takes a document as text.
pub(crate) fn text_of(document: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(document).map_err(|_| Error::Misuse {
        what: "the document is not UTF-8 text",
        remedy: "check that it is the right file",
    })
}

/// Finds the one item whose hexadecimal id begins with `prefix`.
pub(crate) fn by_prefix<T>(
    items: Vec<T>,
    prefix: &str,
    what: &'static str,
    id: impl Fn(&T) -> String,
) -> Result<T, Error> {
    let prefix = prefix.to_ascii_lowercase();
    let remedy = "give an id, or enough of its first digits, as the list shows it";
    if prefix.is_empty() {
        return Err(Error::NotFound { what, remedy });
    }
    let mut found = items.into_iter().filter(|item| id(item).starts_with(&prefix));
    let first = found.next().ok_or(Error::NotFound { what, remedy })?;
    if found.next().is_some() {
        return Err(Error::Misuse { what: "more than one id begins like this", remedy: "give more digits of the id" });
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_must_be_of_one_item() {
        let find = |prefix| by_prefix(vec!["ab12", "ab34", "cd"], prefix, "thing", |item| (*item).to_owned());
        assert_eq!(find("AB1").unwrap(), "ab12");
        assert_eq!(find("cd").unwrap(), "cd");
        assert_eq!(find("ab").unwrap_err().reason(), "INVALID_REQUEST");
        assert_eq!(find("x").unwrap_err().reason(), "NOT_FOUND");
        assert_eq!(find("").unwrap_err().reason(), "NOT_FOUND");
    }
}
