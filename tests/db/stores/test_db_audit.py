"""Who may delete rows of the audit: the role that owns the table, when it prunes."""

from datetime import UTC, datetime, timedelta

import pytest

from agentos.db.contracts.audit import AuditRecord
from agentos.db.postgres import PostgresDb
from agentos.errors import ConfigurationError
from agentos.os.audit import chain
from tests.db.logins import name_in

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


async def test_a_role_that_doesnt_own_the_audit_adds_to_it_but_cant_prune_it(logins):
    owner = PostgresDb(logins.superuser, pool_size=1)
    await chain.append(owner, [AuditRecord(time=LONG_AGO, decision="denied", reason="old")])
    login = logins.create()
    logins.run(
        f"GRANT agentos_app TO {name_in(login)}",
        f"GRANT USAGE ON SCHEMA ai TO {name_in(login)}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA ai TO {name_in(login)}",
    )
    server = PostgresDb(login, pool_size=1, create_schema=False)
    await chain.append(server, [AuditRecord(time=LONG_AGO, decision="denied", reason="old")])
    with pytest.raises(ConfigurationError, match="the role that owns the tables"):
        await chain.prune(server, older_than=DAY)
    assert (await chain.verify(server)).head.seq == 2
    assert await chain.prune(owner, older_than=DAY) == 2
    verdict = await chain.verify(server)
    assert (verdict.bad_seq, verdict.start.seq, verdict.head.seq) == (None, 2, 3)
    for each in (owner, server):
        await each.close()
