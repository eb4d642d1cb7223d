"""The way to Postgres: addresses, pools, whose transaction each one is, and what its errors mean."""
