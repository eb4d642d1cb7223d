WITH old AS (SELECT session_id FROM ai.agentos_sessions AS s
WHERE created_at < now() - CAST(:age AS interval) AND updated_at < now() - CAST(:age AS interval)
    AND NOT EXISTS (
        SELECT FROM ai.agentos_runs AS r
        WHERE r.session_id = s.session_id AND r.status IN ('PENDING', 'RUNNING', 'PAUSED')
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
