"""The default scopes of each route, and the public paths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agentos.kinds import LISTED, spelling
from agentos.os.policy.rules import AdminOnly, AsIf, DefaultMap
from agentos.os.policy.scopes import OLD_WORDS

_AS_STARTING_THE_RUN: Final = AsIf("POST", depth=3)
"""`/agents/<id>/runs`: whoever may start a run may follow, cancel and continue it."""


def default_scopes(families: Iterable[str]) -> DefaultMap:
    """The default map for a server with these families of runnables: `agents`, …"""
    runnables = [_runnables(family) for family in families]
    lists = [_list(spelling(kind).family) for kind in LISTED]
    return {key: value for each in (*runnables, *lists, _OTHERS) for key, value in each.items()}


def owned_routes(families: Iterable[str]) -> list[str]:
    """Routes about rows that have an owner."""
    return [key for key in default_scopes(families) if any(part in key for part in _OWNED)]


def _list(family: str) -> DefaultMap:
    return {f"GET /{family}": [f"{family}:read"]}


def _runnables(family: str) -> DefaultMap:
    return {
        **_list(family),
        f"GET /{family}/{{id}}": [f"{family}:read"],
        f"GET /{family}/*/runs": [f"{family}:read"],
        f"POST /{family}/*/runs": [f"{family}:run"],
        f"GET /{family}/*/runs/{{run_id}}": _AS_STARTING_THE_RUN,
        f"GET /{family}/*/runs/*/events": _AS_STARTING_THE_RUN,
        f"POST /{family}/*/runs/*/resume": _AS_STARTING_THE_RUN,
        f"POST /{family}/*/runs/*/cancel": _AS_STARTING_THE_RUN,
        f"POST /{family}/*/runs/*/continue": _AS_STARTING_THE_RUN,
        f"GET /{family}/*/runs/*/checkpoints": _AS_STARTING_THE_RUN,
        f"GET /{family}/*/runs/*/checkpoints/{{message_index}}": _AS_STARTING_THE_RUN,
        f"POST /{family}/*/sessions/*/fork": [f"{family}:run"],
    }


_OTHERS: Final[DefaultMap] = {
    "GET /config": ["config:read"],
    "GET /sessions": ["sessions:read"],
    "GET /sessions/{session_id}": ["sessions:read"],
    "GET /sessions/*/runs": ["sessions:read"],
    "GET /sessions/*/media/{key}": ["sessions:read"],
    "GET /sessions/*/runs/{run_id}": ["sessions:read"],
    "GET /sessions/*/run-previews": ["sessions:read"],
    "POST /sessions": ["sessions:write"],
    "POST /sessions/*/rename": ["sessions:write"],
    "PATCH /sessions/{session_id}": ["sessions:write"],
    "DELETE /sessions": ["sessions:delete"],
    "DELETE /sessions/{session_id}": ["sessions:delete"],
    "GET /memories": ["memories:read"],
    "GET /memories/{memory_id}": ["memories:read"],
    "GET /memory_topics": ["memories:read"],
    "GET /user_memory_stats": ["memories:read"],
    "POST /memories": ["memories:write"],
    "PATCH /memories/{memory_id}": ["memories:write"],
    "DELETE /memories": ["memories:delete"],
    "DELETE /memories/{memory_id}": ["memories:delete"],
    "GET /approvals": ["approvals:read"],
    "GET /approvals/count": ["approvals:read"],
    "GET /approvals/{approval_id}": ["approvals:read"],
    "GET /approvals/*/status": ["approvals:read"],
    "POST /approvals/*/resolve": ["approvals:write"],
    "DELETE /approvals/{approval_id}": ["approvals:delete"],
    "POST /service-accounts": ["service_accounts:write"],
    "GET /service-accounts": ["service_accounts:read"],
    "DELETE /service-accounts/{service_account_id}": ["service_accounts:delete"],
    "GET /audit": AdminOnly(),
    "GET /authz/explain": [],
    "GET /authz/matrix": AdminOnly(),
    "GET /authz/shadow": AdminOnly(),
}
"""Together with the routes of runnables and the lists of kinds, exactly the server's routes: a new one is
denied until it is listed here."""

_OWNED: Final = ("/runs", "/sessions", "/memories", "/memory_topics", "/user_memory_stats", "/approvals")

ADMIN_ROUTES: Final = {key: value for key, value in _OTHERS.items() if isinstance(value, AdminOnly)}
"""Reserved for admins even if authorization is off."""

PUBLIC_PATHS: Final = (
    "GET /",
    "GET /health",
    "GET /info",
    "GET /docs",
    "GET /redoc",
    "GET /openapi.json",
    "GET /docs/oauth2-redirect",
    "GET /docs/swagger-ui-bundle.js",
    "GET /docs/swagger-ui.css",
    "GET /docs/favicon.png",
    "GET /docs/redoc.standalone.js",
)
"""Paths that need no token."""

READS_TOKENS: Final = frozenset({"GET /info"})
"""Those of them that show more to a caller who sends a valid token."""

RESERVED_FAMILIES: Final = frozenset(
    [
        *(key.split("/")[1] for key in (*_OTHERS, *PUBLIC_PATHS)),
        *(scope.split(":")[0] for wanted in _OTHERS.values() if isinstance(wanted, list) for scope in wanted),
        *(old.split(":")[0] for old in OLD_WORDS.values()),
    ]
)
"""First segments of paths and first parts of scopes that can't be the family of a kind."""
