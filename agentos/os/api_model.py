"""The base class of JSON bodies, and the descriptions of their fields.

Pydantic can also read docstrings of fields (`use_attribute_docstrings`), but it does so whenever a class is
created, which makes a server's start a fifth slower. Here a module is read once, when a schema is requested.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class ApiModel(BaseModel):
    """A JSON object. The docstring of a field is its description in the OpenAPI document."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """Pydantic's schema, with descriptions."""
        schema = handler(core_schema)
        properties: dict[str, Any] = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in descriptions(cls).items():
            if name in properties:
                properties[name].setdefault("description", text)
        return schema


def descriptions(kind: type) -> dict[str, str]:
    """The docstrings of the fields of a class, including those of its base classes in agentos."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__.startswith("agentos."):
            found |= _documented(each.__module__).get(each.__name__, {})
    return found


@cache
def _documented(module: str) -> dict[str, dict[str, str]]:
    """The docstrings of fields, by class; empty if the module has no source."""
    try:
        source = inspect.getsource(sys.modules[module])
    except OSError:
        return {}
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {each.name: dict(_fields(each)) for each in classes}


def _fields(node: ast.ClassDef) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for statements in pairwise(node.body):
        match statements:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found.append((name, " ".join(text.split())))
            case _:
                pass
    return found
