"""Models by their short names: `openai:gpt-5.2`."""

from __future__ import annotations

from collections.abc import Callable

from agentos.errors import ConfigurationError
from agentos.models.base import Model
from agentos.models.offline import OfflineModel
from agentos.models.openai import OpenAIChat, OpenAIResponses

_PROVIDERS: dict[str, Callable[[str], Model]] = {
    "openai": OpenAIChat,
    "openai-responses": OpenAIResponses,
    "offline": OfflineModel,
}


def resolve(model: Model | str) -> Model:
    """The model itself, or the one that `PROVIDER:ID` names; `offline` needs no id.

    The id is all that follows the first colon. Raises ConfigurationError for a name that isn't known.
    """
    if not isinstance(model, str):
        return model
    provider, _, model_id = model.partition(":")
    make = _PROVIDERS.get(provider)
    if make is None:
        known = ", ".join(f"{name}:…" for name in _PROVIDERS)
        raise ConfigurationError(
            f"model={model!r} names no known provider; give one of {known}, or an object."
        )
    if model_id:
        return make(model_id)
    if provider == "offline":
        return OfflineModel()
    raise ConfigurationError(f"model={model!r} lacks the model's id: write e.g. '{provider}:gpt-5.4-mini'.")
