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
