"""A session goes out and comes in as it was; a fork is a copy that leaves the original alone."""

import json
from contextlib import aclosing

import pytest

from agentos.db.contracts.events import LoggedEvent
from agentos.db.contracts.sessions import SessionChange
from agentos.errors import ConflictError, InvalidInputError, NotFoundError
from agentos.run.messages import Metrics, ToolExecution
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.conftest import administering
from tests.db.made import UNSTORABLE, a_finished_run, a_run, a_session, accepted, finished

EVENT = (
    '{"event":"RunContent","agent_id":"researcher","run_id":"%s","session_id":"chat","content":"ü\\u0001",'
    '"event_index":%d}'
)
NESTED = (
    '{"event":"TeamRunStarted","team_id":"t","run_id":"%s","session_id":"chat","parent_run_id":"%s",'
    '"nested_depth":1,"event_index":4}'
)


async def a_conversation(db, *, user_id="alice"):
    """A session "chat" with two runs that ended, the second one nested in the first, and one that is live."""
    await db.create_session(
        a_session("chat", user_id=user_id, session_name="Trip", session_state={"b": None, "a": [1.50]}),
        owner=user_id,
    )
    call = ToolExecution(tool_call_id="c", tool_name="ask", child_run_id="two")
    fields = {"user_id": user_id, "metrics": Metrics()}
    one = a_run("chat", run_id="one", tools=[call], **fields)
    two = a_run("chat", run_id="two", parent_run_id="one", root_run_id="one", depth=1, **fields)
    for run in (one, two):
        await accepted(db, run)
    for run in (two, one):
        await finished(db, run)
        events = [LoggedEvent(seq, "RunContent", EVENT % (run.run_id, seq - 1)) for seq in (1, 2, 5)]
        await db.append_events({run.run_id: events}, owner=user_id)
    await accepted(db, a_run("chat", user_id=user_id, run_id="live"))


async def exported(db, session_id="chat", *, owner=ANYONE) -> list[str]:
    return [line async for line in db.export_session(session_id, owner=owner)]


async def imported(db, lines, **asked):
    async def one_by_one():
        for line in lines:
            yield line

    return await db.import_session(one_by_one(), **{"owner": ANYONE} | asked)


async def everything(db, session_id, *, owner=ANYONE):
    """What there is to see of a session, but for the time of its change."""
    session = await db.get_session(session_id, owner=owner)
    runs = [run for run in await db.list_runs(session_id, owner=owner, nested=True) if run.status.is_final]
    events = [await db.read_events(run.run_id, after=0, owner=owner) for run in runs]
    return session.model_copy(update={"updated_at": session.created_at}), runs, events


async def test_what_goes_out_comes_in_as_it_was(db):
    await a_conversation(db)
    before, lines = await everything(db, "chat"), await exported(db)
    await db.delete_sessions(["chat"], owner=ANYONE)
    done = await imported(db, lines)
    assert (done.session_id, done.user_id, done.runs, done.events) == ("chat", "alice", 2, 6)
    assert await everything(db, "chat") == before
    assert before[2][0][2].text == EVENT % ("one", 4)
    assert [json.loads(line)["type"] for line in lines] == ["session", *["run", *["event"] * 3] * 2]
    assert (json.loads(lines[0])["runs"], json.loads(lines[0])["left_out"]) == (2, 1)


async def test_an_imported_session_counts_as_changed_now(db):
    await a_conversation(db)
    lines = await exported(db)
    await db.delete_sessions(["chat"], owner=ANYONE)
    await imported(db, lines)
    session = await db.get_session("chat", owner=ANYONE)
    assert session.created_at < session.updated_at
    assert (session.updated_at - session.created_at).days > 100


async def test_with_new_ids_it_is_a_copy_that_refers_to_itself(db):
    await a_conversation(db)
    before = await everything(db, "chat")
    done = await imported(db, await exported(db), new_ids=True)
    assert await everything(db, "chat") == before
    session, (one, two), (events, _) = await everything(db, done.session_id)
    assert len({"chat", "one", "two", session.session_id, one.run_id, two.run_id}) == 6
    assert (two.parent_run_id, two.root_run_id, two.depth) == (one.run_id, one.run_id, 1)
    assert one.tools[0].child_run_id == two.run_id
    assert [event.seq for event in events] == [1, 2, 5]
    wire = json.loads(events[2].text)
    assert (wire["run_id"], wire["session_id"]) == (one.run_id, session.session_id)
    assert list(wire) == list(json.loads(EVENT % ("one", 4)))


