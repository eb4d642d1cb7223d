"""Curl commands, run exactly as somebody would paste them."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.flows.processes import environment

# Both spellings of the address that texts say; a proxy of the machine's is none of the server's.
SETTINGS = """
silent
show-error
max-time = 60
write-out = "{end}"
connect-to = "localhost:7777:127.0.0.1:{port}"
connect-to = "127.0.0.1:7777:127.0.0.1:{port}"
"""


def settings(port: int, *, end: str = "") -> str:
    """A `.curlrc` that sends what is for port 7777 to `port`, and writes `end` after each answer."""
    return SETTINGS.format(port=port, end=end)


@dataclass(frozen=True)
class Answer:
    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The data of a stream's frames."""
        return [json.loads(line[6:]) for line in self.text.splitlines() if line.startswith("data: ")]


def paste(command: str, *, port: int, env: Mapping[str, str] | None = None) -> Answer:
    """Runs a command; its localhost:7777 is `port` here: curl's own settings file sees to that."""
    with TemporaryDirectory() as folder:
        Path(folder, ".curlrc").write_text(settings(port, end="\\n%{http_code}"))
        done = subprocess.run(
            ["bash", "-c", command],
            env=environment(CURL_HOME=folder, **(env or {})),
            capture_output=True,
            text=True,
            timeout=90,
        )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    text, _, status = done.stdout.rpartition("\n")
    return Answer(int(status), text)
