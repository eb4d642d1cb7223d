from __future__ import annotations

import pytest

from agentos.errors import ConfigurationError
from agentos.tools import Toolkit, tool
from agentos.tools.toolkit import AgentTools


def one(): ...
def two(): ...
@tool(timeout=9, instructions="Use three.")
def three(): ...


class Greeter(Toolkit):
    def __init__(self, greeting: str) -> None:
        self.greeting = greeting
        super().__init__("greeter", [self.greet])

    def greet(self, name: str) -> str:
        """Greets."""
        return f"{self.greeting} {name}"


def test_a_subclass_offers_its_own_methods():
    toolkit = Greeter("Hello")
    assert toolkit.tools["greet"].description == "Greets."
    assert toolkit.tools["greet"](name="Ada") == "Hello Ada"


@pytest.mark.parametrize(
    ("include", "exclude", "names"),
    [
        (None, [], ["one", "two", "three"]),
        (["three", "one"], [], ["one", "three"]),
        (None, ["two"], ["one", "three"]),
        (["one", "two"], ["two"], ["one"]),
        ([], [], []),
    ],
)
def test_tools_are_kept_and_left_out_by_name(include, exclude, names):
    toolkit = Toolkit(tools=[one, two, three], include_tools=include, exclude_tools=exclude)
    assert list(toolkit.tools) == names


@pytest.mark.parametrize("parameter", ["include_tools", "exclude_tools", "stop_after_tool_call_tools"])
def test_a_list_that_names_an_unknown_tool_is_refused(parameter: str):
    with pytest.raises(ConfigurationError, match=rf"{parameter} of the toolkit 'kit' names 'tow'"):
        Toolkit("kit", [one, two], **{parameter: ["one", "tow"]})


def test_the_toolkits_timeout_is_for_tools_without_one():
    toolkit = Toolkit(tools=[one, three], timeout=5)
    assert {name: each.timeout for name, each in toolkit.tools.items()} == {"one": 5, "three": 9}


def test_a_call_of_the_named_tools_ends_the_run():
    toolkit = Toolkit(tools=[one, two], stop_after_tool_call_tools=["two"])
    assert [each.stop_after_tool_call for each in toolkit.tools.values()] == [False, True]


def test_an_agents_tools_are_functions_tools_and_toolkits():
    assert list(AgentTools([one, Toolkit(tools=[two]), three]).known.tools) == ["one", "two", "three"]


@pytest.mark.parametrize("tools", [[one, one], [one, Toolkit(tools=[one])], [Toolkit(tools=[one])] * 2])
def test_two_tools_of_one_name_are_refused(tools):
    with pytest.raises(ConfigurationError, match="Two tools are named 'one'"):
        AgentTools(tools)


def test_a_toolkit_refuses_two_tools_of_one_name():
    with pytest.raises(ConfigurationError, match="Two tools are named 'one'"):
        Toolkit(tools=[one, one])


def test_instructions_are_collected_from_those_that_want_it():
    kit = Toolkit(tools=[three], instructions="Use the kit.", add_instructions=True)
    quiet = Toolkit(tools=[two], instructions="Not this.")
    silent = tool(name="four", instructions="Nor this.", add_instructions=False)(one)
    assert list(AgentTools([one, kit, quiet, silent]).known.instructions) == ["Use the kit.", "Use three."]
    assert list(AgentTools([three]).known.instructions) == ["Use three."]
