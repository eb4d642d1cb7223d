import pytest

from agentos.errors import ConfigurationError
from agentos.models.catalog import resolve
from agentos.models.offline import OfflineModel
from agentos.models.openai import OpenAIChat, OpenAIResponses


@pytest.mark.parametrize(
    ("name", "kind", "model_id"),
    [
        ("openai:gpt-5.2", OpenAIChat, "gpt-5.2"),
        ("openai:ft:gpt-4o:acme", OpenAIChat, "ft:gpt-4o:acme"),
        ("openai-responses:gpt-5.2", OpenAIResponses, "gpt-5.2"),
        ("offline", OfflineModel, "offline"),
        ("offline:demo", OfflineModel, "demo"),
    ],
)
def test_a_name_becomes_a_model(name, kind, model_id):
    model = resolve(name)
    assert type(model) is kind
    assert model.id == model_id


def test_a_model_stays_itself():
    model = OfflineModel()
    assert resolve(model) is model


@pytest.mark.parametrize("name", ["", "gpt-5.2", "anthropic:claude", ":gpt-5.2", "OpenAI:gpt-5.2"])
def test_an_unknown_provider_is_refused_with_the_known_ones(name):
    with pytest.raises(ConfigurationError, match=r"openai:….*openai-responses:….*offline"):
        resolve(name)


@pytest.mark.parametrize("name", ["openai", "openai:", "openai-responses"])
def test_a_provider_without_an_id_is_refused(name):
    with pytest.raises(ConfigurationError, match="lacks the model's id"):
        resolve(name)
