"""What a caller gives a run to work with, perhaps a key to something, is kept as long as it is of use."""

import pytest

from agentos.run.records import RunStatus
from tests.conftest import administering
from tests.db.made import a_run, accepted, finished


@pytest.mark.parametrize(
    ("status", "is_kept"),
    [
        (RunStatus.PAUSED, True),
        (RunStatus.COMPLETED, False),
        (RunStatus.ERROR, False),
        (RunStatus.CANCELLED, False),
    ],
)
async def test_the_request_goes_when_the_run_is_over(db, database, status, is_kept):
    run = a_run()
    await accepted(db, run, dependencies={"key": "a secret"})
    await finished(db, run, status=status)
    with administering(database) as connection:
        (kept,) = connection.execute(
            "SELECT arguments IS NOT NULL FROM ai.agentos_runs WHERE run_id = %s", [run.run_id]
        ).fetchone()
    assert kept is is_kept
