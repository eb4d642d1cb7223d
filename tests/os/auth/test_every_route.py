"""Every route of an app, ours and the user's, is behind the one decision, and `explain` tells what it is."""

import re

import pytest

from agentos.os.http.lookup import every
from tests.os.auth.guarded_app import client
from tests.os.auth.loaded_app import ADMIN, explained, knock, loaded_app
from tests.os.tokens.signer import token

APP = loaded_app()
DENIALS = {401, 403}
IDS = {"agent_id": "web"}


def concrete(path: str) -> str:
    filled = re.sub(r"\{(\w+)\}", lambda found: IDS.get(found[1], "one"), path)
    return "/".join("some" if part == "*" else part for part in filled.split("/"))


REQUESTS = [
    (route.kind, method, concrete(route.path))
    for route in every(APP)
    for method in (("GET", "POST") if "*" in route.methods else route.methods)
]


def test_nothing_is_left_out():
    paths = {path for _, _, path in REQUESTS}
    assert paths >= {
        *("/agents/web/runs/one/events", "/sessions/one", "/memories", "/config", "/authz/matrix"),
        *("/mine", "/forgotten", "/shop/items", "/shop/items/one", "/live/one", "/late", "/classic"),
        *("/sub/shallow", "/sub/deep/some", "/static/some"),
    }


@pytest.mark.parametrize(("kind", "method", "path"), REQUESTS)
async def test_a_route_takes_exactly_the_scopes_that_explain_names(kind, method, path):
    async with client(APP) as http:
        nothing = await explained(http, method, path, "")
        needed = nothing["missing"]
        everything = await explained(http, method, path, " ".join(needed))
    if nothing["code"] == "public":
        assert await knock(APP, kind, method, path, None) not in DENIALS
        return
    assert await knock(APP, kind, method, path, None) in ({403} if kind == "websocket" else {401})
    assert (await knock(APP, kind, method, path, token()) == 403) is not nothing["allowed"]
    assert (await knock(APP, kind, method, path, token(*needed)) not in DENIALS) is everything["allowed"]
    assert await knock(APP, kind, method, path, token(ADMIN)) not in DENIALS
    assert everything["allowed"] or nothing["code"] == "no_rule"
    for one in needed:
        others = [scope for scope in needed if scope != one]
        assert await knock(APP, kind, method, path, token(*others)) == 403


async def test_only_what_no_entry_covers_is_beyond_every_scope():
    async with client(APP) as http:
        told = {path: await explained(http, method, path, "x:y") for _, method, path in REQUESTS}
    assert {path for path, answer in told.items() if answer["code"] == "no_rule"} == {
        "/forgotten",
        "/static/some",
    }
    assert await knock(APP, "mount", "GET", "/static/some", token("static:read")) == 200


@pytest.mark.parametrize(("kind", "method", "path"), REQUESTS)
async def test_a_token_without_a_user_is_refused_exactly_where_rows_have_owners(kind, method, path):
    async with client(APP) as http:
        told = await explained(http, method, path, "")
        nobodys = token(*told["missing"], sub=...)
        answer = await http.get(
            "/authz/explain",
            params={"method": method, "path": path},
            headers={"Authorization": f"Bearer {nobodys}"},
        )
    if told["code"] in {"public", "no_rule"}:
        return
    is_refused = await knock(APP, kind, method, path, nobodys) in DENIALS
    assert is_refused is not answer.json()["allowed"]
    assert (answer.json()["code"] == "no_identity") is is_refused
