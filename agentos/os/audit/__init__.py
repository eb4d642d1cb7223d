"""The audit: who was denied what, and who changed what, in one hash chain."""
