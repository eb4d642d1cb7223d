"""Teams: runnables whose model delegates to members."""

from agentos.team.mode import TeamMode
from agentos.team.team import Team

__all__ = ["Team", "TeamMode"]
