"""A folder for an embedded Postgres of a test's own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """Beside the common server's: root's server runs as nobody, whom pytest's `tmp_path` isn't open to."""
    beside = Path(os.environ["AGENTOS_TEST_POSTGRES"]).parent
    folder = Path(tempfile.mkdtemp(prefix="agentos-own-", dir=beside))
    yield folder
    shutil.rmtree(folder)