async def test_with_new_ids_a_branch_refers_to_its_source_wherever_that_is(db):
    await db.create_session(a_session("chat", user_id="alice"), owner="alice")
    for run_id, source in (("one", "elsewhere"), ("two", "one")):
        run = a_run("chat", user_id="alice", run_id=run_id, forked_from_run_id=source)
        await accepted(db, run)
        await finished(db, run)
    done = await imported(db, await exported(db), new_ids=True)
    one, two = await db.list_runs(done.session_id, owner="alice")
    assert (one.forked_from_run_id, two.forked_from_run_id) == ("elsewhere", one.run_id)


async def test_what_is_part_of_a_run_that_has_not_ended_stays_with_it(db):
    await a_conversation(db)
    lines = await exported(db)
    part = a_run("chat", run_id="part", parent_run_id="live", root_run_id="live", depth=1)
    await accepted(db, part)
    await finished(db, part)
    (first, *rest), (before, *others) = await exported(db), lines
    assert rest == others
    assert (json.loads(before)["left_out"], json.loads(first)["left_out"]) == (1, 2)
    assert (await imported(db, [first, *rest], new_ids=True)).runs == 2
    await finished(db, await db.get_run("live", owner=ANYONE))
    assert json.loads((await exported(db))[0])["runs"] == 4


