"""Pages of strangers in a user's browser: what they may send with its cookies, and what they may read."""

import pytest
from starlette.middleware.cors import CORSMiddleware

from agentos.os.auth import middleware
from tests.os.threats import forged_tokens, raw
from tests.os.threats.threat import Threat, every, stands
from tests.os.threats.world import PAGE

COOKIE = ("Cookie", f"access_token={forged_tokens.token('agents:read', 'agents:run', 'socket:open')}")
RUN = b"message=hi&stream=false"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
UPGRADE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


def acts(*headers):
    """Whether a form, which every page may send, runs an agent."""
    sent = raw.request("POST", "/agents/web/runs", [COOKIE, FORM, *headers], RUN)
    return lambda world: raw.exchange(world.site.port, sent).is_granted


def opens(*headers, cookie=COOKIE):
    """Whether a socket opens."""
    sent = raw.request("GET", "/socket", [*UPGRADE, *([cookie] if cookie else []), *headers])
    sent = sent.replace(b"Connection: close\r\n", b"")
    return lambda world: raw.exchange(world.site.port, sent).status == 101


def trusting_every_page(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(middleware, "is_foreign", lambda scope: False)


STRANGERS = {
    "a stranger": [("Origin", "https://stranger.example")],
    "null": [("Origin", "null")],
    "nothing": [("Origin", "")],
    "plain HTTP": [("Origin", "http://page.example")],
    "another port": [("Origin", f"{PAGE}:8443")],
    "a subdomain": [("Origin", "https://evil.page.example")],
    "the name and more": [("Origin", f"{PAGE}.stranger.example")],
    "more and the name": [("Origin", "https://evilpage.example")],
    "a user name": [("Origin", "https://page.example@stranger.example")],
    "a path": [("Origin", "https://stranger.example/page.example")],
    "this host and another port": [("Origin", "http://os:1")],
    "this host and more": [("Origin", "http://os.stranger.example")],
    "two at once": [("Origin", f"{PAGE} https://stranger.example")],
    "no address": [("Origin", "http://[::1")],
    "none, but fetch metadata": [("Sec-Fetch-Site", "cross-site")],
}
ACTING = [
    threat
    for name, headers in STRANGERS.items()
    for threat in (
        Threat(f"a form from {name}", acts(*headers), acts(("Origin", PAGE)), trusting_every_page),
        Threat(f"a socket from {name}", opens(*headers), opens(("Origin", PAGE)), trusting_every_page),
    )
]


@every(ACTING)
def test_no_stranger_acts_with_a_users_cookie(world, threat):
    stands(world, threat)


@pytest.mark.parametrize("headers", [[], [("Origin", "http://os")], [("Sec-Fetch-Site", "same-origin")]])
def test_the_sites_own_pages_and_programs_act(world, headers):
    assert acts(*headers)(world)
    assert opens(*headers)(world)


def may_read(*headers, method="GET", path="/agents", cookie=COOKIE):
    """Whether the browser would hand the answer to the page."""

    def attempt(world):
        sent = raw.request(method, path, [cookie, *headers])
        answer = raw.exchange(world.site.port, sent)
        origin = dict(headers)["Origin"]
        return answer.headers.get("access-control-allow-origin") in {"*", origin}

    return attempt


def reflecting_origins(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CORSMiddleware, "is_allowed_origin", lambda self, origin: True)


PREFLIGHT = ("Access-Control-Request-Method", "POST")
BAD_COOKIE = ("Cookie", "access_token=x")
READING = [
    Threat(
        f"{what} of {name}",
        may_read(*headers, *extra, **how),
        may_read(("Origin", PAGE), *extra, **how),
        weak,
    )
    for weak in [reflecting_origins]
    for name, headers in STRANGERS.items()
    if headers[0][0] == "Origin" and headers[0][1]
    for what, extra, how in [
        ("an answer", [], {}),
        ("a refusal", [], {"cookie": BAD_COOKIE}),
        ("a preflight", [PREFLIGHT], {"method": "OPTIONS"}),
    ]
]


@every(READING)
def test_no_stranger_reads_answers(world, threat):
    stands(world, threat)


def letting_sockets_in(patch: pytest.MonkeyPatch) -> None:
    """Lets a socket in before anybody asked who it is."""
    from agentos.os.auth.middleware import Gate

    judge = Gate.__call__

    async def judged(self, scope, receive, send):
        is_socket = scope["type"] == "websocket"
        await (self._app(scope, receive, send) if is_socket else judge(self, scope, receive, send))

    patch.setattr(Gate, "__call__", judged)


GOOD = forged_tokens.token("socket:open")
SOCKETS = [
    Threat(
        name,
        opens(*headers, cookie=None),
        opens(("Authorization", f"Bearer {GOOD}"), cookie=None),
        letting_sockets_in,
    )
    for name, headers in {
        "nobody": [],
        "a token without the scope": [("Authorization", f"Bearer {forged_tokens.token('agents:read')}")],
        "a token that has expired": [
            ("Authorization", f"Bearer {forged_tokens.token('socket:open', exp=1)}")
        ],
        "a token as a subprotocol": [("Sec-WebSocket-Protocol", f"bearer, {GOOD}")],
        "a token in another cookie": [("Cookie", f"token={GOOD}")],
        "two cookies": [("Cookie", f"access_token=x; access_token={GOOD}")],
    }.items()
]


@every(SOCKETS)
def test_no_socket_opens_without_its_scope(world, threat):
    stands(world, threat)
