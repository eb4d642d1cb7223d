"""What a deployment says about itself, read from YAML."""

import pytest

from agentos.errors import ConfigurationError
from agentos.os import AgentOS
from agentos.os.config import AgentOSConfig
from tests.os.apps import agent

GOOD = """
available_models: ["openai:gpt-5.2"]
chat:
  quick_prompts:
    web: ["What is new?"]
manifest:
  web: {description: Looks things up, labels: [beta], quick_prompts: [Hello]}
session:
  display_name: Talks
  dbs:
    - {db_id: main, domain_config: {display_name: Main}, tables: [a]}
memory: {display_name: Facts}
"""


def test_a_file_says_the_same_as_an_object(tmp_path):
    path = tmp_path / "os.yaml"
    path.write_text(GOOD)
    for given in (str(path), path):
        config = AgentOS(agents=[agent()], config=given).config
        assert config.chat.quick_prompts == {"web": ["What is new?"]}
        assert config.session.dbs[0].domain_config.display_name == "Main"
        assert AgentOS(agents=[agent()], config=config).config is config


def test_an_empty_file_says_nothing(tmp_path):
    path = tmp_path / "os.yaml"
    path.write_text("")
    assert AgentOSConfig.load(path) == AgentOSConfig()


WRONG = {
    "not YAML": ("chat: [", "line 1"),
    "not text": (b"\xff\xfe\x00", "isn't YAML"),
    "unknown field": ("chats: {}", "chats"),
    "unknown field inside": ("chat: {prompts: {}}", "chat.prompts"),
    "wrong type": ("manifest: {web: {labels: beta}}", "manifest.web.labels"),
    "a list": ("- chat", "the document"),
    "code": ("chat: !!python/object/apply:os.getcwd []", "isn't YAML"),
}


@pytest.mark.parametrize(("content", "named"), WRONG.values(), ids=WRONG)
def test_a_file_that_cant_be_used_is_refused_by_field(tmp_path, content, named):
    path = tmp_path / "os.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match=named) as refused:
        AgentOS(agents=[agent()], config=str(path))
    assert "os.yaml" in str(refused.value)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigurationError, match="can't be read"):
        AgentOSConfig.load(tmp_path)
