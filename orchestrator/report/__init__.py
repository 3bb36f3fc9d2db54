"""What came out, as the paper shows it: a page, figures, tables, statistics."""
