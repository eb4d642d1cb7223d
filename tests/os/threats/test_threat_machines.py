"""Service accounts, and what is for admins alone."""

import re
from uuid import uuid4

import pytest

from agentos.os.policy.policy import Policy
from agentos.os.principal import Access, Principal
from agentos.os.tokens import service_accounts
from agentos.os.tokens.claims import TokenError
from tests.os.threats import forged_tokens, raw
from tests.os.threats.threat import Threat, every, stands

MAKER = ("service_accounts:write", "service_accounts:delete", "service_accounts:read", "agents:read")


def account(world, *scopes, token=None, **fields):
    """The answer to making an account, by an admin or by the holder of `token`."""
    body = {"name": f"a{uuid4().hex}", "scopes": list(scopes), **fields}
    return world.ask("POST", "/service-accounts", token or forged_tokens.token("agent_os:admin"), body=body)


def grants(*scopes, held=MAKER):
    return lambda world: account(world, *scopes, token=forged_tokens.token(*held)).is_granted


def granting_anything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("agentos.os.api.routers.service_accounts.beyond", lambda access, asked: ())


BEYOND = [
    Threat(", ".join(scopes), grants(*scopes), grants("agents:read", "agents:web:read"), granting_anything)
    for scopes in [
        ["agent_os:admin"],
        ["agents:run"],
        ["agents:web:run"],
        ["agents:*:run"],
        ["agents:read", "sessions:read"],
        ["service_accounts:writes"],
        ["Agents:read"],
        ["socket:open"],
        ["agents:read:run"],
    ]
] + [
    Threat(
        "all agents by who holds one",
        grants("agents:run", held=(*MAKER, "agents:web:run")),
        grants("agents:web:run", held=(*MAKER, "agents:web:run")),
        granting_anything,
    )
]


@every(BEYOND)
def test_nobody_grants_what_they_dont_hold(world, threat):
    stands(world, threat)


def lets_in(*scheme, ended=False, spelled=lambda token: token, header="Authorization"):
    """Whether an account's token opens the list of agents; it may have been revoked before."""

    def attempt(world):
        made = account(world, "agents:read").json
        if ended:
            world.as_user("root", "DELETE", f"/service-accounts/{made['id']}")
        value = " ".join([*scheme, spelled(made["token"])])
        return raw.exchange(world.os.port, raw.request("GET", "/agents", [(header, value)])).is_granted

    return attempt


def looking_carelessly(patch: pytest.MonkeyPatch) -> None:
    """Finds the account that a token was probably of, whatever became of it."""

    async def verified(token, token_hash, accounts):
        tidied = re.sub(
            r"^agentos_sa_", service_accounts.PREFIX, token.strip("\"'.,%;<>="), flags=re.IGNORECASE
        )
        for each in (
            tidied,
            service_accounts.PREFIX + tidied.removeprefix(service_accounts.PREFIX).swapcase(),
        ):
            found = await accounts.find_service_account(service_accounts.hash_of(each))
            if found is not None:
                return Principal(user_id=found.principal, scopes=frozenset(found.scopes)), found
        raise TokenError("Invalid token: no service account has it")

    patch.setattr(service_accounts, "_verified", verified)
    patch.setattr(service_accounts, "is_one", lambda token: "agentos_sa_" in token.lower())


TOKENS = [
    Threat(name, attempt, lets_in("Bearer"), looking_carelessly)
    for name, attempt in {
        "revoked": lets_in("Bearer", ended=True),
        "in quotes": lets_in("Bearer", spelled=lambda token: f'"{token}"'),
        "with a comma": lets_in("Bearer", spelled=lambda token: f"{token},"),
        "with a full stop": lets_in("Bearer", spelled=lambda token: f"{token}."),
        "with padding": lets_in("Bearer", spelled=lambda token: f"{token}=="),
        "with a prefix in capitals": lets_in(
            "Bearer", spelled=lambda token: token.replace("agentos_sa_", "AGENTOS_SA_")
        ),
        "in the other case": lets_in("Bearer", spelled=str.swapcase),
    }.items()
]


@every(TOKENS)
def test_only_an_accounts_own_token_is_its_token(world, threat):
    stands(world, threat)


def reads(target, *, admin=False):
    scopes = (
        ["agent_os:admin"] if admin else [*MAKER, "sessions:read", "audit:read", "authz:read", "config:read"]
    )
    return lambda world: world.ask("GET", target, forged_tokens.token(*scopes)).is_granted


def taking_all_for_admins(patch: pytest.MonkeyPatch) -> None:
    decide = Policy.decide
    patch.setattr(
        Policy,
        "decide",
        lambda self, scopes, *asked, **more: decide(self, scopes | {self.admin_scope}, *asked, **more),
    )
    patch.setattr(Access, "demand_admin", lambda self: None)


ADMINS = [
    Threat(target, reads(target), reads(target, admin=True), taking_all_for_admins)
    for target in (
        "/audit",
        "/audit/",
        "/audit?limit=1",
        "/authz/matrix",
        "/authz/shadow",
        "/authz/explain?method=GET&path=/agents&scopes=agent_os:admin",
        "/authz/explain?method=GET&path=/agents&scopes=",
    )
]


@every(ADMINS)
def test_what_is_for_admins_is_for_nobody_else(world, threat):
    stands(world, threat)


def echoes(value):
    """Whether a request's id comes back as it was sent."""

    def attempt(world):
        answer = world.ask("GET", "/health", headers=[("X-Request-ID", value)])
        assert answer.is_granted
        return answer.headers.get("x-request-id") == value

    return attempt


def taking_any_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("agentos.os.http.request_id._SANE", re.compile(r".*"))


IDS = [
    Threat(f"{value[:12]!a}", echoes(value), echoes("a-1.b:c_D"), taking_any_id)
    for value in (
        "x y",
        "x;y",
        "<script>",
        "x" * 65,
        "x\t1",
        "\xe4",
        "${jndi:x}",
        "x%0ay",
    )
]


@every(IDS)
def test_a_requests_id_is_plain(world, threat):
    stands(world, threat)
