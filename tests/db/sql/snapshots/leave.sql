WITH gone AS (DELETE FROM ai.agentos_executors WHERE executor_id = :worker_id) SELECT pg_notify('ai.agentos_runs', '{"queue":[]}')
