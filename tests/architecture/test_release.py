"""What `scripts/release` cuts, builds and refuses. The script itself installs and tries what it builds."""

import shutil
import subprocess
import sys
import tarfile
from datetime import date
from pathlib import Path

import pytest
from packaging.version import InvalidVersion, Version

import agentos
from scripts.distribution import changelog, metadata

ROOT = Path(__file__).parents[2]
DAY = date(2030, 1, 2)
FIRST = "# Changelog\n\n## Unreleased\n\n### Added\n\n- Agents.\n"
SECOND = "# Changelog\n\n## Unreleased\n\n### Fixed\n\n- A bug.\n\n## 0.2.0 - 2029-01-01\n\n- Agents.\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with a wheel and an sdist of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "dist"))


def test_what_is_unreleased_becomes_the_versions_section():
    cut = changelog.cut(FIRST, Version("0.1.0"), DAY)
    assert cut == FIRST.replace("## Unreleased\n", "## Unreleased\n\n## 0.1.0 - 2030-01-02\n")
    again = changelog.cut(SECOND, Version("0.2.1"), DAY)
    headings = [line for line in again.splitlines() if line.startswith("## ")]
    assert headings == ["## Unreleased", "## 0.2.1 - 2030-01-02", "## 0.2.0 - 2029-01-01"]
    assert again.index("0.2.1") < again.index("A bug.") < again.index("0.2.0")


@pytest.mark.parametrize(
    ("text", "version", "said"),
    [
        ("# Changelog\n", "0.1.0", "no section `## Unreleased`"),
        (SECOND.replace("- A bug.", ""), "0.2.1", "nothing under Unreleased"),
        (SECOND, "0.2.0", "isn't newer than 0.2.0"),
        (SECOND, "0.2.0rc1", "isn't newer than 0.2.0"),
    ],
)
def test_a_release_needs_news_and_a_higher_version(text: str, version: str, said: str):
    with pytest.raises(ValueError, match=said):
        changelog.cut(text, Version(version), DAY)


def test_our_own_changelog_can_be_cut():
    assert "## 999.0.0 - 2030-01-02" in changelog.cut(
        changelog.CHANGELOG.read_text(), Version("999.0.0"), DAY
    )


def test_the_package_gets_the_number_unless_it_is_at_a_newer_one():
    package = changelog.PACKAGE.read_text()
    numbered = changelog.numbered(package, Version("999.0.0"))
    assert numbered == package.replace(agentos.__version__, "999.0.0")
    assert changelog.numbered(package, Version(agentos.__version__)) == package
    with pytest.raises(ValueError, match="older than"):
        changelog.numbered(package, Version("0.0.1"))


def test_a_version_has_one_spelling():
    assert str(changelog.parsed("1.0.0rc1")) == "1.0.0rc1"
    with pytest.raises(ValueError, match=r"Write the version as 1\.0\.0rc1"):
        changelog.parsed("1.0.0-rc1")
    with pytest.raises(InvalidVersion):
        changelog.parsed("next")


def test_what_this_checkout_builds_says_the_truth_about_itself(folder: Path):
    assert list(metadata.findings(folder)) == []


def test_a_second_wheel_is_refused(folder: Path):
    (folder / "agentos_server-0.0.1-py3-none-any.whl").touch()
    (only,) = metadata.findings(folder)
    assert "2 wheels and 1 sdists" in only


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        (
            "Requires-Python: >=3.11",
            "Requires-Python: >=3.9",
            "its supported Python is '>=3.9', not '>=3.11'",
        ),
        ("Requires-Python: >=3.11", "Requires-Python: new", "requires-python"),
        (f"Version: {agentos.__version__}", "Version: 9", "its version is '9'"),
        ("Provides-Extra: demo", "Keywords: demo", "its extras is"),
    ],
)
def test_metadata_that_is_wrong_is_refused(folder: Path, line: str, instead: str, said: str):
    (sdist,) = folder.glob("*.tar.gz")
    name = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        # The first releases of Python 3.11 have no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    information = folder / name / "PKG-INFO"
    assert f"\n{line}\n" in information.read_text()
    information.write_text(information.read_text().replace(f"\n{line}\n", f"\n{instead}\n"))
    with tarfile.open(sdist, "w:gz") as archive:
        archive.add(folder / name, name)
    (only,) = metadata.findings(folder)
    assert only.startswith(f"{sdist.name}: ")
    assert said in only
