"""What agentos costs, next to the least that the same work can cost: `scripts/bench` prints the table."""
