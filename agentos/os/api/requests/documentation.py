"""OpenAPI for bodies that routes parse themselves: three content types, each with a named schema.

FastAPI doesn't know these bodies. An operation refers to internal names; the document replaces them with
shorter names where those are unused, and includes `schemas()`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from agentos.os.api.requests.body import Body
from agentos.os.api.requests.body_parser import FORM, JSON, MULTIPART

PREFIX: Final = "agentos."
"""Prefix of the internal names, which no schema of a user has."""
REF: Final = "#/components/schemas/" + PREFIX
"""References start with it."""

Json = dict[str, Any]


def request_body(body: type[Body]) -> Json:
    """An operation's `requestBody`."""
    form = {"schema": {"$ref": REF + _form(body)}, "encoding": _encoding(body)}
    upload = {**form, "schema": {"$ref": REF + _upload(body)}}
    contents: Json = {MULTIPART: upload, FORM: form, JSON: {"schema": {"$ref": REF + body.__name__}}}
    is_needed = any(field.is_required() for field in body.model_fields.values())
    return {"required": is_needed, "content": contents}


def schemas(bodies: Iterable[type[Body]]) -> dict[str, Json]:
    """The schemas of the bodies and their parts, by name."""
    bodies = list(bodies)
    _, found = models_json_schema([(each, "validation") for each in bodies], ref_template=REF + "{model}")
    named: dict[str, Json] = {PREFIX + name: schema for name, schema in found["$defs"].items()}
    for body in bodies:
        plain = named[PREFIX + body.__name__]
        properties = {name: without_null(each) for name, each in plain["properties"].items()}
        form = {**plain, "title": _form(body), "properties": properties}
        named[PREFIX + _form(body)] = form
        if body.as_media:
            with_files = {**form, "title": _upload(body), "properties": {**properties, "files": _FILES}}
            named[PREFIX + _upload(body)] = with_files
    return named


_FILES: Final[Json] = {
    "type": "array",
    "items": {"type": "string", "format": "binary"},
    "description": "Pictures and documents that travel with the message. "
    "Parts named `file`, `files[]` or `files[0]` are the same.",
}


def _form(body: type[Body]) -> str:
    return body.__name__.removesuffix("Body") + "Form"


def _upload(body: type[Body]) -> str:
    return _form(body) + ("WithFiles" if body.as_media else "")


def _encoding(body: type[Body]) -> Json:
    documented = body.model_json_schema()["properties"].keys()
    return {name: {"contentType": JSON} for name in sorted(body.as_json & documented)}


def without_null(field: Json) -> Json:
    """Replaces null by absence, as in forms and in events."""
    choices = field.get("anyOf", [])
    if {"type": "null"} not in choices:
        return field
    kept = [each for each in choices if each != {"type": "null"}]
    rest = {name: value for name, value in field.items() if name not in {"anyOf", "default"}}
    return {**rest, **kept[0]} if len(kept) == 1 else {**rest, "anyOf": kept}
