"""Service accounts in Postgres."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import RowMapping, exists, func, insert, literal, or_, select, text, update

from agentos.db.contracts.pages import Page
from agentos.db.contracts.service_accounts import AccountQuery, ServiceAccount
from agentos.db.filters import among, same
from agentos.db.stores.pages import Order, either, read_page
from agentos.db.stores.store import Store
from agentos.errors import ConflictError
from agentos.run.owner import ANYONE

_FIELDS: Final = tuple(field.name for field in fields(ServiceAccount))

_NEVER: Final = datetime.fromtimestamp(0, UTC)
"""What a time that is NULL is sorted as: before all others."""


class ServiceAccountStore(Store):
    """Service accounts and the hashes (SHA-256, in hex) of their tokens.

    They belong to the deployment, not to a user: these methods take no `owner`.
    """

    async def create_service_account(self, account: ServiceAccount, *, token_hash: str) -> None:
        """Stores a new one; ConflictError if any account, even a revoked one, has the name.

        Rows belong to the name, so a new account of the same name would inherit them.
        """
        table = self._tables.service_accounts
        row = asdict(account) | {"scopes": list(account.scopes), "token_hash": token_hash}
        is_taken = exists().where(table.c.name == account.name)
        new = select(*(literal(value, table.c[name].type) for name, value in row.items())).where(~is_taken)
        statement = insert(table).from_select(list(row), new).returning(table.c.id)
        if not await self._engine.execute(statement, locks=[f"service account {account.name}"]):
            raise ConflictError(
                "A service account has this name, or had it before it was revoked: choose another name."
            )

    async def find_service_account(self, token_hash: str) -> ServiceAccount | None:
        """The account whose token has the hash, whether or not it is still valid."""
        table = self._tables.service_accounts
        rows = await self._engine.execute(select(table).where(same(table.c.token_hash, token_hash)))
        return _account(rows[0]) if rows else None

    async def with_creators(self, principals: Collection[str]) -> frozenset[str]:
        """The principals, and for each service account among them who created it, directly or indirectly."""
        table = self._tables.service_accounts
        known, acting = table.c.created_by.isnot(None), func.concat("sa:", table.c.name)
        first = select(table.c.created_by).where(known, among(acting, list(principals)))
        creators = first.cte("creators", recursive=True)
        further = select(table.c.created_by).join(creators, acting == creators.c.created_by).where(known)
        rows = await self._engine.execute(select(creators.union(further)))
        return frozenset(principals) | {row["created_by"] for row in rows}

    async def list_service_accounts(self, query: AccountQuery) -> Page[ServiceAccount]:
        """A page of accounts."""
        table = self._tables.service_accounts
        matching = select(table)
        if not query.include_revoked:
            matching = matching.where(table.c.revoked_at.is_(None))
        key = table.c[query.sort_by]
        sort = [either(key, literal(_NEVER, key.type)) if key.nullable else key, table.c.id]
        order = Order("service_accounts", query.sort_by, sort, query.descending)
        return (await read_page(self._reach(ANYONE), matching, order, query)).map(_account)

    async def revoke_service_account(self, account_id: str) -> bool:
        """Revokes it permanently; returns whether it exists. The time of the first revocation is kept."""
        table = self._tables.service_accounts
        revoked_at = func.coalesce(table.c.revoked_at, func.now())
        statement = update(table).where(same(table.c.id, account_id)).values(revoked_at=revoked_at)
        return bool(await self._engine.execute(statement.returning(table.c.id)))

    async def touch_service_accounts(self, account_ids: Sequence[str]) -> None:
        """Records that accounts were used, each at most once a minute."""
        table = self._tables.service_accounts
        used = table.c.last_used_at
        is_due = or_(used.is_(None), used < func.now() - text("interval '1 minute'"))
        statement = update(table).where(among(table.c.id, account_ids), is_due)
        await self._engine.execute(statement.values(last_used_at=func.now()).returning(table.c.id))


def _account(row: RowMapping) -> ServiceAccount:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    values["scopes"] = tuple(row["scopes"])
    return ServiceAccount(**values)
