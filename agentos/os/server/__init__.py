"""Runs the app: uvicorn, signals and background maintenance."""