@pytest.mark.parametrize(("owner", "sees"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_a_session_goes_out_to_its_owner_only(db, owner, sees):
    await a_conversation(db)
    if sees:
        assert len(await exported(db, owner=owner)) == 9
    else:
        with pytest.raises(NotFoundError):
            await exported(db, owner=owner)


@pytest.mark.parametrize(
    ("asked", "user_id"),
    [
        ({"owner": "bob"}, "bob"),
        ({"owner": "bob", "user_id": "bob"}, "bob"),
        ({"owner": ANYONE, "user_id": "bob"}, "bob"),
        ({"owner": ANYONE}, "alice"),
        ({"owner": "bob", "user_id": "alice"}, None),
    ],
)
async def test_what_comes_in_is_whose_it_may_be(db, asked, user_id):
    await a_conversation(db)
    lines = await exported(db)
    if user_id is None:
        with pytest.raises(InvalidInputError):
            await imported(db, lines, **asked, new_ids=True)
        return
    done = await imported(db, lines, **asked, new_ids=True)
    assert done.user_id == user_id
    session, runs, _ = await everything(db, done.session_id, owner=user_id)
    assert {session.user_id, *(run.user_id for run in runs)} == {user_id}


@pytest.mark.parametrize("taken", ["the session", "a run"])
async def test_an_id_that_is_taken_is_refused_and_nothing_stays(db, taken):
    await a_conversation(db)
    lines = await exported(db)
    if taken == "a run":
        lines = [line.replace('"chat"', '"other"') for line in lines]
    before = await everything(db, "chat")
    for owner in ("bob", ANYONE):
        with pytest.raises(ConflictError, match="already"):
            await imported(db, lines, owner=owner)
    assert await everything(db, "chat") == before
    assert await db.get_session("other", owner=ANYONE) is None


def changed(lines, number, **fields):
    """The lines, with other fields in one of them, at any depth."""
    line = json.loads(lines[number - 1])
    for name, value in fields.items():
        *path, last = name.split("__")
        target = line
        for part in path:
            target = target[part]
        target[last] = value
    return [*lines[: number - 1], json.dumps(line), *lines[number:]]


def with_text(lines, number, old, new):
    """The lines, with `old` replaced in the text of an event."""
    text = json.loads(lines[number - 1])["text"]
    assert old in text
    return changed(lines, number, text=text.replace(old, new))


BROKEN = {
    "not JSON": (1, lambda lines: ["{", *lines]),
    "not UTF-8": (2, lambda lines: [lines[0], b'{"type": "\xff"}']),
    "a list": (1, lambda lines: ["[]"]),
    "an unknown type": (2, lambda lines: changed(lines, 2, type="memory")),
    "a later version": (1, lambda lines: changed(lines, 1, version=3)),
    "no session": (1, lambda lines: lines[1:]),
    "nothing": (1, lambda lines: []),
    "two sessions": (2, lambda lines: [lines[0], *lines]),
    "a field of another kind": (1, lambda lines: changed(lines, 1, session__created_at="soon")),
    "a run that goes on": (2, lambda lines: changed(lines, 2, run__status="RUNNING")),
    "a run of another session": (6, lambda lines: changed(lines, 6, run__session_id="other")),
    "events that go back": (4, lambda lines: changed(lines, 4, seq=1)),
    "an event in two lines": (3, lambda lines: changed(lines, 3, text='{"a":\n1}')),
    "an event that isn't JSON": (3, lambda lines: changed(lines, 3, text="data")),
    "an event that isn't an object": (3, lambda lines: changed(lines, 3, text="[1]")),
    "an event that names itself and more": (3, lambda lines: changed(lines, 3, name="A\ndata: {}\n\nid: 9")),
    "an event whose name ends its line": (3, lambda lines: changed(lines, 3, name="A\r")),
    "an event without a name": (3, lambda lines: changed(lines, 3, name="")),
    "an event of no kind": (3, lambda lines: changed(lines, 3, text='{"a":1}')),
    "an event that has no runnable": (3, lambda lines: with_text(lines, 3, "agent_id", "x_id")),
    "an event whose index is a text": (
        3,
        lambda lines: with_text(lines, 3, '"event_index":0', '"event_index":"soon"'),
    ),
    "an event with a number that JSON lacks": (3, lambda lines: with_text(lines, 3, '"ü\\u0001"', "NaN")),
    "an event with another's name": (3, lambda lines: changed(lines, 3, name="RunStarted")),
    "an event of a stranger's run": (3, lambda lines: with_text(lines, 3, '"one"', '"stranger"')),
    "an event of another session": (3, lambda lines: with_text(lines, 3, '"chat"', '"other"')),
    "an event nested in a stranger's run": (
        5,
        lambda lines: changed(lines, 5, name="TeamRunStarted", text=NESTED % ("two", "stranger")),
    ),
    "an event that can't be counted": (3, lambda lines: changed(lines, 3, seq=2**31)),
    "a missing event": (5, lambda lines: [*lines[:4], *lines[5:]]),
    "a missing run": (10, lambda lines: changed(lines, 1, runs=3)),
    "a cut end": (9, lambda lines: lines[:-1]),
    "too many events": (10, lambda lines: [*lines, changed(lines, 9, seq=9)[8]]),
    "too many runs": (10, lambda lines: [*lines, lines[5]]),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_line_that_cannot_be_right_is_named_and_nothing_stays(db, fault):
    await a_conversation(db)
    lines = await exported(db)
    await db.delete_sessions(["chat"], owner=ANYONE)
    number, broken = BROKEN[fault]
    with pytest.raises(InvalidInputError, match=rf"Line {number}: "):
        await imported(db, broken(lines))
    assert await db.get_session("chat", owner=ANYONE) is None
    assert (await imported(db, lines)).events == 6


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TeamRunStarted", NESTED % ("two", "one")),
        (
            "RunCompleted",
            EVENT.replace("RunContent", "RunCompleted").replace(
                ',"event_index"', ',"session_state":null,"event_index"'
            )
            % ("one", 4),
        ),
    ],
)
async def test_events_of_nested_runs_and_final_ones_without_their_state_come_in(db, name, text):
    await a_conversation(db)
    lines = changed(await exported(db), 5, name=name, text=text)
    assert (await imported(db, lines, new_ids=True)).events == 6


async def test_an_id_that_cannot_be_stored_does_not_come_in(db):
    await a_conversation(db)
    lines = await exported(db)
    await db.delete_sessions(["chat"], owner=ANYONE)
    bad = "x" * 300
    for broken in (
        [line.replace('"chat"', f'"{bad}"') for line in lines],
        changed(lines, 2, run__run_id=bad),
        changed(lines, 1, session__user_id=""),
    ):
        with pytest.raises(InvalidInputError):
            await imported(db, broken)


async def test_an_export_that_is_given_up_leaves_nothing_open(db, database):
    await a_conversation(db)
    async with aclosing(db.export_session("chat", owner=ANYONE)) as lines:
        await anext(lines)
    with administering(database) as connection:
        idle = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start < now()"
        )
        assert connection.execute(idle + " AND state LIKE 'idle in%'").fetchone() == (0,)


async def three_runs(db):
    for number, status in enumerate([RunStatus.COMPLETED, RunStatus.ERROR, RunStatus.COMPLETED], 1):
        metrics = Metrics(input_tokens=number, time_to_first_token=0.25 * number, duration=1.5)
        run = a_run("chat", run_id=f"r{number}", metrics=metrics, text=f"Question {number}")
        await accepted(db, run)
        await finished(db, run, status=status, put={"n": number})
    await db.update_session("chat", SessionChange(session_name="Trip", metadata={"m": 1}), owner="alice")


