"""New runs derived from another one: forks, edited questions and regenerated answers.

Pure: stored values aren't changed, and everything that is reused is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from agentos.errors import ConflictError, InvalidInputError
from agentos.run.messages import Message, last_turn
from agentos.run.records import RunInput, RunOutput
from agentos.run.request import Source

Point = Literal["end", "last_user"] | int
"""How much of a conversation is kept: all, up to the user's last message, or a number of messages."""


@dataclass(frozen=True, slots=True)
class Branch:
    """How to derive a run from one that isn't live. The names are the peer's."""

    input: str | None = None
    """The user's next message; with `last_user` it replaces the user's last message."""
    continue_from: Point = "end"
    fork: bool = False
    regenerate: bool = False
    """Answer the same question again."""
    replace_original: bool | None = None
    """Whether the new answer replaces the original one. False: it doesn't."""
    additional_instructions: str | None = None
    """Additional instructions for the new answer."""

    @property
    def is_wanted(self) -> bool:
        """Whether a new run is requested. Otherwise the existing run, which must be paused, continues."""
        return self.input is not None or self.continue_from != "end" or self.fork or self.regenerate

    @property
    def replaces(self) -> bool:
        """Whether the original run becomes REGENERATED once the new one has completed."""
        return self.regenerate and self.replace_original is not False


def branched(run: RunOutput, wanted: Branch) -> tuple[RunInput, Source]:
    """The input of the new run, and the conversation that it starts with.

    InvalidInputError for contradictory options, ConflictError if the run's status doesn't allow it.
    """
    _check(run, wanted)
    return _regenerated(run, wanted) if wanted.regenerate else _forked(run, wanted)


def points(run: RunOutput) -> list[int]:
    """The message counts after which the run can be continued: those without unanswered calls."""
    first = next((place for place, each in enumerate(run.messages) if each.role == "user"), None)
    if first is None:
        return []
    numbers = range(first + 1, len(run.messages) + 1)
    return [number for number in numbers if _open_turn(run.messages[:number]) is None]


def refuse_nested(run: RunOutput) -> None:
    """ConflictError for a nested run, which can be changed only through its root."""
    if run.root_run_id is not None:
        raise ConflictError(f"The run is a part of run {run.root_run_id!r}: ask for that one.")


def _check(run: RunOutput, wanted: Branch) -> None:
    refuse_nested(run)
    if not (run.status.is_final or run.is_paused):
        raise ConflictError(f"The run is {run.status.value}: wait until it is over, or cancel it.")
    if not wanted.regenerate:
        if wanted.additional_instructions is not None or wanted.replace_original:
            raise InvalidInputError(
                "additional_instructions and replace_original go with regenerate=true.", field="regenerate"
            )
        return
    if wanted.fork:
        raise InvalidInputError("Send fork or regenerate, not both.", field="regenerate")
    if wanted.input is not None or wanted.continue_from != "end":
        raise InvalidInputError(
            "A regenerated run answers the same question: leave out input and continue_from.",
            field="regenerate",
        )
    if run.is_paused:
        raise ConflictError("The run waits for a person: decide on its calls, or cancel it.")


def _regenerated(run: RunOutput, wanted: Branch) -> tuple[RunInput, Source]:
    asked, more = run.input or RunInput(input_content=""), wanted.additional_instructions
    messages = _copies(run.messages[: _question(run) + 1])
    if more is not None and messages:
        text = f"Answer what is asked above, and heed this: {more}"
        messages.append(Message(role="user", content=text))
    elif more is not None:
        asked = asked.model_copy(update={"input_content": f"{asked.input_content}\n\n{more}"})
    return asked, Source(run_id=run.run_id, messages=messages, regenerates=True)


def _forked(run: RunOutput, wanted: Branch) -> tuple[RunInput, Source]:
    kept = run.messages[: _number(run, wanted)]
    open_turn = _open_turn(kept)
    if open_turn is not None and run.is_paused:
        raise InvalidInputError(
            f"The run waits for a person at this point: continue_from can be {open_turn} at most.",
            field="continue_from",
        )
    if wanted.input is None:
        if kept and open_turn is None and kept[-1].role not in {"user", "tool"}:
            raise InvalidInputError(
                "There is nothing to answer at this point: send input, or a continue_from before the answer.",
                field="input",
            )
        return _asked(run, kept), Source(run_id=run.run_id, messages=_copies(kept))
    if open_turn is not None:
        raise InvalidInputError(
            f"The last calls at this point have no answers: send continue_from={open_turn} or less.",
            field="continue_from",
        )
    said = _said(run, wanted.input, wanted.continue_from)
    messages = _copies(kept)
    if messages:  # otherwise the run begins anew, and says it itself
        messages.append(
            Message(role="user", content=said.input_content, images=said.images, files=said.files)
        )
    return said, Source(run_id=run.run_id, messages=messages)


def _number(run: RunOutput, wanted: Branch) -> int:
    """Number of messages to keep."""
    match wanted.continue_from:
        case "end":
            return len(run.messages)
        case "last_user":
            question = _question(run)
            return max(question, 0) if wanted.input is not None else question + 1
        case number:
            if not 1 <= number <= len(run.messages):
                raise InvalidInputError(
                    f"continue_from is end, last_user, or 1 to {len(run.messages)}, the number of messages.",
                    field="continue_from",
                )
            return number


def _question(run: RunOutput) -> int:
    """Index of the user's last message in this run; -1 if there is none.

    Messages that the runnable writes in the user's name, such as corrections for the model, don't count.
    """
    users = [place for place, each in enumerate(run.messages) if each.is_question]
    asked = run.input.input_content if run.input else ""
    texts = {place: run.messages[place].content or "" for place in users}
    exact = [place for place in users if texts[place] == asked]
    begun = [place for place in users if texts[place].startswith(asked)]
    return (exact or begun or users or [-1])[-1]


def _open_turn(messages: Sequence[Message]) -> int | None:
    """Index of the last message with calls, if one of them is unanswered."""
    place, unanswered = last_turn(messages)
    return place if unanswered else None


def _asked(run: RunOutput, kept: Sequence[Message]) -> RunInput:
    """The question that a fork without input answers."""
    if run.input is not None and _question(run) < len(kept):
        return run.input
    last = next((each for each in reversed(kept) if each.is_question), None)
    return _input_of(last) if last else run.input or RunInput(input_content="")


def _said(run: RunOutput, text: str, point: Point) -> RunInput:
    """The user's message with new text; attachments are kept."""
    place = _question(run)
    if point != "last_user" or place < 0:
        return RunInput(input_content=text)
    return _input_of(run.messages[place]).model_copy(update={"input_content": text})


def _input_of(message: Message) -> RunInput:
    return RunInput(input_content=message.content or "", images=message.images, files=message.files)


def _copies(messages: Sequence[Message]) -> list[Message]:
    return [message.model_copy(update={"id": str(uuid4())}, deep=True) for message in messages]
