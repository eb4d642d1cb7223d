"""Decides whether a request is allowed: a pure function of scopes, method and path.

The operator's map is evaluated first, then the defaults. In each, the most specific pattern decides; a
request that no rule covers is denied. Reading tokens, responding over HTTP and ownership are handled
elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from agentos.errors import ConfigurationError
from agentos.kinds import FAMILIES
from agentos.os.policy.rules import DefaultMap, Layer, Rule, ScopeMap, Segments, split
from agentos.os.policy.scopes import Scope, parse

Unmapped = Literal["deny", "allow"]
"""The decision for a valid token where no rule applies."""

Reason = Literal[
    "no_rule",  # denied: nothing speaks about the request
    "missing_scope",  # denied: a rule does, and wants more than is held
    "bad_path",  # denied: a spelling that no rule may be asked about
    "public",
    "preflight",  # OPTIONS
    "admin",
    "granted",
    "any_token",  # a rule that wants no scope
    "unmapped",  # nothing speaks about the request, and the operator lets that pass
]

ADMIN_SCOPE: Final = "agent_os:admin"


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision with its reasons. The zero value is a denial."""

    allowed: bool = False
    reason: Reason = "no_rule"
    layer: str | None = None
    """The map that contains the rule: `operator`, `default` or `public`."""
    rule: str | None = None
    """The key of the deciding entry, exactly as written."""
    rank: int | None = None
    """Rank of the rule in its layer; 0 is the most specific."""
    wanted: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    """The caller's scopes that satisfied a required one."""
    missing: tuple[str, ...] = ()
    """The scopes that would turn the denial into a grant."""
    ids: frozenset[str] | None = None
    """The only ids that a listing shows; None if it isn't restricted."""


class Policy:
    """A compiled scope map; use `decide`.

    `public` are paths in the syntax of scope maps, with or without a method. `admin_scope` passes every rule;
    with a custom one, `agent_os:admin` is an ordinary scope. ConfigurationError for an invalid key, path or
    scope; `setting` is the parameter that contained `operator`.
    """

    def __init__(
        self,
        *,
        operator: ScopeMap | None = None,
        defaults: DefaultMap | None = None,
        public: Iterable[str] = (),
        admin_scope: str = ADMIN_SCOPE,
        unmapped: Unmapped = "deny",
        setting: str = "scope_mappings",
    ) -> None:
        check_scope("admin_scope", admin_scope)
        if unmapped not in ("deny", "allow"):
            raise ConfigurationError("unmapped must be 'deny' or 'allow'.")
        self.admin_scope = admin_scope
        self.unmapped = unmapped
        self.layers = (
            Layer("operator", {} if operator is None else operator, setting=setting),
            Layer("default", defaults or {}, admin_scope=admin_scope),
        )
        rules = [rule for layer in self.layers for rule in layer.rules]
        self.enforces = unmapped == "deny" or not all(rule.is_for_admins for rule in rules)
        """Whether a valid token can be denied anything except what is reserved for admins."""
        opened = {_public_key(path): () for path in public}
        self.public = Layer("public", opened, setting="excluded_route_paths")
        self._grants = {
            (rule.layer, rule.rank): _granted(rule)
            for layer in (*self.layers, self.public)
            for rule in layer.rules
        }

    def open_to_all(self, method: str, path: str) -> Decision | None:
        """The grant for a public request, or None."""
        segments = split(path)
        if method == "OPTIONS":
            return _PREFLIGHT
        return None if segments is None else self._open(_judged(method), segments)

    def decide(self, scopes: frozenset[str], method: str, path: str, *, is_narrowed: bool = True) -> Decision:
        """Decides about `method` on `path`, as seen by the router, for a caller with `scopes`.

        `is_narrowed`: the route leaves out of a listing what the caller holds no scope for.
        """
        segments = split(path)
        if method == "OPTIONS":
            return _PREFLIGHT
        if segments is None:
            return _BAD_PATH
        method = _judged(method)
        opened = self._open(method, segments)
        if opened is not None:
            return opened
        if self.admin_scope in scopes:
            return _ADMIN
        decision = self._judge(scopes, method, segments)
        return decision if is_narrowed or decision.ids is None else _unnarrowed(decision, scopes, segments[0])

    def _open(self, method: str, segments: Segments) -> Decision | None:
        """Whether the path is public. An equally specific entry of the operator overrides that."""
        rule = self.public.find(method, segments)
        if rule is None:
            return None
        operators = self.layers[0].find(method, segments)
        if operators is not None and operators.path_order <= rule.path_order:
            return None
        return self._grants[rule.layer, rule.rank]

    def _judge(self, scopes: frozenset[str], method: str, segments: Segments) -> Decision:
        for layer in self.layers:
            rule = layer.find(method, segments)
            if rule is None:
                continue
            if rule.as_if is not None:
                return self._judge(scopes, rule.as_if.method, segments[: rule.as_if.depth])
            grant = self._grants[rule.layer, rule.rank]
            return grant if scopes.issuperset(grant.wanted) else _weigh(rule, grant, scopes, method, segments)
        return _UNMAPPED if self.unmapped == "allow" else _NO_RULE


