"""Service accounts: create, list and revoke them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from agentos.db.base import Db
from agentos.db.contracts.service_accounts import AccountQuery
from agentos.errors import AuthenticationError, NotConfiguredError, NotFoundError
from agentos.os.api.schemas.pages import Paginated, Stopwatch, paginated
from agentos.os.api.schemas.service_accounts import (
    AccountFilter,
    CreatedServiceAccount,
    CreateServiceAccount,
    ServiceAccountResponse,
)
from agentos.os.deps import server_of
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import responses
from agentos.os.principal import OPEN, Access, AccessDeniedError, Principal, access_of
from agentos.os.tokens.service_accounts import beyond, hash_of, is_account, make

router = APIRouter(tags=["service accounts"], route_class=ProblemRoute, responses=responses(401, 422, 503))


async def accounts_db(request: Request) -> Db:
    """The database that stores the accounts. Requires authentication."""
    if access_of(request.scope) is OPEN:
        raise AuthenticationError("Service accounts need a server with authentication")
    db = server_of(request).registry.default_db
    if db is None:
        raise NotConfiguredError("Service accounts need a database: pass db=… to AgentOS")
    return db


AccountsDb = Annotated[Db, Depends(accounts_db)]


@router.post(
    "/service-accounts",
    operation_id="create_service_account",
    summary="Make a service account",
    status_code=201,
    responses=responses(409),
)
async def create_service_account(
    request: Request, body: CreateServiceAccount, db: AccountsDb
) -> CreatedServiceAccount:
    """Creates an account, with at most the caller's own scopes. The response alone shows its token.

    A token that is confined to a session can't create one. What a service account creates expires with it at
    the latest.
    """
    access = access_of(request.scope)
    _refuse_beyond(access, body.granted)
    account, token = make(
        body.name,
        body.granted,
        lifetime=_lifetime(access.principal, body),
        created_by=access.principal.user_id,
    )
    await db.create_service_account(account, token_hash=hash_of(token))
    return CreatedServiceAccount.with_token(account, token)


def _lifetime(creator: Principal, body: CreateServiceAccount) -> timedelta | None:
    wanted = None if body.never_expires else timedelta(days=body.expires_in_days)
    expiry = creator.claims.get("exp") if is_account(creator.user_id) else None
    if expiry is None:
        return wanted
    left = timedelta(seconds=max(0.0, expiry - datetime.now(UTC).timestamp()))
    return left if wanted is None else min(left, wanted)


def _refuse_beyond(access: Access, scopes: list[str]) -> None:
    if access.principal.session_id is not None:
        raise AccessDeniedError(
            "A token that is confined to a session can't create accounts, which aren't.",
            code="confined_to_session",
            decision=access.decision,
        )
    missing = beyond(access, scopes)
    if missing:
        decision = replace(access.decision, allowed=False, missing=missing)
        raise AccessDeniedError(
            f"You can't grant what you don't hold: {', '.join(missing)}",
            code="missing_scope",
            decision=decision,
        )


@router.get("/service-accounts", operation_id="get_service_accounts", summary="List the service accounts")
async def list_service_accounts(
    db: AccountsDb, query: Annotated[AccountFilter, Query()]
) -> Paginated[ServiceAccountResponse]:
    """A page of the accounts, without tokens."""
    watch = Stopwatch()
    page = await db.list_service_accounts(
        AccountQuery(
            include_revoked=query.include_revoked,
            limit=query.limit,
            page=query.page,
            cursor=query.cursor,
            sort_by=query.sort_by,
            descending=query.sort_order == "desc",
        )
    )
    return paginated(page, query, ServiceAccountResponse.of, since=watch)


@router.delete(
    "/service-accounts/{service_account_id}",
    operation_id="revoke_service_account",
    summary="Revoke a service account",
    status_code=204,
    responses=responses(404),
)
async def revoke_service_account(
    service_account_id: Annotated[str, Path(description="The account's id.")], db: AccountsDb
) -> None:
    """Revokes an account permanently. Every process refuses its token from now on."""
    if not await db.revoke_service_account(service_account_id):
        raise NotFoundError("Service account", service_account_id)
