-- count_sessions
WITH old AS (SELECT session_id FROM ai.agentos_sessions AS s
WHERE created_at < now() - CAST(:age AS interval) AND updated_at < now() - CAST(:age AS interval)
    AND NOT EXISTS (
        SELECT FROM ai.agentos_runs AS r
        WHERE r.session_id = s.session_id
            AND r.parent_run_id IS NULL
            AND r.status IN ('PENDING', 'RUNNING', 'PAUSED')
    )), inside AS (
    SELECT run_id, segment, durable FROM ai.agentos_runs WHERE session_id IN (SELECT session_id FROM old)
), counts AS (
    SELECT
        (SELECT count(*) FROM old) AS sessions,
        (SELECT count(*) FROM inside) AS runs,
        (SELECT count(*) FROM ai.agentos_run_events WHERE run_id IN (SELECT run_id FROM inside)) AS events,
        (SELECT count(*) FROM ai.agentos_approvals WHERE run_id IN (SELECT run_id FROM inside)) AS approvals,
        ARRAY(
            SELECT run_id || ':' || number FROM inside, generate_series(0, segment) AS number WHERE durable
        ) AS workflows
)
SELECT * FROM counts

-- prune_sessions
WITH old AS (
    SELECT session_id FROM ai.agentos_sessions AS s
WHERE created_at < now() - CAST(:age AS interval) AND updated_at < now() - CAST(:age AS interval)
    AND NOT EXISTS (
        SELECT FROM ai.agentos_runs AS r
        WHERE r.session_id = s.session_id
            AND r.parent_run_id IS NULL
            AND r.status IN ('PENDING', 'RUNNING', 'PAUSED')
    )
    ORDER BY created_at
    LIMIT :batch
    FOR UPDATE SKIP LOCKED
), inside AS (
    SELECT run_id, segment, durable FROM ai.agentos_runs WHERE session_id IN (SELECT session_id FROM old)
), counts AS (
    SELECT
        (SELECT count(*) FROM old) AS sessions,
        (SELECT count(*) FROM inside) AS runs,
        (SELECT count(*) FROM ai.agentos_run_events WHERE run_id IN (SELECT run_id FROM inside)) AS events,
        (SELECT count(*) FROM ai.agentos_approvals WHERE run_id IN (SELECT run_id FROM inside)) AS approvals,
        ARRAY(
            SELECT run_id || ':' || number FROM inside, generate_series(0, segment) AS number WHERE durable
        ) AS workflows
), gone AS (
    DELETE FROM ai.agentos_sessions WHERE session_id IN (SELECT session_id FROM old)
)
SELECT * FROM counts

-- count_logs
WITH RECURSIVE logged AS (
    (SELECT run_id FROM ai.agentos_run_events WHERE run_id > :after ORDER BY run_id LIMIT 1)
    UNION ALL
    SELECT following.run_id
    FROM logged CROSS JOIN LATERAL (
        SELECT e.run_id FROM ai.agentos_run_events AS e WHERE e.run_id > logged.run_id ORDER BY e.run_id LIMIT 1
    ) AS following
), batch AS MATERIALIZED (
    SELECT run_id FROM logged LIMIT :batch
), ended AS MATERIALIZED (
    SELECT run_id, session_id FROM batch JOIN ai.agentos_runs USING (run_id)
    WHERE status NOT IN ('PENDING', 'RUNNING', 'PAUSED') AND updated_at < now() - CAST(:log_age AS interval)
), old AS (SELECT session_id FROM ai.agentos_sessions AS s
WHERE created_at < now() - CAST(:age AS interval) AND updated_at < now() - CAST(:age AS interval)
    AND NOT EXISTS (
        SELECT FROM ai.agentos_runs AS r
        WHERE r.session_id = s.session_id
            AND r.parent_run_id IS NULL
            AND r.status IN ('PENDING', 'RUNNING', 'PAUSED')
    ))
SELECT (SELECT max(run_id) FROM batch) AS last, (
    SELECT count(*) FROM ai.agentos_run_events
    WHERE run_id IN (SELECT run_id FROM ended WHERE session_id NOT IN (SELECT session_id FROM old))
) AS events

-- prune_logs
WITH RECURSIVE logged AS (
    (SELECT run_id FROM ai.agentos_run_events WHERE run_id > :after ORDER BY run_id LIMIT 1)
    UNION ALL
    SELECT following.run_id
    FROM logged CROSS JOIN LATERAL (
        SELECT e.run_id FROM ai.agentos_run_events AS e WHERE e.run_id > logged.run_id ORDER BY e.run_id LIMIT 1
    ) AS following
), batch AS MATERIALIZED (
    SELECT run_id FROM logged LIMIT :batch
), ended AS MATERIALIZED (
    SELECT run_id, session_id FROM batch JOIN ai.agentos_runs USING (run_id)
    WHERE status NOT IN ('PENDING', 'RUNNING', 'PAUSED') AND updated_at < now() - CAST(:log_age AS interval)
), gone AS (
    DELETE FROM ai.agentos_run_events WHERE run_id IN (SELECT run_id FROM ended) RETURNING run_id
)
SELECT (SELECT max(run_id) FROM batch) AS last, (SELECT count(*) FROM gone) AS events
