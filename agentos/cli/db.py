"""`agentos db`: upgrades, dumps, restores and prunes the tables in Postgres, and moves sessions."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, contextmanager
from dataclasses import asdict, astuple
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import mkstemp
from typing import IO, TYPE_CHECKING, Annotated

import typer

from agentos.cli import durations
from agentos.cli.database import SchemaName, Url, on
from agentos.errors import ConfigurationError

if TYPE_CHECKING:
    from agentos.db.backup.archive import Counts
    from agentos.db.postgres import PostgresDb
    from agentos.db.schema.table_names import TableNames
    from agentos.db.schema.upgrade import DatabaseSchema

app = typer.Typer(no_args_is_help=True, help="Manage the tables in Postgres.")


TableOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--table",
        metavar="PARAMETER=NAME",
        help="A custom table name as passed to PostgresDb, like session_table=chats. Repeatable.",
    ),
]


@app.command()
def upgrade(url: Url, schema: SchemaName = "ai", tables: TableOptions = None) -> None:
    """Creates or upgrades the tables in one transaction. Several processes may run it at once.

    Then it builds missing indexes and changes existing rows in batches, while servers run. If that is
    interrupted, the next upgrade continues it.
    """
    found = _schema(url, schema, tables)
    before, after = found.status(), found.upgrade()
    if before == after:
        typer.echo(f"The tables were already up to date: revision {after.current}.")
    elif before.current == after.current:
        typer.echo(f"Finished the upgrade to revision {after.current}.")
    else:
        typer.echo(f"Upgraded from {before.current or 'nothing'} to revision {after.current}.")
    for step in after.deferred:
        typer.echo(f"Left to another process: {step}.")


@app.command()
def status(url: Url, schema: SchemaName = "ai", tables: TableOptions = None) -> None:
    """Prints whether the tables are up to date. Exits with 1 if an upgrade is pending."""
    wanted = _schema(url, schema, tables)
    found = wanted.status()
    if not found.is_current:
        typer.echo(
            f"The tables are at revision {found.current or 'none'}, but {found.head} is required: "
            f"run `{wanted.command}`."
        )
        raise typer.Exit(1)
    typer.echo(f"The tables are up to date: revision {found.current}.")
    for step in found.deferred:
        typer.echo(f"Run `{wanted.command}` to finish, while servers run: {step}.")
    if found.deferred:
        raise typer.Exit(1)


@app.command()
def dump(
    url: Url,
    file: Annotated[
        Path | None, typer.Argument(help="A new file, readable only by you. By default, named by the time.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    schema: SchemaName = "ai",
    tables: TableOptions = None,
) -> None:
    """Writes all rows of the tables, and all records of durable runs, to an archive, while servers run.

    It needs the programs pg_dump and pg_restore. Fails if a row isn't in the archive.
    """
    from agentos.db.backup.dump import write_archive

    target = Path(f"agentos-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump") if file is None else file
    with _created(target, force=force, remedy="give another FILE") as part:
        counts = write_archive(url, _names(schema, tables), part)
    _show(counts)
    typer.echo(f"Dumped to {target}.")


@app.command()
def restore(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A file that `dump` has written.")
    ],
    url: Url,
    schema: SchemaName = "ai",
    tables: TableOptions = None,
) -> None:
    """Restores the tables from an archive into a database that has none, in one transaction.

    Then it upgrades them, if the archive is of an earlier release. It needs the program pg_restore.
    """
    from agentos.db.backup.restore import restore_archive

    counts, status = restore_archive(url, _names(schema, tables), file)
    _show(counts)
    typer.echo(f"Restored. The tables are at revision {status.current}.")


def _show(counts: Counts) -> None:
    width = max(len(f"{schema}.{table}") for schema, table in counts)
    for (schema, table), count in sorted(counts.items()):
        typer.echo(f"{f'{schema}.{table}':<{width}}{count:>12,}")


@app.command()
def prune(
    url: Url,
    older_than: Annotated[
        str | None, typer.Option(help="Delete sessions that were inactive for this long: 30d, 12h, 90m.")
    ] = None,
    events_older_than: Annotated[
        str | None,
        typer.Option(help="Delete event logs of runs that finished this long ago; the runs are kept."),
    ] = None,
    audit_older_than: Annotated[
        str | None,
        typer.Option(help="Delete rows of the audit that are this old; needs the role that owns the tables."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
    schema: SchemaName = "ai",
) -> None:
    """Deletes old sessions with all their contents, old event logs, and old rows of the audit.

    Sessions with live or paused runs are kept. The rest of the audit can still be verified.
    """
    from agentos.db.contracts.deletion import Pruned
    from agentos.os.audit import chain

    if older_than is None and events_older_than is None and audit_older_than is None:
        raise ConfigurationError(
            "Say what to delete: --older-than=30d, --events-older-than=6h, --audit-older-than=365d."
        )
    sessions = durations.parse(older_than, "--older-than") if older_than is not None else None
    events = (
        durations.parse(events_older_than, "--events-older-than") if events_older_than is not None else None
    )
    audit = durations.parse(audit_older_than, "--audit-older-than") if audit_older_than is not None else None

    async def prune_all(db: PostgresDb) -> dict[str, int]:
        pruned = Pruned()
        if sessions is not None or events is not None:
            pruned = await db.prune(older_than=sessions, events_older_than=events, dry_run=dry_run)
        counts = asdict(pruned)
        if audit is not None:
            count = db.count_prunable_audit if dry_run else partial(chain.prune, db)
            counts["audit"] = await count(older_than=audit, keep=None)
        return counts

    counts = on(url, schema, prune_all)
    typer.echo("These rows would be deleted:" if dry_run else "These rows were deleted:")
    for name, count in counts.items():
        typer.echo(f"{name:<10}{count:>12,}")


@app.command()
def export_session(
    session_id: str,
    url: Url,
    out: Annotated[Path | None, typer.Option(help="A new file, readable only by you.")] = None,
    schema: SchemaName = "ai",
) -> None:
    """Writes a session, its finished runs and their events as lines of JSON."""

    async def write(db: PostgresDb) -> None:
        from agentos.run.owner import ANYONE

        async with aclosing(db.export_session(session_id, owner=ANYONE)) as lines:
            first = await anext(lines)
            with _written(out) as write_line:
                write_line(first)
                async for line in lines:
                    write_line(line)
        if left_out := json.loads(first)["left_out"]:
            typer.echo(f"{left_out} unfinished runs are not exported.", err=True)

    on(url, schema, write)


@app.command()
def import_session(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="An exported file; `-` is standard input.")],
    url: Url,
    user_id: Annotated[str | None, typer.Option(help="The new owner; by default, the original user.")] = None,
    new_ids: Annotated[bool, typer.Option("--new-ids", help="Import as a copy with new ids.")] = False,
    schema: SchemaName = "ai",
) -> None:
    """Imports an exported session, in one transaction."""
    from agentos.run.owner import ANYONE

    done = on(
        url,
        schema,
        lambda db: db.import_session(_lines(file), owner=ANYONE, user_id=user_id, new_ids=new_ids),
    )
    whose = "nobody" if done.user_id is None else done.user_id
    typer.echo(f"Session {done.session_id} of {whose}: {done.runs} runs, {done.events} events.")


async def _lines(file: IO[bytes]) -> AsyncGenerator[bytes]:
    for line in file:
        yield line


@contextmanager
def _written(out: Path | None) -> Generator[Callable[[str], object]]:
    """Writes to a file that appears only once it is complete, or to standard output."""
    if out is None:
        yield lambda line: typer.echo(line, nl=False)
        return
    with _created(out, remedy="give another --out") as part, part.open("w", encoding="utf-8") as file:
        yield file.write


@contextmanager
def _created(target: Path, *, force: bool = False, remedy: str) -> Generator[Path]:
    """An empty file that only its owner may read, which gets its name once it is complete."""
    if not force and target.exists():
        raise ConfigurationError(f"{str(target)!r} already exists: {remedy}.")
    try:
        handle, name = mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise ConfigurationError(f"{str(target)!r} can't be written: {remedy}.") from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _schema(url: str, schema: str, tables: list[str] | None) -> DatabaseSchema:
    from agentos.db.connection.url import parse_url
    from agentos.db.schema.upgrade import DatabaseSchema

    return DatabaseSchema(parse_url(url), _names(schema, tables))


def _names(schema: str, tables: list[str] | None) -> TableNames:
    from agentos.db.schema.table_names import PARAMETERS, TableNames

    names = dict(zip(PARAMETERS, astuple(TableNames(schema)), strict=True))
    for table in tables or ():
        parameter, _, name = table.partition("=")
        if parameter not in PARAMETERS[1:]:
            raise ConfigurationError(f"--table={table} must begin with one of {', '.join(PARAMETERS[1:])}.")
        names[parameter] = name
    return TableNames(*names.values())
