"""The caller of a request and its authorization, as shared by middleware, routes and errors."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import uuid4

from agentos.errors import AgentOSError
from agentos.os.policy.policy import Decision, Policy
from agentos.os.policy.shadow import Shadow
from agentos.run.owner import ANYONE, Owner


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller that a token authenticates. All fields empty: anonymous."""

    user_id: str | None = None
    session_id: str | None = None
    """The only session that the token permits."""
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The verified payload."""
    token_ref: str | None = None
    """Identifies the token in logs: its `jti`, or 12 hex digits of its hash."""
    dependencies: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Claims for a run's dependencies, by name; None for a missing claim."""
    session_state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Claims for the state of sessions, by name; None for a missing claim."""


NOBODY: Final = Principal()


def challenge(error: str, **parameters: str) -> dict[str, str]:
    """`WWW-Authenticate` (RFC 6750 §3). Parameters that are empty or not allowed in a header are omitted."""
    given = {
        name: value
        for name, value in {"error": error, **parameters}.items()
        if value and value.isascii() and value.isprintable() and not set(value) & {'"', "\\"}
    }
    return {"WWW-Authenticate": "Bearer " + ", ".join(f'{name}="{value}"' for name, value in given.items())}


class AccessDeniedError(AgentOSError):
    """The caller is authenticated but not allowed: a 403 with its explanation (RFC 6750)."""

    def __init__(self, message: str, *, code: str, decision: Decision) -> None:
        super().__init__(message)
        self.code = code
        self.decision = decision
        self.decision_id = uuid4().hex
        """Appears in the response and in the log."""

    def body(self) -> dict[str, object]:
        """The JSON of the response."""
        return {
            "detail": str(self),
            "code": self.code,
            "missing": list(self.decision.missing),
            "rule": self.decision.rule,
            "decision_id": self.decision_id,
        }

    def headers(self) -> dict[str, str]:
        """The `WWW-Authenticate` header of the response."""
        return challenge("insufficient_scope", scope=" ".join(self.decision.wanted))


@dataclass(frozen=True, slots=True)
class Access:
    """The caller of a request and what it may access. Routes use this and make no decisions themselves."""

    principal: Principal
    decision: Decision
    policy: Policy
    is_isolated: bool = True
    """Whether the caller is limited to its own rows."""
    all_users_scope: str | None = None
    """Holders of this scope may read everyone's rows."""
    shadow: Shadow | None = None
    """The effect of the shadow map, for admins."""

    @property
    def is_admin(self) -> bool:
        """Whether the caller holds the admin scope."""
        return self.policy.admin_scope in self.principal.scopes

    def demand_admin(self) -> None:
        """AccessDeniedError unless the caller is an admin. Without authentication, every caller is."""
        if self.is_admin or self is OPEN:
            return
        decision = replace(self.decision, allowed=False, missing=(self.policy.admin_scope,))
        raise AccessDeniedError("Only admins may ask this.", code="missing_scope", decision=decision)

    def owner(self, *, write: bool) -> Owner:
        """The owner whose rows the caller may read or write. AccessDeniedError if an identity is required."""
        if not self.is_isolated or self.is_admin:
            return ANYONE
        if not write and self.all_users_scope in self.principal.scopes:
            return ANYONE
        return self._identity()

    def user(self, requested: str | None) -> str | None:
        """The user that new rows belong to: the token's, unless an admin names another."""
        if self.is_admin:
            return requested or self.principal.user_id
        if self.is_isolated:
            return self._identity()
        return self.principal.user_id or requested

    def session(self, requested: str | None) -> str | None:
        """The session to use: the token's, if it names one, regardless of the request."""
        return self.principal.session_id or requested

    def may_enter(self, session_id: str) -> bool:
        """Whether the token permits this session. Ownership is checked separately."""
        return self.principal.session_id in {None, session_id}

    def dependencies(self, requested: Mapping[str, Any]) -> dict[str, Any]:
        """A run's dependencies. Names reserved for claims are overridden or removed."""
        return self._without_claims(requested) | _known(self.principal.dependencies)

    def session_state(self, requested: Mapping[str, Any]) -> dict[str, Any]:
        """The session state from a request, under the same rule."""
        return self._without_claims(requested) | _known(self.principal.session_state)

    def metadata(self, requested: Mapping[str, Any]) -> dict[str, Any]:
        """A run's metadata, without the names reserved for claims: instructions read names in all three."""
        return self._without_claims(requested)

    def claims(self) -> dict[str, Any]:
        """What a run's instructions read under the names reserved for claims, whatever else has them."""
        return _known(self.principal.session_state) | _known(self.principal.dependencies)

    def _without_claims(self, requested: Mapping[str, Any]) -> dict[str, Any]:
        reserved = self.principal.dependencies.keys() | self.principal.session_state.keys()
        return {name: value for name, value in requested.items() if name not in reserved}

    def listed(self, family: str) -> frozenset[str] | None:
        """The ids of `agents`, `teams` or `workflows` that the caller may list; None for all."""
        decision = self.policy.decide(self.principal.scopes, "GET", f"/{family}")
        return decision.ids if decision.allowed else frozenset()

    def permits(self, method: str, path: str) -> bool:
        """Whether the caller is known, or needn't be, and may make this request."""
        if self is not OPEN and self.principal is NOBODY:
            return False
        return self.policy.decide(self.principal.scopes, method, path).allowed

    def may_read_run(self, family: str, id: str, run_id: str) -> bool:  # noqa: A002 - the wire's word
        """Whether the scopes permit to read this run of an agent, or of another kind's runnable."""
        return self.policy.decide(self.principal.scopes, "GET", f"/{family}/{id}/runs/{run_id}").allowed

    def no_identity(self) -> AccessDeniedError:
        """The error for an anonymous caller where rows have owners."""
        told = "Authenticated request is missing a user identity"
        return AccessDeniedError(told, code="no_identity", decision=self.decision)

    def _identity(self) -> str:
        if not self.principal.user_id:
            raise self.no_identity()
        return self.principal.user_id


def _known(claims: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}


OPEN: Final = Access(
    principal=NOBODY,
    decision=Decision(allowed=True, reason="unmapped"),
    policy=Policy(unmapped="allow"),
    is_isolated=False,
)
"""The access of every caller without authentication: everyone's rows, on behalf of anyone."""

_KEY: Final = "access"


def access_of(scope: MutableMapping[str, Any]) -> Access:
    """The access that the middleware granted this ASGI request; `OPEN` without middleware."""
    access = scope.get("state", {}).get(_KEY)
    return access if isinstance(access, Access) else OPEN


def grant(scope: MutableMapping[str, Any], access: Access) -> None:
    """Stores the access of this ASGI request.

    The user's own routes find it in `request.state` as `access`, and its parts as `user_id`, `session_id`,
    `scopes`, `claims`, `audience`, `authenticated` and `authorization_enabled`.
    """
    principal = access.principal
    scope["state"] = {
        **scope.get("state", {}),
        _KEY: access,
        "authenticated": principal is not NOBODY,
        "user_id": principal.user_id,
        "session_id": principal.session_id,
        "scopes": list(principal.scopes),
        "claims": principal.claims,
        "audience": principal.claims.get("aud"),
        "authorization_enabled": access.policy.enforces,
    }
