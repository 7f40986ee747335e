//! Tables without frames: they can be read, copied and cut into columns.

use comfy_table::{Cell, CellAlignment, Table, presets};

/// Columns apart by three spaces, numbers to the right; a heading, then the rows.
pub fn text(columns: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(Cell::new));
    let last = columns.len().saturating_sub(1);
    for (position, column) in table.column_iter_mut().enumerate() {
        let numbers = rows.iter().all(|row| row.get(position).is_none_or(|cell| is_number(cell)));
        if numbers && !rows.is_empty() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        column.set_padding((0, if position == last { 0 } else { 3 }));
    }
    table.add_rows(rows);
    lines(&table.to_string())
}

/// A table of GitHub's Markdown.
pub fn markdown(columns: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(columns);
    table.add_rows(rows);
    lines(&table.to_string())
}

fn is_number(cell: &str) -> bool {
    !cell.is_empty() && cell.chars().all(|c| c.is_ascii_digit() || c == ',')
}

fn lines(table: &str) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
