"""Everything that a conversion reads: models, tables, cards."""
