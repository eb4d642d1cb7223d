"""Authorization as a server's own setting: `AgentOS(authorization=True, authorization_config=…)`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from agentos.errors import ConfigurationError


class AuthorizationConfig(BaseModel):
    """What `JWTMiddleware` takes, by the same names; None leaves a parameter at the middleware's default.

    Only these differ: tokens must name an audience, the server's own id unless `audience` says otherwise, and
    must expire. ConfigurationError names a field that can't work.
    """

    # Rejected values may be keys: an error's text doesn't repeat them.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_sentence(cls, given: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise ConfigurationError(f"AuthorizationConfig: {field}: {first['msg']}.") from None

    verification_keys: list[str] | None = None
    jwks_file: Path | None = None
    jwks_url: str | None = None
    algorithm: str | list[str] | None = None
    issuer: str | None = None
    audience: str | list[str] | None = None
    verify_audience: bool = True
    require_exp: bool = True
    leeway: float | None = None
    strict: bool | None = None
    token_source: Literal["header", "cookie", "both"] | None = None
    token_header_key: str | None = None
    cookie_name: str | None = None
    scopes_claim: str | None = None
    user_id_claim: str | None = None
    session_id_claim: str | None = None
    audience_claim: str | None = None
    dependencies_claims: list[str] | None = None
    session_state_claims: list[str] | None = None
    scope_mappings: Mapping[str, list[str]] | None = None
    admin_scope: str | None = None
    all_users_scope: str | None = None
    excluded_route_paths: list[str] | None = None
    unmapped: Literal["deny", "allow"] | None = None
    user_isolation: bool | None = None
    shadow_scope_mappings: Mapping[str, list[str]] | None = None
    failed_logins_per_minute: int | None = None


def middleware_options(config: AuthorizationConfig | None, *, os_id: str) -> dict[str, Any]:
    """The keywords for `JWTMiddleware` on a server whose id is `os_id`."""
    config = config or AuthorizationConfig()
    options = config.model_dump(exclude_none=True)
    if config.verify_audience:
        options.setdefault("audience", os_id)
    return {**options, "authorization": True}
