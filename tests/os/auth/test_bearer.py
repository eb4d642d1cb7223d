"""Where a token is found, as a table."""

import pytest

from agentos.errors import ConfigurationError
from agentos.os.auth.bearer import CredentialReader
from agentos.os.auth_settings import AuthSettings
from agentos.os.middleware import TokenSource
from agentos.os.tokens.claims import TokenError


def find(
    headers: list[tuple[str, str]], source: str = "header", header="Authorization", cookie="access_token"
):
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    settings = AuthSettings(token_source=source, token_header_key=header, cookie_name=cookie)
    return CredentialReader(settings).find(raw).token


def refused(headers: list[tuple[str, str]], source: str = "header") -> str:
    with pytest.raises(TokenError) as caught:
        find(headers, source)
    return caught.value.code


@pytest.mark.parametrize(
    "value", ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "BeArEr   a.b.c", "Bearer a.b.c  "]
)
def test_the_scheme_is_bearer_in_any_case(value):
    assert find([("Authorization", value)]) == "a.b.c"


@pytest.mark.parametrize(
    "value",
    ["", " ", "Bearer", "Bearer ", "a.b.c", "Basic a.b.c", "Bearer: a.b.c", "Bearer\ta.b.c", "Bearera.b.c",
     "Bearer a b", "Bearer a, Bearer b", "Token a.b.c", " Bearer a.b.c", "JWT a.b.c"],
)  # fmt: skip
def test_anything_else_is_no_token(value):
    assert refused([("Authorization", value)]) == "missing_token"


def test_two_headers_are_one_too_many():
    assert refused([("Authorization", "Bearer a"), ("Authorization", "Bearer a")]) == "invalid_token"
    assert refused([("Authorization", "Bearer a"), ("authorization", "")], "both") == "invalid_token"


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("access_token=a.b.c", "a.b.c"),
        ("other=x; access_token=a.b.c", "a.b.c"),
        ('access_token="a.b.c"; other=x', "a.b.c"),
        ("other=x;access_token=a.b.c;", "a.b.c"),
        ("access_token=a.b.c; access_token=a.b.c", "a.b.c"),
        ("access_token=a=b", "a=b"),
    ],
)
def test_a_cookie_carries_it(value, token):
    assert find([("Cookie", value)], "cookie") == token


@pytest.mark.parametrize(
    "value", ["", "access_token", "access_token=", "xaccess_token=a", "Access_Token=a", "a=access_token=b"]
)
def test_another_cookie_doesnt(value):
    assert refused([("Cookie", value)], "cookie") == "missing_token"


def test_two_different_cookies_of_one_name_are_refused():
    assert refused([("Cookie", "access_token=a; access_token=b")], "cookie") == "invalid_token"
    assert refused([("Cookie", "access_token=a"), ("Cookie", "access_token=b")], "cookie") == "invalid_token"
    assert find([("Cookie", "x=1"), ("Cookie", "access_token=b")], "cookie") == "b"


def test_each_source_reads_its_own_place_and_both_prefers_the_header():
    header, cookie = ("Authorization", "Bearer h"), ("Cookie", "access_token=c")
    assert find([header, cookie], "header") == "h"
    assert find([header, cookie], "cookie") == "c"
    assert find([header, cookie], "both") == "h"
    assert find([cookie], "both") == "c"
    assert find([("Authorization", "Basic x"), cookie], TokenSource.BOTH) == "c"
    assert refused([cookie], "header") == "missing_token"
    assert refused([header], "cookie") == "missing_token"


def test_names_are_the_operators_to_choose():
    assert find([("X-Token", "Bearer a")], header="X-Token") == "a"
    assert find([("Cookie", "jwt=a")], "cookie", cookie="jwt") == "a"


@pytest.mark.parametrize(
    "parameters",
    [{"source": "query"}, {"source": ""}, {"header": ""}, {"header": "X Token"}, {"header": "X:Y"},
     {"header": "X\n"}, {"cookie": ""}, {"cookie": "a=b"}, {"cookie": "a;b"}],
)  # fmt: skip
def test_names_and_sources_that_cant_work_are_refused(parameters):
    with pytest.raises(ConfigurationError):
        find([], **parameters)
