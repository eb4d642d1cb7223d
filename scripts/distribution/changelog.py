"""Cuts a release: what stands under Unreleased becomes a version's section, and the package gets its number.

python -m scripts.distribution.changelog VERSION
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).parents[2]
CHANGELOG = ROOT / "CHANGELOG.md"
PACKAGE = ROOT / "agentos" / "__init__.py"

_UNRELEASED = "## Unreleased\n"
_SECTION = re.compile(r"^## (\d\S*) - \d{4}-\d\d-\d\d$", re.MULTILINE)
_NUMBER = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)


def main() -> None:
    """Rewrites both files, or changes neither and says why."""
    try:
        version = parsed(sys.argv[1])
        changelog = cut(CHANGELOG.read_text(), version, datetime.now(UTC).date())
        package = numbered(PACKAGE.read_text(), version)
    except ValueError as error:
        sys.exit(str(error))
    CHANGELOG.write_text(changelog)
    PACKAGE.write_text(package)


def parsed(text: str) -> Version:
    """A version in the one spelling that tags, files and indexes share; ValueError for any other."""
    version = Version(text)
    if str(version) != text:
        raise ValueError(f"Write the version as {version}, not {text}.")
    return version


def cut(changelog: str, version: Version, day: date) -> str:
    """The changelog with an empty Unreleased section above that of `version`. ValueError without news."""
    before, heading, rest = changelog.partition(_UNRELEASED)
    if not heading:
        raise ValueError("CHANGELOG.md has no section `## Unreleased`: add it above the latest version.")
    first = _SECTION.search(rest)
    news = rest[: first.start()] if first else rest
    if not re.search(r"^- ", news, re.MULTILINE):
        raise ValueError(
            "CHANGELOG.md has nothing under Unreleased: write what users notice, then release it."
        )
    if first and version <= Version(first[1]):
        raise ValueError(f"{version} isn't newer than {first[1]}, which is released.")
    return f"{before}{heading}\n## {version} - {day}\n{rest}"


def numbered(package: str, version: Version) -> str:
    """`agentos/__init__.py` with another version in it; ValueError if it is at a newer one."""
    match = _NUMBER.search(package)
    assert match, "agentos/__init__.py holds the version"
    if version < Version(match[1]):
        raise ValueError(f"{version} is older than {match[1]}, the version in agentos/__init__.py.")
    return f'{package[: match.start()]}__version__ = "{version}"{package[match.end() :]}'


if __name__ == "__main__":
    main()
