"""A step that kills its process doesn't take every process down."""

from __future__ import annotations

from tests.faults.cluster import Cluster
from tests.runner.durable.segments import until

DEATHS = 2


async def test_a_run_whose_step_kills_its_processes_is_ended(cluster: Cluster):
    replicas = await cluster.start(DEATHS + 1, DEAD_SECONDS="1", MAX_TAKEOVERS="1", AUDIT="yes")
    run_id = await replicas[0].start("deadly", "go", user_id="ann")
    query = "SELECT status FROM ai.agentos_runs WHERE run_id = %s"
    await until(lambda: cluster.rows(query, run_id) == [("ERROR",)])
    (survivor,) = [each for each in replicas if each.process.popen.poll() is None]
    run = await survivor.get("deadly", run_id)
    assert run["content"] == f"The run was ended: {DEATHS} processes in a row died at the same step of it."
    events = await survivor.follow("deadly", run_id).ended()
    assert (events[-1].event, events[-1].data["error_type"]) == ("RunError", "crash_loop")
    await until(lambda: cluster.rows("SELECT 1 FROM ai.agentos_audit WHERE decision = 'ended'") != [])
    audited = "SELECT reason, principal, resource_id FROM ai.agentos_audit WHERE decision = 'ended'"
    assert cluster.rows(audited) == [("crash_loop", "ann", f"deadly/{run_id}")]
    assert cluster.rows("SELECT count(*) FROM dbos.workflow_status") == [(0,)]
