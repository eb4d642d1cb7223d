"""What can't work is refused before anything is served, in one sentence that names the parameter."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agentos.db.postgres import PostgresDb
from agentos.errors import ConfigurationError
from agentos.os import AgentOS
from agentos.os.auth_settings import AuthorizationConfig, AuthSettings
from agentos.os.middleware import JWTMiddleware
from tests.os.apps import agent

SECRET = "a secret that stands in no message, long enough for HS256"
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = (
    PRIVATE.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
PRIVATE_PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
DB_URL = "postgresql+psycopg://user:hunter2@127.0.0.1:1/db"


def jwt(**options: Any):
    return JWTMiddleware(lambda *_: None, **{"verification_keys": [SECRET], "algorithm": "HS256", **options})


def configured(**options: Any):
    given = {"verification_keys": [SECRET], "algorithm": "HS256", **options}
    app = AgentOS(
        agents=[agent()], authorization=True, authorization_config=AuthorizationConfig(**given)
    ).get_app()
    app.build_middleware_stack()


def an_os(**options: Any):
    return AgentOS(**{"agents": [agent()], **options}).get_app()


def a_db(db_url: str | None = DB_URL, **options: Any):
    return PostgresDb(db_url, **options)


# What the message names, then what is wrong.
MIDDLEWARE = [
    ("verification_keys", {"verification_keys": None}),
    ("verification_keys", {"verification_keys": SECRET}),
    (r"verification_keys\[0\]", {"verification_keys": [None]}),
    (r"verification_keys\[1\]", {"verification_keys": [SECRET, ""]}),
    ("algorithm='HS256'", {"verification_keys": [PUBLIC_PEM]}),
    ("algorithm='RS256'", {"algorithm": "RS256"}),
    ("verification keys", {"verification_keys": [PRIVATE_PEM], "algorithm": "ES256"}),
    ("algorithm='none'", {"algorithm": "none"}),
    (r"algorithm=\['HS256', 'none'\]", {"algorithm": ["HS256", "none"]}),
    (r"algorithm=\[\]", {"algorithm": None}),
    ("jwks_file", {"jwks_file": "/absent/keys.json"}),
    ("jwks_file and jwks_url", {"jwks_file": "/absent/keys.json", "jwks_url": "https://idp.test/keys"}),
    ("jwks_url", {"jwks_url": "http://idp.test/keys", "algorithm": "RS256", "verification_keys": None}),
    ("issuer", {"issuer": ""}),
    ("audience", {"verify_audience": True, "audience": []}),
    ("audience", {"verify_audience": True, "audience": ["a", ""]}),
    ("leeway=-1", {"leeway": -1}),
    ("token_source", {"token_source": "query"}),
    ("token_header_key", {"token_header_key": "X Token"}),
    ("cookie_name", {"token_source": "cookie", "cookie_name": "a=b"}),
    ("scopes_claim", {"scopes_claim": ""}),
    ("user_id_claim", {"user_id_claim": ""}),
    ("session_id_claim", {"session_id_claim": ""}),
    ("audience_claim", {"audience_claim": ""}),
    ("dependencies_claims", {"dependencies_claims": "tenant"}),
    ("session_state_claims", {"session_state_claims": [""]}),
    ("authorization=False", {"authorization": False, "scope_mappings": {}}),
    ("scope_mappings", {"scope_mappings": ["GET /a"]}),
    ("scope_mappings", {"scope_mappings": {1: []}}),
    ("scope_mappings: .*'/a'", {"scope_mappings": {"/a": []}}),
    ("scope_mappings: .*'FETCH /a'", {"scope_mappings": {"FETCH /a": []}}),
    ("scope_mappings: .*'GET //a'", {"scope_mappings": {"GET //a": []}}),
    (r"scope_mappings: .*'GET /a\*'", {"scope_mappings": {"GET /a*": []}}),
    ("scope_mappings: .*'GET /a'", {"scope_mappings": {"GET /a": "a:b"}}),
    ("scope_mappings: .*'admin'", {"scope_mappings": {"GET /a": ["admin"]}}),
    ("scope_mappings: .*keep one", {"scope_mappings": {"GET /{a}": ["a:b"], "get /{b}": ["c:d"]}}),
    ("^shadow_scope_mappings: .*'/a'", {"shadow_scope_mappings": {"/a": []}}),
    ("admin_scope=''", {"admin_scope": ""}),
    ("admin_scope=None", {"admin_scope": None}),
    ("admin_scope='root'", {"admin_scope": "root"}),
    (r"admin_scope='\*'", {"admin_scope": "*"}),
    ("admin_scope='a:b c'", {"admin_scope": "a:b c"}),
    ("all_users_scope=''", {"all_users_scope": ""}),
    ("excluded_route_paths", {"excluded_route_paths": "/a"}),
    ("excluded_route_paths: .*'a'", {"excluded_route_paths": ["a"]}),
    ("unmapped", {"unmapped": "maybe"}),
    ("failed_logins_per_minute=-1", {"failed_logins_per_minute": -1}),
    (r"verification_keys\[0\]", {"verification_keys": ["short"], "strict": True}),
    (r"verification_keys\[0\]", {"verification_keys": [SECRET.split()]}),
    ("verification_key isn't a parameter. Did you mean 'verification_keys'?", {"verification_key": [SECRET]}),
    ("secret isn't a parameter", {"secret": SECRET}),
    ("algorithm can't be used: choose among HS256", {"algorithm": SECRET}),
    ("algorithm can't be used: choose among HS256", {"algorithm": [SECRET.encode()]}),
    ("leeway is invalid: give a number of seconds", {"leeway": "10"}),
    ("leeway=True is invalid", {"leeway": True}),
    ("leeway=inf is invalid", {"leeway": float("inf")}),
    ("leeway=None .*Is the variable that it comes from set?", {"leeway": None}),
    ("verify_audience is invalid: give True or False", {"verify_audience": "false"}),
    ("issuer is invalid", {"issuer": ["https://idp.test"]}),
    ("audience is invalid", {"audience": {"my-os": 1}}),
    ("token_source=None", {"token_source": None}),
    ("scopes_claim is invalid", {"scopes_claim": ["scopes"]}),
    ("user_isolation=None is invalid", {"user_isolation": None}),
    (r"excluded_route_paths\[0\] is invalid", {"excluded_route_paths": [1]}),
    ("shadow_scope_mappings", {"shadow_scope_mappings": "GET /a"}),
    ("failed_logins_per_minute is invalid", {"failed_logins_per_minute": 1.5}),
    ("jwks_file is invalid", {"jwks_file": b"/absent"}),
    ("jwks_url is invalid", {"jwks_url": 5}),
]
OTHERS = [
    ("agents=.*db=", AgentOS, {}),
    ("authorization=True", an_os, {"authorization_config": AuthorizationConfig()}),
    ("agents: .*'web'", an_os, {"agents": [agent(), agent()]}),
    ("config='/absent.yaml'", an_os, {"config": "/absent.yaml"}),
    ("cors_allowed_origins", an_os, {"cors_allowed_origins": "https://a.test"}),
    ("max_body_bytes=0", an_os, {"max_body_bytes": 0}),
    ("max_json_bytes=0", an_os, {"max_json_bytes": 0}),
    ("max_json_values=-1", an_os, {"max_json_values": -1}),
    ("shutdown_grace=-1", an_os, {"shutdown_grace": -1}),
    ("security_key=''", an_os, {"security_key": ""}),
    ("AuthorizationConfig: verify_aud", AuthorizationConfig, {"verify_aud": True}),
    ("AuthorizationConfig: verification_keys", AuthorizationConfig, {"verification_keys": SECRET}),
    ("AuthorizationConfig: unmapped", AuthorizationConfig, {"unmapped": "maybe"}),
    ("AuthorizationConfig: .* Did you mean 'verify_audience'?", AuthorizationConfig, {"verify_aud": True}),
    ("AuthorizationConfig: leeway is invalid", AuthorizationConfig, {"leeway": "10"}),
    ("authorization=False", configured, {"authorization": False}),
    ("scope_mappings: .*'/a'", configured, {"scope_mappings": {"/a": []}}),
    ("algorithm='HS1'", configured, {"algorithm": "HS1"}),
    ("admin_scope='root'", configured, {"admin_scope": "root"}),
    ("db_url", a_db, {"db_url": ""}),
    ("db_url", a_db, {"db_url": "mysql://user:hunter2@127.0.0.1/db"}),
    ("db_url", a_db, {"db_url": "hunter2"}),
    ("pool_size=0", a_db, {"pool_size": 0}),
    ("query_timeout=-1", a_db, {"query_timeout": -1}),
    ("db_schema=''", a_db, {"db_schema": ""}),
    ("session_table", a_db, {"session_table": "same", "runs_table": "same"}),
]


@pytest.fixture(autouse=True)
def no_keys_in_the_environment(monkeypatch):
    for name in ("JWT_VERIFICATION_KEY", "JWT_JWKS_FILE", "OS_SECURITY_KEY", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("named", "make", "options"), [*((named, jwt, options) for named, options in MIDDLEWARE), *OTHERS]
)
def test_it_is_refused_in_a_sentence(named, make, options):
    with pytest.raises(ConfigurationError, match=named) as refused:
        make(**options)
    told = str(refused.value)
    assert told.endswith((".", "?", "…"))
    assert "\n" not in told
    for secret in (SECRET, "hunter2", "BEGIN", "Error"):
        assert secret not in told


NUMBERS = [True, 5, -1, 1.5, float("nan")]
TEXTS = ["", SECRET, SECRET.encode(), "a b", "\ud800", "\0"]
LISTS = [[], [None], [5], [SECRET], [[SECRET]], [b"\xff"], [""], range(3), iter([]), {5}]
ODD = [None, object(), {}, {"a": 1}, {5: []}, *NUMBERS, *TEXTS, *LISTS]


def sentence(**options: Any) -> str | None:
    """Why these are refused; None if they work."""
    try:
        jwt(**options)
    except ConfigurationError as refused:
        return str(refused)
    return None


@pytest.mark.parametrize("name", [each.name for each in fields(AuthSettings)])
def test_whatever_is_given_works_or_is_refused_by_name(name):
    told = [text for value in ODD if (text := sentence(**{name: value})) is not None]
    assert told
    assert [text for text in told if name not in text] == []
    # What should be a scope, or a path, is repeated: it can be found, and is no key.
    if name not in {"admin_scope", "all_users_scope", "excluded_route_paths"}:
        assert [text for text in told if SECRET in text] == []


def test_only_the_keys_need_no_name():
    with pytest.raises(ConfigurationError, match="Only verification_keys may be given without its name"):
        JWTMiddleware(lambda *_: None, [SECRET], "HS256")
    with pytest.raises(ConfigurationError, match="verification_keys is given twice"):
        JWTMiddleware(lambda *_: None, [SECRET], verification_keys=[SECRET])
    JWTMiddleware(lambda *_: None, [SECRET], algorithm="HS256")


def test_settings_show_no_key():
    assert SECRET not in repr(AuthorizationConfig([SECRET], algorithm="HS256"))


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (jwt, {}),
        (jwt, {"verification_keys": (SECRET.encode(),), "leeway": 0.5, "jwks_file": None}),
        (jwt, {"verification_keys": [PUBLIC_PEM], "algorithm": "ES256"}),
        (jwt, {"jwks_url": "https://idp.test/keys", "algorithm": ["HS256", "RS256"]}),
        (jwt, {"issuer": "anything", "verify_audience": True, "audience": "a"}),
        (jwt, {"admin_scope": "my:admin", "all_users_scope": "everyone:read", "unmapped": "allow"}),
        (jwt, {"scope_mappings": {}, "shadow_scope_mappings": {"get /a/*": ["a:b"]}}),
        (jwt, {"excluded_route_paths": ["/a", "GET /b/*"], "failed_logins_per_minute": 0}),
        (
            an_os,
            {
                "cors_allowed_origins": ["https://a.test"],
                "shutdown_grace": 0,
                "max_body_bytes": 1,
                "max_json_bytes": 1,
            },
        ),
        (configured, {"scope_mappings": {"GET /a": []}, "admin_scope": "my:admin"}),
        (a_db, {"pool_size": 1, "db_schema": "mine"}),
    ],
)
def test_what_can_work_is_taken(make, options):
    make(**options)
