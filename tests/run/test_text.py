"""Whatever a model or a tool says, it is shown and stored."""

from __future__ import annotations

import json
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.run.events import Origin, RunContent, ToolCallCompleted
from agentos.run.messages import Message, ToolExecution
from agentos.run.records import RunOutput
from agentos.run.text import is_holdable, json_of, mended
from agentos.run.wire import decode_event, encode_event, run_output

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
ODD = "half \ud800 a pair"


@given(text=st.text())
def test_mended_text_can_be_held_and_good_text_is_left_alone(text: str) -> None:
    assert is_holdable(mended(text))
    assert (mended(text) == text) is is_holdable(text)


@given(value=anything)
def test_anything_has_json_that_is_utf8(value: Any) -> None:
    json.loads(json_of(value).encode())


def test_what_has_no_json_form_is_named_and_cycles_end() -> None:
    cycle: dict[str, Any] = {"odd": ODD}
    cycle["self"] = cycle
    assert json.loads(json_of(cycle)) == {"odd": mended(ODD), "self": "\ufffd"}
    assert json.loads(json_of({"x": nan, "y": object})) == {"x": None, "y": "<class 'object'>"}


@pytest.mark.parametrize(
    "event",
    [
        RunContent(content=ODD),
        ToolCallCompleted(tool=ToolExecution(tool_call_id="c", tool_name="t", result=ODD)),
    ],
)
def test_an_event_with_half_a_pair_is_still_a_line(event: RunContent | ToolCallCompleted) -> None:
    event.origin = Origin("agent", "a", "r", "s")
    text = encode_event(event)[1]
    text.encode()
    assert mended(ODD) in text
    assert decode_event(text).event == event.event


def test_a_run_with_half_a_pair_is_still_an_answer() -> None:
    run = RunOutput(
        run_id="r",
        kind="agent",
        runnable_id="a",
        session_id="s",
        content=ODD,
        messages=[Message(role="user", content=ODD)],
    )
    assert json.loads(json_of(run_output(run)).encode())["content"] == mended(ODD)
