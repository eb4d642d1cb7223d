"""Executes runs durably: `killed.py URL start|stay|resume PLACE...`, a run for each place.

Prints a line for each step that begins and each run that ends. With `start`, and with `stay`, which resumes
them, runs stay where their place says: in the middle of a step or at its end. With `resume` they end.
"""

import asyncio
import sys

from agentos.models.base import ModelDelta, ModelResponse
from agentos.runner.durable.steps import RecordedSteps
from agentos.tools.result import ToolResult
from tests.runner.durable.segments import all_of, context_of, engine

STEPS = {
    "model-1": [ModelDelta("Let me "), ModelDelta("see"), ModelResponse(content="Let me see")],
    "tool-1-0": [ToolResult("4")],
    "tool-1-1": [ToolResult("5")],
    "model-2": [ModelDelta("9"), ModelResponse(content="9")],
}
PARALLEL = {"tool-1-0", "tool-1-1"}


async def main(url: str, command: str, places: list[str]) -> None:
    ended = asyncio.Semaphore(0)

    async def stay_at(here: str, place: str) -> None:
        if command != "resume" and here == place:
            print("stays", place, flush=True)
            await asyncio.Event().wait()

    async def execute(place: str, segment: int) -> None:
        steps = RecordedSteps(context_of(place), max_state=1024)

        async def source(name):
            print("begins", place, name, flush=True)
            for item in STEPS[name][:-1]:
                yield item
            await stay_at(f"in:{name}", place)
            yield STEPS[name][-1]

        async def step(name):
            *_, last = await all_of(steps(name, lambda: source(name)))
            await stay_at(f"after:{name}", place)
            return last.content

        said = [await step("model-1")]
        said += await asyncio.gather(*(step(name) for name in sorted(PARALLEL)))
        said.append(await step("model-2"))
        print("ends", place, *(each.replace(" ", "_") for each in said), flush=True)
        ended.release()

    async with engine(url, execute) as durable:
        begin = durable.start if command == "start" else durable.resume
        for place in places:
            await begin(place, 0)
        for _ in places:
            await ended.acquire()
    print("done", flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
