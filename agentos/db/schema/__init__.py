"""The tables: definitions, names, upgrades and row-level security."""
