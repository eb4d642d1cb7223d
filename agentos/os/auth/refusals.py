"""Responses that the middleware sends itself, and their log entries."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from agentos.errors import AgentOSError, MethodNotAllowedError, NotFoundError, TooManyFailuresError
from agentos.os.auth.csrf import readable
from agentos.os.auth.explain import sentence
from agentos.os.http.lookup import Found
from agentos.os.policy.policy import Decision
from agentos.os.principal import AccessDeniedError, Principal
from agentos.os.tokens.claims import TokenError

logger = logging.getLogger("agentos.auth")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why a request is refused."""

    error: AgentOSError
    principal: Principal | None = None
    """The principal for the audit; None if this is no denial."""


async def send_refusal(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Responds to an HTTP request. Closes a WebSocket before it is accepted, as a policy violation (1008)."""
    if scope["type"] == "websocket":
        await WebSocketClose(code=1008)(scope, receive, send)
    else:
        await readable(scope, refusal)(scope, receive, send)


def unauthorized(error: TokenError) -> Refusal:
    """The token is missing or invalid."""
    logger.warning("Denied (%s): %s, token %s", error.code, error, error.token_ref)
    return Refusal(error, Principal(token_ref=error.token_ref))


def exhausted(error: TokenError, seconds: int) -> Refusal:
    """Too many invalid tokens from the address."""
    return Refusal(TooManyFailuresError(seconds), Principal(token_ref=error.token_ref))


def refused(decision: Decision, method: str, found: Found, principal: Principal) -> Refusal:
    """A denial with its reasons; 404 or 405 where the app has no such route or method."""
    if found.match is Match.NONE or decision.reason == "bad_path":
        return Refusal(NotFoundError("Path", message="Not Found"))
    if found.match is Match.PARTIAL:
        return Refusal(MethodNotAllowedError(found.methods))
    told = f"Insufficient permissions. {sentence(decision, method, found.pattern)}"
    return forbidden(AccessDeniedError(told, code=decision.reason, decision=decision), principal)


def forbidden(error: AccessDeniedError, principal: Principal) -> Refusal:
    """The caller is authenticated but not allowed."""
    logger.warning(
        "Denied (%s): rule %r, missing %s, user %r, token %s, decision_id %s",
        error.code,
        error.decision.rule,
        list(error.decision.missing),
        principal.user_id,
        principal.token_ref,
        error.decision_id,
    )
    return Refusal(error, principal)
