-- append_events
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

-- read_events
SELECT e.seq, e.name, e.text
FROM ai.agentos_run_events AS e JOIN ai.agentos_runs AS r USING (run_id)
WHERE run_id = :run_id AND e.seq > :after AND (:anyone OR r.user_id = :owner)
ORDER BY e.seq
LIMIT :limit

-- last_seq
SELECT coalesce(max(e.seq), 0) AS seq
FROM ai.agentos_run_events AS e JOIN ai.agentos_runs AS r USING (run_id)
WHERE run_id = :run_id AND (:anyone OR r.user_id = :owner)

-- read_segment
WITH pause AS (
    SELECT coalesce(max(seq), 0) AS before FROM ai.agentos_run_events WHERE run_id = :run_id AND name = :paused
)
SELECT before, e.seq, e.name, e.text
FROM pause LEFT JOIN ai.agentos_run_events AS e ON e.run_id = :run_id AND e.seq > before AND e.seq > :after
ORDER BY e.seq
LIMIT :limit

-- read_news
SELECT run_id, e.seq, e.name, e.text
FROM json_to_recordset(:wanted) AS wanted (run_id text, after bigint)
JOIN ai.agentos_runs AS r USING (run_id)
CROSS JOIN LATERAL (
    SELECT seq, name, text FROM ai.agentos_run_events
    WHERE run_id = wanted.run_id AND seq > wanted.after
    ORDER BY seq
    LIMIT 1000
) AS e
WHERE :anyone OR r.user_id = :owner
ORDER BY run_id, e.seq

-- import_events
INSERT INTO ai.agentos_run_events (run_id, seq, name, text)
SELECT :run_id, batch.* FROM json_to_recordset(:batch) AS batch (seq integer, name text, text text)
