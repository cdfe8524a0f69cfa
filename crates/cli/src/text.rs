//! Text for people: aligned columns, numbers, durations.

/// Lays out rows in columns under a header; columns of numbers align right.
pub(crate) fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.chain(header.get(index).map(|title| title.chars().count())).max().unwrap_or(0)
    };
    let numeric = |index: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(index)).filter(|cell| !cell.is_empty()).peekable();
        cells.peek().is_some() && cells.all(|cell| cell.chars().all(|c| c.is_ascii_digit() || ",.".contains(c)))
    };
    let shape: Vec<(usize, bool)> = (0..header.len()).map(|index| (width(index), numeric(index))).collect();
    let mut text = String::new();
    let titles = header.iter().map(|title| (*title).to_owned()).collect();
    for row in std::iter::once(&titles).chain(rows) {
        let mut line = String::new();
        for (cell, (width, right)) in row.iter().zip(&shape) {
            let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
            let cell = if *right { format!("{blanks}{cell}") } else { format!("{cell}{blanks}") };
            line.push_str(&cell);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Lays out `name  value` lines.
pub(crate) fn facts(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| {
        let blanks = " ".repeat(width - name.chars().count());
        format!("{name}{blanks}  {value}\n")
    };
    pairs.iter().map(line).collect()
}

/// Writes a number with a comma every three digits.
pub(crate) fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// Writes "1 row", "2 rows".
pub(crate) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Lists row numbers, and says when there are more than listed.
pub(crate) fn row_numbers(first: &[u64], total: u64) -> String {
    let list: Vec<String> = first.iter().map(ToString::to_string).collect();
    let listed = u64::try_from(list.len()).unwrap_or(u64::MAX);
    let more = if total > listed { ", ..." } else { "" };
    format!("{}{more}", list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["a".to_owned(), "1,000".to_owned()], vec!["long".to_owned(), "7".to_owned()]];
        assert_eq!(columns(&["name", "rows"], &rows), "name   rows\na     1,000\nlong      7\n");
    }

    #[test]
    fn facts_are_aligned() {
        assert_eq!(facts(&[("a", "1".to_owned()), ("bcd", "2".to_owned())]), "a    1\nbcd  2\n");
    }

    #[test]
    fn row_numbers_say_when_there_are_more() {
        assert_eq!(row_numbers(&[1, 5], 2), "1, 5");
        assert_eq!(row_numbers(&[1, 5], 9), "1, 5, ...");
    }
}
