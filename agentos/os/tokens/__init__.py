"""Verifies tokens: signatures, claims, service accounts and keys."""
