"""Checks what a wheel and an sdist say about themselves, as an index would and a little more.

python -m scripts.distribution.metadata FOLDER
"""

from __future__ import annotations

import ast
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

from packaging.metadata import Metadata
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Prints every finding and exits 1 if there is any."""
    if found := list(findings(Path(sys.argv[1]))):
        sys.exit("\n".join(found))


def findings(folder: Path) -> Iterator[str]:
    """What is wrong with the one wheel and the one sdist in a folder."""
    wheels, sdists = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if (len(wheels), len(sdists)) != (1, 1):
        yield f"{folder} holds {len(wheels)} wheels and {len(sdists)} sdists: release into an empty folder."
        return
    with ZipFile(wheels[0]) as wheel:
        names = wheel.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        yield from _of_metadata(wheels[0].name, wheel.read(metadata))
    folders = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    if folders != {"agentos"}:
        yield f"{wheels[0].name} installs more than agentos: {', '.join(sorted(folders - {'agentos'}))}."
    with tarfile.open(sdists[0]) as sdist:
        information = sdist.extractfile(f"{sdists[0].name.removesuffix('.tar.gz')}/PKG-INFO")
        assert information is not None, "every sdist has it"
        yield from _of_metadata(sdists[0].name, information.read())


def _of_metadata(name: str, raw: bytes) -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    try:
        metadata = Metadata.from_email(raw, validate=True)
    except ExceptionGroup as group:
        yield from (f"{name}: {error}" for error in group.exceptions)
        return
    expected = {
        "name": (metadata.name, project["name"]),
        "version": (str(metadata.version), version()),
        "summary": (metadata.summary, project["description"]),
        "license": (metadata.license_expression, project["license"]),
        "license files": (metadata.license_files, project["license-files"]),
        "supported Python": (str(metadata.requires_python), project["requires-python"]),
        "description": (metadata.description, (ROOT / project["readme"]).read_text()),
        "classifiers": (metadata.classifiers, sorted(project["classifiers"])),
        "extras": (metadata.provides_extra, sorted(map(canonicalize_name, project["optional-dependencies"]))),
    }
    for what, (found, wanted) in expected.items():
        if found != wanted:
            yield f"{name}: its {what} is {found!r}, not {wanted!r}."


def version() -> str:
    """What `agentos/__init__.py` says."""
    tree = ast.parse((ROOT / "agentos" / "__init__.py").read_text())
    return next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))


if __name__ == "__main__":
    main()
