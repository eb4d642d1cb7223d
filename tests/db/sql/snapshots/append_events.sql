WITH lines AS (
    SELECT * FROM json_to_recordset(:lines) AS line (run_id text, seq integer, name text, text text)
), run AS (
    SELECT run_id FROM ai.agentos_runs
    WHERE run_id = ANY (:run_ids)
        AND (:anyone OR user_id = :owner)
        AND executor_id IS NOT DISTINCT FROM :worker_id
    ORDER BY run_id
    FOR SHARE
), added AS (
    INSERT INTO ai.agentos_run_events (run_id, seq, name, text)
    SELECT run_id, seq, name, text FROM run JOIN lines USING (run_id)
    ON CONFLICT DO NOTHING
), news AS (
    SELECT 'events' AS kind, run_id FROM run
)
SELECT array_agg(run_id) AS run_ids, (
    SELECT count(pg_notify('ai.agentos_runs', json_build_object(kind, ids)::text))
    FROM (
        SELECT kind, json_agg(run_id) AS ids
        FROM (
            SELECT kind, run_id, sum(octet_length(to_json(run_id)::text)) OVER (ORDER BY run_id) / 6000 AS part
            FROM (SELECT DISTINCT kind, run_id FROM news) AS distinct_news
        ) AS parts
        GROUP BY kind, part
    ) AS messages
) AS told FROM run
