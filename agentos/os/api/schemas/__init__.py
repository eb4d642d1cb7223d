"""Rows and runnables as JSON: what each route answers, and what the smaller ones take."""
