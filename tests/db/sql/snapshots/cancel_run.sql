WITH found AS (
    SELECT
        run_id,
        CASE WHEN status = 'RUNNING' AND executor_id IS NULL THEN 'PENDING' ELSE status END AS status
    FROM ai.agentos_runs
    WHERE run_id = :run_id AND (:anyone OR user_id = :owner)
    FOR NO KEY UPDATE
), changed AS (
    UPDATE ai.agentos_runs AS r
    SET
        status = 'RUNNING',
        executor_id = CASE WHEN found.status = 'RUNNING' THEN r.executor_id ELSE :worker_id END,
        cancelling = coalesce(r.cancelling, :how),
        updated_at = now()
    FROM found
    WHERE r.run_id = found.run_id AND found.status IN ('PENDING', 'RUNNING', 'PAUSED')
), news AS (
    SELECT 'cancel' AS kind, run_id FROM found WHERE status = 'RUNNING'
)
SELECT status, (
    SELECT count(pg_notify('ai.agentos_runs', json_build_object(kind, ids)::text))
    FROM (
        SELECT kind, json_agg(run_id) AS ids
        FROM (
            SELECT kind, run_id, sum(octet_length(to_json(run_id)::text)) OVER (ORDER BY run_id) / 6000 AS part
            FROM (SELECT DISTINCT kind, run_id FROM news) AS distinct_news
        ) AS parts
        GROUP BY kind, part
    ) AS messages
) AS told
FROM found
