"""Every option of authentication and authorization, declared once.

`JWTMiddleware` and `AuthorizationConfig` take these fields. Inspection, OpenAPI and the lint read them, and
the table of parameters in docs/authorization.md is generated from them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field, fields
from enum import StrEnum
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, cast, get_args, get_type_hints

from pydantic import (
    ConfigDict,
    Field,
    PlainValidator,
    SkipValidation,
    ValidationError,
)
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from agentos.errors import ConfigurationError
from agentos.os.policy.policy import ADMIN_SCOPE, Unmapped
from agentos.os.policy.rules import ScopeMap
from agentos.utils.names import hint

Algorithm = Literal[
    "HS256", "HS384", "HS512",
    "RS256", "RS384", "RS512",
    "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512",
    "EdDSA",
]  # fmt: skip

S = TypeVar("S")

_LONGEST_ALGORITHM: Final = 8
"""Characters. A longer name may be a key in the wrong place, and isn't repeated."""


class TokenSource(StrEnum):
    """Where tokens are looked for. With `BOTH`, the cookie is read only if the header has no token."""

    HEADER = "header"
    COOKIE = "cookie"
    BOTH = "both"


def pinned(algorithm: object) -> tuple[Algorithm, ...]:
    """The configured algorithms as a tuple. ConfigurationError for an unknown one."""
    names: tuple[object, ...] = (algorithm,)
    if algorithm is None or (isinstance(algorithm, Collection) and not isinstance(algorithm, (str, bytes))):
        names = tuple(cast("Collection[object]", algorithm or ()))
    if names and all(name in get_args(Algorithm) for name in names):
        return cast("tuple[Algorithm, ...]", names)
    is_short = all(isinstance(name, str) and len(name) <= _LONGEST_ALGORITHM for name in names)
    told = f"={shown(cast('tuple[str, ...]', names))}" if is_short else ""
    raise ConfigurationError(f"algorithm{told} can't be used: choose among {', '.join(get_args(Algorithm))}.")


def shown(algorithms: Sequence[str]) -> str:
    """The configured algorithms, formatted for a message."""
    return repr(algorithms[0]) if len(algorithms) == 1 else repr(list(algorithms))


@plain_dataclass(frozen=True, slots=True)
class Wanted:
    """Describes what a field accepts, in words that complete `give …` in an error message."""

    words: str


Flag = Annotated[bool, Wanted("True or False")]
Algorithms = Annotated[Algorithm | Sequence[Algorithm], PlainValidator(pinned)]
ClaimName = Annotated[str, Field(min_length=1), Wanted("the name of a claim")]
ClaimNames = Annotated[
    Sequence[Annotated[str, Field(min_length=1)]] | None, Wanted("a list of claims' names: ['tenant']")
]
HeaderName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"), Wanted("a name that HTTP allows")
]
# A policy reads maps and scopes, and says what is wrong with an entry.
Map = Annotated[SkipValidation[ScopeMap | None], Wanted("a dict like {'GET /agents': ['agents:read']}")]

_CONFIG: Final = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


def _refusing(about: str = "") -> Callable[[type[S]], type[S]]:
    """Makes the constructor raise ConfigurationError for what pydantic refuses, in a sentence `about` it."""

    def decorated(cls: type[S]) -> type[S]:
        init = cls.__init__

        @wraps(init)
        def in_one_sentence(self: S, *args: Any, **kwargs: Any) -> None:
            try:
                init(self, *args, **kwargs)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                ours = first.get("ctx", {}).get("error")
                sentence = str(ours) if isinstance(ours, ConfigurationError) else about + _sentence(first)
                raise ConfigurationError(sentence) from None

        cls.__init__ = in_one_sentence
        return cls

    return decorated