async def test_a_fork_is_the_session_with_its_runs_under_other_ids(db):
    await three_runs(db)
    before = await everything(db, "chat")
    await accepted(db, a_run("chat", run_id="live"))
    await accepted(db, a_run("chat", run_id="nested", parent_run_id="live"))
    fork = await db.fork_session("chat", new_session_id="fork", owner="alice")
    source = before[0]
    assert (
        fork.session_id,
        fork.user_id,
        fork.session_name,
        fork.title,
        fork.session_state,
        fork.metadata,
    ) == (("fork", "alice", "Trip", source.title, {"n": 3}, {"m": 1}))
    assert fork.metrics == source.metrics
    assert fork == await db.get_session("fork", owner="alice")
    copies = await db.list_runs("fork", owner="alice")
    assert [copy.forked_from_run_id for copy in copies] == ["r1", "r2", "r3"]
    assert len({copy.run_id for copy in copies} | {"r1", "r2", "r3"}) == 6
    for copy, run in zip(copies, before[1], strict=True):
        ids = {"run_id": run.run_id, "session_id": "chat", "forked_from_run_id": None}
        assert copy.model_copy(update=ids) == run
    assert await everything(db, "chat") == before


async def test_a_fork_goes_as_far_as_its_run(db):
    await three_runs(db)
    fork = await db.fork_session("chat", new_session_id="fork", through_run_id="r2", owner="alice")
    copies = await db.list_runs("fork", owner="alice")
    assert [copy.forked_from_run_id for copy in copies] == ["r1", "r2"]
    assert fork.metrics == Metrics(input_tokens=3, time_to_first_token=0.25, duration=3.0)


async def test_a_fork_of_a_fork_names_the_nearest_and_answers_refer_to_copies(db):
    await three_runs(db)
    run = a_run("chat", run_id="r4", regenerated_from="r3")
    await accepted(db, run)
    await finished(db, run)
    await db.fork_session("chat", new_session_id="fork", owner="alice")
    await db.fork_session("fork", new_session_id="again", owner="alice")
    for session_id, of in (("fork", "chat"), ("again", "fork")):
        copies, runs = [await db.list_runs(name, owner="alice") for name in (session_id, of)]
        assert [copy.forked_from_run_id for copy in copies] == [each.run_id for each in runs]
        assert copies[3].regenerated_from == copies[2].run_id


async def test_a_fork_goes_on_with_the_history_of_its_source(db):
    await three_runs(db)
    await db.fork_session("chat", new_session_id="fork", through_run_id="r1", owner="alice")
    done = await accepted(db, a_run("fork"), history_runs=5)
    assert [message.content for message in done.history] == ["Question 1"]
    assert done.session_state == {"n": 1}


@pytest.mark.parametrize(("owner", "sees"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_a_session_is_forked_by_its_owner_only_and_stays_the_owners(db, owner, sees):
    await three_runs(db)
    fork = await db.fork_session("chat", new_session_id="fork", owner=owner)
    assert (fork is not None) == sees
    assert (await db.get_session("fork", owner="alice") is not None) == sees
    assert await db.get_session("fork", owner="bob") is None


async def test_a_fork_of_nothing_or_to_an_id_that_is_taken_is_refused(db):
    await three_runs(db)
    await a_finished_run(db, "bobs", user_id="bob", run_id="bobs-run")
    await db.create_session(a_session("empty"), owner="alice")
    await accepted(db, a_run("chat", run_id="live"))
    assert await db.fork_session("never", new_session_id="fork", owner="alice") is None
    for absent in UNSTORABLE.values():
        assert await db.fork_session(absent, new_session_id="fork", owner="alice") is None
        with pytest.raises(InvalidInputError):
            await db.fork_session("chat", new_session_id=absent, owner="alice")
    for asked in (
        {"session_id": "empty"},
        {"session_id": "chat", "through_run_id": "live"},
        {"session_id": "chat", "through_run_id": "bobs-run"},
        {"session_id": "chat", "through_run_id": "never"},
    ):
        with pytest.raises(ConflictError, match="no run"):
            await db.fork_session(**asked, new_session_id="fork", owner=ANYONE)
    for taken in ("chat", "bobs"):
        with pytest.raises(ConflictError, match="already"):
            await db.fork_session("chat", new_session_id=taken, owner="alice")
    assert await db.get_session("fork", owner=ANYONE) is None
    assert len(await db.list_runs("bobs", owner="bob")) == 1
