"""Storage: Postgres, and nothing else."""
