"""The tables: what they are, what they are called, how they are created, upgraded and protected."""
