"""Parses docstrings in Google style and with reST fields."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Returns?|Yields?|Raises|Examples?"
    r"|Notes?|Attributes|See Also|Warnings?|References):\s*$"
)
_PARAMETER_SECTIONS = {"Args", "Arguments", "Parameters", "Params", "Keyword Args", "Keyword Arguments"}
_ENTRY = re.compile(r"\*{0,2}(\w+)(?:\s*\(.*?\))?\s*:(?:\s+(.*))?$")
_FIELD = re.compile(r":(\w+)(?:\s+([^:]*))?:\s*(.*)$")
_PARAMETER_FIELDS = {"param", "parameter", "arg", "argument", "key", "keyword"}


@dataclass(slots=True)
class Docstring:
    """The text before the first section, and one text per parameter."""

    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict[str, str])


def parse(text: str | None) -> Docstring:
    """Parses `text` (from `inspect.getdoc`). Sections other than the parameters' are ignored."""
    lines = (text or "").splitlines()
    start = next(
        (i for i, line in enumerate(lines) if _SECTION.match(line) or _FIELD.match(line)), len(lines)
    )
    doc = Docstring("\n".join(lines[:start]).strip())
    section, indent, parameter = "", 0, ""
    for line in lines[start:]:
        depth = len(line) - len(line.lstrip())
        if depth == 0 and (header := _SECTION.match(line)):
            section, indent, parameter = header[1], 0, ""
        elif depth == 0 and (rest := _FIELD.match(line)):
            section, parameter = "", _field_parameter(rest)
            _add(doc, parameter, rest[3])
        elif depth == 0:
            if line:
                section, parameter = "", ""
        elif section in _PARAMETER_SECTIONS and depth <= (indent or depth):
            indent = depth
            entry = _ENTRY.match(line.strip())
            parameter = entry[1] if entry else parameter
            _add(doc, parameter, (entry[2] or "") if entry else line)
        else:
            _add(doc, parameter, line)
    return doc


def _field_parameter(found: re.Match[str]) -> str:
    """The name in `:param name:` or `:param type name:`; empty for `:returns:` and the like."""
    words = (found[2] or "").split()
    return words[-1].lstrip("*") if words and found[1] in _PARAMETER_FIELDS else ""


def _add(doc: Docstring, parameter: str, text: str) -> None:
    if parameter:
        doc.parameters[parameter] = f"{doc.parameters.get(parameter, '')} {text.strip()}".strip()
