"""What a new run takes over from another one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.errors import ConflictError, InvalidInputError
from agentos.run.media import Image
from agentos.run.messages import FunctionCall, Message, ToolCall, ToolExecution
from agentos.run.records import RunInput, RunOutput, RunStatus
from agentos.runner.branches import Branch, branched, points

SYSTEM = Message(role="system", content="be brief")
QUESTION = Message(role="user", content="why?")
ANSWER = Message(role="assistant", content="because")


def asking(*ids):
    calls = [ToolCall(id=each, function=FunctionCall(name="look")) for each in ids]
    return Message(role="assistant", tool_calls=calls)


def told(call_id):
    return Message(role="tool", tool_call_id=call_id, content="seen")


def a_run(*messages, status=RunStatus.COMPLETED, asked="why?", **fields):
    return RunOutput(
        run_id="r1",
        kind="agent",
        runnable_id="web",
        session_id="s1",
        status=status,
        input=RunInput(input_content=asked),
        messages=list(messages),
        **fields,
    )


PLAIN = a_run(SYSTEM, QUESTION, asking("a", "b"), told("a"), told("b"), ANSWER)
WAITING = a_run(
    SYSTEM,
    QUESTION,
    asking("a"),
    status=RunStatus.PAUSED,
    tools=[ToolExecution(tool_call_id="a", tool_name="look", requires_confirmation=True)],
)


def contents(run, **wanted):
    asked, source = branched(run, Branch(**wanted))
    return asked.input_content, [message.content for message in source.messages], source


def test_an_answer_is_asked_for_anew():
    asked, texts, source = contents(PLAIN, regenerate=True)
    assert (asked, texts) == ("why?", ["be brief", "why?"])
    assert source.regenerates
    assert Branch(regenerate=True).replaces
    assert not Branch(regenerate=True, replace_original=False).replaces
    *_, more = contents(PLAIN, regenerate=True, additional_instructions="in verse")[1]
    assert "in verse" in more


def test_a_correction_isnt_the_question():
    corrected = a_run(QUESTION, ANSWER, Message(role="user", content="Answer again, as JSON."), ANSWER)
    assert contents(corrected, regenerate=True)[1] == ["why?"]


def test_what_the_runnable_wrote_isnt_the_question_even_if_that_was_empty():
    empty = Message(role="user", content="")
    for name, kept in (("correction", 1), (None, 3)):
        more = Message(role="user", name=name, content="Answer again, as JSON.")
        corrected = a_run(empty, ANSWER, more, ANSWER, asked="why?")
        assert len(contents(corrected, regenerate=True)[1]) == kept


def test_a_run_that_never_spoke_begins_anew():
    silent = a_run(status=RunStatus.ERROR)
    assert contents(silent, regenerate=True)[:2] == ("why?", [])
    assert contents(silent, continue_from="last_user", input="how?")[:2] == ("how?", [])
    assert contents(silent, regenerate=True, additional_instructions="x")[:2] == ("why?\n\nx", [])


FORKS = [
    ({"input": "and then?"}, "and then?", [*(each.content for each in PLAIN.messages), "and then?"]),
    ({"input": "how?", "continue_from": "last_user"}, "how?", ["be brief", "how?"]),
    ({"continue_from": "last_user"}, "why?", ["be brief", "why?"]),
    ({"continue_from": 5}, "why?", ["be brief", "why?", None, "seen", "seen"]),
    ({"continue_from": 3}, "why?", ["be brief", "why?", None]),
    ({"continue_from": 5, "input": "so?"}, "so?", ["be brief", "why?", None, "seen", "seen", "so?"]),
    ({"continue_from": 1, "input": "so?", "fork": True}, "so?", ["be brief", "so?"]),
]


@pytest.mark.parametrize(("wanted", "asked", "texts"), FORKS)
def test_a_fork_begins_with_what_is_kept(wanted, asked, texts):
    found = contents(PLAIN, **wanted)
    assert found[:2] == (asked, texts)
    assert not found[2].regenerates
    assert not Branch(**wanted).replaces


def test_an_edited_message_keeps_what_was_sent_with_it():
    image = Image(url="https://example.org/a.png")
    pictured = Message(role="user", content="why?", images=[image])
    wanted = Branch(input="who?", continue_from="last_user")
    asked, source = branched(a_run(SYSTEM, pictured, ANSWER), wanted)
    assert asked.images == source.messages[-1].images == [image]


REFUSED = [
    (PLAIN, {"fork": True, "regenerate": True}, "regenerate"),
    (PLAIN, {"regenerate": True, "input": "x"}, "regenerate"),
    (PLAIN, {"regenerate": True, "continue_from": 2}, "regenerate"),
    (PLAIN, {"fork": True, "additional_instructions": "x"}, "regenerate"),
    (PLAIN, {"fork": True, "replace_original": True}, "regenerate"),
    (PLAIN, {"fork": True}, "input"),
    (PLAIN, {"continue_from": 1}, "input"),
    (PLAIN, {"continue_from": 0, "input": "x"}, "continue_from"),
    (PLAIN, {"continue_from": 7, "input": "x"}, "continue_from"),
    (PLAIN, {"continue_from": -1, "input": "x"}, "continue_from"),
    (PLAIN, {"continue_from": 3, "input": "x"}, "continue_from"),
    (PLAIN, {"continue_from": 4, "input": "x"}, "continue_from"),
    (WAITING, {"input": "x"}, "continue_from"),
    (WAITING, {"fork": True}, "continue_from"),
    (WAITING, {"continue_from": 3}, "continue_from"),
]


@pytest.mark.parametrize(("run", "wanted", "field"), REFUSED)
def test_what_makes_no_sense_is_refused(run, wanted, field):
    with pytest.raises(InvalidInputError) as refused:
        branched(run, Branch(**wanted))
    assert refused.value.field == field


def test_a_paused_run_is_forked_before_its_waiting_calls():
    assert contents(WAITING, continue_from=2)[1] == ["be brief", "why?"]
    assert contents(WAITING, continue_from="last_user", input="how?")[1] == ["be brief", "how?"]
    with pytest.raises(ConflictError):
        branched(WAITING, Branch(regenerate=True))


@pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.RUNNING])
def test_a_live_run_isnt_branched(status):
    live = PLAIN.model_copy(update={"status": status})
    for wanted in (Branch(regenerate=True), Branch(input="x"), Branch(fork=True)):
        with pytest.raises(ConflictError):
            branched(live, wanted)


def test_the_places_to_go_on_from_leave_no_call_open():
    assert points(PLAIN) == [2, 5, 6]
    assert points(WAITING) == [2]
    assert points(a_run(SYSTEM)) == []


ROUNDS = st.lists(st.sampled_from(["question", "answer", "calls", "cut off"]), min_size=1, max_size=6).map(
    lambda kinds: ["question", *kinds]
)


def spoken(kinds):
    messages = [SYSTEM]
    for number, kind in enumerate(kinds):
        match kind:
            case "question":
                messages.append(Message(role="user", content=f"q{number}"))
            case "answer":
                messages.append(ANSWER)
            case "calls":
                messages += [asking(f"{number}"), told(f"{number}")]
            case _:
                pass
    return [*messages, asking("open")] if kinds[-1] == "cut off" else messages


def is_sound(messages):
    """Every call is answered before anything else is said, but for those at the very end."""
    open_calls = set()
    for message in messages:
        if message.role == "tool":
            open_calls.discard(message.tool_call_id)
        elif open_calls:
            return False
        open_calls |= {call.id for call in message.tool_calls or ()}
    return not messages or messages[-1].role != "assistant" or bool(open_calls)


WANTED = st.builds(
    Branch,
    input=st.none() | st.just("more"),
    continue_from=st.sampled_from(["end", "last_user"]) | st.integers(-1, 16),
    fork=st.booleans(),
    regenerate=st.booleans(),
    replace_original=st.none() | st.booleans(),
    additional_instructions=st.none() | st.just("in verse"),
)


@given(ROUNDS, WANTED, st.sampled_from(RunStatus))
def test_a_branch_is_a_sound_copy_or_a_refusal(kinds, wanted, status):
    messages = spoken(kinds)
    asked = next(each.content for each in reversed(messages) if each.role == "user")
    run = a_run(*messages, status=status, asked=asked)
    before = run.model_dump_json()
    try:
        given_input, source = branched(run, wanted)
    except (InvalidInputError, ConflictError):
        return
    finally:
        assert run.model_dump_json() == before
    new = list(source.messages)
    assert is_sound(new)
    assert source.run_id == run.run_id
    assert status.is_final or status is RunStatus.PAUSED
    assert not {each.id for each in new} & {each.id for each in messages}
    assert len({each.id for each in new}) == len(new)
    added = sum(each is not None for each in (wanted.input, wanted.additional_instructions))
    kept = [each.content for each in new[: len(new) - added]]
    assert kept == [each.content for each in messages[: len(kept)]]
    assert given_input.input_content == (wanted.input or given_input.input_content)
