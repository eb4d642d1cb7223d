"""The policy of an app, and the ownership rule.

Needs neither keys nor a server, so `explain`, the lint and policy tests decide exactly as a server does.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from agentos.os.auth_settings import AuthSettings
from agentos.os.policy.default_scopes import ADMIN_ROUTES, PUBLIC_PATHS, default_scopes
from agentos.os.policy.policy import Decision, Policy, check_scope
from agentos.os.policy.rules import ScopeMap
from agentos.os.policy.shadow import Shadow
from agentos.os.principal import Access, Principal

AGENTS: Final = ("agents",)
"""The families that every server has."""


class Guard:
    """A policy and the ownership rule. ConfigurationError for an invalid scope or map.

    Besides the lists of `kinds.LISTED`, only the `families` of the served runnables have default scopes. The
    user's own routes below another family need an entry in the scope map, as all routes of theirs do.
    """

    def __init__(self, settings: AuthSettings, families: Collection[str] = AGENTS) -> None:
        if settings.all_users_scope is not None:
            check_scope("all_users_scope", settings.all_users_scope)

        def policy(operator: ScopeMap | None, *, is_enforced: bool, setting: str) -> Policy:
            return Policy(
                operator=operator,
                defaults=default_scopes(families) if is_enforced else ADMIN_ROUTES,
                public=(*PUBLIC_PATHS, *(settings.excluded_route_paths or ())),
                admin_scope=settings.admin_scope,
                unmapped=settings.unmapped if is_enforced else "allow",
                setting=setting,
            )

        is_enforced = bool(settings.authorization) or settings.scope_mappings is not None
        self.policy = policy(settings.scope_mappings, is_enforced=is_enforced, setting="scope_mappings")
        self.shadow: Shadow | None = None
        """The shadow map."""
        if settings.shadow_scope_mappings is not None:
            other = settings.shadow_scope_mappings
            self.shadow = Shadow(policy(other, is_enforced=True, setting="shadow_scope_mappings"))
        self.strict = settings.strict
        """Whether lint findings prevent the server from starting."""
        self.is_isolated = settings.user_isolation
        self.all_users_scope = settings.all_users_scope

    def access(self, principal: Principal, decision: Decision) -> Access:
        """What `principal` may access, given `decision`."""
        return Access(
            principal=principal,
            decision=decision,
            policy=self.policy,
            is_isolated=self.is_isolated,
            all_users_scope=self.all_users_scope,
            shadow=self.shadow,
        )
