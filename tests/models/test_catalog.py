import subprocess
import sys
from pathlib import Path

import pytest

from agentos.errors import ConfigurationError
from agentos.models.base import Model
from agentos.models.catalog import resolve
from agentos.models.function import FunctionModel
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
    with pytest.raises(ConfigurationError, match="has no model id"):
        resolve(name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("opnai:gpt", "openai"), ("OpenAI-Responses:gpt", "openai-responses"), ("acne:small", "acme")],
)
def test_a_misspelt_provider_is_told_the_nearest(install, name, nearest):
    install("acme-models", acme="acme_models:AcmeModel")
    with pytest.raises(ConfigurationError, match=f"Did you mean '{nearest}'"):
        resolve(name)
    with pytest.raises(ConfigurationError) as far:
        resolve("gpt-5.2")
    assert "Did you mean" not in str(far.value)


ACME = """
from agentos.models.function import FunctionModel

class AcmeModel(FunctionModel):
    def __init__(self, id):
        super().__init__(lambda request: "Hello.", id, provider="Acme")

def make(id):
    return AcmeModel(id)

number = 5
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a distribution without a module, with entry points for `acme_models`, which every test has."""
    (tmp_path / "acme_models.py").write_text(ACME)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "acme_models", raising=False)

    def installed(distribution: str, **providers: str) -> Path:
        folder = tmp_path / f"{distribution.replace('-', '_')}-1.2.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        lines = [f"{provider} = {target}" for provider, target in providers.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[agentos.models]", *lines]))
        return tmp_path

    yield installed
    sys.modules.pop("acme_models", None)


@pytest.mark.parametrize("target", ["acme_models:AcmeModel", "acme_models:make"])
def test_an_installed_package_adds_a_provider(install, target):
    install("acme-models", acme=target)
    model = resolve("acme:small:2")
    assert isinstance(model, FunctionModel)
    assert (model.id, model.provider) == ("small:2", "Acme")


def test_an_installed_provider_is_among_the_known_ones(install):
    install("acme-models", acme="acme_models:AcmeModel", openai="acme_models:AcmeModel")
    with pytest.raises(
        ConfigurationError, match=r"one of openai:…, openai-responses:…, offline:…, acme:…, or"
    ):
        resolve("gpt-5.2")


def test_an_installed_provider_without_an_id_is_refused(install):
    install("acme-models", acme="acme_models:AcmeModel")
    with pytest.raises(ConfigurationError, match="has no model id: write 'acme:'"):
        resolve("acme")


def test_a_built_in_provider_is_not_taken_over(install):
    install("acme-models", openai="acme_models:AcmeModel", offline="acme_models:AcmeModel")
    assert type(resolve("openai:gpt-5.2")) is OpenAIChat
    assert type(resolve("offline")) is OfflineModel


def test_two_packages_with_one_provider_are_refused(install):
    install("acme-models", acme="acme_models:AcmeModel")
    install("acme-fork", acme="acme_models:AcmeModel")
    with pytest.raises(ConfigurationError, match=r"acme-fork 1\.2 and acme-models 1\.2 both register"):
        resolve("acme:small")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("acme_models:missing", "AttributeError"),
        ("no_such_module:make", "ModuleNotFoundError"),
        ("acme_broken:make", "ZeroDivisionError"),
    ],
)
def test_a_provider_that_cannot_be_loaded_names_its_package(install, target, why):
    (install("acme-models", acme=target) / "acme_broken.py").write_text("1 / 0")
    with pytest.raises(ConfigurationError, match=rf"'acme' of the package acme-models 1\.2 .*\({why}\)") as e:
        resolve("acme:small")
    assert type(e.value.__cause__).__name__ == why


@pytest.mark.parametrize("target", ["acme_models:number", "builtins:str"])
def test_a_provider_that_makes_no_model_names_its_package(install, target):
    install("acme-models", acme=target)
    with pytest.raises(ConfigurationError, match=r"acme-models 1\.2 makes no model"):
        resolve("acme:small")


def test_built_in_models_are_models():
    for name in ("offline", "openai:gpt-5.2", "openai-responses:gpt-5.2"):
        assert isinstance(resolve(name), Model)


def test_a_name_imports_no_adapter_but_its_own():
    code = "import sys; from agentos.models.catalog import resolve; resolve('offline'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "agentos.models.offline" in done.stdout
    assert "agentos.models.openai" not in done.stdout
