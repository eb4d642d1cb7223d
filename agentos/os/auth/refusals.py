"""What the middleware answers by itself, and the line it logs about it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from agentos.errors import DatabaseUnavailableError
from agentos.os.auth.csrf import readable
from agentos.os.auth.explain import sentence
from agentos.os.http.lookup import Found
from agentos.os.policy.policy import Decision
from agentos.os.principal import AccessDeniedError, Principal, challenge
from agentos.os.tokens.claims import TokenError
from agentos.os.tokens.keys import KeysUnavailableError

logger = logging.getLogger("agentos.auth")


class Refusal(JSONResponse):
    """A denial, and whom it is about."""

    def __init__(
        self,
        body: dict[str, object],
        status: int,
        headers: Mapping[str, str],
        *,
        code: str,
        principal: Principal,
    ) -> None:
        super().__init__(body, status, headers)
        self.code = code
        self.principal = principal


async def send_refusal(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers an HTTP request; closes a WebSocket before it is accepted, as a policy violation (1008)."""
    if scope["type"] == "websocket":
        await WebSocketClose(code=1008)(scope, receive, send)
    else:
        await readable(scope, refusal)(scope, receive, send)


def unauthorized(error: TokenError) -> Refusal:
    """401: there is no token, or a bad one."""
    logger.warning("Denied (%s): token %s", error.code, error.token_ref)
    headers = {"WWW-Authenticate": "Bearer"}
    if error.code != "missing_token":
        headers = challenge("invalid_token", error_description=str(error))
    body: dict[str, object] = {"detail": str(error), "code": error.code}
    return Refusal(body, 401, headers, code=error.code, principal=Principal(token_ref=error.token_ref))


def exhausted(error: TokenError, seconds: int) -> Refusal:
    """429: too many tokens from there were bad."""
    detail = f"Too many failed authentications from your address: try again in {seconds} seconds"
    code = "too_many_failures"
    body: dict[str, object] = {"detail": detail, "code": code}
    headers = {"Retry-After": str(seconds)}
    return Refusal(body, 429, headers, code=code, principal=Principal(token_ref=error.token_ref))


def unavailable(error: KeysUnavailableError | DatabaseUnavailableError) -> Response:
    """503: nobody can be told from anybody else."""
    headers = {"Retry-After": str(error.retry_after)}
    return JSONResponse({"detail": str(error), "code": error.code}, 503, headers)


def refused(decision: Decision, method: str, found: Found, principal: Principal) -> Response:
    """403 with its reasons; but 404 where there is no route, and 405 where it has other methods."""
    if found.match is Match.NONE or decision.reason == "bad_path":
        return JSONResponse({"detail": "Not Found"}, 404)
    if found.match is Match.PARTIAL:
        allow = {"Allow": ", ".join(sorted(found.methods))}
        return JSONResponse({"detail": "Method Not Allowed"}, 405, allow)
    told = f"Insufficient permissions. {sentence(decision, method, found.pattern)}"
    error = AccessDeniedError(told, code=decision.reason, decision=decision)
    return forbidden(error, principal)


def forbidden(error: AccessDeniedError, principal: Principal) -> Refusal:
    """403: the caller is known, and may not do this."""
    logger.warning(
        "Denied (%s): rule %r, missing %s, user %r, token %s, decision_id %s",
        error.code,
        error.decision.rule,
        list(error.decision.missing),
        principal.user_id,
        principal.token_ref,
        error.decision_id,
    )
    return Refusal(error.body(), 403, error.headers(), code=error.code, principal=principal)
