"""The two examples that must run as written: their Python and their commands, cut out of the text."""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "seeds"
HS256 = (FOLDER / "custom_scope_mappings_hs256.txt").read_text()
RS256 = (FOLDER / "custom_scope_mappings_rs256.txt").read_text()


def hs256_program() -> str:
    fenced = re.search(r"```python custom_scope_mappings\.py.*?\n(.*?)\n *```", HS256, re.DOTALL)
    assert fenced
    return ours(textwrap.dedent(fenced[1]))


def rs256_program() -> str:
    begin, end = RS256.index('"""\nCustom Scope Mappings'), RS256.index("Run the Example")
    return ours(RS256[begin:end])


def ours(program: str) -> str:
    """The package's name in the imports, and nothing else."""
    renamed, count = re.subn(r"^from agno\b", "from agentos", program, flags=re.MULTILINE)
    assert count
    return renamed


def hs256_commands() -> list[str]:
    """The curl commands of the last step, with `$BASIC_TOKEN` and its like in them."""
    step = HS256[HS256.index("Test Custom Scopes") :]
    fenced = re.search(r"```bash.*?\n(.*?)\n *```", step, re.DOTALL)
    assert fenced
    return curls(textwrap.dedent(fenced[1]))


def curls(text: str) -> list[str]:
    """Every curl command in a text, continuation lines included."""
    return re.findall(r"^curl(?:.*\\\n)*.*$", text, re.MULTILINE)


def tokens(labels: Mapping[str, str], output: str) -> dict[str, str]:
    """The lines that follow those beginning with the labels."""
    return {who: _token_after(label, output) for who, label in labels.items()}


def _token_after(label: str, output: str) -> str:
    found = re.search(rf"^{re.escape(label)} \(.*\n(\S+)$", output, re.MULTILINE)
    assert found, f"no token after {label!r}"
    return found[1]
