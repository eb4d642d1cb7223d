"""The request for a run: created once, by the code that talks to the caller, and stored with the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_serializer

from agentos.run.messages import Message
from agentos.run.output_schema import OutputSchema
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Json, RunInput, RunOutput
from agentos.run.value import Value

"""A pydantic class or a JSON schema that the answer must match."""
Multitask = Literal["enqueue", "reject", "interrupt", "rollback"]
"""Policy if the session already has a live run (PENDING or RUNNING): wait for it, be refused, cancel it and
wait for its end, or cancel and delete it."""


class Source(Value):
    """The run that a new one is derived from."""

    run_id: str
    messages: list[Message]
    """The first messages of the new run."""
    regenerates: bool = False
    """Whether the new run answers the same question again."""


class RunRequest(Value):
    """One run as requested. Missing ids are generated; None means the runnable's default.

    A new option is a field here, read through `RunContext.request`. Fields are stored with the run unless
    excluded: those have their own column, or matter only until the run is accepted.
    """

    model_config = ConfigDict(frozen=True)

    input: RunInput = Field(exclude=True)
    run_id: str | None = Field(default=None, exclude=True)
    session_id: str | None = Field(default=None, exclude=True)
    user_id: str | None = Field(default=None, exclude=True)
    """The run's user. The user of an existing session takes precedence."""
    anyone: bool = False
    """Whether the run may access all users' rows: for an admin's run, or a script's without a user."""
    stream: bool = True
    """Whether the caller streams the answer."""
    session_state: Json = Field(default_factory=dict[str, Any], exclude=True)
    """Merged into the session's state, key by key, before the run starts."""
    dependencies: Json = Field(default_factory=dict[str, Any])
    metadata: Json = Field(default_factory=dict[str, Any], exclude=True)
    claims: Json = Field(default_factory=dict[str, Any])
    """What instructions read under these names, whatever state, dependencies and metadata say."""
    dependency_claims: Json = Field(default_factory=dict[str, Any])
    """Dependencies by the token that continued the run. They override `dependencies`; None removes one."""
    state_claims: Json = Field(default_factory=dict[str, Any])
    """Session state that the token that continued the run sets before its segment starts."""
    output_schema: OutputSchema | None = None
    """A class isn't stored: only the process that received it can use it."""
    history: bool | None = None
    """False: the model sees no history in this run, regardless of the runnable."""
    background: bool = Field(default=False, exclude=True)
    """Whether the run is queued for any process."""
    multitask: Multitask | None = Field(default=None, exclude=True)
    """Policy if the session already has a live run. Ignored outside a server."""
    idempotency_key: str | None = Field(default=None, exclude=True)
    """The user's key for the request. A second request with it returns the first one's run."""
    fingerprint: str | None = Field(default=None, exclude=True)
    """Hash of the whole request. A known key with another fingerprint is refused."""
    source: Source | None = Field(default=None, exclude=True)
    replaces: str | None = None
    """The run that becomes REGENERATED when this one completes."""
    begun_by: str | None = None
    """Who requested it, possibly on another user's behalf. They can't approve the run's calls."""
    continued_by: str | None = None
    """Who last continued it. They can't approve its calls either."""

    @field_serializer("output_schema")
    def _without_class(self, schema: OutputSchema | None) -> Json | None:
        return None if schema is None or isinstance(schema, type) else dict(schema)

    @property
    def owner(self) -> Owner:
        """The owner whose rows the run may read and write."""
        if self.anyone:
            return ANYONE
        assert self.user_id is not None, "a request names its user, or says that it is anyone's"
        return self.user_id

    def dependencies_over(self, own: Mapping[str, Any]) -> Json:
        """The runnable's `own` dependencies, overridden by the request's."""
        fixed = self.dependency_claims
        asked = {name: value for name, value in self.dependencies.items() if name not in fixed}
        return {**own, **asked, **{name: value for name, value in fixed.items() if value is not None}}

    def nested(self, given: RunInput, run_id: str) -> RunRequest:
        """The request for a run nested in this one: for the same users, with its own input."""
        shared = {
            "user_id", "anyone", "stream", "dependencies", "metadata", "claims", "dependency_claims",
            "begun_by", "continued_by",
        }  # fmt: skip
        return RunRequest(input=given, run_id=run_id, **{name: getattr(self, name) for name in shared})

    def stored(self) -> Json:
        """The form that `restored` reads; defaults are omitted."""
        kept = self.model_dump(exclude_defaults=True)
        return {name: value for name, value in kept.items() if value is not None}

    @classmethod
    def restored(cls, run: RunOutput, stored: Json) -> RunRequest:
        """The request of a stored run, as of the start of its current segment."""
        columns = {
            "input": run.input or RunInput(input_content=""),
            "run_id": run.run_id,
            "session_id": run.session_id,
            "user_id": run.user_id,
            "metadata": run.metadata or {},
        }
        anyone = stored.get("anyone", False) or run.user_id is None
        return cls.model_validate({**stored, **columns, "anyone": anyone})
