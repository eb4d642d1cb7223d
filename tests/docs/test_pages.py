"""Every snippet of the pages for users runs, from top to bottom, and prints what the page shows."""

import pytest

from tests.docs.reader import Reader
from tests.docs.readme import DOCS

FOLLOWED = (
    "agents",
    "errors",
    "events",
    "getting-started",
    "human-in-the-loop",
    "index",
    "operating",
    "serving",
    "state-and-memory",
    "structured-output",
    "teams",
    "testing",
    "tools",
)
TESTED_APART = (
    "architecture",
    "authorization",
    "backup",
    "glossary",
    "housekeeping",
    "maintainers",
    "models",
    "scaling",
    "upgrades",
)
"""Pages whose snippets have tests of their own beside this one."""


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_page_can_be_followed_from_top_to_bottom(name: str, tmp_path, database):
    Reader(tmp_path, database).follow((DOCS / f"{name}.md").read_text())


def test_no_page_is_untested():
    pages = {path.stem for path in DOCS.glob("*.md")}
    assert pages == {*FOLLOWED, *TESTED_APART}
