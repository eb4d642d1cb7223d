"""No spelling of a path reaches a route under another rule than the route's own."""

import asyncio
from itertools import product
from urllib.parse import unquote

import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from agentos.os.middleware import JWTMiddleware, TrailingSlash
from tests.os.auth.guarded_app import bare_app, client, guarded
from tests.os.tokens.signer import SECRET, bearer

STRICT = {
    "GET /config": ["secret:config"],
    "GET /agents/web": ["secret:web"],
    "GET /agents/*": [],
    "GET /*": [],
}
"""The two named routes are guarded; everything around them is open to any token."""


def sent(path: str, **scope):
    """An ASGI scope with exactly this raw path, as uvicorn would make it."""
    headers = [(name.lower().encode(), value.encode()) for name, value in bearer().items()]
    return {
        "type": "http",
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "root_path": "",
        "scheme": "http",
        "server": ("testserver", 80),
        **scope,
    }


async def answered(app, scope) -> tuple[int, bytes]:
    messages = []
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if not requests:
            await asyncio.Event().wait()
        return requests.pop()

    async def send(message):
        messages.append(message)

    await app(scope, receive, send)
    return messages[0]["status"], b"".join(message.get("body", b"") for message in messages[1:])


PREFIXES = ["", "/", "/.", "/..", "/agents/..", "/%2e", "/%2E%2e", "/%00", "/x/../", "/;", "/%20", "/\\"]
SUFFIXES = ["", "/", "//", "/.", "/..", "%2f", "%2F%2f", "%0a", "%0d%0a", "%00", "%20", ";x=1", "%3fa=b",
            "%23", "%5c", "/%0a", "%e2%80%a8", "%ef%bc%8f", "%c0%af", "%85"]  # fmt: skip
TARGETS = ["/config", "/CONFIG", "/confi%67", "/%63onfig", "/agents/web", "/agents%2fweb", "/agents/we%62",
           "/agents//web", "/agents/./web", "/agents/x/../web", "/Agents/web", "/agents/web%0a"]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
async def test_no_spelling_reaches_a_guarded_route(target):
    app = guarded(scope_mappings=STRICT)
    for prefix, suffix in product(PREFIXES, SUFFIXES):
        status, body = await answered(app, sent(prefix + target + suffix))
        reached = body.decode().strip('"').strip("/")
        assert (status, reached) != (200, "config")
        assert (status, reached) != (200, "agents/web")
        assert status in {200, 403, 404}


@pytest.mark.parametrize(
    "target", ["/config", "/config/", "/confi%67", "/agents/web", "/agents%2fweb", "/agents/web/"]
)
async def test_the_right_scope_reaches_them(target):
    app = guarded(scope_mappings=STRICT)
    headers = bearer("secret:config", "secret:web")
    scope = sent(target, headers=[(b"authorization", headers["Authorization"].encode())])
    assert (await answered(app, scope))[0] == 200
    assert (await answered(app, sent(target)))[0] == 403


@pytest.mark.parametrize("root_path", ["", "/api", "/api/v1", "/config"])
async def test_a_prefix_that_the_app_is_served_under_changes_nothing(root_path):
    app = guarded(scope_mappings=STRICT)
    for path in ("/config", "/config/"):
        status, _ = await answered(app, sent(root_path + path, root_path=root_path))
        assert status == 403
    assert (await answered(app, sent(f"{root_path}/health", root_path=root_path)))[0] == 200
    for odd in (
        f"{root_path}//config",
        f"/{root_path}/config",
        f"{root_path}/../config",
        f"{root_path}x/config",
    ):
        status, body = await answered(app, sent(odd, root_path=root_path))
        assert status != 200 or b"config" not in body


async def test_files_are_guarded_in_every_spelling_too(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "open.txt").write_text("open")
    app = FastAPI()
    app.mount("/files", StaticFiles(directory=tmp_path))
    guarded(app, scope_mappings={"GET /files/*": [], "GET /files/secret.txt": ["a:secret"]})
    assert (await answered(app, sent("/files/open.txt")))[0] == 200
    for path in ("secret.txt", "/secret.txt", "./secret.txt", "x/../secret.txt", "%2fsecret.txt",
                 "secret.txt/", "%2e/secret.txt", "//secret.txt", "..%2ffiles/secret.txt"):  # fmt: skip
        status, body = await answered(app, sent(f"/files/{path}"))
        assert status in {403, 404}, path
        assert body != b"secret"


async def shown(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.url.path)


def slashed(*routes) -> Starlette:
    app = Starlette(routes=routes)
    app.add_middleware(TrailingSlash)
    return app


@pytest.mark.parametrize(
    ("app", "path", "served"),
    [
        (slashed(Route("/config", shown)), "/config/", "/config"),
        (slashed(Route("/config", shown)), "/config", "/config"),
        (slashed(Route("/items/", shown)), "/items/", "/items/"),
        (slashed(Route("/items/{id}/", shown)), "/items/5/", "/items/5/"),
        (slashed(Route("/config", shown), Route("/{rest:path}", shown)), "/config/", "/config"),
        (slashed(Route("/{rest:path}", shown)), "/config/", "/config/"),
        (slashed(Mount("/sub", routes=[Route("/", shown)])), "/sub/", "/sub/"),
        (slashed(Mount("/sub", routes=[Route("/x/", shown)])), "/sub/x/", "/sub/x/"),
        (slashed(Route("/config", shown), Mount("/", routes=[Route("/", shown)])), "/config/", "/config"),
        (slashed(Route("/", shown)), "/", "/"),
    ],
)
async def test_one_trailing_slash_is_nothing_unless_a_route_wants_it(app, path, served):
    assert await answered(app, sent(path)) == (200, served.encode())


async def test_more_slashes_are_something():
    app = slashed(Route("/config", shown))
    app.router.redirect_slashes = False
    assert (await answered(app, sent("/config//")))[0] == 404
    async with client(guarded(scope_mappings={})) as http:
        assert (await http.get("http://testserver/config//", headers=bearer())).status_code == 404


async def test_the_slash_goes_under_a_prefix_and_in_a_mounted_app_too():
    inner = slashed(Route("/config", shown))
    assert await answered(inner, sent("/api/config/", root_path="/api")) == (200, b"/api/config")
    assert await answered(Starlette(routes=[Mount("/os", inner)]), sent("/os/config/")) == (
        200,
        b"/os/config",
    )


async def test_a_redirect_to_the_slash_is_judged_like_the_rest():
    app = FastAPI()
    app.get("/items/")(lambda: "items")
    app.add_middleware(
        JWTMiddleware, verification_keys=[SECRET], algorithm="HS256", scope_mappings={"GET /items": ["a:b"]}
    )
    async with client(app) as http:
        for path in ("/items", "/items/"):
            assert (await http.get(path, headers=bearer())).status_code == 403
            assert (await http.get(path, headers=bearer("a:b"), follow_redirects=True)).json() == "items"


async def test_routers_within_routers_are_known():
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")
    inner.get("/{name}")(lambda: "found")
    outer.include_router(inner)
    app = bare_app()
    app.include_router(outer, prefix="/api")
    async with client(guarded(app, scope_mappings={})) as http:
        denied = await http.get("/api/outer/inner/x/", headers=bearer())
        assert '"GET /api/outer/inner/{name}"' in denied.json()["detail"]
        assert (await http.get("/api/outer/other/x", headers=bearer())).status_code == 404
        refused = await http.put("/api/outer/inner/x", headers=bearer())
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
