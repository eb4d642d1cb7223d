import asyncio
import logging
import sys
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from agentos.errors import ConfigurationError, ConflictError, DatabaseUnavailableError
from agentos.models.base import ModelResponse
from tests.conftest import a_database, administering
from tests.runner.durable.segments import (
    Segments,
    Source,
    all_of,
    engine,
    held,
    outputs,
    rows,
    until,
    workflows,
)


@pytest.fixture(scope="module")
def url(server_url) -> Iterator[str]:
    with a_database(server_url, "template1") as made:
        yield made


@pytest.fixture
def segments() -> Segments:
    return Segments()


async def test_segments_of_a_run_are_apart(url, segments):
    source = Source("x")

    async def body(steps, context):
        return await all_of(steps("one", source))

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        for segment in (0, 1):
            await durable.start(run_id, segment)
            assert await segments.outcome(run_id) == ["x"]
    assert source.calls == 2


async def test_an_unknown_run_is_started_not_resumed_and_a_known_one_the_other_way(url, segments):
    source = held("x")

    async def body(steps, context):
        return await all_of(steps("one", source))

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        assert not await durable.resume(run_id, 0)
        await durable.start(run_id, 0)
        await source.reached.wait()
        with pytest.raises(ConflictError):
            await durable.start(run_id, 0)
        source.go_on.set()
        assert await segments.outcome(run_id) == ["x"]
        await until(lambda: workflows(url, run_id) == [])
        assert not await durable.resume(run_id, 0)


async def test_a_durable_run_begun_inside_another_is_its_own(url, segments):
    inner = segments.run(lambda steps, context: all_of(steps("one", Source("inner"))))

    async def body(steps, context):
        await durable.start(inner, 0)
        assert await segments.outcome(inner) == ["inner"]
        return await all_of(steps("one", Source("outer")))

    outer = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(outer, 0)
        assert await segments.outcome(outer) == ["outer"]


async def test_nothing_in_the_schema_is_pickled(url, segments):
    stop = held("x")

    async def body(steps, context):
        await all_of(steps("model-1", Source(ModelResponse(content="Hi"))))
        await all_of(steps("stop", stop))

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        await stop.reached.wait()
    [(name, output, error)] = outputs(url, run_id)
    assert (name, error) == ("model-1", None)
    assert output.startswith('{"type":"model_response","number":1,"value":{"content":"Hi"')
    for table in ("workflow_status", "operation_outputs"):
        assert rows(url, f"SELECT DISTINCT serialization FROM dbos.{table}") == [("agentos_json",)]


async def test_one_process_has_one_database_and_may_share_it(url, segments, server_url):
    run_id = segments.run(lambda steps, context: all_of(steps("one", Source("x"))))
    async with engine(url, segments.execute):
        async with engine(url, segments.execute) as second:
            with pytest.raises(ConfigurationError, match="same db_url"):
                async with engine(server_url, segments.execute):
                    pass
            await second.start(run_id, 0)
            assert await segments.outcome(run_id) == ["x"]
        async with engine(url, segments.execute) as third:
            assert not await third.resume("nothing", 0)


async def test_a_missing_database_is_not_created(url, segments):
    absent = make_url(url).set(database="absent_for_steps").render_as_string(hide_password=False)
    with pytest.raises(DatabaseUnavailableError):
        async with engine(absent, segments.execute):
            pass
    assert rows(url, "SELECT 1 FROM pg_database WHERE datname = 'absent_for_steps'") == []


async def test_closing_gives_back_threads_connections_and_the_queue(url, segments, caplog):
    before = set(threading.enumerate())
    with a_database(url, "template1") as own:
        async with engine(own, segments.execute) as durable:
            run_id = segments.run(lambda steps, context: all_of(steps("one", held("x"))))
            await durable.start(run_id, 0)
            await durable.resume(run_id, 0)
            assert rows(own, "SELECT name FROM dbos.queues") != []
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        assert rows(own, query) == [(1,)]
        assert rows(own, "SELECT name FROM dbos.queues") == []
    await until(lambda: {each for each in threading.enumerate() if "asyncio" not in each.name} <= before)
    assert await asyncio.to_thread(lambda: "still works") == "still works"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_role_that_may_make_the_schema_does_and_one_that_may_not_is_told(url, segments):
    with a_database(url, "template1") as own:
        name = own.rpartition("/")[2]
        role = f"durable_{name}"
        theirs = make_url(own).set(username=role, password="x").render_as_string(hide_password=False)
        with administering(own) as connection:
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
            connection.execute(f"GRANT {role} TO CURRENT_USER")
        try:
            with pytest.raises(ConfigurationError, match="GRANT CREATE ON DATABASE"):
                async with engine(theirs, segments.execute):
                    pass
            with administering(own) as connection:
                connection.execute(f'GRANT CREATE ON DATABASE "{name}" TO {role}')
            run_id = segments.run(lambda steps, context: all_of(steps("one", Source("x"))))
            async with engine(theirs, segments.execute) as durable:
                await durable.start(run_id, 0)
                assert await segments.outcome(run_id) == ["x"]
        finally:
            with administering(own) as connection:
                connection.execute(f"DROP OWNED BY {role} CASCADE")
                connection.execute(f"DROP ROLE {role}")


def test_agents_are_imported_without_dbos():
    import subprocess

    program = "import sys; import agentos.agent, agentos.os.app; sys.exit('dbos' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


async def test_a_run_outlives_its_connections(url, segments):
    source = held("x")
    run_id = segments.run(lambda steps, context: all_of(steps("one", source)))
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        await source.reached.wait()
        rows(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        source.go_on.set()
        assert await segments.outcome(run_id) == ["x"]
        await until(lambda: workflows(url, run_id) == [])
