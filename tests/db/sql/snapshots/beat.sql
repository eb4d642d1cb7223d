WITH beat AS (
    INSERT INTO ai.agentos_executors (executor_id) VALUES (:worker_id)
    ON CONFLICT (executor_id) DO UPDATE SET beat_at = now()
)
SELECT run_id FROM ai.agentos_runs
WHERE executor_id = :worker_id AND status = 'RUNNING' AND cancelling IS NOT NULL
