"""Runs whose steps are recorded, so that another process can continue them."""
