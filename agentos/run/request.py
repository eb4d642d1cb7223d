"""What a caller asks of a runnable: made once, by whoever speaks to the caller, and stored with the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer

from agentos.run.messages import Message
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Json, RunInput, RunOutput
from agentos.run.value import Value

OutputSchema = type[BaseModel] | Mapping[str, Any]
"""A pydantic class, or a JSON schema, that the answer must fit."""
Multitask = Literal["enqueue", "reject", "interrupt", "rollback"]
"""What a run does if another one of its session is live (PENDING or RUNNING): wait for it, be refused, cancel
it and wait for its end, or cancel it and leave nothing of it."""


class Source(Value):
    """The run that a new one branches off from."""

    run_id: str
    messages: list[Message]
    """What the new run's conversation begins with."""
    regenerates: bool = False
    """Whether the new run answers the same question again."""


class RunRequest(Value):
    """One run as it was asked for. Ids left out are made up; None means "as the runnable says".

    A new option is a field here and its use on `RunContext.request`. Fields are stored with the run unless
    they are excluded: those have a column of their own, or matter only until the run is accepted.
    """

    model_config = ConfigDict(frozen=True)

    input: RunInput = Field(exclude=True)
    run_id: str | None = Field(default=None, exclude=True)
    session_id: str | None = Field(default=None, exclude=True)
    user_id: str | None = Field(default=None, exclude=True)
    """Whose run it is. An existing session's user takes precedence."""
    anyone: bool = False
    """Whether the run may touch every user's rows: an administrator's run, or a script's without a user."""
    stream: bool = True
    """Whether the caller reads the answer piece by piece."""
    session_state: Json = Field(default_factory=dict[str, Any], exclude=True)
    """Put over the session's state, key by key, before the run begins."""
    dependencies: Json = Field(default_factory=dict[str, Any])
    metadata: Json = Field(default_factory=dict[str, Any], exclude=True)
    output_schema: OutputSchema | None = None
    """A class isn't stored: only the process that was given it can use it."""
    history: bool | None = None
    """False: the model sees no history in this run, whatever the runnable says."""
    background: bool = Field(default=False, exclude=True)
    """Whether any process may execute it, when there is room."""
    multitask: Multitask | None = Field(default=None, exclude=True)
    """Policy if the session already has a live run. Ignored outside a server."""
    idempotency_key: str | None = Field(default=None, exclude=True)
    """The user's own name for the request: a second request with it gets the first one's run."""
    fingerprint: str | None = Field(default=None, exclude=True)
    """Of the whole request: a known key with another fingerprint is refused."""
    source: Source | None = Field(default=None, exclude=True)
    replaces: str | None = None
    """The run that becomes REGENERATED when this one completes."""
    begun_by: str | None = None
    """Who asked for it, perhaps on another user's behalf. They can't approve the run's calls."""
    continued_by: str | None = None
    """Who continued it last. They can't approve its calls either."""

    @field_serializer("output_schema")
    def _without_class(self, schema: OutputSchema | None) -> Json | None:
        return None if schema is None or isinstance(schema, type) else dict(schema)

    @property
    def owner(self) -> Owner:
        """Whose rows the run may read and write."""
        if self.anyone:
            return ANYONE
        assert self.user_id is not None, "a request names its user, or says that it is anyone's"
        return self.user_id

    def nested(self, given: RunInput, run_id: str) -> RunRequest:
        """The request of a run within this one: on behalf of the same people, with an input of its own."""
        shared = {"user_id", "anyone", "stream", "dependencies", "metadata", "begun_by", "continued_by"}
        return RunRequest(input=given, run_id=run_id, **{name: getattr(self, name) for name in shared})

    def stored(self) -> Json:
        """What `restored` reads back; defaults are left out."""
        kept = self.model_dump(exclude_defaults=True)
        return {name: value for name, value in kept.items() if value is not None}

    @classmethod
    def restored(cls, run: RunOutput, stored: Json) -> RunRequest:
        """The request of a stored run, as it was when the run's present segment began."""
        columns = {
            "input": run.input or RunInput(input_content=""),
            "run_id": run.run_id,
            "session_id": run.session_id,
            "user_id": run.user_id,
            "metadata": run.metadata or {},
        }
        anyone = stored.get("anyone", False) or run.user_id is None
        return cls.model_validate({**stored, **columns, "anyone": anyone})
