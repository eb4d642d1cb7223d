"""Who somebody is: what the token says, whatever the rest of the request does."""

from urllib.parse import urlencode
from uuid import uuid4

from tests.os.threats import forged_tokens
from tests.os.threats.rows import (
    believing_names,
    both,
    changes,
    memory,
    owning_nothing,
    run,
    session,
    shows,
)
from tests.os.threats.threat import Threat, every, stands

NAMING = {
    **{f"?user_id=bob at {target}": shows(f"{target}?user_id=bob&limit=1000", make)
       for target, make in (("/sessions", session), ("/memories", memory))},
    "?user_id=bob at a session": shows("/sessions/{}?user_id=bob", session),
    "?user_id=bob at a session's runs": shows("/sessions/{session_id}/runs?user_id=bob", run),
    "?user_id=bob at a memory": shows("/memories/{}?user_id=bob", memory),
    "?user_id=bob at a run": shows("/agents/web/runs/{run_id}?user_id=bob", run),
    "?user_id twice": shows("/sessions?user_id=ann&user_id=bob&limit=1000", session),
    "user_id of a memory's new words": changes(
        "PATCH", "/memories/{}", {"memory": "x", "user_id": "bob"}, memory, "/memories/{}"),
    "user_id of memories to forget": changes(
        "DELETE", "/memories", {"memory_ids": ["{}"], "user_id": "bob"}, memory, "/memories/{}"),
}  # fmt: skip


RUN = "/agents/web/runs"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
PARTS = ("Content-Type", "multipart/form-data; boundary=x")


def form(**fields):
    return urlencode({"message": "hi", "stream": "false", **fields}).encode()


def parts(*fields):
    given = [("message", "hi"), ("stream", "false"), *fields]
    lines = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in given
    ]
    return ("".join(lines) + "--x--\r\n").encode()


def becomes_bobs(method, target, *headers, body):
    """Whether what the request makes belongs to bob."""

    def attempt(world, user):
        made = world.as_user(user, method, target, headers=headers, body=body)
        return made.is_granted and made.json["user_id"] == "bob"

    return attempt


def made_for_bob(name, *given, body, method="POST"):
    """Ann makes something in bob's name; an admin may."""
    act = becomes_bobs(method, *given, body=body)
    return Threat(name, lambda world: act(world, "ann"), lambda world: act(world, "root"), believing_names)


HI = {"message": "hi", "stream": False}
MAKING = [
    made_for_bob("a run by JSON", RUN, body={**HI, "user_id": "bob"}),
    made_for_bob("a run by form", RUN, FORM, body=form(user_id="bob")),
    made_for_bob("a run by multipart", RUN, PARTS, body=parts(("user_id", "bob"))),
    made_for_bob("a run by a field twice", RUN, PARTS, body=parts(("user_id", "ann"), ("user_id", "bob"))),
    made_for_bob("a run by a name twice", RUN, ("Content-Type", "application/json"),
                 body=b'{"message": "hi", "stream": false, "user_id": "ann", "user_id": "bob"}'),
    made_for_bob("a session", "/sessions", body={"user_id": "bob", "agent_id": "web"}),
    made_for_bob("a memory", "/memories", body={"memory": "likes tea", "user_id": "bob"}),
]  # fmt: skip


def believing_headers(patch):
    """Takes any caller for the proxy that knows who it is."""
    from agentos.os.tokens import claims

    patch.setattr(claims, "_name", lambda payload, claim: "bob" if claim == "sub" else None)


def headed(name, value):
    act = becomes_bobs("POST", RUN, (name, value), body=HI)
    return Threat(name, lambda world: act(world, "ann"), lambda world: act(world, "bob"), believing_headers)


HEADERS = [
    headed(name, value)
    for name, value in {
        "X-User-Id": "bob",
        "X-Forwarded-User": "bob",
        "X-Remote-User": "bob",
        "Remote-User": "bob",
        "X-Auth-Request-User": "bob",
        "X-Authenticated-Userid": "bob",
        "From": "bob",
        "Cookie": "user_id=bob; sub=bob",
    }.items()
]


def pinned(user_session, *scopes):
    return forged_tokens.token("agents:run", "agents:read", *scopes, session_id=user_session)


def forgetting_the_session(patch):
    """The session is the one that the request names."""
    from agentos.os.principal import Access

    patch.setattr(Access, "session", lambda self, requested: requested or self.principal.session_id)


def runs_in(how):
    """Whether a run works in another session than its token's."""

    def attempt(world, confined=True):
        its, other = (f"s-{uuid4()}" for _ in range(2))
        headers, body = how(other)
        token = pinned(its) if confined else forged_tokens.token("agents:run")
        made = world.ask("POST", RUN, token, headers=headers, body=body)
        return made.is_granted and made.json["session_id"] == other

    return attempt


SESSIONS = [
    Threat(
        name, runs_in(how), lambda world, how=how: runs_in(how)(world, confined=False), forgetting_the_session
    )
    for name, how in {
        "by JSON": lambda other: ([], {**HI, "session_id": other}),
        "by form": lambda other: ([FORM], form(session_id=other)),
        "by multipart": lambda other: ([PARTS], parts(("session_id", other))),
    }.items()
]


@every([threat for name, act in NAMING.items() for threat in both(name, act, believing_names)])
def test_naming_another_user_shows_and_changes_nothing(world, threat):
    stands(world, threat)


@every(MAKING)
def test_nobody_makes_rows_for_another(world, threat):
    stands(world, threat)


@every(HEADERS)
def test_no_header_says_who_somebody_is(world, threat):
    stands(world, threat)


@every(SESSIONS)
def test_a_token_for_one_session_works_in_that(world, threat):
    stands(world, threat)


def nameless(target):
    """The same request without a name in the token, and with one."""
    scopes = ["sessions:read", "memories:read"]

    def by(sub):
        return lambda world: world.ask("GET", target, forged_tokens.token(*scopes, sub=sub)).is_granted

    return Threat(target, by(...), by("ann"), owning_nothing)


NAMELESS = [
    nameless(target) for target in ("/sessions", "/memories", "/memory_topics", "/user_memory_stats?limit=1")
]


@every(NAMELESS)
def test_who_has_no_name_has_no_rows(world, threat):
    stands(world, threat)
