WITH held AS (
    SELECT session_id FROM ai.agentos_sessions WHERE session_id = :session_id FOR NO KEY UPDATE
), found AS (
    SELECT r.run_id, r.status, r.executor_id, r.cancelling, r.awaited, r.background, r.parent_run_id
    FROM ai.agentos_runs AS r JOIN held USING (session_id)
    WHERE r.run_id = :run_id AND (:anyone OR r.user_id = :owner)
    FOR NO KEY UPDATE OF r
), mine AS (
    SELECT *, coalesce(cancelling = 'rollback', false) AND :status = 'CANCELLED' AS is_undone
    FROM found
    WHERE status IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :worker_id
), undone AS (
    DELETE FROM ai.agentos_runs AS r
    USING mine
    WHERE mine.is_undone
        AND r.session_id = :session_id
        AND (r.run_id = mine.run_id OR r.root_run_id = mine.run_id)
), run AS (
    UPDATE ai.agentos_runs AS r
    SET
        status = CASE WHEN :status = 'PAUSED' AND mine.cancelling <> '' THEN 'PENDING' ELSE :status END,
        input = :input,
        messages = :messages,
        details = :details,
        executor_id = CASE WHEN :status = 'PAUSED' THEN NULL ELSE r.executor_id END,
        arguments = CASE WHEN :status = 'PAUSED' THEN r.arguments END,
        updated_at = now()
    FROM mine
    WHERE r.run_id = mine.run_id AND NOT mine.is_undone
    RETURNING r.run_id, r.session_id, r.parent_run_id
), nested AS (
    UPDATE ai.agentos_runs AS r
    SET
        status = CASE WHEN :status = 'ERROR' THEN 'ERROR' ELSE 'CANCELLED' END,
        details = CASE
            WHEN :status = 'ERROR' THEN (
                SELECT json_object_agg(key, value)
                FROM (
                    SELECT * FROM json_each(r.details) WHERE key NOT IN ('content', 'content_type', 'error_type')
                    UNION ALL
                    SELECT * FROM json_each(:reason)
                ) AS detail
            )
            ELSE r.details
        END,
        arguments = NULL,
        updated_at = now()
    FROM run
    WHERE r.session_id = run.session_id
        AND r.root_run_id = run.run_id
        AND r.status IN ('PENDING', 'RUNNING', 'PAUSED')
        AND :status <> 'PAUSED'
), replaced AS (
    UPDATE ai.agentos_runs AS r
    SET status = 'REGENERATED', updated_at = now()
    FROM run
    WHERE r.run_id = :replaces
        AND r.session_id = run.session_id
        AND r.status = 'COMPLETED'
        AND :status = 'COMPLETED'
), logged AS (
    INSERT INTO ai.agentos_run_events (run_id, seq, name, text)
    SELECT run_id, seq, name, text
    FROM run JOIN json_to_recordset(:lines) AS line (run_id text, seq integer, name text, text text)
        USING (run_id)
    ON CONFLICT DO NOTHING
), session AS (
    UPDATE ai.agentos_sessions AS s
    SET session_state = CASE
            WHEN :put = '{}' AND :removed = '{}' THEN s.session_state
            ELSE (s.session_state - :removed) || :put
        END,
        metrics = :first || s.metrics || (
            SELECT jsonb_object_agg(key, value::numeric + coalesce((s.metrics ->> key)::numeric, 0))
            FROM jsonb_each_text(:more)
        ),
        updated_at = now()
    FROM run
    WHERE s.session_id = run.session_id AND run.parent_run_id IS NULL
), news AS (
    SELECT 'events' AS kind, run_id FROM mine WHERE :is_logged
)
SELECT
    EXISTS (SELECT FROM mine) AS is_stored,
    CASE status
        WHEN 'PAUSED' THEN :status = 'PAUSED'
        ELSE status NOT IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :worker_id
    END AS is_over,
    (
    SELECT count(pg_notify('ai.agentos_runs', json_build_object(kind, ids)::text))
    FROM (
        SELECT kind, json_agg(run_id) AS ids
        FROM (
            SELECT kind, run_id, sum(octet_length(to_json(run_id)::text)) OVER (ORDER BY run_id) / 6000 AS part
            FROM (SELECT DISTINCT kind, run_id FROM news) AS distinct_news
        ) AS parts
        GROUP BY kind, part
    ) AS messages
) AS told,
    (SELECT pg_notify('ai.agentos_runs', '{"queue":[]}') FROM mine WHERE awaited OR background OR cancelling <> '') AS queue
FROM found