@_refusing()
@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class AuthSettings:
    """The parameters of `JWTMiddleware`.

    ConfigurationError, in one sentence that names the parameter, for a value that can't work and for a name
    that doesn't exist. Values that could be keys are neither repeated there nor shown by `repr`.
    """

    verification_keys: Annotated[Sequence[str | bytes] | None, Wanted("a list of texts or bytes: [key]")] = (
        field(default=None, kw_only=False, repr=False)
    )
    """Public keys in PEM, or secrets, tried in order; by default, `AGENTOS_JWT_VERIFICATION_KEY`."""
    jwks_file: Annotated[str | Path | None, Wanted("a path")] = None
    """A JWKS file, whose keys are chosen by `kid`; by default, `AGENTOS_JWT_JWKS_FILE`."""
    jwks_url: Annotated[str | None, Wanted("an https:// address")] = None
    """The URL of a JWKS. Fetched when needed, and again when a token names an unknown key."""
    algorithm: Algorithms = "RS256"
    """The accepted signature algorithm, or several. A token can't choose another."""
    issuer: Annotated[str | None, Field(min_length=1), Wanted("the issuer's name, or leave it out")] = None
    """Required value of `iss`. For an https:// URL, keys come from OpenID discovery if none is given."""
    audience: Annotated[str | Sequence[str] | None, Wanted("a text, or a list of texts")] = None
    """Accepted audiences; by default the AgentOS's id. With `verify_audience`, a token must name one."""
    verify_audience: Flag = False
    """Whether a token must name the audience."""
    require_exp: Flag = False
    """Whether a token must expire."""
    leeway: Annotated[float, Field(ge=0, le=3600), Wanted("a number of seconds, from 0 to 3600")] = 10
    """Clock tolerance in seconds, from 0 to 3600."""
    validate: Flag = True
    """Always True: False, which existing clients know, would accept forged tokens and is refused."""
    strict: Flag = False
    """Refuses to start with a weak secret or with lint findings in the scope map."""
    token_source: Annotated[
        TokenSource | Literal["header", "cookie", "both"], Wanted("'header', 'cookie' or 'both'")
    ] = TokenSource.HEADER
    """Where the token is read from: `header`, `cookie`, or `both` (the header takes precedence)."""
    token_header_key: HeaderName = "Authorization"  # noqa: S105 - a header's name
    """The header that carries `Bearer` and the token."""
    cookie_name: HeaderName = "access_token"
    """The cookie that carries the token."""
    scopes_claim: ClaimName = "scopes"
    """The claim that lists scopes. `scope` is read in place of an absent `scopes`."""
    user_id_claim: ClaimName = "sub"
    """The claim that names the user, who owns the rows that the caller creates."""
    session_id_claim: ClaimName = "session_id"
    """The claim that confines a token to one session."""
    audience_claim: ClaimName = "aud"
    """The claim that names the audience."""
    dependencies_claims: ClaimNames = None
    """Claims that runs get as dependencies; requests can't set these names."""
    session_state_claims: ClaimNames = None
    """Claims that runs get as session state; requests can't set these names."""
    authorization: Annotated[bool | None, Wanted("True, False or None")] = None
    """True turns the default scopes on. `scope_mappings` does so too."""
    scope_mappings: Map = None
    """Your scope map. An entry replaces the default scopes of its route; all its scopes are required."""
    admin_scope: Annotated[str, Wanted("a scope like 'resource:action'")] = ADMIN_SCOPE
    """The scope that passes every rule and sees everyone's rows."""
    all_users_scope: Annotated[str | None, Wanted("a scope like 'resource:action'")] = None
    """A scope whose holders may read, not change, everyone's rows."""
    excluded_route_paths: Annotated[Sequence[str] | None, Wanted("a list of paths: ['/status']")] = None
    """Paths that need no token, in the path syntax of scope maps."""
    unmapped: Annotated[Unmapped, Wanted("'deny' or 'allow'")] = "deny"
    """What a valid token gets on a route that no rule covers: `deny` or `allow`."""
    user_isolation: Flag = True
    """Keeps callers to their own rows."""
    shadow_scope_mappings: Map = None
    """A trial map: evaluated, not enforced. `GET /authz/shadow` counts the decisions it would change."""
    failed_logins_per_minute: Annotated[int, Field(ge=0), Wanted("1 or more, or 0 for any number")] = 20
    """Invalid tokens per minute after which an address gets 429; 0 for no limit."""

    def __post_init__(self) -> None:
        """Refuses values that aren't safe, or are valid alone but not together."""
        if not self.validate:
            raise ConfigurationError(
                "validate=False would accept forged tokens: leave it out, and name the keys."
            )
        if self.authorization is False and self.scope_mappings is not None:
            raise ConfigurationError(
                "scope_mappings enables authorization, but authorization=False disables it: leave one out."
            )
        if self.verify_audience and not self._has_audience():
            raise ConfigurationError(
                "verify_audience=True needs an audience to compare with: pass audience='...', or leave it out"
                " for the server's id."
            )

    @property
    def audiences(self) -> tuple[str, ...]:
        """`audience` as a tuple."""
        return (self.audience,) if isinstance(self.audience, str) else tuple(self.audience or ())

    def _has_audience(self) -> bool:
        return self.audience is None or (bool(self.audiences) and all(self.audiences))


@_refusing("AuthorizationConfig: ")
@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class AuthorizationConfig(AuthSettings):
    """The parameters of `AgentOS(authorization=True, authorization_config=…)`.

    As for `JWTMiddleware`, but tokens must expire and name the audience.
    """

    verify_audience: Flag = True
    """Whether a token must name the audience."""
    require_exp: Flag = True
    """Whether a token must expire."""


def middleware_options(config: AuthorizationConfig | None) -> dict[str, Any]:
    """The keywords for `JWTMiddleware`."""
    config = config or AuthorizationConfig()
    if config.authorization is False:
        raise ConfigurationError(
            "authorization_config says authorization=False and AgentOS authorization=True: leave one out."
        )
    options = {each.name: getattr(config, each.name) for each in fields(config)}
    return {**options, "authorization": True}


def _sentence(error: ErrorDetails) -> str:
    """What is wrong with one parameter. Most values aren't repeated: they could be keys."""
    wanted, (first, *inner), value = _wanted(), error["loc"], error["input"]
    name = list(wanted)[first] if isinstance(first, int) and first < 1 else str(first)
    match error["type"]:
        case "unexpected_keyword_argument":
            return f"{name} isn't a parameter.{hint(name, wanted)}"
        case "unexpected_positional_argument":
            return "Only verification_keys may be given without its name."
        case "multiple_argument_values":
            return f"{name} is given twice."
        case kind:
            place = f"{name}[{inner[0]}]" if inner and isinstance(inner[0], int) else name
            if kind == "string_too_short":
                return f"{place} is empty: give {wanted[name]}."
            is_out_of_bounds = kind in {"greater_than_equal", "less_than_equal"}
            told = f"={value!r}" if is_out_of_bounds or value is None or isinstance(value, bool) else ""
            unset = " Is the variable that it comes from set?" if value is None else ""
            return f"{place}{told} is invalid: give {wanted[name]}.{unset}"


@cache
def _wanted() -> dict[str, str]:
    """What each field takes, in the order of the declaration."""
    hints = get_type_hints(AuthSettings, include_extras=True)
    return {
        each.name: next(
            (extra.words for extra in hints[each.name].__metadata__ if isinstance(extra, Wanted)), ""
        )
        for each in fields(AuthSettings)
    }
