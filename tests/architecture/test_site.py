"""What `scripts/site.py` finds in pages. The build itself is a part of `scripts/check`."""

import re
import tomllib

import pytest

from scripts.site import loads
from tests.docs.readme import DOCS, ROOT

NARROW = re.compile(r" {1,3}```")


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://unpkg.com/x.js">',
        "<img alt=a src=//elsewhere/x.png>",
        '<link rel="stylesheet" href="https://fonts.googleapis.com/css">',
        "@import 'https://elsewhere/x.css'",
        "a { background: url(https://elsewhere/x.png) }",
        '<pre class="language-x mermaid">',
    ],
)
def test_what_a_browser_would_fetch_elsewhere_is_found(text: str):
    assert list(loads(text))


@pytest.mark.parametrize(
    "text",
    [
        '<a href="https://semver.org/">',
        '<script src="../assets/x.js">',
        '<link rel="canonical" href="https://docs.example.com/">',
        '<link rel="stylesheet" href="assets/x.css">',
        "<code>https://example.com</code>",
    ],
)
def test_links_and_own_files_are_fine(text: str):
    assert list(loads(text)) == []


def test_every_page_is_in_the_navigation():
    navigation = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    parts = [part if isinstance(part, str) else next(iter(part.values())) for part in navigation]
    listed = {page for part in parts for page in ([part] if isinstance(part, str) else part)}
    assert listed == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}


def test_the_check_builds_the_site():
    assert "python -m scripts.site\n" in (ROOT / "scripts" / "check").read_text()


def test_blocks_inside_lists_are_indented_as_the_generator_wants():
    """Markdown on GitHub takes two spaces; the generator's ends the list there."""
    pages = {path.name: path.read_text().splitlines() for path in DOCS.rglob("*.md")}
    found = [f"{name}: {line}" for name, lines in pages.items() for line in lines if NARROW.match(line)]
    assert found == []
