"""DBOS in a thread with its own event loop, so that it never blocks the server's.

A segment of a durable run is a workflow, which only waits for the task that executes the segment in the
server's loop. A workflow is resumed through a queue that only the requesting process listens to, so that no
other process starts the run. An entry of a `WorkQueue` is a workflow without steps, which any process that
listens to the queue may execute.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from json import loads
from threading import Lock, Thread
from typing import Any, ClassVar, TypeVar

from dbos import DBOS, DBOSConfig, Serializer, SetEnqueueOptions, SetWorkflowID, WorkflowStatus
from dbos import error as dbos_errors

from agentos.db.connection.url import lasting_engine, parse_url
from agentos.errors import ConfigurationError, ConflictError
from agentos.run.records import Json
from agentos.run.text import json_of
from agentos.runner.durable.recorder import WRITERS, Writers
from agentos.runner.durable.steps import StepRecord

T = TypeVar("T")

Enter = Callable[[str, int, Mapping[str, StepRecord]], Future[bool]]
"""Executes a segment with its earlier records. False if it was left unfinished."""

VERSION = "agentos-1"
"""Version of the records. A process resumes only workflows of its own version."""
SEGMENT, WORK = "agentos_segment", "agentos_work"
"""Names of the workflows of runs and of queued work in DBOS."""
CONNECTIONS = 6
"""DBOS's connections to Postgres, in addition to the server's own."""
QUEUE_SECONDS = 0.25
"""How often the queue of resumed runs is polled. Only processes that have resumed a run have one."""
WORK_SECONDS = 1.0
"""How often each queue of work is polled."""
ENDED_AGE = timedelta(hours=1)
"""Age at which any process deletes ended workflows, whose own process died before deleting them."""
ENDED_MOST = 200
"""Workflows deleted per call."""
CLOSE_SECONDS = 5.0
"""How long the writes of ending workflows may take at shutdown."""


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """A queue that the process listens to from its launch."""

    name: str
    enter: Callable[[Json], Future[bool]]
    """Executes an entry. False if it was left unfinished."""
    per_process: int | None = None


class Host:
    """The one DBOS of the process, and its thread."""

    _lock: ClassVar = Lock()
    _present: ClassVar[Host | None] = None

    def __init__(self, url: str, worker_id: str, queues: Sequence[WorkQueue]) -> None:
        self.writers = Writers()
        self.resuming: dict[str, Enter] = {}
        """By workflow id, what executes the workflows in the queue of resumed runs."""
        self.queues = {queue.name: queue for queue in queues}
        self._url = url
        # An engine that DBOS makes itself would create the database if there is none.
        self._engine = lasting_engine(parse_url(url), size=CONNECTIONS)
        self._worker_id = worker_id
        self._queue = f"agentos-{worker_id}"
        self._guests = 0
        self._is_up = False
        self._listens = False
        self._ending: set[asyncio.Task[Any]] = set()
        self._left = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._live, name="agentos-durable", daemon=True)
        self.started = asyncio.run_coroutine_threadsafe(self._launch(), self._loop)

    @classmethod
    def enter(cls, url: str, worker_id: str, queues: Sequence[WorkQueue] = ()) -> Host:
        """The process's host, created for its first user. Blocks while the last user is leaving.

        DBOS must know its queues before it is launched, so only the first user may add some.
        """
        with cls._lock:
            host = cls._present
            if host is None:
                host = cls._present = cls(url, worker_id, queues)
                host._thread.start()
            elif host._url != url:
                raise ConfigurationError(
                    "Durable runs of one process must be in one database: give all of them the same db_url."
                )
            elif queues:
                raise ConfigurationError(
                    "Only the first server of a process may have queued work: serve this one in a process of "
                    "its own."
                )
            host._guests += 1
            return host

    @classmethod
    def present(cls) -> Host | None:
        """The process's host."""
        return cls._present

    def leave(self) -> None:
        """Ends DBOS for its last user, and blocks until then."""
        with self._lock:
            self._guests -= 1
            if self._guests == 0:
                self._loop.call_soon_threadsafe(self._left.set)
                self._thread.join()
                Host._present = None

    async def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs `work` in this loop, outside of any workflow's context, where it would count as a step."""
        done = Context().run(asyncio.run_coroutine_threadsafe, work(), self._loop)
        return await asyncio.wrap_future(done)

    async def start(self, enter: Enter, run_id: str, segment: int) -> None:
        """Starts a workflow; ConflictError if it exists."""
        _starting.set(enter)
        try:
            with SetWorkflowID(_id(run_id, segment), workflow_id_reuse_policy="reject"):
                await DBOS.start_workflow_async(_workflow, run_id, segment)
        except dbos_errors.DBOSWorkflowIDInUseError:
            raise ConflictError(f"Run {run_id!r} executes already, or is to be resumed.") from None

    async def resume(self, enter: Enter, run_id: str, segment: int) -> bool:
        """Puts a workflow into this process's queue. False if there is no unfinished one."""
        workflow_id = _id(run_id, segment)
        status = await DBOS.get_workflow_status_async(workflow_id)
        if status is None:
            return False
        if status.status in {"SUCCESS", "ERROR"}:  # its process died before it was deleted
            await DBOS.delete_workflow_async(workflow_id)
            return False
        if not self._listens:
            await DBOS.register_queue_async(self._queue, polling_interval_sec=QUEUE_SECONDS)
            self._listens = True
        self.resuming[workflow_id] = enter
        try:
            await DBOS.resume_workflow_async(workflow_id, queue_name=self._queue)
        except dbos_errors.DBOSNonExistentWorkflowError:
            del self.resuming[workflow_id]
            return False
        return True

    async def enqueue(self, queue: str, entry_id: str, argument: Json, delay: float) -> bool:
        """Queues an entry of work. False if one with that id is queued or executes already."""
        try:
            with (
                SetWorkflowID(f"{queue}/{entry_id}", workflow_id_reuse_policy="reject"),
                SetEnqueueOptions(delay_seconds=delay or None),
            ):
                await DBOS.enqueue_workflow_async(queue, _work, queue, argument)
        except dbos_errors.DBOSWorkflowIDInUseError:
            return False
        return True

    async def executors(self) -> set[str]:
        """Ids of the workers that execute entries of these queues, dead ones included."""
        return {each.executor_id for each in await self._executing() if each.executor_id is not None}

    async def resume_work(self, executors: Sequence[str]) -> int:
        """Queues the entries that these workers were executing again, and returns their number."""
        left: defaultdict[str, list[str]] = defaultdict(list)
        for each in await self._executing(executors):
            if each.queue_name is not None:
                left[each.queue_name].append(each.workflow_id)
        for queue, workflow_ids in left.items():
            await DBOS.resume_workflows_async(workflow_ids, queue_name=queue)
        return sum(map(len, left.values()))

    async def _executing(self, executors: Sequence[str] | None = None) -> Sequence[WorkflowStatus]:
        return await DBOS.list_workflows_async(
            status="PENDING",
            queue_name=list(self.queues),
            app_version=VERSION,
            executor_id=None if executors is None else list(executors),
            load_input=False,
            load_output=False,
        )

    async def forget_ended(self) -> int:
        """Deletes up to `ENDED_MOST` workflows older than `ENDED_AGE`, and returns their number."""
        ended = await DBOS.list_workflows_async(
            name=[SEGMENT, WORK],
            app_version=VERSION,
            status=["SUCCESS", "ERROR", "CANCELLED"],
            completed_before=(datetime.now(UTC) - ENDED_AGE).isoformat(),
            limit=ENDED_MOST,
            load_input=False,
            load_output=False,
        )
        if ended:
            await DBOS.delete_workflows_async([each.workflow_id for each in ended])
        return len(ended)

    def forget(self, workflow_id: str) -> None:
        """Deletes the current workflow, once DBOS has recorded its end."""
        task = asyncio.current_task()
        assert task is not None, "a workflow is a task"

        def finished(task: asyncio.Task[Any]) -> None:
            if not task.cancelled() and task.exception() is None:
                work = DBOS.delete_workflow_async(workflow_id)
                self._keep(self._loop.create_task(work, context=Context()))

        task.add_done_callback(finished)
        self._keep(task)

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _live(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self.writers.close()
            if self._is_up:
                DBOS.destroy()
            self._engine.dispose()

    async def _launch(self) -> None:
        # DBOS calls workflows in the loop that it is launched in.
        _tame_log()
        DBOS(config=self._config())
        if (DBOS.executor_id, DBOS.application_version) != (self._worker_id, VERSION):
            raise ConfigurationError(
                "This process uses DBOS for something else: serve durable runs in a process of their own."
            )
        self._is_up = True
        DBOS.listen_queues([self._queue, *self.queues])
        DBOS.launch()
        for queue in self.queues.values():
            await DBOS.register_queue_async(
                queue.name, worker_concurrency=queue.per_process, polling_interval_sec=WORK_SECONDS
            )

    def _config(self) -> DBOSConfig:
        return {
            "name": "agentos",
            "application_version": VERSION,
            "executor_id": self._worker_id,
            "system_database_engine": self._engine,
            "dbos_system_schema": "dbos",
            "serializer": _Json(),
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 0.2,
            "max_executor_threads": WRITERS,
            "log_level": "WARNING",
        }

    async def _serve(self) -> None:
        await self._left.wait()
        if self._listens:
            self._keep(asyncio.create_task(DBOS.delete_queue_async(self._queue)))
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._ending:
                    await asyncio.wait(self._ending)


_starting: ContextVar[Enter | None] = ContextVar("agentos_starting", default=None)
"""What executes the workflow that is being started; None for a resumed one."""


@DBOS.workflow(name=SEGMENT, max_recovery_attempts=None)
async def _workflow(run_id: str, segment: int) -> None:
    """Waits for a segment. DBOS records nothing of a cancelled workflow, so it can be resumed."""
    workflow_id = _id(run_id, segment)
    host, enter = Host.present(), _starting.get()
    recorded: Mapping[str, StepRecord] = {}
    if host is not None and enter is None:
        enter = host.resuming.pop(workflow_id, None)
        steps = await host.call(partial(DBOS.list_workflow_steps_async, workflow_id))
        recorded = {step["function_name"]: StepRecord(**step["output"]) for step in steps if step["output"]}
        for _ in range(max((step["function_id"] for step in steps), default=0)):
            DBOS.reserve_step()  # the next new step gets a number that is free
    if host is None or enter is None:
        raise asyncio.CancelledError
    if not await asyncio.wrap_future(enter(run_id, segment, recorded)):
        raise asyncio.CancelledError
    host.forget(workflow_id)


@DBOS.workflow(name=WORK, max_recovery_attempts=None)
async def _work(queue: str, argument: Json) -> None:
    """Waits for an entry of work. If this is cancelled, the entry can be resumed."""
    host, workflow_id = Host.present(), DBOS.workflow_id
    entered = host.queues.get(queue) if host is not None else None
    if host is None or entered is None or workflow_id is None:
        raise asyncio.CancelledError
    if not await asyncio.wrap_future(entered.enter(argument)):
        raise asyncio.CancelledError
    host.forget(workflow_id)


def _id(run_id: str, segment: int) -> str:
    return f"{run_id}:{segment}"


class _Json(Serializer):
    """The serialization of the schema. Of an exception only the class is stored, not its text."""

    def serialize(self, data: Any) -> str:
        return json_of({"exception": type(data).__name__} if isinstance(data, BaseException) else data)

    def deserialize(self, serialized_data: str) -> Any:
        match value := loads(serialized_data):
            case {"exception": str(name)}:
                return RuntimeError(name)
            case _:
                return value

    def name(self) -> str:
        return "agentos_json"


def _tame_log() -> None:
    dbos_logger = logging.getLogger("dbos")
    if not dbos_logger.handlers:  # else DBOS adds one that writes to the console
        dbos_logger.addHandler(logging.NullHandler())
    dbos_logger.addFilter(_presentable)


_ORDINARY = ("Asyncio task cancelled", "DBOS failed to launch")
"""Prefixes of log messages about handed-over segments, and about errors that the caller gets anyway."""


def _presentable(record: logging.LogRecord) -> bool:
    """Drops expected messages, and the traceback and SQL of errors."""
    text = record.getMessage()
    record.msg, record.args, record.exc_info = text.partition("\n")[0].partition("[SQL")[0], (), None
    return not text.startswith(_ORDINARY)
