SELECT worker_id FROM unnest(:worker_ids) AS worker_id
WHERE NOT EXISTS (SELECT FROM ai.agentos_executors WHERE executor_id = worker_id)
