"""Models by their short names, such as `openai:gpt-5.2`. An adapter is imported when its name is used.

A package adds a provider by an entry point of the group `agentos.models`: its name is the provider, its
object is called with the model's id and returns a `Model`. The names of agentos itself can't be taken over.

    [project.entry-points."agentos.models"]
    acme = "acme_models:AcmeModel"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from agentos.errors import ConfigurationError
from agentos.models.base import Model
from agentos.utils.names import hint

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "agentos.models"
"""Entry point group for providers of other packages."""


def resolve(model: Model | str) -> Model:
    """The given model, or the one named by `PROVIDER:ID`; `offline` needs no id.

    The id is everything after the first colon. ConfigurationError for an unknown name, and for a provider
    whose package can't be imported.
    """
    if not isinstance(model, str):
        return model
    provider, _, model_id = model.partition(":")
    make = _BUILT_IN.get(provider) or _installed(model, provider)
    if not model_id and provider != "offline":
        raise ConfigurationError(f"model={model!r} has no model id: write '{provider}:' followed by the id.")
    return make(model_id)


def _openai(model_id: str) -> Model:
    from agentos.models.openai import OpenAIChat

    return OpenAIChat(model_id)


def _openai_responses(model_id: str) -> Model:
    from agentos.models.openai import OpenAIResponses

    return OpenAIResponses(model_id)


def _offline(model_id: str) -> Model:
    from agentos.models.offline import OfflineModel

    return OfflineModel(model_id) if model_id else OfflineModel()


_BUILT_IN: Final[Mapping[str, Callable[[str], Model]]] = {
    "openai": _openai,
    "openai-responses": _openai_responses,
    "offline": _offline,
}


def _installed(model: str, provider: str) -> Callable[[str], Model]:
    from importlib.metadata import entry_points

    entries = entry_points(group=GROUP)
    match [entry for entry in entries if entry.name == provider]:
        case []:
            raise _unknown(model, provider, [*_BUILT_IN, *sorted(entries.names - _BUILT_IN.keys())])
        case [entry]:
            return partial(_made, entry)
        case several:
            packages = " and ".join(sorted(_package(entry) for entry in several))
            raise ConfigurationError(
                f"model={model!r} is ambiguous: {packages} both register {provider!r}. Uninstall one."
            )


def _made(entry: EntryPoint, model_id: str) -> Model:
    try:
        make = entry.load()
    except Exception as error:
        raise ConfigurationError(
            f"The provider {entry.name!r} of the package {_package(entry)} can't be loaded from "
            f"{entry.value!r} ({type(error).__name__}): fix or uninstall that package."
        ) from error
    model = make(model_id) if callable(make) else None
    if not isinstance(model, Model):
        raise ConfigurationError(
            f"The provider {entry.name!r} of the package {_package(entry)} makes no model: {entry.value!r} "
            "must be a function or class that takes the model's id and returns a Model."
        )
    return model


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module


def _unknown(model: str, provider: str, known: list[str]) -> ConfigurationError:
    return ConfigurationError(
        f"model={model!r} names no known provider.{hint(provider, known)} "
        f"Give one of {', '.join(f'{name}:…' for name in known)}, or an object."
    )
