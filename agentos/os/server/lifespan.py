"""The lifespan of a server: prepares its databases before the first request, ends its runs at shutdown."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from fastapi import FastAPI
from starlette.types import Lifespan

from agentos.db.base import Db
from agentos.errors import DatabaseUnavailableError
from agentos.os.auth.inspection import refuse_both
from agentos.os.auth.review import warn
from agentos.os.registry import Server
from agentos.os.server.retention import Retention, kept
from agentos.os.server.serve import on_termination

logger = logging.getLogger("agentos.os")


def lifespan_of(
    server: Server, inner: Sequence[Lifespan[FastAPI]], *, retention: Retention | None, grace: float
) -> Lifespan[FastAPI]:
    """A lifespan around `inner` that prepares the databases, and ends the runs before closing them."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[Mapping[str, Any] | None]:
        async with AsyncExitStack() as stack:
            for db in server.registry.dbs:
                stack.push_async_callback(db.close)
            await _start(server.registry.dbs)
            for runnable in server.registry:
                stack.push_async_callback(runnable.aclose)
            # All objects so far stay: without this, each full collection scans them again, for about 0.1 s.
            gc.freeze()
            stack.callback(gc.unfreeze)
            if server.registry.default_db is not None:
                if server.audit is not None:
                    await stack.enter_async_context(server.audit.written(server.registry.default_db))
                await stack.enter_async_context(server.usage.written(server.registry.default_db))
            for db in server.registry.dbs:
                await stack.enter_async_context(kept(db, retention))
            await stack.enter_async_context(server.runs.running(grace=grace))
            stack.enter_context(on_termination(server.runs.drain))
            state: dict[str, Any] = {}
            for each in inner:
                state.update(await stack.enter_async_context(each(app)) or {})
            refuse_both(app)
            warn(app)
            yield state or None

    return cast("Lifespan[FastAPI]", lifespan)


async def _start(dbs: Sequence[Db]) -> None:
    """Prepares all at once, so that several silent ones hold up the start no longer than one."""
    started = await asyncio.gather(*(db.start() for db in dbs), return_exceptions=True)
    for db, result in zip(dbs, started, strict=True):
        if isinstance(result, DatabaseUnavailableError):
            logger.warning("Database %s isn't available: requests that need it get 503 until it is.", db.id)
        elif result is not None:
            raise result
