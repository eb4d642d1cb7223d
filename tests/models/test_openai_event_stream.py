"""Server-sent events in every way that bytes may come."""

import pytest

from agentos.models.openai.codec import ServerEvents

STREAM = (
    b": a comment\n\nevent: e\ndata: one\n\ndata:two\ndata:  three\nid: 4\n\n"
    b"event: without data\n\ndata\n\ndata: cut off"
)
EVENTS = [b"one", b"two\n three", b""]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 1000])
def test_events_are_the_same_however_they_are_cut(end, size):
    sent = STREAM.replace(b"\n", end)
    stream = ServerEvents()
    chunks = [sent[start : start + size] for start in range(0, len(sent), size)]
    assert [event for chunk in chunks for event in stream.feed(chunk)] == EVENTS


def test_only_line_ends_end_lines():
    data = "a\u2028b\x0bc\x85d".encode()
    assert ServerEvents().feed(b"data: " + data + b"\n\n") == [data]


def test_an_event_comes_with_its_last_byte():
    stream = ServerEvents()
    assert [stream.feed(chunk) for chunk in (b"data: 1\n", b"\n", b"data: 2\r\n\r", b"\ndata: 3")] == [
        [],
        [b"1"],
        [b"2"],
        [],
    ]


def test_a_last_event_without_its_blank_line_is_told_at_the_end():
    for rest in (b"data: 2", b"data: 2\n", b"data: 2\r"):
        stream = ServerEvents()
        assert stream.feed(b"data: 1\n\n" + rest) == [b"1"]
        assert stream.end() == [b"2"]
    assert ServerEvents().end() == []
