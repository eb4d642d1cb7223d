"""The scope map and its decisions. Pure: no HTTP, no database, no clock."""
