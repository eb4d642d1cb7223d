"""A session as lines of JSON: the session, its media, then each run that has ended with its event log.

    {"type": "session", "version": 2, "runs": 1, "media": 1, "left_out": 0, "session": {…}}
    {"type": "media", "key": "…", "mime_type": "image/png", "content": "…"}
    {"type": "run", "events": 2, "run": {…}, "state": {"put": {"n": 1}, "removed": []}}
    {"type": "event", "seq": 1, "name": "RunStarted", "text": "{…}"}
    {"type": "event", "seq": 2, …}

`state` is how the session's state after the run differs from the one after the run before; in files of
version 1 a run says the whole state instead. The counts show a file that was cut off. Reading trusts nothing:
what would end up in the database, or on the wire as it is, is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from pydantic import Base64Bytes, ConfigDict, Field, NonNegativeInt, TypeAdapter, ValidationError

from agentos.db.contracts.events import LoggedEvent
from agentos.errors import InvalidInputError
from agentos.run.records import Json, RunOutput, Session, media_of
from agentos.run.text import json_of
from agentos.run.value import Value
from agentos.run.wire import decode_event, event_name

VERSION: Final = 2
MAX_SEQ: Final = 2**31 - 1
"""The largest `seq` that the log can hold."""


class SessionLine(Value):
    """The first line."""

    type: Literal["session"] = "session"
    version: Literal[1, 2] = VERSION
    runs: NonNegativeInt
    """Number of run lines that follow."""
    media: NonNegativeInt = 0
    """Number of media lines that follow before the first run."""
    left_out: NonNegativeInt = 0
    """Number of unfinished runs, which are not exported."""
    session: Session


class MediaLine(Value):
    """The bytes of an image or a document."""

    type: Literal["media"] = "media"
    key: str
    mime_type: str | None = None
    content: Base64Bytes


class StateLine(Value):
    """A change of the session's state, as in `contracts.runs.StateChange`."""

    put: Json = Field(default_factory=dict[str, Any])
    removed: list[str] = Field(default_factory=list[str])


class RunLine(Value):
    """A run."""

    type: Literal["run"] = "run"
    events: NonNegativeInt
    """Number of event lines that follow."""
    run: RunOutput
    state: StateLine | None = None
    """None: the run says the whole state, if it is known."""


class EventLine(Value):
    """An event in the log of the preceding run."""

    type: Literal["event"] = "event"
    seq: Annotated[int, Field(gt=0, le=MAX_SEQ)]
    name: Annotated[str, Field(pattern=r"^[A-Za-z]+$")]
    """Sent unchanged in a server-sent event."""
    text: str

    @property
    def event(self) -> LoggedEvent:
        """The event as storage takes it."""
        return LoggedEvent(self.seq, self.name, self.text)


AnyLine = SessionLine | MediaLine | RunLine | EventLine
_LINES: TypeAdapter[AnyLine] = TypeAdapter(
    Annotated[AnyLine, Field(discriminator="type")], config=ConfigDict(defer_build=True)
)


def written(line: AnyLine) -> str:
    """The encoded line, with its newline."""
    return json_of(line) + "\n"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has stored."""

    session_id: str
    user_id: str | None
    runs: int
    events: int


class Reading:
    """Reads the lines of one file in order. InvalidInputError names the first invalid one."""

    def __init__(self) -> None:
        self._number = 0
        self._session_id: str | None = None
        self._runs = 0
        self._events = 0
        self._seq = 0
        self._media = 0
        self._keys: set[str] = set()
        self._run_ids: set[str] = set()
        """The last run and those nested in it that its events have named so far."""

    def read(self, text: str | bytes) -> AnyLine:
        """Parses the next line."""
        self._number += 1
        line = self._parsed(text)
        match line:
            case SessionLine():
                self._check(self._session_id is None, "there is one session in a file")
                self._session_id, self._runs = line.session.session_id, line.runs
                self._media = line.media
            case MediaLine():
                self._check(self._media > 0, "the session has no more media")
                self._check(sha256(line.content).hexdigest() == line.key, "the key isn't the content's")
                self._media -= 1
                self._keys.add(line.key)
            case RunLine():
                self._check_run(line)
                self._runs, self._events, self._seq = self._runs - 1, line.events, 0
                self._run_ids = {line.run.run_id}
            case EventLine():
                self._check(self._events > 0, "the run before it has no more events")
                self._check(line.seq > self._seq, "seq must grow")
                self._check_event(line)
                self._events, self._seq = self._events - 1, line.seq
        return line

    def end(self) -> None:
        """Checks that the file is complete."""
        self._number += 1
        self._check(self._session_id is not None, "there is no session")
        is_whole = self._runs == 0 and self._events == 0 and self._media == 0
        self._check(is_whole, "the file was cut off here")

    def _parsed(self, text: str | bytes) -> AnyLine:
        try:
            return _LINES.validate_json(text)
        except ValidationError as error:
            place = [str(part) for part in error.errors(include_input=False)[0]["loc"]]
            where = f"{'.'.join(place)!r} isn't" if place else "this isn't"
            message = f"Line {self._number}: {where} what an export of version {VERSION} has there."
            raise InvalidInputError(message, field="lines") from error

    def _check_run(self, line: RunLine) -> None:
        self._check(self._session_id is not None, "the session must come first")
        self._check(self._events == 0, "events of the run before it are missing")
        self._check(self._runs > 0, "the session has no more runs")
        self._check(line.run.session_id == self._session_id, "the run is another session's")
        self._check(line.run.status.is_final, "the run hasn't ended")
        self._check(self._media == 0, "media of the session are missing")
        referred = {media.key for media in media_of(line.run.input, line.run.messages)} - {None}
        self._check(referred <= self._keys, "the run refers to media that aren't in the file")

    def _check_event(self, line: EventLine) -> None:
        is_line = "\n" not in line.text and "\r" not in line.text  # they would end a server-sent event's line
        self._check(is_line, "text must be one line")
        try:
            event = decode_event(line.text)
        except ValueError as error:
            raise self._fault("text must be the JSON of an event") from error
        origin = event.origin
        assert origin is not None, "a decoded event has one"
        self._check(line.name == event_name(event, origin.kind), "name isn't that of the event")
        self._check(origin.session_id == self._session_id, "the event is another session's")
        self._check(
            origin.run_id in self._run_ids or origin.parent_run_id in self._run_ids,
            "the event is another run's",
        )
        self._run_ids.add(origin.run_id)

    def _check(self, is_right: bool, otherwise: str) -> None:
        if not is_right:
            raise self._fault(otherwise)

    def _fault(self, what: str) -> InvalidInputError:
        return InvalidInputError(f"Line {self._number}: {what}.", field="lines")
