"""Imports the app named by `MODULE:ATTRIBUTE`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from starlette.applications import Starlette

from agentos.errors import ConfigurationError
from agentos.os.app import AgentOS


@dataclass(frozen=True, slots=True)
class Target:
    """An app in the form that uvicorn accepts."""

    path: str
    is_factory: bool


def find(target: str) -> Target:
    """The app that `target` names, or the app of the AgentOS that it names.

    ConfigurationError if there is none. Exceptions raised by the module itself are passed on.
    """
    is_factory = isinstance(_named(target), AgentOS)
    return Target(f"{target}.get_app" if is_factory else target, is_factory=is_factory)


def load(target: str) -> Starlette:
    """The same app as from `find`, loaded: to inspect it, or to execute its runs."""
    named = _named(target)
    return named.get_app() if isinstance(named, AgentOS) else named


def _named(target: str) -> AgentOS | Starlette:
    name, _, attribute = target.partition(":")
    if not (name and attribute):
        raise ConfigurationError(f"{target!r} names no app: give MODULE:ATTRIBUTE, as in main:app.")
    module = _imported(name)
    if attribute not in vars(module):
        raise ConfigurationError(f"The module {name!r} has no {attribute!r}.")
    match vars(module)[attribute]:
        case AgentOS() as agent_os:
            _refuse_bypassing(agent_os, module, target)
            return agent_os
        case Starlette() as app:
            return app
        case _:
            raise ConfigurationError(f"{target!r} is neither an AgentOS nor a FastAPI app.")


def _imported(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        # Another name is something that the module itself looks for in vain.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(
            f"There is no module {name!r} in this folder or among the packages."
        ) from error


def _refuse_bypassing(agent_os: AgentOS, module: ModuleType, target: str) -> None:
    """Refuses a module that customised its AgentOS's app: a second app would lack that, e.g. its tokens."""
    for name, value in vars(module).items():
        if isinstance(value, Starlette) and value is not agent_os.base_app and "agentos" in value.state:
            raise ConfigurationError(
                f"{target!r} would be served by a new app, without the middleware that {name!r} may have: "
                f"serve {module.__name__}:{name}."
            )
