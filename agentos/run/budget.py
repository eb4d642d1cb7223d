"""What a run may use up, nested runs included, and how much of it is gone."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from time import monotonic

from agentos.errors import AgentOSError, ConfigurationError


class BudgetExceededError(AgentOSError):
    """The run, with its nested runs, has used up what it may."""

    code = "budget_exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one run and all runs that are part of it; None is no limit.

    What is over a limit isn't undone: the model turn that reaches it still counts, the next one isn't begun.
    """

    tokens: int | None = None
    """Of input and output, over all model turns."""
    turns: int | None = None
    """Model turns."""
    seconds: float | None = None
    """Of execution; waiting for a person doesn't count."""
    output_bytes: int | None = None
    """UTF-8 bytes of text that the models write, reasoning included."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value: float | None = getattr(self, each.name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"Budget({each.name}={value!r}) can't work: give more than 0.")


@dataclass(slots=True)
class Spending:
    """How much of a budget is spent, by a run and its nested runs together."""

    budget: Budget = field(default_factory=Budget)
    tokens: int = 0
    turns: int = 0
    output_bytes: int = 0
    seconds: float = 0
    """Of earlier segments."""
    began: float = field(default_factory=monotonic)

    def check(self, *, output_bytes: int = 0) -> None:
        """BudgetExceededError if nothing more may begin, or be written beyond so many bytes."""
        spent = {
            "tokens": self.tokens,
            "turns": self.turns,
            "seconds": self.seconds + monotonic() - self.began,
            "output_bytes": self.output_bytes + output_bytes,
        }
        for name, amount in spent.items():
            limit: float | None = getattr(self.budget, name)
            if limit is not None and amount >= limit:
                raise BudgetExceededError(f"The run has used up its budget of {limit:g} {name}.")

    @property
    def left_seconds(self) -> float | None:
        """Until the budget's seconds are over; None without such a limit."""
        if self.budget.seconds is None:
            return None
        return max(0.0, self.budget.seconds - self.seconds - (monotonic() - self.began))
