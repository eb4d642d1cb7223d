"""Stops an embedded Postgres when its last user has gone, however that user went.

Every user holds a shared lock on `users.lock` for as long as it lives; the kernel takes it back even
after kill -9. Whoever gets the exclusive lock knows that nobody is left. `embedded.py` runs this file by its
path as a process of its own, so it needs the standard library only.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def server_user() -> pwd.struct_passwd | None:
    """Whom the server must run as: None is the present user, but Postgres refuses to run as root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def run(command: Sequence[str], folder: Path, text: str = "") -> bool:
    """Runs one of Postgres' programs as the server's user; whether it succeeded."""
    user = server_user()
    done = subprocess.run(  # noqa: S603 - the arguments are ours
        command,
        input=text.encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        check=False,
    )
    return done.returncode == 0


def stop(pg_ctl: str, folder: Path) -> None:
    """Stops the server that keeps its cluster in `folder`: properly, or at least at once."""
    halt = [pg_ctl, "stop", "-D", str(folder / "cluster"), "-w", "-t", "30", "-m"]
    if (folder / "cluster" / "postmaster.pid").exists() and not run([*halt, "fast"], folder):
        run([*halt, "immediate"], folder)


def watch(pg_ctl: str, folder: Path) -> None:
    """Waits until nobody uses the server, then stops it. A second watcher leaves at once."""
    with (folder / "watcher.lock").open("a") as watcher, (folder / "users.lock").open("a") as users:
        try:
            fcntl.flock(watcher, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        fcntl.flock(users, fcntl.LOCK_EX)
        stop(pg_ctl, folder)
        # First this one: a user who waits for the other starts the server again, and a watcher with it.
        fcntl.flock(watcher, fcntl.LOCK_UN)


if __name__ == "__main__" and os.fork() == 0:  # nobody's child: it outlives the user and leaves no zombie
    os.setsid()
    watch(sys.argv[1], Path(sys.argv[2]))
