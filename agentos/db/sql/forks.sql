-- Branching a conversation.

-- name: fork_session
-- Copies a session with its runs that have ended. What refers to a run that is copied too refers to its copy.
-- The sums are those of the copied runs; as everywhere, the time to the first token is the first run's. The state
-- is the one after the last copied run; the values that changes up to there have replaced are copied too, so that
-- the states after the runs before stay known.
WITH $named, source AS (
    SELECT s.*, coalesce(s.given_session_id, s.session_id) AS id
    FROM $sessions AS s
    WHERE session_id = $meant
        AND NOT $is_ambiguous
), ended AS (
    SELECT r.* FROM source JOIN $runs AS r USING (session_id)
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
), last AS (
    SELECT
        coalesce(state_version, 0) AS version,
        CASE WHEN state_version IS NULL THEN (details -> 'session_state')::jsonb END AS state
    FROM copied
    WHERE :through_run_id IS NOT NULL
    ORDER BY position DESC
    LIMIT 1
), replaced AS (
    SELECT DISTINCT ON (key) key, value
    FROM source JOIN $state_changes AS c USING (session_id) CROSS JOIN last
    WHERE c.version > last.version
    ORDER BY key, c.version
), session AS (
    INSERT INTO $sessions (
        session_id, kind, runnable_id, user_id, session_name, title, session_state, metadata, metrics, joined,
        state_version
    )
    SELECT
        :new_session_id, kind, runnable_id, user_id, session_name, title,
        coalesce(
            (SELECT state FROM last),
            (session_state - ARRAY(SELECT key FROM replaced))
                || (
                    SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE value IS NOT NULL), '{}')
                    FROM replaced
                )
        ),
        metadata, (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM sums), joined,
        coalesce((SELECT version FROM last), state_version)
    FROM source WHERE EXISTS (SELECT FROM copied)
    ON CONFLICT (session_id) DO NOTHING
    RETURNING *
), runs AS (
    INSERT INTO $runs (
        run_id, session_id, kind, runnable_id, user_id, status, created_at, input, messages, details,
        state_version, queued_at, started_at, ended_at, model, time_to_first_token, input_tokens, output_tokens,
        total_tokens, cost, steps
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
        ),
        c.state_version, c.queued_at, c.started_at, c.ended_at, c.model, c.time_to_first_token, c.input_tokens,
        c.output_tokens, c.total_tokens, c.cost, c.steps
    FROM session CROSS JOIN copied AS c
    ORDER BY position
), states AS (
    INSERT INTO $state_changes (session_id, version, place, user_id, run_id, key, value)
    SELECT session.session_id, c.version, c.place, c.user_id, copied.new_id, c.key, c.value
    FROM session
    CROSS JOIN source
    JOIN $state_changes AS c ON c.session_id = source.session_id AND c.version <= session.state_version
    LEFT JOIN copied ON copied.run_id = c.run_id
), media AS (
    INSERT INTO $media (session_id, key, user_id, mime_type, content, created_at)
    SELECT session.session_id, m.key, m.user_id, m.mime_type, m.content, m.created_at
    FROM session CROSS JOIN source JOIN $media AS m ON m.session_id = source.session_id
    WHERE EXISTS (SELECT FROM copied WHERE strpos(coalesce(input::text, '') || messages::text, m.key) > 0)
)
SELECT
    session.*,
    EXISTS (SELECT FROM source) AS is_there,
    $is_ambiguous AS is_ambiguous,
    EXISTS (SELECT FROM copied) AS has_runs
FROM (SELECT) AS always LEFT JOIN session ON true
