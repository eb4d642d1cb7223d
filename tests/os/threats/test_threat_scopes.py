"""Scopes that look like the one that is wanted, and credentials where none belong."""

import re
import unicodedata
from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import unquote

import pytest

from agentos.os.auth.bearer import CredentialReader, Credentials
from agentos.os.policy.policy import ADMIN_SCOPE
from agentos.os.tokens import claims
from tests.os.threats import forged_tokens, raw
from tests.os.threats.threat import Threat, every, stands

WANTED = "agents:run"
LOOK_ALIKES = {
    "\u0430": "a",
    "\u0435": "e",
    "\uff1a": ":",
    "\u2236": ":",
    "\u200b": "",
    "\u00ad": "",
    "\u0131": "i",
}


def runs(held, **changed):
    """Whether a token with these scopes may run an agent."""
    text = forged_tokens.forged({}, forged_tokens.claims(**{"scopes": held, **changed}), forged_tokens.signed)
    body = {"message": "hi", "stream": False}
    return lambda world: world.ask("POST", "/agents/web/runs", text, body=body).is_granted


def guessing_at_scopes(patch: pytest.MonkeyPatch) -> None:
    """Finds what a held scope probably meant."""

    def meant(payload, claim):
        texts = set(_tidied([payload.get("scopes"), payload.get("scope"), payload.get("permissions")]))
        is_meant = any(_close(text, wanted) for text in texts for wanted in (WANTED, ADMIN_SCOPE))
        return frozenset({WANTED} if is_meant else ())

    patch.setattr(claims, "_scopes", meant)


def _tidied(value: object) -> Iterator[str]:
    match value:
        case str():
            text = unquote(unicodedata.normalize("NFKC", value)).casefold()
            for odd, plain in LOOK_ALIKES.items():
                text = text.replace(odd, plain)
            yield from re.split(
                r"[,;|\s\x00\xa0]+", re.sub(r"\s*([:])\s*", r"\1", re.sub(r"[./]", ":", text))
            )
        case dict():
            yield from (each for item in value.items() for part in item for each in _tidied(part))
        case list():
            yield from (each for part in value for each in _tidied(part))
        case _:
            pass


def _close(held: str, wanted: str) -> bool:
    held = re.sub(r":+", ":", held).strip("\"'[]")
    resource, action = wanted.split(":")
    named = re.sub(r"\{\w+\}", "*", held)
    return bool(
        held
        and (
            fnmatchcase(wanted, held)
            or wanted in held
            or wanted.startswith(held)
            or (held.startswith(resource[:-1]) and held.endswith((action, ":*")))
            or fnmatchcase(f"{resource}:web:{action}", named)
            or held.removesuffix("s") in wanted
            or held == "teams:run"
            or {resource, action} <= set(held.split(":"))
        )
    )


HELD = [
    ["AGENTS:RUN"], ["Agents:Run"], ["agents:RUN"], [" agents:run"], ["agents:run "], ["agents:run\n"],
    ["\tagents:run"], ["agents :run"], ["agents: run"], ["agents:run\0"], ["\0agents:run"], ["agents:run\0x"],
    ["*"], ["*:*"], ["*:run"], ["agents:*"], ["agents:*:*"], ["*:*:*"], ["*:web:run"], ["agents:web:*"],
    ["agents:w*:run"], ["agents:we?:run"], ["agents:[w]eb:run"], ["agents:{id}:run"],
    ["agents:{agent_id}:run"],
    ["agents"], ["run"], ["agents:"], [":run"], ["agents::run"], ["agents:run:"], [":agents:run"],
    ["agents:runs"], ["agents:ru"], ["agent:run"], ["agents:run:web"], ["agents:run:*"], ["web:agents:run"],
    ["agents:WEB:run"], ["agents:web :run"], ["agents:web:run:now"], ["agents:web:x:run"],
    ["agents:other:run"],
    ["agents.run"], ["agents/run"], ["agents%3Arun"], ["agents\uff1arun"], ["agents\u2236run"],
    ["\u0430gents:run"], ["ag\u0435nts:run"], ["agents:run\u200b"], ["agents\u00ad:run"], ["\uff41gents:run"],
    ["agents:run,agents:read"], ["agents:read agents:run"], ["agents:run;"], ["agents:read|agents:run"],
    "agents:run,agents:read", "agents:read;agents:run", "agents:read\tagents:run", "agents:read\nagents:run",
    "agents:read\u00a0agents:run", '["agents:run"]', [["agents:run"]], ["agents:run", 5],
    ["agents:run", None],
    ["agents:run", ["agents:read"]], {"agents:run": True}, {"scope": "agents:run"}, [{"scope": "agents:run"}],
    ["teams:run"], ["Agent_OS:Admin"], ["agent_os:admin "], ["agent_os:*"], ["agent_os:admin:web"],
    ["agent_os"],
    ["agent_os:admin\n"], ["*:admin"], ["agent_os%3Aadmin"], ["agent_os:admin,x"],
]  # fmt: skip


