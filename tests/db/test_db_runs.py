from uuid import uuid4

from agentos.db.base import LoggedEvent, RunRequest, SessionQuery, StateChange
from agentos.run.messages import Message, Metrics
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunOutput, RunStatus


def a_run(session_id="s", **fields):
    return RunOutput(
        run_id=uuid4().hex,
        kind="agent",
        runnable_id="web",
        session_id=session_id,
        **{"user_id": "alice", "input": RunInput(input_content="Hello  there"), **fields},
    )


async def test_smoke(db):
    run = a_run()
    got = await db.accept_run(
        RunRequest(
            run=run, session_state={"a": 1}, session_defaults={"b": 2, "a": 3}, history_runs=2, memories=True
        ),
        owner="alice",
    )
    print(got)
    run.status = RunStatus.COMPLETED
    run.messages = [Message(role="user", content="x\0\ud800")]
    run.metrics = Metrics(input_tokens=3, duration=1.5)
    await db.append_events(run.run_id, [LoggedEvent(1, "a", "{}"), LoggedEvent(2, "b", "{}")], owner="alice")
    print(await db.read_events(run.run_id, after=1, owner="alice"))
    await db.finish_run(run, StateChange(put={"c": [1]}, removed=["a"]), owner="alice")
    print(await db.get_run(run.run_id, owner=ANYONE))
    run2 = a_run()
    print(
        await db.accept_run(
            RunRequest(
                run=run2,
                session_state={"a": 1},
                session_defaults={"b": 5, "z": 3},
                history_runs=2,
                memories=True,
            ),
            owner="alice",
        )
    )
    run2.metrics = Metrics(input_tokens=4, duration=1.25)
    await db.finish_run(run2, StateChange(), owner="alice")
    print(await db.list_sessions(SessionQuery(), owner="alice"))
    print(await db.list_runs("s", owner="alice"))
    print(await db.delete_sessions(["s"], owner="alice"))
