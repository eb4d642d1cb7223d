from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from agentos.errors import AgentOSError, ModelError
from agentos.models.base import ModelResponse
from agentos.run.messages import Metrics, ToolCall
from agentos.run.text import json_of
from agentos.runner.durable.steps import StepError, StepRecord, tag_of
from agentos.tools.result import ToolResult

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)
CALLS = st.lists(
    st.builds(
        lambda call_id, name, arguments: ToolCall.model_validate(
            {"id": call_id, "function": {"name": name, "arguments": arguments}}
        ),
        TEXT,
        TEXT,
        TEXT,
    )
)
RESPONSES = st.builds(
    ModelResponse,
    content=st.none() | TEXT,
    reasoning_content=st.none() | TEXT,
    tool_calls=CALLS,
    metrics=st.builds(Metrics, input_tokens=st.integers(0), duration=st.none() | st.floats(0, 1e9)),
    provider_data=st.none() | st.dictionaries(TEXT, JSON),
)
RESULTS = st.builds(ToolResult, content=TEXT, error=st.booleans())


def stored(record: StepRecord) -> StepRecord:
    return StepRecord(**from_json(json_of(record.plain())))


@given(RESPONSES | RESULTS | JSON)
def test_a_result_comes_back_as_it_was(value):
    back = stored(StepRecord(tag_of(value), 1, value)).result()
    assert back == value
    assert type(back) is type(value)


@given(st.dictionaries(TEXT, JSON), st.lists(TEXT))
def test_so_does_what_was_done_to_the_state(put, removed):
    record = StepRecord("json", 7, None, put, removed)
    assert asdict(stored(record)) == asdict(record)


def test_an_error_comes_back_with_its_code_and_text():
    error = ModelError("The model is away.", code="model_unavailable")
    back = stored(StepRecord("error", 1, StepError(error.code, str(error)))).result()
    assert isinstance(back, AgentOSError)
    assert (back.code, str(back)) == ("model_unavailable", "The model is away.")


@pytest.mark.parametrize(
    "value", [ToolResult("a\ud800b"), ModelResponse(content="a\ud800b", provider_data={"x": "a\ud800b"})]
)
def test_text_that_has_no_json_is_mended(value):
    assert stored(StepRecord(tag_of(value), 1, value)).result().content == "a\ufffdb"


@pytest.mark.parametrize("value", [object(), (1, 2), {1: 2}, {"a": object()}, b"x", {1}, ValueError("x")])
def test_what_is_not_plain_json_is_refused(value):
    with pytest.raises(TypeError, match=type(value).__name__):
        tag_of(value)
