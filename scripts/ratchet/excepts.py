"""Handlers that swallow everything.

`ALLOWED` counts those that must be: the run's boundary and background loops.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.ratchet.checkout import Checkout, Finding

ALLOWED = {
    "agentos/db/schema/preparation.py": 1,  # a thread's work: its failure is that of who waits for it
    "agentos/models/catalog.py": 1,  # the import of another package's module: its failure is a sentence
    "agentos/os/audit/log.py": 1,  # a background loop, which must not end before the server does
    "agentos/run/text.py": 1,  # another's `__str__`: the value has a class at least
    "agentos/tasks.py": 1,  # a background loop, which must not end before its owner
    "agentos/runner/durable/recorder.py": 1,  # a thread's work: its failure is that of who waits for it
    "agentos/runner/execution/execute.py": 3,  # the run's boundary: executing, storing its outcome, or less
    "agentos/runner/events/writer.py": 1,  # the log's failure is that of every run that writes to it
    "agentos/runner/execution/drive.py": 1,  # a runnable's code: its failure is that of its run
    "agentos/os/auth/stream_watch.py": 1,  # a background loop, without which a stream would go on unwatched
    "agentos/runner/worker/heartbeat.py": 1,  # a thread, which must not end before its worker
    "agentos/runner/worker/worker.py": 1,  # an outcome that is never stored must not hold up others
    "agentos/tools/toolkit.py": 1,  # a toolset's end: its failure must not cost the answer
    "agentos/tools/tool.py": 1,  # the call of a user's function: its failure is an answer to the model
}
"""How many handlers for everything a file holds."""


def find(checkout: Checkout) -> Iterator[Finding]:
    """Handlers beyond the figure, and figures that are higher than they need to be."""
    for file in checkout.python:
        broad = [node for node in file.nodes if isinstance(node, ast.ExceptHandler) and _swallows(node)]
        allowed = ALLOWED.get(file.name, 0)
        for handler in broad[allowed:]:
            yield Finding(file.name, handler.lineno, "catches everything: name what you can answer")
        if len(broad) < allowed:
            yield Finding(file.name, 1, f"catches everything {len(broad)} times: lower its figure in ALLOWED")


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether it catches every exception, and doesn't end by raising the same one again as clean-ups do."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {node.id for node in caught if isinstance(node, ast.Name)}
    broad = handler.type is None or bool(names & {"Exception", "BaseException"})
    last = handler.body[-1]
    return broad and not (isinstance(last, ast.Raise) and last.exc is None)
