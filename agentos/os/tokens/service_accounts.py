"""Tokens of service accounts: created once, stored as a hash, looked up for every request.

Nothing is cached, so a revocation takes effect at once in every process on the database. A look-up reads one
indexed row. A token has 256 random bits, so it can't be guessed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import uuid4

from agentos.db.contracts.service_accounts import ServiceAccount
from agentos.db.stores.service_accounts import ServiceAccountStore
from agentos.errors import InvalidInputError
from agentos.kinds import FAMILIES
from agentos.os.http.field_types import MAX_ID
from agentos.os.policy.scopes import parse
from agentos.os.principal import Access, Principal
from agentos.os.tokens.claims import TokenError

PREFIX: Final = "agentos_sa_"
"""Prefix of all tokens, which no JWT has. Secret scanners can search for it."""
DEFAULT_DAYS: Final = 90
MAX_DAYS: Final = 3650
NAME: Final = "[a-z0-9][a-z0-9_-]{0,62}"

_TOKEN = re.compile(PREFIX + "[A-Za-z0-9_-]{43}")
_ODD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SHOWN: Final = len(PREFIX) + 4


def make(
    name: str,
    scopes: Sequence[str],
    *,
    lifetime: timedelta | None,
    created_by: str | None = None,
) -> tuple[ServiceAccount, str]:
    """A new account and its token, which can't be shown again. Without `lifetime` it never expires.

    InvalidInputError for an invalid name or scope.
    """
    if not re.fullmatch(NAME, name):
        raise InvalidInputError(
            "name must be 1 to 63 of a-z, 0-9, - and _, and begin with a letter or a digit.", field="name"
        )
    for scope in scopes:
        _check_scope(scope)
    token = PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    account = ServiceAccount(
        id=str(uuid4()),
        name=name,
        token_prefix=token[:_SHOWN],
        scopes=tuple(dict.fromkeys(scopes)),
        created_at=now,
        expires_at=None if lifetime is None else now + lifetime,
        created_by=created_by,
    )
    return account, token


def hash_of(token: str) -> str:
    """The stored hash of a token. Tokens are random, so a fast hash is sufficient."""
    return sha256(token.encode(errors="replace")).hexdigest()


def is_one(token: str) -> bool:
    """Whether the string is meant as a service account's token."""
    return token.startswith(PREFIX)


def is_account(user_id: str | None) -> bool:
    """Whether a principal is a service account. No user's name begins like theirs."""
    return (user_id or "").startswith("sa:")


async def verify(token: str, accounts: ServiceAccountStore | None) -> tuple[Principal, ServiceAccount]:
    """The token's principal. TokenError if it has none, DatabaseUnavailableError if that can't be checked."""
    token_hash = hash_of(token)
    try:
        return await _verified(token, token_hash, accounts)
    except TokenError as error:
        error.token_ref = token_hash[:12]
        raise


async def _verified(
    token: str, token_hash: str, accounts: ServiceAccountStore | None
) -> tuple[Principal, ServiceAccount]:
    if accounts is None or not _TOKEN.fullmatch(token):
        raise TokenError("Invalid token: no service account has it")
    account = await accounts.find_service_account(token_hash)
    if account is None:
        raise TokenError("Invalid token: no service account has it")
    if account.revoked_at is not None:
        raise TokenError("Invalid token: its service account is revoked")
    if account.expires_at is not None and account.expires_at <= datetime.now(UTC):
        raise TokenError("Token has expired", code="expired_token")
    principal = Principal(
        user_id=account.principal,
        scopes=frozenset(account.scopes),
        claims={
            "sub": account.principal,
            "scopes": list(account.scopes),
            "exp": None if account.expires_at is None else account.expires_at.timestamp(),
        },
        token_ref=token_hash[:12],
    )
    return principal, account


def beyond(access: Access, asked: Iterable[str]) -> tuple[str, ...]:
    """The scopes in `asked` that the caller doesn't hold, and so can't grant."""
    if access.is_admin:
        return ()
    held, policy = access.principal.scopes, access.policy
    # The map's own words may stand for more than they say: those are held word for word or not at all.
    literal = {scope.text for rule in policy.layers[0].rules for scope in rule.wanted}
    literal |= {policy.admin_scope, access.all_users_scope or ""}
    return tuple(text for text in asked if text not in held and (text in literal or not _is_part(held, text)))


def _is_part(held: frozenset[str], text: str) -> bool:
    """Whether `text` is about one id of a family, and `held` is the same scope for every id."""
    match text.split(":"):
        case [resource, _, action] if resource in FAMILIES:
            return not held.isdisjoint({f"{resource}:{action}", f"{resource}:*:{action}"})
        case _:
            return False


def _check_scope(text: str) -> None:
    try:
        if len(text) > MAX_ID or _ODD.search(text):
            raise ValueError("it is too long, or isn't printable")
        parse(text)
    except ValueError as error:
        raise InvalidInputError(f"Nobody could hold the scope {text!r}: {error}.", field="scopes") from None
