WITH found AS (
    SELECT run_id, status, json_array_length(messages) AS messages FROM ai.agentos_runs
    WHERE run_id = :run_id AND (:anyone OR user_id = :owner)
    FOR NO KEY UPDATE
), run AS (
    UPDATE ai.agentos_runs AS r
    SET
        status = CASE WHEN :worker_id IS NULL THEN 'PENDING' ELSE 'RUNNING' END,
        executor_id = :worker_id,
        segment = r.segment + 1,
        background = r.background OR :worker_id IS NULL,
        awaited = true,
        durable = r.durable AND :recorded,
        details = :details,
        arguments = (
            SELECT json_object_agg(key, value)
            FROM (
                SELECT * FROM json_each(r.arguments) WHERE key <> ALL (:changed)
                UNION ALL
                SELECT * FROM json_each(:changes)
            ) AS request
        ),
        updated_at = now()
    FROM found
    WHERE r.run_id = found.run_id AND found.status = 'PAUSED' AND found.messages = :messages
    RETURNING r.status, r.segment
)
SELECT segment, (SELECT pg_notify('ai.agentos_runs', '{"queue":[]}') FROM run WHERE status = 'PENDING') AS queue
FROM found LEFT JOIN run ON true
