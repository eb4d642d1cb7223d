"""The routes, their requests and their responses."""