_NO_RULE: Final = Decision()
_BAD_PATH: Final = Decision(reason="bad_path")
_ADMIN: Final = Decision(allowed=True, reason="admin")
_PREFLIGHT: Final = Decision(allowed=True, reason="preflight")
_UNMAPPED: Final = Decision(allowed=True, reason="unmapped")


def check_scope(parameter: str, scope: str | None) -> None:
    """ConfigurationError, naming the parameter, for a scope that no one could hold."""
    try:
        parse(scope or "")
    except ValueError as error:
        raise ConfigurationError(f"{parameter}={scope!r} is one that nobody could hold: {error}.") from None


def _public_key(path: str) -> str:
    return f"* {path}" if path.startswith("/") else path


def _judged(method: str) -> str:
    return "GET" if method == "HEAD" else method


def _granted(rule: Rule) -> Decision:
    """The decision for a caller who holds every scope of `rule` literally."""
    wanted = tuple(scope.text for scope in rule.wanted)
    return Decision(
        allowed=True,
        reason="public" if rule.layer == "public" else "granted" if wanted else "any_token",
        layer=rule.layer,
        rule=rule.key,
        rank=rule.rank,
        wanted=wanted,
        held=wanted,
    )


def _unnarrowed(decision: Decision, scopes: frozenset[str], resource: str) -> Decision:
    """The denial of a listing that would show every id to a caller who holds its scope for some."""
    wanted = [parse(text) for text in decision.wanted]
    missing = tuple(
        scope.text
        for scope in wanted
        if scope.resource == resource and scope.id is None and scope.held_in(scopes, (), is_ours=True) is None
    )
    return replace(decision, allowed=False, reason="missing_scope", missing=missing, ids=None)


def _weigh(rule: Rule, grant: Decision, scopes: frozenset[str], method: str, segments: Segments) -> Decision:
    held: list[str] = []
    missing: list[Scope] = []
    ids: frozenset[str] | None = None
    for wanted in rule.wanted:
        met = wanted.held_in(scopes, segments, is_ours=rule.layer == "default")
        if met is not None:
            held.append(met)
        elif some := _listed(wanted, scopes, method, segments):
            held.extend(sorted(f"{wanted.resource}:{id_}:{wanted.action}" for id_ in some))
            ids = some if ids is None else ids & some
        else:
            missing.append(wanted)
    if len(missing) > 1:
        missing = _needed(missing, rule, method, segments)
    return replace(
        grant,
        allowed=not missing,
        reason="missing_scope" if missing else "granted",
        held=tuple(held),
        missing=tuple(scope.text for scope in missing),
        ids=None if missing else ids,
    )


def _needed(missing: Sequence[Scope], rule: Rule, method: str, segments: Segments) -> list[Scope]:
    """Those that the others wouldn't meet: `agents:web:read` is enough where `agents:read` lists."""
    needed = list(missing)
    for each in missing:
        others = frozenset(other.text for other in needed if other is not each)
        met = each.held_in(others, segments, is_ours=rule.layer == "default")
        if met is not None or _listed(each, others, method, segments):
            needed.remove(each)
    return needed


def _listed(wanted: Scope, scopes: frozenset[str], method: str, segments: Segments) -> frozenset[str]:
    """The ids for which `scopes` hold what is wanted, if the request lists its resource."""
    lists = (
        method == "GET"
        and wanted.id is None
        and segments == (wanted.resource,)
        and wanted.resource in FAMILIES
    )
    return wanted.ids_in(scopes) if lists else frozenset()
