"""Curl commands, run exactly as somebody would paste them."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.flows.processes import environment

SETTINGS = """
silent
show-error
max-time = 60
write-out = "\\n%{{http_code}}"
connect-to = "localhost:7777:127.0.0.1:{port}"
"""


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
        Path(folder, ".curlrc").write_text(SETTINGS.format(port=port))
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
