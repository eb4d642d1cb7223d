"""Service accounts as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StrictBool, WithJsonSchema

from agentos.db.contracts.service_accounts import AccountSort, ServiceAccount
from agentos.os.api.schemas.pages import PageQuery, SortOrder
from agentos.os.api_model import ApiModel
from agentos.os.http.field_types import MAX_ID, Id
from agentos.os.tokens.service_accounts import DEFAULT_DAYS, MAX_DAYS, NAME

MAX_SCOPES = 100
DEFAULT_SCOPES = ("agents:run", "sessions:read", "config:read")
"""Scopes of an account if the request names none."""


class AccountFilter(PageQuery):
    """Which service accounts to list."""

    include_revoked: bool = True
    """Whether to list revoked ones too."""
    sort_by: AccountSort = "created_at"
    """What to sort by."""
    sort_order: SortOrder = "desc"
    """The direction."""


_WORD = r"[^\s:*\x00-\x1f\x7f]+"
ScopeText = Annotated[
    Id,
    WithJsonSchema(
        {"type": "string", "maxLength": MAX_ID, "pattern": rf"^{_WORD}(:[^:\x00-\x1f\x7f]+)?:{_WORD}$"}
    ),
]
"""A scope, validated by `scopes.parse`, whose error says what is wrong."""


class GrantedScope(ApiModel):
    """A scope to grant. Scopes can't be denied, since everything that isn't granted is denied."""

    scope: ScopeText
    """The scope."""
    effect: Literal["allow"] = "allow"
    """Always `allow`."""


class CreateServiceAccount(ApiModel):
    """A service account to create."""

    name: str = Field(pattern=f"^{NAME}$")
    """The account's name. Names of revoked accounts can be reused."""
    scopes: list[ScopeText | GrantedScope] = Field(
        default=list(DEFAULT_SCOPES), min_length=1, max_length=MAX_SCOPES
    )
    """The scopes to grant; at most those of the caller."""
    expires_in_days: int = Field(default=DEFAULT_DAYS, ge=1, le=MAX_DAYS)
    """Days until its token expires."""
    never_expires: StrictBool = False
    """Overrides `expires_in_days`."""

    @property
    def granted(self) -> list[str]:
        """The scopes as strings."""
        return [scope.scope if isinstance(scope, GrantedScope) else scope for scope in self.scopes]


class ScopeSchema(ApiModel):
    """A scope and its parts."""

    id: None = None
    """Always null: scopes are identified by their text."""
    raw: str
    """The scope."""
    namespace: str
    """The part before the first colon."""
    sub_namespace: str | None = None
    """The part between the colons."""
    permission: str
    """The part after the last colon."""
    value: Literal["allow"] = "allow"
    """Always `allow`."""

    @classmethod
    def of(cls, text: str) -> ScopeSchema:
        """Splits a scope into its parts."""
        namespace, _, rest = text.partition(":")
        middle, _, permission = rest.rpartition(":")
        return cls(raw=text, namespace=namespace, sub_namespace=middle or None, permission=permission)


class ServiceAccountResponse(ApiModel):
    """A service account. Times are epoch seconds."""

    id: str
    """The account's id."""
    name: str
    """Its name."""
    principal: str
    """The user that it acts as: `sa:` and its name."""
    user_id: str
    """The owner of its rows, equal to the principal."""
    token_prefix: str
    """First characters of its token."""
    scopes: list[ScopeSchema]
    """The scopes that it holds."""
    created_at: int
    """When it was created."""
    expires_at: int | None = None
    """When its token expires; null if never."""
    last_used_at: int | None = None
    """When it was last used, to the minute."""
    revoked_at: int | None = None
    """When it was revoked."""
    created_by: str | None = None
    """The user who created it."""

    @classmethod
    def of(cls, account: ServiceAccount) -> ServiceAccountResponse:
        """The account as shown."""
        return cls(
            id=account.id,
            name=account.name,
            principal=account.principal,
            user_id=account.principal,
            token_prefix=account.token_prefix,
            scopes=[ScopeSchema.of(scope) for scope in account.scopes],
            created_at=int(account.created_at.timestamp()),
            expires_at=_seconds(account.expires_at),
            last_used_at=_seconds(account.last_used_at),
            revoked_at=_seconds(account.revoked_at),
            created_by=account.created_by,
        )


class CreatedServiceAccount(ServiceAccountResponse):
    """A new account."""

    token: str
    """The token, which is shown only in this response."""

    @classmethod
    def with_token(cls, account: ServiceAccount, token: str) -> CreatedServiceAccount:
        """The account as shown, and its token."""
        return cls(**dict(ServiceAccountResponse.of(account)), token=token)


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp())
