"""Connections to Postgres: URLs, pools, the owner of each transaction, and the meaning of errors."""
