"""`agentos worker`: executes what is queued or orphaned, and answers no requests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def worker(
    target: Annotated[str, typer.Argument(metavar="MODULE:ATTRIBUTE", help="An AgentOS or its FastAPI app.")],
) -> None:
    """Executes the background and durable runs of a module in this folder, e.g. `agentos worker main:app`.

    It shares the queue with every server and worker on the same database. SIGTERM ends it: runs that aren't
    durable get the AgentOS's `shutdown_grace` to end, durable ones go on elsewhere.
    """
    # A console script's own folder is first on the path, not the one that it is called in.
    sys.path.insert(0, str(Path.cwd()))
    from agentos.os import import_target
    from agentos.os.server import serve

    serve.work(import_target.load(target), title=target)
