"""Stops an embedded Postgres once its last user has exited, however it exited.

Every user holds a shared lock on `users.lock` while it lives; the kernel releases it even after kill -9.
Getting the exclusive lock therefore means that no user is left. `server.py` runs this file by its path as a
separate process, so it may only use the standard library.
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
    """The user that the server must run as. None is the current user; Postgres refuses to run as root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def run(command: Sequence[str], folder: Path, text: str = "") -> bool:
    """Runs a Postgres program as the server's user. Returns whether it succeeded."""
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
    """Stops the server whose cluster is in `folder`: cleanly if possible, otherwise immediately."""
    halt = [pg_ctl, "stop", "-D", str(folder / "cluster"), "-w", "-t", "30", "-m"]
    if (folder / "cluster" / "postmaster.pid").exists() and not run([*halt, "fast"], folder):
        run([*halt, "immediate"], folder)


def watch(pg_ctl: str, folder: Path) -> None:
    """Waits until nobody uses the server, then stops it. A second watcher exits immediately."""
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
