from __future__ import annotations

from types import MethodType
from typing import Any

import pytest

from agentos.errors import ConfigurationError
from agentos.models.base import ToolSpec
from agentos.run.runnable import RunContext
from agentos.tools import Tool, tool
from agentos.tools.toolkit import AgentTools


@tool
def add(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b


@tool(
    name="multiply",
    description="Multiplies.",
    timeout=5,
    stop_after_tool_call=True,
    strict=True,
    instructions="Use it for products.",
    add_instructions=False,
)
def times(a: int) -> int:
    """Not shown."""
    return a * 2


class Counter:
    def __init__(self, start: int) -> None:
        self.count = start

    @tool
    def increase(self, by: int) -> int:
        """Counts up."""
        self.count += by
        return self.count

    @tool
    async def read(self) -> int:
        return self.count

    def plain(self) -> int:
        return self.count


def test_a_tool_is_still_the_function():
    assert (add(1, b=2), times(3)) == (3, 6)


def test_without_keywords_everything_comes_from_the_function():
    assert (add.name, add.description) == ("add", "Adds.")
    assert (add.timeout, add.stop_after_tool_call, add.strict) == (None, False, False)


def test_keywords_set_the_tools_fields():
    assert (times.name, times.description, times.timeout) == ("multiply", "Multiplies.", 5)
    assert (times.stop_after_tool_call, times.strict) == (True, True)
    assert (times.instructions, times.add_instructions) == ("Use it for products.", False)


def test_the_spec_is_what_a_model_needs():
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert times.spec == ToolSpec("multiply", "Multiplies.", schema, strict=True)


async def test_a_decorated_method_binds_to_its_object(context: RunContext):
    one, ten = Counter(1), Counter(10)
    assert (await one.increase.call('{"by": 2}', context)).content == "3"
    assert (await ten.increase.call('{"by": 2}', context)).content == "12"
    assert (await ten.read.call("", context)).content == "12"
    assert one.increase(1) == 4
    assert list(Counter.increase.spec.parameters["properties"]) == ["by"]


class Shop:
    stock = 3

    @classmethod
    @tool
    def left(cls, sold: int) -> int:
        return cls.stock - sold

    @tool
    @classmethod
    def bought(cls, more: int) -> int:
        return cls.stock + more

    @staticmethod
    @tool
    def price(of: str) -> str:
        return f"{of}: 1"

    @tool
    @staticmethod
    def colour(of: str) -> str:
        return f"{of}: red"


class BigShop(Shop):
    stock = 30


@pytest.mark.parametrize(("shop", "stock"), [(Shop, 3), (Shop(), 3), (BigShop, 30), (BigShop(), 30)])
async def test_class_and_static_methods_are_tools(context: RunContext, shop: Any, stock: int):
    tools = AgentTools([shop.left, shop.bought, shop.price, shop.colour]).known.tools
    assert {name: list(each.spec.parameters["properties"]) for name, each in tools.items()} == {
        "left": ["sold"],
        "bought": ["more"],
        "price": ["of"],
        "colour": ["of"],
    }
    assert (await tools["left"].call('{"sold": 1}', context)).content == str(stock - 1)
    assert (await tools["bought"].call('{"more": 1}', context)).content == str(stock + 1)
    assert (await tools["price"].call('{"of": "pen"}', context)).content == "pen: 1"
    assert (await tools["colour"].call('{"of": "pen"}', context)).content == "pen: red"


async def test_a_class_method_that_python_binds_itself_is_a_tool(context: RunContext):
    """As Python 3.13 does, which doesn't ask the tool."""
    bound = MethodType(vars(Shop)["left"].__func__, BigShop)
    assert (await Tool.of(bound).call('{"sold": 1}', context)).content == "29"


def test_a_parameter_of_a_function_may_be_called_cls():
    @tool
    def classify(cls: str) -> str:
        return cls

    assert list(AgentTools([classify]).known.tools["classify"].spec.parameters["properties"]) == ["cls"]


@pytest.mark.parametrize("method", [Counter.increase, Counter.plain], ids=["decorated", "plain"])
def test_a_method_without_its_object_is_no_tool(method: Tool):
    with pytest.raises(ConfigurationError, match="pass the method of an object"):
        AgentTools([method])


def test_a_method_of_an_object_is_a_tool():
    counter = Counter(0)
    assert list(AgentTools([counter.increase, counter.plain]).known.tools) == ["increase", "plain"]


@pytest.mark.parametrize("name", ["a", "get_user-2", "x" * 64])
def test_a_name_that_models_take_is_kept(name: str):
    assert tool(name=name)(lambda: None).name == name


@pytest.mark.parametrize("name", ["get user", "größe", "x" * 65, "a.b", "a\n"])
def test_a_name_that_models_refuse_is_refused(name: str):
    with pytest.raises(ConfigurationError, match=r"set @tool\(name=…\)"):
        tool(name=name)(lambda: None)


def test_a_lambda_needs_a_name():
    with pytest.raises(ConfigurationError, match="'<lambda>'"):
        tool(lambda: None)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_that_can_not_be_is_refused(timeout: float):
    with pytest.raises(ConfigurationError, match="'f' needs a timeout of more than 0 seconds"):
        tool(name="f", timeout=timeout)(lambda: None)


@pytest.mark.parametrize("timeout", [0.5, float("inf"), None])
async def test_a_timeout_that_can_be_is_kept(context: RunContext, timeout: float | None):
    made = tool(name="f", timeout=timeout)(lambda: "done")
    assert (await made.call("", context)).content == "done"
