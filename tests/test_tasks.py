"""What runs in the background, tries again or finishes though cancelled, and how each of them ends."""

import asyncio
import logging

import pytest

from agentos.tasks import Deadline, StrayError, background, contained, occurs, patiently, to_the_end

LOGGER = logging.getLogger("agentos.tests")


class Failing:
    """Raises `error` so many times, then answers."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left, self.error, self.calls = times, error, 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.left:
            raise self.error
        return "done"


async def test_a_call_is_tried_again_for_as_long_as_there_are_pauses():
    assert await patiently(Failing(2, OSError()), on=OSError, pauses=[0, 0]) == "done"
    call = Failing(3, OSError("third"))
    with pytest.raises(OSError, match="third"):
        await patiently(call, on=OSError, pauses=[0, 0])
    assert call.calls == 3


async def test_any_other_error_is_raised_at_once():
    call = Failing(1, ValueError())
    with pytest.raises(ValueError):
        await patiently(call, on=OSError, pauses=[0, 0])
    assert call.calls == 1


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_what_must_finish_does_so_however_often_it_is_cancelled(times: int):
    going, done = asyncio.Event(), []

    async def work() -> str:
        await going.wait()
        done.append("done")
        return "result"

    task = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    going.set()
    await asyncio.wait([task])
    assert done == ["done"]
    assert task.cancelled() if times else task.result() == "result"


async def test_what_must_finish_may_fail_or_be_cancelled_by_itself():
    async def fails() -> None:
        raise ValueError

    async def gives_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(ValueError):
        await to_the_end(fails())
    with pytest.raises(asyncio.CancelledError):
        await to_the_end(gives_up())


async def test_an_event_occurs_or_it_does_not():
    event = asyncio.Event()
    assert not await occurs(event, within=0)
    event.set()
    assert await occurs(event, within=1)


async def test_a_background_loop_begins_again_and_says_why(caplog):
    turns, third = 0, asyncio.Event()

    async def looks() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise ConnectionError("away")
        if turns == 2:
            raise ValueError("a bug")
        third.set()
        await asyncio.Event().wait()

    async with background(looks, logger=LOGGER, expected=ConnectionError, pause=0):
        await third.wait()
    away, bug = caplog.records
    assert (away.getMessage(), away.exc_info) == ("Background loop looks failed, retrying: away", None)
    assert bug.exc_info is not None


async def test_background_loops_end_with_their_owner():
    ended = []

    async def loop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async def owner() -> None:
        async with background(loop, loop, logger=LOGGER, expected=OSError, pause=0):
            await asyncio.sleep(0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await owner()
    assert ended == ["ended", "ended"]


async def test_a_deadline_ends_what_is_inside_its_limit_and_what_enters_later():
    deadline, entered = Deadline(), asyncio.Event()

    async def inside() -> None:
        async with deadline.limit():
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(to_the_end(inside()))
    await entered.wait()
    task.cancel()  # which `to_the_end` withstands
    deadline.set(0)
    with pytest.raises(TimeoutError):
        await task
    with pytest.raises(TimeoutError):
        await inside()
    async with Deadline().limit():
        await asyncio.sleep(0)


async def test_what_others_raise_is_contained_but_a_real_cancellation():
    for stray in (SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError):
        with pytest.raises(StrayError) as found, contained():
            raise stray
        assert isinstance(found.value.raised, stray)
    with pytest.raises(KeyError), contained():
        raise KeyError

    async def waiting() -> None:
        with contained():
            await asyncio.Event().wait()

    task = asyncio.create_task(waiting())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
