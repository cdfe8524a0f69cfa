//! The byte form that is hashed and signed: fields in a fixed order, each with its length or of fixed width.
//!
//! Text and bytes are a length of four bytes, big-endian, and the content; numbers are eight bytes, big-endian; a
//! list is its length and its entries; an optional number is one byte, 0 or 1, and the number if there is one.
//! So no two different documents have the same bytes, and the format's name, which comes first, keeps versions apart.

pub(crate) struct Canonical(Vec<u8>);

impl Canonical {
    pub(crate) fn new(format: &str) -> Self {
        let mut canonical = Self(Vec::with_capacity(1024));
        canonical.text(format);
        canonical
    }

    /// The start of a value that stands inside another byte form.
    pub(crate) const fn part() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn count(&mut self, count: usize) {
        let count = u32::try_from(count).expect("fields of a checked document are far below 4 GiB");
        self.0.extend_from_slice(&count.to_be_bytes());
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub(crate) fn optional(&mut self, number: Option<u64>) {
        self.0.push(u8::from(number.is_some()));
        if let Some(number) = number {
            self.number(number);
        }
    }

    pub(crate) fn time(&mut self, time: crate::Timestamp) {
        self.0.extend_from_slice(&time.unix_seconds().to_be_bytes());
    }

    /// A field that later versions of a format added: its name and its value, each with its length.
    pub(crate) fn extension(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        let mut value = Self(Vec::new());
        fill(&mut value);
        self.text(name);
        self.bytes(&value.0);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}
