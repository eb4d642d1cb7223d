"""What the middleware answers by itself, and the line it logs about it."""

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
    """Why a request isn't let through."""

    error: AgentOSError
    principal: Principal | None = None
    """Whom the audit names; None: this is no denial."""


async def send_refusal(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers an HTTP request; closes a WebSocket before it is accepted, as a policy violation (1008)."""
    if scope["type"] == "websocket":
        await WebSocketClose(code=1008)(scope, receive, send)
    else:
        await readable(scope, refusal)(scope, receive, send)


def unauthorized(error: TokenError) -> Refusal:
    """There is no token, or a bad one."""
    logger.warning("Denied (%s): token %s", error.code, error.token_ref)
    return Refusal(error, Principal(token_ref=error.token_ref))


def exhausted(error: TokenError, seconds: int) -> Refusal:
    """Too many tokens from there were bad."""
    return Refusal(TooManyFailuresError(seconds), Principal(token_ref=error.token_ref))


def refused(decision: Decision, method: str, found: Found, principal: Principal) -> Refusal:
    """A denial with its reasons; but not found where there is no route, or it has other methods."""
    if found.match is Match.NONE or decision.reason == "bad_path":
        return Refusal(NotFoundError("Path", message="Not Found"))
    if found.match is Match.PARTIAL:
        return Refusal(MethodNotAllowedError(found.methods))
    told = f"Insufficient permissions. {sentence(decision, method, found.pattern)}"
    return forbidden(AccessDeniedError(told, code=decision.reason, decision=decision), principal)


def forbidden(error: AccessDeniedError, principal: Principal) -> Refusal:
    """The caller is known, and may not do this."""
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
