from datetime import UTC, datetime

import pytest

from agentos.db import encoding
from agentos.errors import InvalidInputError
from agentos.run.messages import Message


@pytest.mark.parametrize(
    ("value", "back"),
    [
        ({"a": None, "b": [1, 1.5, True, "x"]}, {"a": None, "b": [1, 1.5, True, "x"]}),
        ("a\0b", "a\ufffdb"),
        ("\\u0000", "\\u0000"),
        ("\\\0", "\\\ufffd"),
        ("a\ud800b", "a\ufffdb"),
        ({"k\0": 1}, {"k\ufffd": 1}),
        ({"k\udfff": 1, 2: 2}, {"k\ufffd": 1, "2": 2}),
        (float("inf"), None),
        ({"x": float("nan"), "y": "\ud800"}, {"x": None, "y": "\ufffd"}),
        ({1, 2}, [1, 2]),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
        ([datetime(2026, 1, 1, tzinfo=UTC), "\ud800"], ["2026-01-01T00:00:00Z", "\ufffd"]),
        ([b"\xff"], ["/w=="]),
        (10**400, 10**400),
        ("🙂é", "🙂é"),
    ],
)
def test_whatever_is_dumped_is_loaded_as_near_as_postgres_allows(value, back):
    text = encoding.dump(value)
    assert "\\u0000" not in text.replace("\\\\", "")
    text.encode()
    assert encoding.load(text) == back


def test_what_has_no_json_form_becomes_text():
    assert encoding.load(encoding.dump({"x": ValueError("oops")})) == {"x": "oops"}


def test_a_value_that_holds_itself_ends():
    twice: dict[str, object] = {}
    twice["one"] = twice["two"] = twice
    assert encoding.load(encoding.dump(twice)) == {"one": "\ufffd", "two": "\ufffd"}


@pytest.mark.parametrize("depth", [10, 220, 1000])
def test_a_deep_value_is_stored_and_read(depth):
    deep: list[object] = []
    for _ in range(depth):
        deep = [deep]
    assert encoding.load(encoding.dump(deep))


def test_a_message_that_cannot_be_stored_as_it_is_is_still_a_message():
    message = Message(role="assistant", content="a\ud800", tool_args={"a": None})
    back = Message.model_validate(encoding.load(encoding.dump(message)))
    assert back == message.model_copy(update={"content": "a\ufffd"})


@pytest.mark.parametrize("value", ["a", "é" * 255, "a b/c:d", "🙂"])
def test_an_id_may_be_any_short_text(value):
    encoding.check_ids(run_id=value, other=None)
    assert encoding.id_or_none(value) == value


@pytest.mark.parametrize("value", ["", "a" * 256, "\0", "\udc00"])
def test_an_id_that_no_row_can_have_is_refused_by_name(value):
    with pytest.raises(InvalidInputError) as refusal:
        encoding.check_ids(session_id="fine", run_id=value)
    assert refusal.value.field == "run_id"
