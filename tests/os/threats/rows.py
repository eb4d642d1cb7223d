"""Ways to get at bob's rows, for ann and for those who may."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from agentos.os import deps
from agentos.os.principal import Access
from agentos.run.owner import ANYONE
from agentos.runner import service
from tests.os.threats.threat import Attempt, Threat, Weakness
from tests.os.threats.world import BOBS, World

Act = Callable[[World, str], bool]
"""Does something about a row of bob's as the user with this name, and tells whether it worked."""


def owning_nothing(patch: pytest.MonkeyPatch) -> None:
    """Everybody may see and change every row."""
    patch.setattr(Access, "owner", lambda self, *, write: ANYONE)
    patch.setattr(service, "may_see", lambda owner, user_id: True)


def believing_names(patch: pytest.MonkeyPatch) -> None:
    """The user is whom the request says, and otherwise whom the token says."""
    owner, user = Access.owner, Access.user
    patch.setattr(Access, "user", lambda self, requested: requested or user(self, requested))
    named = lambda access, requested, *, write: requested or owner(access, write=write)  # noqa: E731
    patch.setattr(deps, "owner_of", named)
    for module in ("sessions", "memories", "runs"):
        patch.setattr(f"agentos.os.api.routers.{module}.owner_of", named)
        if module != "runs":
            patch.setattr(f"agentos.os.api.routers.{module}.acting_for", _as_named)
    patch.setattr("agentos.os.api.routers.runs.acting_for", _as_named)
    patch.setattr("agentos.os.api.routers.kinds.owner_of", named)
    patch.setattr("agentos.os.api.routers.existing_runs.owner_of", named)
    patch.setattr("agentos.os.api.routers.existing_runs.acting_for", _as_named)


def _as_named(access: Access, requested: str | None) -> tuple[Any, str | None]:
    name = requested or access.principal.user_id
    return name, name


def both(name: str, act: Act, weakness: Weakness = owning_nothing) -> list[Threat]:
    """Ann in bob's place, with bob himself and then an admin as the twin."""

    def by(user: str) -> Attempt:
        return lambda world: act(world, user)

    return [Threat(f"{name}, as {twin} may", by("ann"), by(twin), weakness) for twin in ("bob", "root")]


def shows(target: str, make: Callable[[World], Any], *, until: bytes | None = None) -> Act:
    """Whether the answer to a GET holds bob's words; `{}` in the target is his row."""

    def act(world: World, user: str) -> bool:
        row = make(world)
        found = target.format_map(row) if isinstance(row, dict) else target.format(row)
        return BOBS in world.as_user(user, "GET", found, until=until).text

    return act


def changes(method: str, target: str, body: Any, make: Callable[[World], str], seen: str) -> Act:
    """Whether the row that bob sees is another one after the request."""

    def act(world: World, user: str) -> bool:
        row = make(world)
        before = world.as_user("bob", "GET", seen.format(row))
        world.as_user(user, method, target.format(row), body=_filled(body, row))
        after = world.as_user("bob", "GET", seen.format(row))
        assert before.status == 200
        return after.status != 200 or _content(after.json) != _content(before.json)

    return act


def posts(target: str, body: Any, make: Callable[[World], Any], *, until: bytes | None = None) -> Act:
    """Whether a POST about bob's row gets what it asks for."""

    def act(world: World, user: str) -> bool:
        return world.as_user(user, "POST", target.format_map(make(world)), body=body, until=until).is_granted

    return act


def _filled(body: Any, row: str) -> Any:
    match body:
        case str():
            return body.format(row)
        case list():
            return [_filled(each, row) for each in body]
        case dict():
            return {name: _filled(each, row) for name, each in body.items()}
        case _:
            return body


def _content(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name not in {"updated_at", "search_time_ms"}}


def session(world: World) -> str:
    return world.session("bob")


def session_with_topic(world: World) -> dict[str, Any]:
    return {"topic": (topic := f"t{uuid4().hex}"), "id": world.memory("bob", topics=[topic])}


def memory(world: World) -> str:
    return world.memory("bob")


def run(world: World) -> dict[str, Any]:
    return world.run("bob")


def attached(world: World) -> dict[str, Any]:
    return world.attached("bob")


def live(world: World) -> dict[str, Any]:
    return world.live_run("bob")


def nested(world: World) -> dict[str, Any]:
    return world.nested_run("bob")


def waiting(world: World) -> dict[str, Any]:
    return world.nested_run("bob", by="buyer")
