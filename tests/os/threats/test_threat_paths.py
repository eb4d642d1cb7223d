"""Other spellings of a path or a method, written to the socket as they are."""

import re
from typing import Any
from urllib.parse import unquote

import pytest

from agentos.os.auth import middleware
from agentos.os.http.lookup import TrailingSlash
from agentos.os.policy import policy
from tests.os.threats import forged_tokens
from tests.os.threats.threat import Threat, every, stands

READS_AGENTS = forged_tokens.token("agents:read", "sessions:read")
READS_ALL = forged_tokens.token("agents:read", "sessions:read", "config:read", "sessions:delete")
CONFIG = b'"os_id"'


def reads_config(target, *headers, token=READS_AGENTS, method="GET", body=b""):
    """Whether the answer is the configuration."""
    return lambda world: CONFIG in world.ask(method, target, token, headers=headers, body=body).body


def allowing_the_unknown(patch: pytest.MonkeyPatch) -> None:
    """What no rule speaks about is let through."""
    allowed = policy.Decision(allowed=True, reason="unmapped")
    patch.setattr(policy, "_NO_RULE", allowed)
    patch.setattr(policy, "_BAD_PATH", allowed)


def tidying_after_judging(patch: pytest.MonkeyPatch) -> None:
    """Judges the path as it was written, and then serves the one that was probably meant."""
    allowing_the_unknown(patch)
    patch.setattr(middleware, "path_of", lambda scope: scope["raw_path"].decode("latin-1"))
    patch.setattr(policy, "split", lambda path: tuple(path[1:].split("/")))
    patch.setattr(TrailingSlash, "__call__", changing(meant))


def meant(scope: dict[str, Any]) -> dict[str, Any]:
    path = unquote(unquote(scope["raw_path"].decode("latin-1"))).lower().replace("\\", "/")
    path = re.split(r"[?#]|(?<=config)\x00", re.sub(r";[^/]*", "", path))[0]
    path = re.sub(r"[^\x21-\x7e]|%..", "", path)
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part.strip("."):
            parts.append(re.sub(r"\.(json|html)?$", "", part))
    return {**scope, "path": "/" + "/".join(parts)}


def obeying_headers(patch: pytest.MonkeyPatch) -> None:
    """Serves another method, or path, than was judged, because a header asks for it."""
    patch.setattr(TrailingSlash, "__call__", changing(overridden))


def overridden(scope: dict[str, Any]) -> dict[str, Any]:
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    query = dict(pair.partition("=")[::2] for pair in scope["query_string"].decode().split("&"))
    for name, value in {**headers, **query}.items():
        if "override" in name or name in {"_method", "x-method"}:
            scope = {**scope, "method": value}
        elif value.startswith("/") and name.startswith("x-"):
            scope = {**scope, "path": value}
    return scope


def prefixed(scope: dict[str, Any]) -> str:
    prefixes = [value.decode() for name, value in scope["headers"] if name in PREFIX_HEADERS]
    return scope["path"].removeprefix("".join(prefixes)) or "/"


PREFIX_HEADERS = (b"x-forwarded-prefix", b"x-script-name", b"x-ingress-path", b"x-forwarded-path")


def believing_prefixes(patch: pytest.MonkeyPatch) -> None:
    """Takes any caller for the proxy that knows which prefix was there."""
    patch.setattr(middleware, "path_of", prefixed)


def changing(change):
    """A server that changes what it serves after judging it."""

    async def call(self, scope, receive, send):
        await self._app(change(scope) if scope["type"] == "http" else scope, receive, send)

    return call


