"""The cookbook's programs, run as their first lines say."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.flows.curl import Answer, paste
from tests.flows.processes import free_port, script
from tests.flows.seeds import curls

FOLDER = Path(__file__).parents[2] / "cookbook" / "05_agent_os"


@dataclass(frozen=True)
class Example:
    """A running program of the cookbook: what it printed, and a terminal beside it."""

    port: int
    output: str
    commands: list[str]
    """The curl commands that it shows."""

    @property
    def exports(self) -> dict[str, str]:
        """The variables that it says to export."""
        return dict(re.findall(r'^export (\w+)="(\S+)"$', self.output, re.MULTILINE))

    def paste(self, command: str) -> Answer:
        return paste(command, port=self.port, env=self.exports)

    def statuses(self) -> list[int]:
        """The answers' statuses, one for each command."""
        return [self.paste(command).status for command in self.commands]


@contextmanager
def example(name: str, database: str, model: str) -> Iterator[Example]:
    path, port = FOLDER / name, free_port()
    env = {"DATABASE_URL": database, "OPENAI_API_KEY": "fake", "OPENAI_BASE_URL": model}
    with script(path, port=port, **env) as process:
        yield Example(port, process.output, curls(process.output))
