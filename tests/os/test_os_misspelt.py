"""A misspelt parameter, or a value of another kind, is answered with a sentence that says what to write."""

import pytest

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.errors import ConfigurationError
from agentos.models.openai import OpenAIChat, OpenAIResponses
from agentos.os import AgentOS
from agentos.tools import Toolkit, tool
from tests.os.apps import agent

URL = "postgresql+psycopg://user:hunter2@127.0.0.1:1/db"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Agent(nme="x"), "Agent has no parameter 'nme'. Did you mean 'name'?"),
        (lambda: Agent(zzzzzz="x"), "Agent has no parameter 'zzzzzz'."),
        (lambda: AgentOS(agent=[agent()]), "AgentOS has no parameter 'agent'. Did you mean 'agents'?"),
        (lambda: PostgresDb(db_ulr=URL), "PostgresDb has no parameter 'db_ulr'. Did you mean 'db_url'?"),
        (lambda: Toolkit(tool=[]), "Toolkit has no parameter 'tool'. Did you mean 'tools'?"),
        (
            lambda: OpenAIChat(temprature=1),
            "OpenAIChat has no parameter 'temprature'. Did you mean 'temperature'?",
        ),
        (lambda: OpenAIResponses(idd="x"), "OpenAIResponses has no parameter 'idd'. Did you mean 'id'?"),
        (lambda: tool(timeot=1), "@tool has no parameter 'timeot'. Did you mean 'timeout'?"),
        (lambda: AgentOS(agents=["x"]), "agents[0] is of type str: give an agent, Agent(…)."),
        (lambda: AgentOS(agents=[agent(), Agent]), "agents[1] is the class Agent: give an object of it."),
        (lambda: AgentOS(agents=agent()), "agents is a single agent: give a list, agents=[…]."),
        (lambda: AgentOS(agents="web"), "agents is of type str: give a list of agents."),
        (lambda: AgentOS(db=URL), "db is text: give PostgresDb(…) with that address."),
        (lambda: Agent(db=URL), "db is text: give PostgresDb(…) with that address."),
    ],
)
def test_a_mistake_is_a_sentence_with_what_to_write(make, told):
    with pytest.raises(ConfigurationError) as refused:
        make()
    assert str(refused.value) == told


class Clerk(Agent):
    def __init__(self, city):
        super().__init__(name=f"Clerk of {city}")


def test_a_subclass_has_parameters_of_its_own():
    assert Clerk(city="Rome").name == "Clerk of Rome"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("method", ["run", "arun"])
def test_a_misspelt_option_of_a_run_is_not_ignored(method, stream):
    with pytest.raises(TypeError, match=r"run\(\) has no option 'sesion_id'. Did you mean 'session_id'\?"):
        getattr(agent(), method)("hi", stream=stream, sesion_id="x")


def test_a_misspelt_option_of_print_response_is_not_ignored():
    with pytest.raises(TypeError, match="Did you mean 'session_id'"):
        agent().print_response("hi", sesion_id="x")


@pytest.mark.parametrize("stream", [False, True])
def test_a_misspelt_option_of_continue_run_is_not_ignored(stream):
    with pytest.raises(TypeError, match="Did you mean 'run_id'"):
        agent().acontinue_run(stream=stream, runid="x")


@pytest.mark.parametrize("stream", [False, True])
def test_an_id_in_place_of_the_run_is_told_where_it_goes(stream):
    with pytest.raises(TypeError, match="pass run_id='r1'"):
        agent().acontinue_run("r1", stream=stream)


def test_the_options_that_exist_are_taken():
    run = agent().run("hi", session_id="s1", user_id="ann", metadata={"a": 1})
    assert (run.session_id, run.user_id, run.metadata) == ("s1", "ann", {"a": 1})
