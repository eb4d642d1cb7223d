"""How long a step takes, and whether one that is begun again was over before."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

import psycopg

from tests.faults.stage import Arrival

AWAY_SECONDS = 0.2
_TOOLS: Final = {"look": "tool-1-0", "count": "tool-1-1", "pay 5": "tool-1-0", "charge": "tool-1-0"}
_MODELS: Final = ("model-1", "model-2")

# What is recorded of a live segment, what the log says of earlier ones, and the end of the run.
_IS_OVER: Final = """
SELECT
    r.status NOT IN ('PENDING', 'RUNNING', 'PAUSED')
    OR EXISTS (
        SELECT FROM dbos.operation_outputs AS o
        WHERE o.workflow_uuid = r.run_id || ':' || r.segment AND o.function_name = %(step)s
    )
    OR %(event)s <= (
        SELECT count(*) FROM ai.agentos_run_events AS e
        WHERE e.run_id = r.run_id AND e.name = %(name)s AND (%(tool)s = '' OR e.text LIKE %(tool)s)
    )
FROM ai.agentos_runs AS r
WHERE r.input ->> 'input_content' = %(label)s
"""


class Pace:
    """What happens at each place that a run comes to; see `tests.faults.stage`."""

    def __init__(self, url: str, *, seconds: float, random: Random) -> None:
        self.repeated: list[Arrival] = []
        """Steps that were over and begun again all the same."""
        self._url = url.replace("+psycopg", "")
        self._seconds = seconds
        self._random = random

    async def __call__(self, arrival: Arrival, times: int) -> None:
        if (
            times > 1
            and (arrival.place in _MODELS or arrival.place in _TOOLS)
            and await self._is_over(arrival)
        ):
            self.repeated.append(arrival)
        await asyncio.sleep(self._random.uniform(0, 2 * self._seconds))

    async def _is_over(self, arrival: Arrival) -> bool:
        tool = _TOOLS.get(arrival.place)
        asked = {
            "label": arrival.label,
            "step": tool or arrival.place,
            "event": 1 if tool else 1 + _MODELS.index(arrival.place),
            "name": "ToolCallCompleted" if tool else "ModelRequestCompleted",
            "tool": f'%"tool_name":"{arrival.place.partition(" ")[0]}"%' if tool else "",
        }
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url) as connection:
                    row = await (await connection.execute(_IS_OVER, asked)).fetchone()
                    return row is not None and bool(row[0])
            except psycopg.OperationalError:
                await asyncio.sleep(AWAY_SECONDS)
