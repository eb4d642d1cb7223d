"""The table: what was promised, what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import ge, le
from statistics import median
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One promise: the median of `measured` must be at least, or at most, `target`."""

    name: str
    sign: Literal["≥", "≤"]
    target: float
    measured: Sequence[float]
    note: str = ""
    """The figures behind it, for orientation: they are this machine's."""

    @property
    def is_kept(self) -> bool:
        holds: Callable[[float, float], bool] = ge if self.sign == "≥" else le
        return holds(median(self.measured), self.target)


def show(rows: Sequence[Row]) -> bool:
    """Prints them; whether every promise is kept."""
    table = Table("What", "Target", "Measured", "", "On this machine")
    for row in rows:
        low, high = min(row.measured), max(row.measured)
        spread = "" if low == high else f" ({low:.2f} to {high:.2f})"
        table.add_row(
            row.name,
            f"{row.sign} {row.target:g}",
            f"{median(row.measured):.2f}{spread}",
            "[green]ok[/]" if row.is_kept else "[red bold]MISSED[/]",
            row.note,
        )
    Console(width=None if Console().is_terminal else 120).print(table)
    return all(row.is_kept for row in rows)
