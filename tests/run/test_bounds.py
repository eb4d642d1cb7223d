"""Limits on JSON, which must be right about every text without parsing it."""

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.errors import InvalidInputError, PayloadTooLargeError
from agentos.run.bounds import JSON_LIMITS, MAX_SIZE, JsonLimits, size

HUGE = 10**9
TEXTS = st.text(alphabet='"\\/[]{},: ä\n', max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def count(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(count, inner))


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def is_taken(text, *, media=False, bytes=HUGE, values=HUGE, depth=HUGE):  # noqa: A002 - the limit's name
    try:
        JsonLimits(bytes=bytes, values=values, depth=depth).check(text, media=media)
    except (InvalidInputError, PayloadTooLargeError):
        return False
    return True


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_values_and_levels_are_counted_exactly(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    values, levels = count(value), depth(value)
    assert is_taken(text, values=values)
    assert values == 1 or not is_taken(text, values=values - 1)
    assert is_taken(text, depth=levels)
    assert levels == 0 or not is_taken(text, depth=levels - 1)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be"])
def test_other_encodings_are_refused(encoding):
    with pytest.raises(InvalidInputError, match="must be UTF-8"):
        JSON_LIMITS.check('{"a": 1}'.encode(encoding))


@given(st.binary(max_size=60))
def test_any_bytes_are_judged(text):
    is_taken(text, values=3, depth=2, bytes=20, media=True)


MEDIA = b64encode(bytes(range(256)) * 16)


@pytest.mark.parametrize(
    "media",
    [MEDIA, b"data:image/png;base64," + MEDIA, MEDIA.replace(b"/", b"\\/")],
    ids=["base64", "data URL", "escaped slashes"],
)
def test_media_count_only_where_they_arent_allowed(media):
    text = b'{"images": [{"content": "%s"}], "message": "%s"}'
    least = 200 + media.count(b"\\")
    assert is_taken(text % (media, b"hi"), bytes=least, media=True)
    assert not is_taken(text % (media, b"hi"), bytes=least, media=False)
    assert not is_taken(text % (media, b"hi, " * least), bytes=least, media=True)
    assert not is_taken(text % (media + b" ", b"hi"), bytes=least, media=True)


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * 8_000_000 + b"[]]",
        b'["' + b"\\/" * 8_000_000 + b'"]',
        b'["' + b'\\"' * 8_000_000 + b'"]',
        b'"",' * 8_000_000,
        b'["' + b"x " * 8_000_000 + b'"]',
        b"[" * 24_000_000,
    ],
    ids=["arrays", "slashes", "quotes", "strings", "words", "levels"],
)
def test_what_is_too_long_is_refused(text):
    with pytest.raises(PayloadTooLargeError, match="larger than 1048576 bytes"):
        JSON_LIMITS.check(text, media=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"[" + b"1," * 100_000 + b"1]", "hold 100000 values"),
        (b'["' + b'","' * 100_000 + b'"]', "hold 100000 values"),
        (b"[" * 101 + b"]" * 101, "nest 100 levels"),
        (b"[" * 101, "brackets don't match"),
        ('["\u0122",1,1]'.encode("utf-16-le"), "must be UTF-8"),
    ],
)
def test_what_is_too_much_is_refused(text, told):
    with pytest.raises(InvalidInputError, match=told):
        JSON_LIMITS.check(text)


@pytest.mark.parametrize("text", [b"", b"[1, 2", b'{"a', b"]]", b'"\\', b"\xff"])
def test_what_isnt_json_is_left_to_the_parser(text):
    assert is_taken(text, depth=2)


@given(VALUES)
def test_a_size_is_about_that_of_the_json(value):
    text = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    assert text / 8 <= size(value, MAX_SIZE) + 8 <= 8 * text + 16


@pytest.mark.parametrize("value", [JsonLimits, object(), len, JsonLimits(), {1: {JsonLimits}}])
def test_anything_has_a_size(value):
    assert 0 < size({"a": value}, MAX_SIZE) < 200


def test_what_contains_itself_is_counted_once():
    endless = ["text"]
    endless.append(endless)
    assert size(endless, 1000) < 20
    assert size([endless, endless], 1000) == 2 * size(endless, 1000) + size([], 1000) + 2


def test_what_is_shared_many_times_is_larger_than_anything():
    shared = []
    for _ in range(100):
        shared = [shared, shared]
    assert size(shared, 1000) > 1000
