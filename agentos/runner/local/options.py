"""The options of `run` and `continue_run` in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from pydantic import BaseModel

from agentos.run.media import File, Image
from agentos.run.output_schema import output_schema
from agentos.run.records import RunInput
from agentos.run.request import RunRequest
from agentos.run.requirement import RunRequirement
from agentos.run.text import json_of
from agentos.utils.names import hint

Input = str | BaseModel | Mapping[str, Any] | Sequence[Any]
"""Text, or data that is passed to the model as JSON."""


class RunOptions(TypedDict, total=False):
    """Options of one run. In process, `user_id` also sets whose rows the run may access."""

    user_id: str | None
    session_id: str | None
    run_id: str | None
    session_state: Mapping[str, Any]
    dependencies: Mapping[str, Any]
    metadata: Mapping[str, Any]
    output_schema: Any
    images: Sequence[Image]
    files: Sequence[File]
    add_history_to_context: bool | None


class ContinueOptions(TypedDict, total=False):
    """Which run to continue and with which decisions, unless the run object is given."""

    run_id: str | None
    requirements: Sequence[RunRequirement] | None
    session_id: str | None
    user_id: str | None


def check(options: Mapping[str, Any], known: type, method: str) -> None:
    """TypeError for an option that doesn't exist: it would be ignored."""
    for name in options:
        if name not in known.__annotations__:
            raise TypeError(f"{method}() has no option {name!r}.{hint(name, known.__annotations__)}")


def refuse_id(run: object) -> None:
    """TypeError for a run's id in place of the run itself."""
    if isinstance(run, str):
        raise TypeError(
            f"continue_run() takes the run itself; for the id of a stored run, pass run_id={run!r}."
        )


def text_of(value: Input) -> str:
    """The input as text for the model."""
    return value if isinstance(value, str) else json_of(value)


def request_of(value: Input, options: RunOptions, *, stream: bool) -> RunRequest:
    """The request of an in-process run. Without a user, it may access anyone's rows."""
    check(options, RunOptions, "run")
    given: dict[str, Any] = {name: each for name, each in options.items() if name not in _OTHERWISE}
    given["output_schema"] = output_schema(options.get("output_schema"))
    images, files = list(options.get("images", ())), list(options.get("files", ()))
    return RunRequest(
        input=RunInput(input_content=text_of(value), images=images or None, files=files or None),
        stream=stream,
        anyone=not options.get("user_id"),
        history=options.get("add_history_to_context"),
        **given,
    )


_OTHERWISE = {"images", "files", "add_history_to_context"}
"""Options whose names differ from the request's fields."""
