"""A server whose database is away: it starts, says so, and is itself again when the database is back."""

import asyncio
import logging
import socket
from contextlib import asynccontextmanager
from time import monotonic
from urllib.parse import urlsplit

import pytest
from sqlalchemy import make_url

from agentos.db.postgres import PostgresDb
from agentos.errors import ConfigurationError
from agentos.os import AgentOS
from agentos.os.http import sse
from agentos.run.owner import ANYONE
from agentos.runner.service import RunService
from tests.os.apps import agent, frames, serving

RUNS = "/agents/web/runs"


class Door:
    """A port in front of a database, open or shut."""

    def __init__(self, url):
        place = urlsplit(url)
        self._target = place.hostname, place.port
        self._server = None
        self._halves = set()
        self._passing = set()
        self.tried = asyncio.Event()
        """Set once somebody came."""

    async def open(self, port=0, *, slam=False):
        """On a port. `slam`: whoever comes is sent away."""
        self._server = await asyncio.start_server(self._slam if slam else self._pass, "127.0.0.1", port)
        return self._server.sockets[0].getsockname()[1]

    async def shut(self):
        self._server.close()
        for half in list(self._halves):
            half.close()
        await self._server.wait_closed()
        if self._passing:
            await asyncio.wait(self._passing)

    async def _slam(self, reader, writer):
        writer.close()
        self.tried.set()

    async def _pass(self, reader, writer):
        self._passing.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._halves |= {writer, far_writer}
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))


async def pump(reader, writer):
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def through(database, port):
    return database.replace(f":{urlsplit(database).port}/", f":{port}/")


@asynccontextmanager
async def behind(door, database):
    """A server whose database is behind the door, which is shut."""
    port = await door.open()
    await door.shut()
    app = AgentOS(agents=[agent(["hel", "lo"])], db=PostgresDb(through(database, port))).get_app()
    async with serving(app) as client:
        yield client, port


async def test_a_server_starts_without_its_database_and_recovers(database):
    door = Door(database)
    async with behind(door, database) as (client, port):
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/agents")).status_code == 200
        for request in [
            client.get("/sessions"),
            client.get("/sessions/x"),
            client.get("/memories"),
            client.delete("/sessions/x"),
            client.post(RUNS, json={"message": "hi"}),
            client.get(f"{RUNS}/x/events"),
        ]:
            away = await request
            assert (away.status_code, away.json()["code"]) == (503, "database_unavailable")
            assert int(away.headers["retry-after"]) > 0
            assert str(port) not in away.text
        await door.open(port)
        started = await client.post(RUNS, json={"message": "hi"})
        assert frames(started.text)[-1].event == "RunCompleted"
        assert (await client.get("/sessions")).json()["meta"]["total_count"] == 1
        await door.shut()


async def test_a_silent_database_holds_up_neither_the_start_nor_requests(database, caplog):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = through(database, silent.getsockname()[1])
        dbs = [PostgresDb(url, db_schema=schema, pool_timeout=0.5) for schema in ("one", "two")]
        agents = [agent(called=name, db=db, durable=True) for name, db in zip("ab", dbs, strict=True)]
        began = monotonic()
        async with serving(AgentOS(agents=agents, db=dbs[0]).get_app()) as client:
            assert monotonic() - began < 10 * len(dbs)
            assert f"Database {dbs[0].id} isn't available" in caplog.text
            began = monotonic()
            answers = await asyncio.gather(*(client.get("/sessions") for _ in range(20)))
            assert monotonic() - began < 5
            assert {answer.status_code for answer in answers} == {503}
            assert (await client.get("/health")).status_code == 200
    assert caplog.text.count("doesn't answer in time") == 1


@pytest.mark.parametrize("durable", [True, False])
async def test_a_wrong_database_ends_the_start_and_isnt_created(database, durable):
    wrong = make_url(database).set(database="absent_here").render_as_string(hide_password=False)
    app = AgentOS(agents=[agent(durable=durable)], db=PostgresDb(wrong)).get_app()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="has no such database"):
            async with app.router.lifespan_context(app):
                pass


async def test_an_outage_is_one_line_a_minute(database, caplog):
    door = Door(database)
    async with behind(door, database) as (client, _):
        for _ in range(5):
            assert (await client.get("/sessions")).status_code == 503
        lines = [each.getMessage() for each in caplog.records if each.levelno > logging.INFO]
    assert len([line for line in lines if "nothing listens on that port" in line]) == 1
    assert len(lines) <= 3


async def test_a_follower_outlives_an_outage(database, db):
    async with serving(AgentOS(agents=[agent(db=db)]).get_app()) as client:
        text = (await client.post(RUNS, json={"message": "hi"})).text
    run = await db.get_run(frames(text)[0].data["run_id"], owner=ANYONE)
    door = Door(database)
    port = await door.open(slam=True)
    far = PostgresDb(through(database, port))
    web = agent(db=far)
    source = RunService([web], [far]).source_of(web, run)
    followed = asyncio.create_task(collected(sse.frames(source)))
    await door.tried.wait()
    await door.shut()
    await door.open(port)
    assert await followed == text.encode()
    await far.close()
    await door.shut()


async def collected(pieces):
    return b"".join([piece async for piece in pieces])


async def test_tables_that_dont_fit_stop_the_start(database):
    db = PostgresDb(database, db_schema="elsewhere", create_schema=False)
    app = AgentOS(agents=[agent()], db=db).get_app()
    with pytest.raises(ConfigurationError, match="agentos db upgrade"):
        async with app.router.lifespan_context(app):
            pass