SCOPES = [
    Threat(f"{index}: {held!a}", runs(held), runs([WANTED]), guessing_at_scopes)
    for index, held in enumerate(HELD)
] + [
    Threat("scope beside empty scopes", runs([], scope=WANTED), runs(..., scope=WANTED), guessing_at_scopes),
    Threat("scope beside null scopes", runs(None, scope=WANTED), runs(..., scope=WANTED), guessing_at_scopes),
    Threat("another claim", runs(..., permissions=[WANTED]), runs(..., scope=WANTED), guessing_at_scopes),
    Threat("a list of lists", runs(..., scope=[[WANTED]]), runs(..., scope=[WANTED]), guessing_at_scopes),
]

RIGHT = {
    "itself": [WANTED],
    "among others": ["x:y", WANTED, "", "z"],
    "as a text": "agents:read agents:run",
    "for all ids": ["agents:*:run"],
    "for this id": ["agents:web:run"],
    "admin": [ADMIN_SCOPE],
}


@every(SCOPES)
def test_a_scope_is_met_by_itself_alone(world, threat):
    stands(world, threat)


@pytest.mark.parametrize("held", RIGHT.values(), ids=RIGHT)
def test_the_right_spellings_are_met(world, held):
    assert runs(held)(world)


GOOD = forged_tokens.token("agents:read")


def finding_tokens_anywhere(patch: pytest.MonkeyPatch) -> None:
    """Takes the last thing that looks like a token, wherever it stands in the headers."""

    def found(self: CredentialReader, headers) -> Credentials:
        texts = " ".join(value.decode("latin-1") for _, value in headers)
        tokens = re.findall(r"ey[\w-]+\.[\w-]+\.[\w-]+", texts)
        return Credentials((tokens or [""])[-1], is_cookie=False)

    patch.setattr(CredentialReader, "find", found)


def carrying(*headers, method="GET", target="/agents", body=b""):
    sent = raw.request(method, target, headers, body)
    return lambda world: raw.exchange(world.os.port, sent).is_granted


RIGHTLY = carrying(("Authorization", f"Bearer {GOOD}"))
CARRIED = [
    Threat(name, carrying(*headers), RIGHTLY, finding_tokens_anywhere)
    for name, headers in {
        "no scheme": [("Authorization", GOOD)],
        "Basic": [("Authorization", f"Basic {GOOD}")],
        "Token": [("Authorization", f"Token {GOOD}")],
        "JWT": [("Authorization", f"JWT {GOOD}")],
        "Bearer with a colon": [("Authorization", f"Bearer: {GOOD}")],
        "Bearer without a space": [("Authorization", f"Bearer{GOOD}")],
        "Bearer and a tab": [("Authorization", f"Bearer\t{GOOD}")],
        "Bearer and an equals sign": [("Authorization", f"Bearer={GOOD}")],
        "Bearer twice": [("Authorization", f"Bearer Bearer {GOOD}")],
        "two tokens": [("Authorization", f"Bearer x {GOOD}")],
        "two schemes": [("Authorization", f"Basic x, Bearer {GOOD}")],
        "quotes": [("Authorization", f'Bearer "{GOOD}"')],
        "a parameter": [("Authorization", f"Bearer token={GOOD}")],
        "two headers, the first is good": [
            ("Authorization", f"Bearer {GOOD}"),
            ("Authorization", "Bearer x"),
        ],
        "two headers, the last is good": [("Authorization", "Bearer x"), ("authorization", f"Bearer {GOOD}")],
        "two good headers": [("Authorization", f"Bearer {GOOD}")] * 2,
        "X-Authorization": [("X-Authorization", f"Bearer {GOOD}")],
        "Proxy-Authorization": [("Proxy-Authorization", f"Bearer {GOOD}")],
        "X-Forwarded-Authorization": [("X-Forwarded-Authorization", f"Bearer {GOOD}")],
        "X-Access-Token": [("X-Access-Token", GOOD)],
        "a cookie where headers are wanted": [("Cookie", f"access_token={GOOD}")],
        "a referrer": [("Referer", f"http://os/?access_token={GOOD}")],
    }.items()
]


def finding_tokens_in_queries(patch: pytest.MonkeyPatch) -> None:
    """Does what RFC 6750 §2.3 allows and advises against."""
    from agentos.os.auth.middleware import Gate

    judge = Gate.__call__

    async def judged(self, scope, receive, send):
        found = re.search(rb"ey[\w-]+\.[\w-]+\.[\w-]+", scope.get("query_string", b""))
        if found:
            scope = {**scope, "headers": [(b"authorization", b"Bearer " + found[0])]}
        await judge(self, scope, receive, send)

    patch.setattr(Gate, "__call__", judged)


IN_QUERIES = [
    Threat(f"?{name}=", carrying(target=f"/agents?{name}={GOOD}"), RIGHTLY, finding_tokens_in_queries)
    for name in ("access_token", "token", "jwt", "authorization", "Authorization")
]


@every([*CARRIED, *IN_QUERIES])
def test_a_token_comes_in_one_bearer_header(world, threat):
    stands(world, threat)


def test_a_long_token_is_refused_unread(world, monkeypatch):
    long = forged_tokens.token("agents:read", padding="x" * 16_000)
    assert len(long) > 16 * 1024
    assert world.ask("GET", "/agents", long).status == 401
    assert world.ask("GET", "/agents", forged_tokens.token("agents:read", padding="x" * 8_000)).status == 200
    monkeypatch.setattr("agentos.os.tokens.verify.LONGEST_TOKEN", 10**6)
    assert world.ask("GET", "/agents", long).status == 200
