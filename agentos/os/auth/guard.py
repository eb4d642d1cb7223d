"""What judges the requests of an app: its policy, and whose rows a caller may see.

Made of those parameters of `JWTMiddleware` that have nothing to do with keys, so that the same judgement can
be had where there is no key and no server: to explain it, to lint it, to test it.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentos.errors import ConfigurationError
from agentos.os.policy.default_scopes import ADMIN_ROUTES, DEFAULT_SCOPES, PUBLIC_PATHS
from agentos.os.policy.policy import ADMIN_SCOPE, Decision, Policy, Unmapped, check_scope
from agentos.os.policy.rules import ScopeMap
from agentos.os.policy.shadow import Shadow
from agentos.os.principal import Access, Principal


class Guard:
    """A policy, and the rule about rows. A parameter that can't work raises ConfigurationError."""

    def __init__(
        self,
        *,
        authorization: bool | None = None,
        scope_mappings: ScopeMap | None = None,
        admin_scope: str = ADMIN_SCOPE,
        all_users_scope: str | None = None,
        excluded_route_paths: Sequence[str] | None = None,
        unmapped: Unmapped = "deny",
        user_isolation: bool = True,
        shadow_scope_mappings: ScopeMap | None = None,
        strict: bool = False,
    ) -> None:
        if authorization is False and scope_mappings is not None:
            raise ConfigurationError(
                "scope_mappings turns authorization on and authorization=False off: leave one of them out."
            )
        if isinstance(excluded_route_paths, str):
            raise ConfigurationError(f"excluded_route_paths must be a list: [{excluded_route_paths!r}].")

        if unmapped not in ("deny", "allow"):
            raise ConfigurationError("unmapped must be 'deny' or 'allow'.")
        if all_users_scope is not None:
            check_scope("all_users_scope", all_users_scope)

        def policy(operator: ScopeMap | None, *, is_enforced: bool, setting: str) -> Policy:
            return Policy(
                operator=operator,
                defaults=DEFAULT_SCOPES if is_enforced else ADMIN_ROUTES,
                public=(*PUBLIC_PATHS, *(excluded_route_paths or ())),
                admin_scope=admin_scope,
                unmapped=unmapped if is_enforced else "allow",
                setting=setting,
            )

        is_enforced = bool(authorization) or scope_mappings is not None
        self.policy = policy(scope_mappings, is_enforced=is_enforced, setting="scope_mappings")
        self.shadow: Shadow | None = None
        """What a second map would change."""
        if shadow_scope_mappings is not None:
            other = policy(shadow_scope_mappings, is_enforced=True, setting="shadow_scope_mappings")
            self.shadow = Shadow(other)
        self.strict = strict
        """Whether what the lint finds keeps the server from starting."""
        self.is_isolated = user_isolation
        self.all_users_scope = all_users_scope

    def access(self, principal: Principal, decision: Decision) -> Access:
        """What `principal`, about whom `decision` was made, gets to see."""
        return Access(
            principal=principal,
            decision=decision,
            policy=self.policy,
            is_isolated=self.is_isolated,
            all_users_scope=self.all_users_scope,
            shadow=self.shadow,
        )
