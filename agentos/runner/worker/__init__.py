"""This process as one of those that execute a database's runs."""
