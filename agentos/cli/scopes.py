"""`agentos scopes`: explains, lists and tests the scope map of an app without serving it."""

from __future__ import annotations

import csv
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from agentos.os.auth.review import Review

app = typer.Typer(no_args_is_help=True, help="Explain and test the scope map of an app.")

TargetArgument = Annotated[
    str, typer.Argument(metavar="MODULE:ATTRIBUTE", help="An AgentOS or a FastAPI app.")
]


class Format(StrEnum):
    """Output format of a list."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@app.command()
def explain(
    target: TargetArgument,
    method: Annotated[str, typer.Argument(help="The HTTP method; GET for a WebSocket.")],
    path: Annotated[str, typer.Argument(help="E.g. /agents/web/runs")],
    scopes: Annotated[str, typer.Option(help='What the caller holds, e.g. "agents:read agents:run".')] = "",
) -> None:
    """Explains what response a user with these scopes would get."""
    from agentos.os.api.schemas.authz import ExplanationResponse

    explanation, found = _review(target).answer(method.upper(), path, frozenset(scopes.split()))
    answer = ExplanationResponse.of(explanation, method.upper(), found)
    for name, value in answer.model_dump(mode="json").items():
        typer.echo(f"{name}: {_text(value)}")


@app.command()
def matrix(
    target: TargetArgument, format_: Annotated[Format, typer.Option("--format")] = Format.TABLE
) -> None:
    """Lists every route with its required scopes and the entry that sets them."""
    from agentos.os.api.schemas.authz import MatrixRow

    found = [MatrixRow.of(row).model_dump(mode="json") for row in _review(target).matrix()]
    match format_:
        case Format.JSON:
            typer.echo(json.dumps(found, indent=2))
        case Format.CSV:
            lines = csv.writer(sys.stdout, lineterminator="\n")
            lines.writerow(found[0])
            lines.writerows([_text(value) for value in row.values()] for row in found)
        case Format.TABLE:
            _table(found)


@app.command()
def lint(target: TargetArgument) -> None:
    """Reports entries of the scope map without effect, routes without an entry, and likely mistakes.

    Exits with 1 if it finds any.
    """
    found = _review(target).findings()
    for finding in found:
        typer.echo(f"{finding.code}: {finding.message}")
    if found:
        raise typer.Exit(1)
    typer.echo("No problems found.")


@app.command()
def check(
    target: TargetArgument, file: Annotated[Path, typer.Argument(help="A YAML file of cases.")]
) -> None:
    """Runs policy tests; exits with 1 if one fails.

    A file lists `cases`, each with `scopes`, `request` ("GET /agents"), `expected` (allow or deny) and,
    optionally, `name`, `reason` and `missing`.
    """
    from agentos.os.auth import cases

    wanted = cases.load(file)
    report = cases.check(_review(target), wanted)
    for failure in report.failures:
        typer.echo(f"FAILED {failure.case.title}: {failure.message}")
    for route in report.uncovered:
        typer.echo(f"not covered: {route}")
    total = len(report.covered) + len(report.uncovered)
    typer.echo(
        f"{len(wanted)} cases, {len(report.failures)} failed;"
        f" {len(report.covered)} of {total} routes covered ({report.share:.0%})."
    )
    if report.failures:
        raise typer.Exit(1)


def _review(target: str) -> Review:
    # A console script's own folder is first on the path, not the one that it is called in.
    sys.path.insert(0, str(Path.cwd()))
    from agentos.os import import_target
    from agentos.os.auth import review

    return review.review(import_target.load(target))


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return " ".join(cast("list[str]", value)) or "-"
        case _:
            return str(value)


def _table(found: list[dict[str, Any]]) -> None:
    lines = [list(found[0])] + [[_text(value) for value in row.values()] for row in found]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
