"""One client's run: begun, followed from process to process, cancelled or decided about, to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from tests.faults.cluster import Replica
from tests.faults.follower import TERMINAL, Follower, Frame

PAUSE_SECONDS = 0.1
"""Between the tries to reach somebody."""
STORY_SECONDS = 240
"""Longer than any run can wait and take here."""


@dataclass(frozen=True, slots=True)
class Plot:
    """What a client does."""

    agent: str
    background: bool = False
    cancels: bool = False


PLOTS: Final = {
    Plot("plain"): 3,
    Plot("talker"): 2,
    Plot("durable"): 5,
    Plot("careful"): 1,
    Plot("durable-talker"): 2,
    Plot("durable", background=True): 3,
    Plot("plain", background=True): 2,
    Plot("durable-paying"): 2,
    Plot("paying"): 1,
    Plot("durable", cancels=True): 1,
    Plot("talker", background=True, cancels=True): 1,
}
"""How often each of them is chosen."""


@dataclass(slots=True)
class Story:
    """What one client has seen."""

    label: str
    plot: Plot
    run_id: str | None = None
    frames: list[Frame] = field(default_factory=list[Frame])
    reconnects: int = -1
    is_over: bool = False

    @property
    def last(self) -> int:
        return self.frames[-1].id if self.frames else 0


class Teller:
    """Goes through stories; a server that doesn't answer is left for another one."""

    def __init__(self, any_replica: Callable[[], Replica | None], random: Random) -> None:
        self._any_replica = any_replica
        self._random = random

    async def tell(self, story: Story) -> None:
        """To its end; it isn't over afterwards if that takes too long."""
        cancelling: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(STORY_SECONDS):
                while not story.is_over:
                    follower = await self._connect(story)
                    await self._read(story, follower)
                    if story.plot.cancels and cancelling is None and story.run_id is not None:
                        cancelling = asyncio.create_task(self._cancel(story, story.run_id))
        except TimeoutError:
            pass
        finally:
            if cancelling is not None:
                await cancelling

    async def _connect(self, story: Story) -> Follower:
        """One connection to somebody, by whatever the story has come to."""
        plot, replica = story.plot, await self._replica()
        story.reconnects += 1
        if story.run_id is None:
            # Whether the first try was accepted nobody knows who didn't hear of it.
            headers = {"Idempotency-Key": story.label}
            return replica.run(plot.agent, story.label, background=plot.background, headers=headers)
        if story.frames[-1].event == "RunPaused":
            answers = await self._answers(replica, story, story.run_id)
            if answers:
                return replica.proceed(plot.agent, story.run_id, answers)
        return replica.follow(plot.agent, story.run_id, after=story.last)

    async def _read(self, story: Story, follower: Follower) -> None:
        """To the connection's end, or to where the client loses it."""
        patience = self._random.choice([1, 2, 5, 10**6, 10**6])
        await follower.some(patience)
        await follower.leave()
        story.frames += follower.frames
        if follower.frames:
            story.run_id = story.frames[0].data["run_id"]
            story.is_over = story.frames[-1].event in TERMINAL
        else:
            await asyncio.sleep(PAUSE_SECONDS)

    async def _answers(self, replica: Replica, story: Story, run_id: str) -> list[dict[str, Any]]:
        """What a person says; nothing, if the run goes on already or nobody answers."""
        try:
            answered = await replica.client.get(f"/agents/{story.plot.agent}/runs/{run_id}")
        except httpx.TransportError:
            return []
        run: dict[str, Any] = answered.json() if answered.status_code == 200 else {}
        waiting = [each["tool_execution"] for each in run.get("requirements", ())]
        return [{**tool, "confirmed": self._random.random() < 0.8} for tool in waiting]

    async def _cancel(self, story: Story, run_id: str) -> None:
        await asyncio.sleep(self._random.uniform(0, 1))
        while not story.is_over:
            replica = await self._replica()
            try:
                if await replica.cancel(story.plot.agent, run_id) in {200, 409}:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(PAUSE_SECONDS)

    async def _replica(self) -> Replica:
        while True:
            if replica := self._any_replica():
                return replica
            await asyncio.sleep(PAUSE_SECONDS)
