"""What answers and logs give away, and what callers can write into logs."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from agentos.os.auth import refusals
from agentos.os.http import problem_route
from agentos.os.tokens import claims, verify
from tests.os.threats import forged_tokens, raw
from tests.os.threats.threat import Threat, every, stands
from tests.os.threats.world import BOBS, SECRET, SITE_SECRET, World

FORBIDDEN = (
    SECRET,
    SITE_SECRET,
    "Traceback",
    'File "',
    ".py",
    "site-packages",
    "psycopg",
    "sqlalchemy",
    "SELECT ",
    "postgresql",
    "BEGIN PUBLIC KEY",
    forged_tokens.ISSUER,
    forged_tokens.jwk()["n"][:40],
    "RuntimeError",
    "jwks",
)
GOOD = forged_tokens.token("agents:read")


def tells(method: str, target: str, token: str = GOOD, *, also: str = "\0", **sent):
    """Whether the answer to something that goes wrong says more than the caller should know."""

    def attempt(world: World) -> bool:
        answer = world.ask(method, target, token, **sent)
        assert answer.status >= 400
        told = answer.text + str(answer.headers)
        return any(secret in told for secret in (*FORBIDDEN, also))

    return attempt


def works(world: World) -> bool:
    return world.ask("GET", "/agents", GOOD).is_granted


def telling_all(patch: pytest.MonkeyPatch) -> None:
    """Errors say everything that might help."""
    from starlette.responses import JSONResponse

    secrets = ", ".join(FORBIDDEN)

    async def send_all(refusal, scope, receive, send):
        told = f"{secrets} {scope['headers']} {scope['path']} {scope['query_string']}"
        await JSONResponse({"detail": told}, refusal.status_code)(scope, receive, send)

    everything = lambda *given, **named: JSONResponse({"detail": f"{secrets} {given}"}, 500)  # noqa: E731
    patch.setattr("agentos.os.auth.middleware.refusals.send_refusal", send_all)
    patch.setattr(problem_route, "answer", everything)


JSON = ("Content-Type", "application/json")
USER = forged_tokens.token("sessions:read", "sessions:write", "agents:run", "memories:write")
STRANGE = forged_tokens.forged(
    {"kid": "k-of-nobody"}, forged_tokens.claims(sub="s-of-nobody"), forged_tokens.strangers
)
BROKEN = [
    Threat(name, attempt, works, telling_all)
    for name, attempt in {
        "a crash": tells("GET", "/crash"),
        "an expired token": tells("GET", "/agents", forged_tokens.token(exp=1)),
        "a token of another issuer": tells("GET", "/agents", forged_tokens.token(iss="https://other.example")),
        "a token for others": tells("GET", "/agents", forged_tokens.token(aud="other")),
        "a stranger's token": tells("GET", "/agents", STRANGE, also=STRANGE),
        "a stranger's kid": tells("GET", "/agents", STRANGE, also="k-of-nobody"),
        "nonsense": tells("GET", "/agents", "n0ns3ns3", also="n0ns3ns3"),
        "a token without scopes": tells("GET", "/config", forged_tokens.token(), also="ann"),
        "no JSON": tells("POST", "/agents/web/runs", USER, body=b"{", headers=[JSON]),
        "the wrong JSON": tells("POST", "/agents/web/runs", USER, body={"message": 5}),
        "a session that isn't there": tells("GET", "/sessions/nowhere", USER),
        "SQL in an id": tells("GET", "/sessions/x'%20OR%20'1'='1", USER),
        "NUL in an id": tells("GET", "/sessions/x%00", USER),
        "NUL in a query": tells("GET", "/sessions?sort_by=%00'", USER),
        "a long memory": tells("POST", "/memories", USER, body={"memory": "m" * 9000}, also="m" * 2000),
    }.items()
]  # fmt: skip


@every(BROKEN)
def test_no_answer_tells_too_much(world, threat):
    stands(world, threat)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def writes(ask: Callable[[World], raw.Answer], *texts: str):
    """Whether a request puts a line of its own, or one of these texts, into the log."""

    def attempt(world: World) -> bool:
        handler = _Lines()
        logging.getLogger().addHandler(handler)
        try:
            ask(world)
        finally:
            logging.getLogger().removeHandler(handler)
        return any(
            "\n" in line or "\r" in line or any(text in line for text in texts) for line in handler.lines
        )

    return attempt


def logging_everything(patch: pytest.MonkeyPatch) -> None:
    """Logs what came, as it came."""
    send = refusals.send_refusal

    async def noted(refusal, scope, receive, send_):
        refusals.logger.warning("%s %s %s", scope["path"], scope["query_string"].decode(), scope["headers"])
        await send(refusal, scope, receive, send_)

    patch.setattr("agentos.os.auth.middleware.refusals.send_refusal", noted)
    read = claims.read

    def as_it_came(payload, expected, **given):
        principal = read({**payload, "sub": "x", "jti": "x"}, expected, **given)
        return replace(principal, user_id=payload["sub"], token_ref=payload.get("jti"))

    patch.setattr(verify, "read", as_it_came)

    def forbidden(error, principal):
        refusals.logger.warning("Denied: %s %s", principal.user_id, principal.token_ref)
        return refusals.Refusal(error, principal)

    patch.setattr(refusals, "forbidden", forbidden)


def denied(target="/config", **said):
    return lambda world: world.ask("GET", target, forged_tokens.token(**said))


LOGGED = [
    Threat(name, attempt, works, logging_everything)
    for name, attempt in {
        "a line break in a path": writes(denied("/config%0aINFO%20all%20is%20well")),
        "a carriage return in a path": writes(denied("/config%0d%0aINFO")),
        "a line break in a subject": writes(denied(sub="ann\nINFO all is well")),
        "a line break in a jti": writes(denied(jti="x\nINFO all is well")),
        "colours in a jti": writes(denied(jti="\x1b[2Jx"), "\x1b"),
        "a line separator in a jti": writes(denied(jti="x\u2028INFO"), "\u2028"),
        "a long jti": writes(denied(jti="j" * 3000), "j" * 200),
        "a token": writes(denied(), ".ey"),
        "a token that is refused": writes(lambda world: world.ask("GET", "/agents", STRANGE), STRANGE),
        "a token in a query": writes(lambda world: world.ask("GET", f"/config?access_token={GOOD}"), GOOD),
    }.items()
]


@every(LOGGED)
def test_nobody_writes_the_log_but_the_server(world, threat):
    stands(world, threat)


def test_a_denial_is_logged_with_what_finds_it_again(world, caplog):
    with caplog.at_level(logging.WARNING):
        answer = world.ask("GET", "/config", forged_tokens.token(sub="ann", jti="t-1"))
    assert answer.status == 403
    assert answer.json["decision_id"] in caplog.text
    assert "t-1" in caplog.text
    assert BOBS not in caplog.text
