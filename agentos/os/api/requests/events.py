"""Which events of a stream a request asks for, in a body or a query."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from agentos.os.api.requests.body import Body
from agentos.os.http.problems import InvalidRequestError
from agentos.os.http.sse import EventSelection

_TYPE = "contradictory"
_TOLD = "Contradicts stream_events, which is false for 'text' and true for 'all': send one of the two"


class EventsBody(Body):
    """A body that chooses the events of its response."""

    stream_events: bool | None = None
    """False is the same as `events=text`, true as `events=all`."""
    events: EventSelection | None = None
    """Which events to stream. `all`, the default; `text`: the pieces of the answer, a pause or an error, and
    nothing of nested runs; `none`: only the event that ends the stream."""

    @field_validator("events")
    @classmethod
    def _consistent(cls, value: EventSelection | None, info: ValidationInfo) -> EventSelection | None:
        if not _agree(value, info.data.get("stream_events")):
            raise PydanticCustomError(_TYPE, _TOLD)
        return value

    @property
    def selection(self) -> EventSelection:
        """The events to stream."""
        return self.events or _meant(self.stream_events)


class AnsweredBody(EventsBody):
    """A body that also chooses how its response is given."""

    stream: bool = True
    """Whether to stream server-sent events. Otherwise the response contains the finished run."""
    background: bool = False
    """Queue the run for any process. Unless it is streamed, the response is 202 with the run's id."""


async def selection_of(
    events: Annotated[
        EventSelection | None,
        Query(description="`all`, the default; `text`: the pieces of the answer; `none`: only its end."),
    ] = None,
    stream_events: Annotated[
        bool | None, Query(description="False is the same as `events=text`, true as `events=all`.")
    ] = None,
) -> EventSelection:
    """The events that the query asks for."""
    if not _agree(events, stream_events):
        raise InvalidRequestError(
            [{"type": _TYPE, "loc": ("query", "events"), "msg": _TOLD, "input": events}]
        )
    return events or _meant(stream_events)


SelectedEvents = Annotated[EventSelection, Depends(selection_of)]


def _meant(stream_events: bool | None) -> EventSelection:
    return "text" if stream_events is False else "all"


def _agree(events: EventSelection | None, stream_events: bool | None) -> bool:
    return events is None or stream_events is None or events == _meant(stream_events)
