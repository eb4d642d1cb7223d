"""`agentos service-account` works on the database alone."""

import asyncio

from agentos.db.postgres import PostgresDb
from agentos.os.tokens.service_accounts import hash_of
from tests.cli.commands import agentos


def found(url: str, token: str):
    async def find():
        db = PostgresDb(url, pool_size=1)
        account = await db.find_service_account(hash_of(token))
        await db.close()
        return account

    return asyncio.run(find())


def test_an_account_is_made_listed_and_revoked(database: str):
    env = {"DATABASE_URL": database}
    verb = ("service-account",)
    token = agentos(*verb, "create", "ci", "--scopes", "agents:run config:read", env=env).output.strip()
    account = found(database, token)
    assert (account.name, account.scopes) == ("ci", ("agents:run", "config:read"))
    assert (account.expires_at - account.created_at).days == 90
    listed = agentos(*verb, "list", env=env).output
    assert account.token_prefix in listed
    assert token not in listed
    assert "never used" in listed
    assert agentos(*verb, "create", "ci", "--scopes", "a:b", env=env).status == 1
    assert agentos(*verb, "revoke", "ci", env=env).status == 0
    assert found(database, token).revoked_at is not None
    assert "revoked" in agentos(*verb, "list", env=env).output
    assert "not found" in agentos(*verb, "revoke", "ci", env=env).refusal


def test_an_account_may_never_expire_and_be_revoked_by_its_id(database: str):
    create = ("service-account", "create", "ci", "--scopes", "a:b", "--never-expires", "--url", database)
    account = found(database, token := agentos(*create).output.strip())
    assert account.expires_at is None
    assert agentos("service-account", "revoke", account.id, "--url", database).status == 0
    assert found(database, token).revoked_at is not None


def test_what_cant_work_is_one_sentence(database: str):
    for arguments in (("CI", "--scopes", "a:b"), ("ci", "--scopes", "agents")):
        called = agentos("service-account", "create", *arguments, "--url", database)
        assert called.status == 1
        assert called.refusal
