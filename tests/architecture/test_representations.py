"""What people see in a debugger or a log says what it is, and shows no secret."""

import pytest

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.function import FunctionModel
from agentos.models.offline import OfflineModel
from agentos.models.openai import OpenAIChat, OpenAIResponses
from agentos.os import AgentOS
from agentos.os.auth_settings import AuthorizationConfig
from agentos.tools.hackernews import HackerNewsTools

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"
DB = PostgresDb(f"postgresql://ai:{SECRET}@db:5432/ai?sslpassword={SECRET}", db_schema="mine")
SECRETS = {
    "api_key": SECRET,
    "base_url": f"https://u:{SECRET}@models:8000/v1?key={SECRET}",
    "organization": SECRET,
    "extra_headers": {"X-Key": SECRET},
    "extra_query": {"key": SECRET},
    "extra_body": {"key": SECRET},
    "metadata": {"key": SECRET},
}


def double(n: int) -> int:
    """Doubles a number."""
    return 2 * n


def answer(request):
    return "hello"


AGENT = Agent(id="one", model=OpenAIChat(id="m", **SECRETS), tools=[double], db=DB)
SHOWN = "PostgresDb('postgresql+psycopg://ai:***@db:5432/ai', db_schema='mine')"


@pytest.mark.parametrize(
    ("thing", "shown"),
    [
        (DB, SHOWN),
        (AGENT, f"Agent(id='one', model='OpenAI:m', tools=['double'], db={SHOWN})"),
        (
            AgentOS(agents=[AGENT], db=DB, security_key=SECRET),
            f"AgentOS(id='agentos', agents=['one'], teams=[], db={SHOWN}, authorization=False)",
        ),
        (OpenAIChat(id="m", **SECRETS), "OpenAIChat(id='m', host='models')"),
        (OpenAIResponses(id="m", api_key=SECRET), "OpenAIResponses(id='m')"),
        (FunctionModel(answer), "FunctionModel(answer, id='function')"),
        (OfflineModel(), "OfflineModel(id='offline', name='OfflineModel', provider='agentos')"),
    ],
)
def test_a_representation_says_what_it_is(thing, shown):
    assert repr(thing) == shown
    assert SECRET not in repr(thing)


def test_toolkits_and_settings_show_names_and_no_secrets():
    assert repr(HackerNewsTools()).startswith("HackerNewsTools(name='hackernews', tools=['")
    config = AuthorizationConfig(verification_keys=[SECRET])
    assert "algorithm='RS256'" in repr(config)
    assert SECRET not in repr(config)
