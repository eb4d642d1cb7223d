"""Derives ids from names."""

from __future__ import annotations

import re
import unicodedata


def slug(name: str) -> str:
    """`Research Agent` becomes `research-agent`: lower-case ASCII letters and digits, joined by `-`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