RIGHTLY = reads_config("/config", token=READS_ALL)
SPELLINGS = """
/config/ /config// //config ///config /./config /config/. /config/./ /x/../config /agents/../config /../config
/config/x/.. /%2e/config /%2e%2e/config /%2E%2E/config /agents/%2e%2e/config /agents/..%2fconfig
/agents%2f..%2fconfig /%2fconfig /%2Fconfig /config%2f /config%2F%2f /config%5c /%5cconfig /agents/..%5cconfig
/CONFIG /Config /cONFIG /confi%67 /%63%6f%6e%66%69%67 /confi%47 /%2563onfig /config%00
/config%00.html /%00config
/config%20 /config%09 /config%0a /config%0d%0a /config%0d /config/%0a /config%7f /config;x=1 /config;
/;/config
/config;/../x/../config /config%3b /config%3fa=b /config%3F /config%23 /config%23/x /config.json /config.
/config%2e /config%c2%a0 /config%e2%80%8b /config%ef%bb%bf /config%ff /config%85 /c%c0%ae%c0%ae/../config
/agents/web/../../config /health/../config /health/..;/config /docs/%2e%2e/config /health%2f..%2fconfig
/docs/swagger-ui.css/../../config
/open/../config /open/x/../../config /open/%2e%2e/config /open/..%2fconfig
""".split()  # noqa: SIM905 - a list would be a page long
PATHS = [Threat(each, reads_config(each), RIGHTLY, tidying_after_judging) for each in SPELLINGS]

POINTERS = [
    Threat(f"{name} at {at}", reads_config(at, (name, "/config")), RIGHTLY, obeying_headers)
    for at in ("/agents", "/health")
    for name in ("X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Uri", "X-Forwarded-Path",
                 "X-Accel-Redirect")
] + [
    Threat(f"{name.decode()} as long as the path", reads_config("/config", (name.decode(), "/config")),
           RIGHTLY, believing_prefixes)
    for name in PREFIX_HEADERS
]  # fmt: skip


def deletes(*headers, query="", method="GET", token=READS_AGENTS):
    """Whether a session is gone after the request."""

    def attempt(world):
        target = f"/sessions/{world.session('ann')}"
        world.ask(method, target + query, token, headers=headers)
        return world.as_user("ann", "GET", target).status == 404

    return attempt


OVERRIDES = [
    Threat(name, deletes((name, "DELETE")), deletes(method="DELETE", token=READS_ALL), obeying_headers)
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method-override", "X-Method-Override", "X-Method")
] + [
    Threat(query, deletes(query=query), deletes(method="DELETE", token=READS_ALL), obeying_headers)
    for query in ("?_method=DELETE", "?x-method-override=DELETE")
]


@every(PATHS)
def test_no_spelling_is_judged_as_another_path_than_it_reaches(world, threat):
    stands(world, threat)


@every(POINTERS)
def test_headers_name_no_path(world, threat):
    stands(world, threat)


@every(OVERRIDES)
def test_a_request_has_the_method_that_it_begins_with(world, threat):
    stands(world, threat)


@pytest.mark.parametrize(
    "target",
    ["http://os/config", "http://other/config", "http://os//config", "os/config", "*", "config", "?/config",
     "/health?/../config", "/health#/../config", "/config?", "/config#", "/config?x=/health"],
)  # fmt: skip
@pytest.mark.parametrize("token", ["", READS_AGENTS])
def test_no_form_of_the_target_needs_fewer_scopes(world, target, token):
    assert CONFIG not in world.ask("GET", target, token).body
    assert world.ask("GET", "/config?x=/health", READS_ALL).status == 200


@pytest.mark.parametrize(
    "method",
    ["HEAD", "head", "get", "GET\t", "TRACE", "CONNECT", "PROPFIND", "QUERY", "PURGE", "POST", "XGET"],
)
def test_no_other_method_reads(world, method):
    for token in ("", READS_AGENTS):
        answer = world.ask(method, "/config", token)
        assert CONFIG not in answer.body
        assert answer.status in {400, 401, 403, 404, 405}
    assert world.ask("GET", "/config", READS_ALL).status == 200


@pytest.mark.parametrize("path", ["/config", "/nowhere", "/agents/web/runs", "/crash"])
def test_options_tell_and_do_nothing(world, path):
    assert world.ask("OPTIONS", path).status == 401
    answer = world.ask("OPTIONS", path, READS_ALL)
    assert answer.status in {404, 405}
    assert set(answer.json) == {"detail", "code"}
