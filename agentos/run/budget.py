"""Limits on what a run and its nested runs may consume, and the consumption so far."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from time import monotonic

from agentos.errors import AgentOSError, ConfigurationError


class BudgetExceededError(AgentOSError):
    """The run, including its nested runs, has exceeded its budget."""

    code = "budget_exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits on one run and all its nested runs; None is no limit. The defaults only stop what never ends.

    Exceeding a limit isn't undone: the model turn that reaches it still counts, and the next one isn't
    started.
    """

    tokens: int | None = 20_000_000
    """Input and output tokens, across all model turns."""
    turns: int | None = None
    """Number of model turns."""
    seconds: float | None = 4 * 3600
    """Seconds of execution, without waiting for people."""
    output_bytes: int | None = 16 * 1024 * 1024
    """UTF-8 bytes of model output, including reasoning and the arguments of tool calls."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value: float | None = getattr(self, each.name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"Budget({each.name}={value!r}) is invalid: give more than 0.")


@dataclass(slots=True)
class Spending:
    """What a run and its nested runs have consumed."""

    budget: Budget = field(default_factory=Budget)
    tokens: int = 0
    turns: int = 0
    output_bytes: int = 0
    seconds: float = 0
    """Seconds of earlier segments."""
    began: float = field(default_factory=monotonic)

    def check(self) -> None:
        """BudgetExceededError if nothing more may start."""
        spent = {
            "tokens": self.tokens,
            "turns": self.turns,
            "seconds": self.seconds + monotonic() - self.began,
            "output_bytes": self.output_bytes,
        }
        for name, amount in spent.items():
            limit: float | None = getattr(self.budget, name)
            if limit is not None and amount >= limit:
                raise BudgetExceededError(f"The run has used up its budget of {limit:g} {name}.")

    def check_output(self, more: int = 0) -> None:
        """BudgetExceededError if the model has written too much, together with `more` bytes."""
        limit = self.budget.output_bytes
        if limit is not None and self.output_bytes + more > limit:
            raise BudgetExceededError(f"The run has used up its budget of {limit} output_bytes.")

    def count(self, *, tokens: int, output_bytes: int) -> None:
        """Counts a model turn. BudgetExceededError if its output alone is more than was left."""
        self.turns += 1
        self.tokens += tokens
        self.output_bytes += output_bytes
        self.check_output()

    @property
    def left_seconds(self) -> float | None:
        """Seconds left in the budget; None without such a limit."""
        if self.budget.seconds is None:
            return None
        return max(0.0, self.budget.seconds - self.seconds - (monotonic() - self.began))
