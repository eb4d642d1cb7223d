"""Builds the documentation into `site/`, with warnings as errors, and refuses pages that ask other machines.

python -m scripts.site
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"

_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|srcset|data)=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?![^>]*\brel=["']?canonical)[^>]*?\bhref=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|(?:@import\s+|url\()["']?((?:https?:)?//[^"')\s]+)""",
    re.IGNORECASE,
)
# For these classes, the theme's script loads libraries from a CDN.
_WIDGET = re.compile(r"""class=["'][^"']*\b(mermaid|glightbox|pyodide)\b""")


def main() -> None:
    """Exits with what is wrong, if anything."""
    build = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.stdout.decode(errors="replace"))
    found = [
        f"{path.relative_to(ROOT)} loads {each}" for path in _files() for each in loads(path.read_text())
    ]
    if found:
        sys.exit("\n".join([*found, "The pages must work without a network."]))


def loads(text: str) -> Iterator[str]:
    """The addresses that a page or a style sheet makes a browser ask elsewhere. Links don't count."""
    for match in _LOADED.finditer(text):
        yield next(group for group in match.groups() if group)
    for match in _WIDGET.finditer(text):
        yield f"the library for {match[1]}"


def _files() -> Iterator[Path]:
    for pattern in ("*.html", "*.css"):
        yield from sorted(SITE.rglob(pattern))


if __name__ == "__main__":
    main()
