//! The help of every command, word for word, in `help.md`.

#[test]
fn every_help_text() {
    trycmd::TestCases::new().case("tests/help.md").env("COLUMNS", "100");
}
