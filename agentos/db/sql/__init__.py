"""The statements that are more than one table's."""
