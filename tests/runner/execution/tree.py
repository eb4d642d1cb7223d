"""A root with children and grandchildren, which are played all at once."""

from __future__ import annotations

import asyncio
from collections import Counter

from agentos.run.events import RunContent
from agentos.run.messages import ToolExecution
from agentos.runner.settings import RunSettings
from tests.runner.script import Script, probe, turn

LEAVES = {"a": 1, "b": 10, "c": 100, "d": 1000}
"""The grandchildren, and the tokens of each."""


class Tree:
    """A root with two children, `left` and `right`, who have two each: `a b` and `c d`. All at once."""

    def __init__(self, db, **settings):
        self.takes: Counter[str] = Counter()
        """How often each run of the tree was played."""
        self.leaf = probe("leaf", self._leaf)
        self.branch = probe("branch", self._branch)
        self.root = Script(self._root, RunSettings(db=db, **settings), id="root", name="Root")

    async def _root(self, context):
        self.takes["root"] += 1
        yield RunContent(content="I ask.")
        answers = await asyncio.gather(
            context.child(self.branch, "a b", name="left"), context.child(self.branch, "c d", name="right")
        )
        context.run.content = " ".join(str(each.content) for each in answers)

    async def _branch(self, context):
        asked = context.run.input.input_content
        self.takes[asked] += 1
        yield RunContent(content=f"I ask {asked}.")
        answers = [context.child(self.leaf, name, name=name) for name in asked.split()]
        context.run.content = "+".join(str(each.content) for each in await asyncio.gather(*answers))

    async def _leaf(self, context):
        name = context.run.input.input_content
        self.takes[name] += 1
        context.session_state.setdefault("leaves", []).append(name)
        yield RunContent(content=await turn(context, "model-1", name.upper(), tokens=LEAVES[name]))


class Asking(Tree):
    """The leaf `c` asks a person, each time it isn't told."""

    async def _leaf(self, context):
        if context.run.input.input_content == "c":
            if not context.run.tools:
                wanted = {"tool_name": "pay", "tool_args": {"amount": 5}, "requires_confirmation": True}
                context.run.tools = [ToolExecution(tool_call_id="call-1", **wanted)]
                self.takes["asks"] += 1
                return
            if context.run.tools[0].confirmed is False:
                context.run.content = "not paid"
                return
        async for event in super()._leaf(context):
            yield event

    async def _branch(self, context):
        async for event in super()._branch(context):
            yield event
        if context.run.requirements:
            context.run.content = None
