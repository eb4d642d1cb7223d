"""The steps of `scripts/release` that need more than a shell."""
