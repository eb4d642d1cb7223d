-- fork_session
WITH source AS (
    SELECT * FROM ai.agentos_sessions WHERE session_id = :session_id AND (:anyone OR user_id = :owner)
), ended AS (
    SELECT r.* FROM source JOIN ai.agentos_runs AS r USING (session_id)
    WHERE r.parent_run_id IS NULL AND r.status NOT IN ('PENDING', 'RUNNING', 'PAUSED')
), copied AS MATERIALIZED (
    SELECT ended.*, gen_random_uuid()::text AS new_id FROM ended
    WHERE position <= (
        SELECT max(position) FROM ended WHERE :through_run_id IS NULL OR run_id = :through_run_id
    )
), sums AS (
    SELECT key, CASE
        WHEN key = 'time_to_first_token' THEN (array_agg(value::numeric ORDER BY position))[1]
        ELSE sum(value::numeric)
    END AS value
    FROM copied, json_each_text(details -> 'metrics')
    GROUP BY key
), session AS (
    INSERT INTO ai.agentos_sessions (
        session_id, kind, runnable_id, user_id, session_name, title, session_state, metadata, metrics
    )
    SELECT
        :new_session_id, kind, runnable_id, user_id, session_name, title, session_state, metadata,
        (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM sums)
    FROM source WHERE EXISTS (SELECT FROM copied)
    ON CONFLICT (session_id) DO NOTHING
    RETURNING *
), runs AS (
    INSERT INTO ai.agentos_runs (
        run_id, session_id, kind, runnable_id, user_id, status, created_at, input, messages, details
    )
    SELECT new_id, session.session_id, c.kind, c.runnable_id, c.user_id, c.status, c.created_at, c.input,
        c.messages, (
            SELECT json_object_agg(key, value) FROM (
                SELECT key, CASE
                    WHEN key = 'regenerated_from' THEN coalesce(
                        (SELECT to_json(new_id) FROM copied WHERE run_id = value #>> '{}'), value
                    )
                    ELSE value
                END AS value
                FROM json_each(c.details) WHERE key != 'forked_from_run_id'
                UNION ALL SELECT 'forked_from_run_id', to_json(c.run_id)
            ) AS changed
        )
    FROM session CROSS JOIN copied AS c
    ORDER BY position
)
SELECT
    session.*,
    EXISTS (SELECT FROM source) AS is_there,
    EXISTS (SELECT FROM copied) AS has_runs
FROM (SELECT) AS always LEFT JOIN session ON true
