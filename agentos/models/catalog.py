"""Models by their short names: `openai:gpt-5.2`. An adapter is imported when its name is used."""

from __future__ import annotations

from agentos.errors import ConfigurationError
from agentos.models.base import Model


def resolve(model: Model | str) -> Model:
    """The model itself, or the one that `PROVIDER:ID` names; `offline` needs no id.

    The id is all that follows the first colon. Raises ConfigurationError for a name that isn't known.
    """
    if not isinstance(model, str):
        return model
    provider, _, model_id = model.partition(":")
    match provider:
        case "offline":
            from agentos.models.offline import OfflineModel

            return OfflineModel(model_id) if model_id else OfflineModel()
        case "openai" | "openai-responses" if not model_id:
            raise ConfigurationError(
                f"model={model!r} lacks the model's id: write e.g. '{provider}:gpt-5.4-mini'."
            )
        case "openai":
            from agentos.models.openai import OpenAIChat

            return OpenAIChat(model_id)
        case "openai-responses":
            from agentos.models.openai import OpenAIResponses

            return OpenAIResponses(model_id)
        case _:
            raise ConfigurationError(
                f"model={model!r} names no known provider; "
                "give one of openai:…, openai-responses:…, offline:…, or an object."
            )
