"""Functions without dependencies on other packages of agentos."""
