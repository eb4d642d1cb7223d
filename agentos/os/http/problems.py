"""Error responses: one JSON format, which never contains foreign exception text."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from fastapi.responses import JSONResponse
from starlette.responses import Response

from agentos.errors import (
    AgentOSError,
    ApprovalPendingError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    InvalidInputError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    TooManyRequestsError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from agentos.os.api_model import ApiModel
from agentos.os.principal import AccessDeniedError, challenge

logger = logging.getLogger("agentos.os")

SHOWN_INPUT = 200
"""Maximum characters of a refused value that is sent back."""
SHOWN_TEXT = 1000
"""Maximum characters of a message or a field name that is sent back."""

STATUS: Final[Mapping[type[AgentOSError], int]] = {
    BadRequestError: 400,
    AuthenticationError: 401,
    AccessDeniedError: 403,
    ApprovalPendingError: 403,
    NotFoundError: 404,
    MethodNotAllowedError: 405,
    ConflictError: 409,
    PayloadTooLargeError: 413,
    UnsupportedMediaTypeError: 415,
    InvalidInputError: 422,
    TooManyRequestsError: 429,
    UnavailableError: 503,
}
"""Status by error class, including subclasses. All others are internal errors: 500."""


_PAGING = {"cursor", "limit", "page"}
"""Fields that are parameters of lists."""


class Problem(ApiModel):
    """Any error response."""

    detail: str
    """A sentence that says what to do."""
    code: str
    """The stable code of the error."""


class Denial(Problem):
    """403: the caller is authenticated but not allowed."""

    missing: list[str]
    """The scopes that would have allowed the request."""
    rule: str | None
    """The entry of the scope map that requires them."""
    decision_id: str
    """Also appears in the server's log."""


class FieldProblem(ApiModel):
    """One invalid part of a request."""

    type: str
    """The type of the error, for programs."""
    loc: list[str | int]
    """The location: `body`, `query` or `path`, then the field."""
    msg: str
    """The error as a sentence."""
    input: str | int | bool | None = None
    """The value, if it is short."""


class InvalidRequest(ApiModel):
    """422: the invalid fields of a request."""

    detail: list[FieldProblem]
    """All errors that were found."""
    code: str
    """`invalid_input`."""


class InvalidRequestError(InvalidInputError):
    """A request that can't be parsed. Each finding has `type`, `loc`, `msg` and possibly `input`."""

    def __init__(self, findings: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("The request can't be read.")
        self.findings = findings


def answer(error: Exception) -> Response:
    """The response to any error. Foreign errors and internal errors are logged with an id."""
    kind = next((each for each in type(error).__mro__ if each in STATUS), None)
    if kind is None or not isinstance(error, AgentOSError):
        error_id = uuid4().hex
        logger.error("Request failed, error_id %s", error_id, exc_info=error)
        body = {"detail": "Internal server error", "code": AgentOSError.code, "error_id": error_id}
        return JSONResponse(body, 500)
    return JSONResponse(_body(error), STATUS[kind], _headers(error))


def _body(error: AgentOSError) -> dict[str, object]:
    match error:
        case AccessDeniedError():
            return error.body()
        case InvalidRequestError():
            return {"detail": [_finding(each) for each in error.findings], "code": error.code}
        case InvalidInputError():
            place = "query" if error.field in _PAGING else "body"
            loc = (place,) if error.field is None else (place, error.field)
            found = _finding({"type": "value_error", "loc": loc, "msg": str(error)})
            return {"detail": [found], "code": error.code}
        case _:
            return {"detail": _shown(str(error)), "code": error.code}


def _headers(error: AgentOSError) -> dict[str, str]:
    match error:
        case AccessDeniedError():
            return error.headers()
        case AuthenticationError(code="invalid_token" | "expired_token"):
            return challenge("invalid_token", error_description=str(error))
        case AuthenticationError():
            # RFC 6750 §3.1: who sent no token is told no error.
            return {"WWW-Authenticate": "Bearer"}
        case MethodNotAllowedError() if error.allowed:
            return {"Allow": ", ".join(sorted(error.allowed))}
        case TooManyRequestsError(retry_after=int(seconds)) | UnavailableError(retry_after=int(seconds)):
            return {"Retry-After": str(seconds)}
        case _:
            return {}


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
    """OpenAPI for the error responses of a route."""
    return {status: {"model": InvalidRequest if status == 422 else Problem} for status in statuses}
