"""The OpenAPI document, including the authorization of each operation.

FastAPI's own document doesn't include the middleware, which may be added after the app is created. So the
document is built on request, from the same policy that authorizes requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.middleware import Middleware

from agentos.kinds import Kind
from agentos.os.api import event_schemas
from agentos.os.api.requests import BODIES, documentation
from agentos.os.auth.bearer import CredentialReader
from agentos.os.auth.inspection import finder_of, policy_of
from agentos.os.auth_settings import TokenSource
from agentos.os.http.lookup import documented
from agentos.os.http.problems import Denial, Problem
from agentos.os.policy.matrix import Route, Row, rows
from agentos.os.policy.policy import Policy

Json = dict[str, Any]

_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"})
"""Keys of a path item that are operations; other keys are left alone."""


class Document:
    """Replaces `app.openapi`. Rebuilt when the routes or the middleware have changed.

    Adds to each operation its `security` (`[]` if none), the responses of the middleware, the required scopes
    as `x-required-scopes`, and the deciding rule in its description.
    """

    def __init__(self, app: FastAPI, kinds: Iterable[Kind]) -> None:
        self._app = app
        self._kinds = list(kinds)
        self._plain = app.openapi
        self._source: Json | None = None
        self._middleware: list[Middleware] = []
        self._document: Json = {}

    def __call__(self) -> Json:
        """The document."""
        plain = self._plain()
        if plain is not self._source or self._middleware != self._app.user_middleware:
            self._document = _with_auth(self._app, _with_own_schemas(plain, self._kinds))
            self._source, self._middleware = plain, list(self._app.user_middleware)
        return self._document


_TITLES: Final = {"File": "InputFile"}
"""Names of schemas that generated clients use for something of their own."""


def _with_own_schemas(plain: Json, kinds: Iterable[Kind]) -> Json:
    """A copy with the schemas of events and of bodies that our routes parse, under unused names."""
    taken = plain.get("components", {}).get("schemas", {})
    own = {**documentation.schemas(BODIES), **event_schemas.schemas(kinds)}
    shorter = {name: _TITLES.get(title := name.removeprefix(documentation.PREFIX), title) for name in own}
    names = {name: name if short in taken else short for name, short in shorter.items()}
    ours = {names[name]: {**schema, "title": shorter[name]} for name, schema in own.items()}
    found = {**taken, **ours}
    components = {**plain.get("components", {}), "schemas": dict(sorted(found.items()))}
    place = "#/components/schemas/"
    return _renamed({**plain, "components": components}, {place + name: place + names[name] for name in own})


def _renamed(value: Any, references: dict[str, str]) -> Any:
    """A copy with renamed references."""
    match value:
        case str():
            return references.get(value, value)
        case dict():
            parts = cast("Json", value)
            return {name: _renamed(part, references) for name, part in parts.items()}
        case list():
            return [_renamed(part, references) for part in cast("list[Any]", value)]
        case _:
            return value


def _with_auth(app: FastAPI, document: Json) -> Json:
    """The document with the authorization of each operation; unchanged if no middleware is installed."""
    policy, finder = policy_of(app), finder_of(app)
    if policy is None or finder is None:
        return document
    schemes = _schemes(policy, finder)
    components = document.setdefault("components", {})
    components.setdefault("securitySchemes", {}).update(schemes)
    components.setdefault("responses", {}).update(_responses())
    # In OpenAPI 3.0 only OAuth's schemes may name scopes.
    names_scopes = not document["openapi"].startswith("3.0")
    patterns = documented(app)
    for path, item in document.get("paths", {}).items():
        for method in _METHODS & item.keys() if path in patterns else ():
            found = rows(policy, [Route(patterns[path], (method.upper(),))])
            scopes = _scopes(found[0], policy)
            named = scopes if names_scopes else []
            _secure(item[method], found[0], scopes, [{name: named} for name in schemes])
            _describe(item[method], found, policy)
    return document


def _secure(operation: Json, row: Row, scopes: list[str], alternatives: list[dict[str, list[str]]]) -> None:
    operation["x-required-scopes"] = scopes
    if row.needs == "nothing":
        operation["security"] = []
        return
    # An operation of the user's may ask for something of its own besides.
    theirs: list[Json] = operation.get("security") or [{}]
    operation["security"] = [{**its, **ours} for its in theirs for ours in alternatives]


def _describe(operation: Json, found: Sequence[Row], policy: Policy) -> None:
    """Describes the rules. The first of `found` applies to the operation, the others to some of its paths."""
    if all(row.needs == "nothing" for row in found):
        return
    for status, name in _REFUSALS.items():
        operation["responses"].setdefault(status, {"$ref": f"#/components/responses/{name}"})
    told = [f"`{row.path}`: {_told(row, policy)}" for row in found[1:]]
    own = operation.get("description", "")
    operation["description"] = "\n\n".join([*filter(None, [own]), _told(found[0], policy), *told])


def _scopes(row: Row, policy: Policy) -> list[str]:
    return [policy.admin_scope] if row.needs == "admin" else list(row.decision.wanted)


def _told(row: Row, policy: Policy) -> str:
    scopes = " and ".join(f"`{scope}`" for scope in _scopes(row, policy))
    rule = f" ({row.decision.layer} rule `{row.decision.rule}`)" if row.decision.rule else ""
    match row.needs:
        case "nothing":
            return f"Needs no token{rule}."
        case "token":
            return f"Needs any valid token{rule}."
        case "scopes":
            return f"Needs {scopes}{rule}."
        case "admin":
            return f"Needs {scopes}{rule or ', for no rule covers it'}."


def _schemes(policy: Policy, finder: CredentialReader) -> dict[str, Json]:
    """Security schemes by name; any one of them is sufficient."""
    about = f"`{policy.admin_scope}` passes everywhere."
    header = {"type": "http", "scheme": "bearer", "description": about}
    if finder.header.lower() != "authorization":
        about_header = f"`Bearer` and the token. {about}"
        header = {"type": "apiKey", "in": "header", "name": finder.header, "description": about_header}
    cookie = {"type": "apiKey", "in": "cookie", "name": finder.cookie, "description": about}
    match finder.source:
        case TokenSource.HEADER:
            return {"bearer": header}
        case TokenSource.COOKIE:
            return {"cookie": cookie}
        case TokenSource.BOTH:
            return {"bearer": header, "cookie": cookie}


_CHALLENGE: Final[Json] = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "RFC 6750."}}
_RETRY: Final[Json] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}

_REFUSALS: Final = {
    "401": "Unauthorized",
    "403": "Forbidden",
    "429": "TooManyFailures",
    "503": "Unavailable",
}


def _responses() -> dict[str, Json]:
    return {
        "Unauthorized": _refusal("No token, or none that is valid.", _CHALLENGE, Problem),
        "Forbidden": _refusal("The token doesn't allow this.", _CHALLENGE, Denial),
        "TooManyFailures": _refusal("Too many bad tokens came from this address.", _RETRY, Problem),
        "Unavailable": _refusal("What is needed to answer can't be reached now.", _RETRY, Problem),
    }


def _refusal(description: str, headers: Json, body: type[BaseModel]) -> Json:
    content = {"application/json": {"schema": body.model_json_schema()}}
    return {"description": description, "headers": headers, "content": content}
