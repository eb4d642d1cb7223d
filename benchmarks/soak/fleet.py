"""The replicas and their database, and what happens to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Literal

from agentos.db.embedded import EmbeddedPostgres
from tests.faults.cluster import Cluster, Replica

Fault = Literal["kill", "stop", "database"]


@dataclass(slots=True)
class Life:
    """One process from its start to its end."""

    name: str
    replica: Replica
    began: float = field(default_factory=monotonic)
    seconds: float = 0
    memory: list[int] = field(default_factory=list[int])
    """MiB, looked at again and again."""

    def look(self) -> None:
        self.seconds = monotonic() - self.began
        status = Path(f"/proc/{self.replica.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        if "VmRSS" in lines:
            self.memory.append(int(lines["VmRSS"].split()[0]) // 1024)


class Fleet:
    """Servers and workers, of which each is started again when it has ended."""

    def __init__(self, cluster: Cluster, postgres: EmbeddedPostgres, random: Random) -> None:
        self.lives: list[Life] = []
        self.faults: list[Fault] = []
        self._cluster = cluster
        self._postgres = postgres
        self._random = random
        self._present: dict[str, Life] = {}

    async def start(self, replicas: int, workers: int) -> None:
        names = [f"replica {number + 1}" for number in range(replicas)]
        names += [f"worker {number + 1}" for number in range(workers)]
        await asyncio.gather(*(self._start(name) for name in names))

    def any(self) -> Replica | None:
        """A server that hasn't been ended; there may be none for a moment."""
        servers = [life.replica for name, life in self._present.items() if not name.startswith("worker")]
        return self._random.choice(servers) if servers else None

    async def fail(self, fault: Fault) -> None:
        """Ends a process, or the database, and starts it again."""
        self.faults.append(fault)
        if fault == "database":
            await asyncio.to_thread(self._postgres.stop)
            await asyncio.sleep(self._random.uniform(0, 2))
            await asyncio.to_thread(self._postgres.start)
            return
        name = self._random.choice(list(self._present))
        life = self._present.pop(name)
        life.look()
        if fault == "kill":
            await life.replica.kill()
        else:
            life.replica.stop()
            await life.replica.stopped()
        await self._start(name)

    async def watch(self) -> None:
        """Looks at the memory, for as long as it is let."""
        while True:
            for life in self._present.values():
                if life.replica.process.popen.poll() is not None:
                    raise RuntimeError(f"{life.name} has ended by itself:\n{life.replica.process.output}")
                life.look()
            await asyncio.sleep(1)

    async def _start(self, name: str) -> None:
        if name.startswith("worker"):
            replica = await self._cluster.worker()
        else:
            (replica,) = await self._cluster.start()
        self._present[name] = life = Life(name, replica)
        self.lives.append(life)
