"""What docs/upgrades.md says is so: its commands exist, and its numbers are the code's."""

import re
import shlex
from textwrap import dedent

import pytest

from agentos.db.schema.deferred import BATCH, Backfill
from agentos.db.schema.table_names import TableNames
from agentos.db.schema.upgrade import OLDEST_POSTGRES
from tests.cli.commands import agentos
from tests.docs.readme import ROOT

TEXT = (ROOT / "docs" / "upgrades.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_work_as_shown(command, database):
    program, *arguments = shlex.split(command)
    assert program == "agentos"
    assert agentos(*arguments, env={"DATABASE_URL": database}).status == 0


def test_the_numbers_are_the_codes():
    assert f"Postgres {OLDEST_POSTGRES} or newer" in TEXT
    assert f"batches of {BATCH:,}" in TEXT


def test_a_revision_can_name_a_backfill_as_shown():
    (code,) = re.findall(r"^    ```python\n(.*?)^    ```$", TEXT, re.MULTILINE | re.DOTALL)
    known = {"TableNames": TableNames, "Backfill": Backfill}
    exec(dedent(code), known)
    (backfill,) = known["backfills"](TableNames())
    assert backfill.table == 'ai."agentos_runs"'
