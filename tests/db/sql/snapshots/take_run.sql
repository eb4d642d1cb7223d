UPDATE ai.agentos_runs
SET executor_id = :worker_id, updated_at = now()
WHERE run_id = :run_id AND status = 'RUNNING' AND segment = :segment
RETURNING run_id, kind, runnable_id, segment, durable, cancelling, position
