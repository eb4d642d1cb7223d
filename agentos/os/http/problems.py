"""Errors as answers: one JSON body for each, which never quotes a foreign exception.

`ProblemRoute` answers for our own routes wherever they are mounted; `install` does it for a whole app.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from agentos.errors import (
    AgentOSError,
    ApprovalPendingError,
    ConflictError,
    DatabaseUnavailableError,
    InvalidInputError,
    NotFoundError,
    PayloadTooLargeError,
    QueueFullError,
    RunLostError,
)
from agentos.os.http.request_note import note_denial
from agentos.os.principal import AccessDeniedError

logger = logging.getLogger("agentos.os")
denials = logging.getLogger("agentos.auth")

SHOWN_INPUT = 200
"""Characters that a refused value may have to be sent back."""
SHOWN_TEXT = 1000
"""Characters of a message, or of a field's name, that are sent back."""


class Problem(BaseModel):
    """Any answer that isn't a success."""

    detail: str
    """A sentence for the reader who must act."""
    code: str | None = None
    """Stable across releases."""


class Denial(Problem):
    """403: the caller is known and may not do this."""

    missing: list[str]
    """Scopes that would have let it pass."""
    rule: str | None
    """The entry of the scope map that wants them."""
    decision_id: str
    """Stands in the server's log too."""


class Finding(BaseModel):
    """One thing about a request that can't be used."""

    type: str
    loc: list[str | int]
    """Where it is: `body`, `query` or `path`, then the field."""
    msg: str
    input: str | int | bool | None = None
    """The value, if it is short."""


class InvalidRequest(BaseModel):
    """422: what to mend, field by field."""

    detail: list[Finding]


class ProblemRoute(APIRoute):
    """A route that answers its own refusals, so that it does the same on an app of the user's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler with our errors turned into answers."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await handle(request)
            except AgentOSError as error:
                return await _on_error(request, error)
            except RequestValidationError as error:
                return invalid(error.errors())

        return handler

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """FastAPI's; but `Allow` names the methods of all routes on the path (RFC 9110 §15.5.6)."""
        if scope["method"] not in self.methods:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(_methods(scope)))})
        await super().handle(scope, receive, send)


def _methods(scope: Scope) -> set[str]:
    """Those that the path knows, when the request's is none of them."""
    return {
        method
        for route in iter_route_contexts(scope["app"].routes)
        if route.matches(scope)[0] is Match.PARTIAL
        for method in route.methods or ()
    }


def install(app: FastAPI, *, crashes: bool) -> None:
    """Makes an app answer our errors, and with `crashes` all others; a handler that is there stays."""
    app.exception_handlers.setdefault(AgentOSError, _on_error)
    if crashes:
        app.exception_handlers.setdefault(Exception, _on_crash)


async def _on_error(request: Request, error: AgentOSError) -> Response:
    if isinstance(error, AccessDeniedError):
        note_denial(request.scope, error.code)
    return answer(error)


async def _on_crash(request: Request, error: Exception) -> Response:
    return crashed(error)


def answer(error: AgentOSError) -> Response:
    """The answer to an error of ours."""
    match error:
        case InvalidInputError():
            loc = ("body",) if error.field is None else ("body", error.field)
            return invalid([{"type": "value_error", "loc": loc, "msg": str(error)}])
        case DatabaseUnavailableError():
            return problem(503, error, headers={"Retry-After": str(error.retry_after)})
        case RunLostError():
            return problem(503, error)
        case QueueFullError():
            return problem(429, error, headers={"Retry-After": str(error.retry_after)})
        case AccessDeniedError():
            denials.warning("Denied (%s), decision_id %s", error.code, error.decision_id)
            return JSONResponse(error.body(), 403, error.headers())
        case ApprovalPendingError():
            return problem(403, error)
        case NotFoundError():
            return problem(404, error)
        case ConflictError():
            return problem(409, error)
        case PayloadTooLargeError():
            return problem(413, error)
        case _:
            return crashed(error)


def problem(status: int, error: AgentOSError, *, headers: Mapping[str, str] | None = None) -> Response:
    """`{"detail", "code"}`."""
    return JSONResponse({"detail": _shown(str(error)), "code": error.code}, status, headers)


def invalid(errors: Sequence[Any]) -> Response:
    """FastAPI's answer to a request that can't be read, with every value cut to what can be sent."""
    return JSONResponse({"detail": [_finding(error) for error in errors]}, 422)


def crashed(error: Exception) -> Response:
    """500 with an id; the log has the exception under the same id."""
    error_id = uuid4().hex
    logger.error("A request failed, error_id %s", error_id, exc_info=error)
    body = {"detail": "Internal server error", "code": "internal_error", "error_id": error_id}
    return JSONResponse(body, 500)


def _finding(error: Mapping[str, Any]) -> dict[str, Any]:
    finding: dict[str, Any] = {
        "type": error["type"],
        "loc": [_shown(part) for part in error["loc"]],
        "msg": _shown(error["msg"]),
    }
    match error.get("input"):
        case str() as text if len(text) <= SHOWN_INPUT:
            finding["input"] = _shown(text)
        case bool() | int() | None as value if "input" in error:
            finding["input"] = value
        case _:
            pass
    return finding


def _shown(part: str | int) -> str | int:
    return part if isinstance(part, int) else part.encode(errors="replace").decode()[:SHOWN_TEXT]


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of a route's refusals."""
    return {status: {"model": InvalidRequest if status == 422 else Problem} for status in statuses}
