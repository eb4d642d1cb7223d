WITH admitted AS (
    SELECT CAST(:status AS text) AS status
), earlier AS (
    SELECT CAST(NULL AS bigint) AS position
), place AS (
    SELECT CAST(:session_id AS text) AS session_id, 9223372036854775807 AS before
), session AS (
    INSERT INTO ai.agentos_sessions AS s (session_id, kind, runnable_id, user_id, title, session_state)
    SELECT :session_id, :kind, :runnable_id, :user_id, :title, :defaults || :state
    FROM admitted
    ON CONFLICT (session_id) DO UPDATE SET
        runnable_id = excluded.runnable_id,
        title = coalesce(s.title, excluded.title),
        session_state = CASE
            WHEN s.session_state ?& :default_keys AND :state = '{}' THEN s.session_state
            ELSE :defaults || s.session_state || :state
        END,
        updated_at = now()
    WHERE (:anyone OR s.user_id = :owner)
        AND s.kind = excluded.kind
        AND coalesce(s.runnable_id, excluded.runnable_id) = excluded.runnable_id
    RETURNING user_id, session_state
), run AS (
    INSERT INTO ai.agentos_runs (
        run_id, session_id, kind, runnable_id, user_id, status, created_at, input, messages, details,
        executor_id, durable, arguments, background, multitask, idempotency_key, fingerprint, history_before
    )
    SELECT
        :run_id, :session_id, :kind, :runnable_id, session.user_id, admitted.status, :created_at, :input,
        :messages, :details, :worker_id, :durable, :request, :background, :multitask, :idempotency_key,
        :fingerprint, (SELECT position FROM earlier)
    FROM session CROSS JOIN admitted
    RETURNING status
)
SELECT user_id, session_state, run.status, (
    WITH RECURSIVE last AS (
        (
            SELECT messages, position, coalesce(history_before, position) AS behind, 1 AS number
            FROM ai.agentos_runs
            WHERE session_id = (SELECT session_id FROM place)
                AND status = 'COMPLETED'
                AND parent_run_id IS NULL
                AND position < (SELECT before FROM place)
            ORDER BY position DESC
            LIMIT least(:history_runs, 1)
        )
        UNION ALL
        SELECT earlier.*
        FROM last, LATERAL (
            SELECT messages, position, coalesce(history_before, position), last.number + 1
            FROM ai.agentos_runs
            WHERE session_id = (SELECT session_id FROM place)
                AND status = 'COMPLETED'
                AND parent_run_id IS NULL
                AND position < last.behind
            ORDER BY position DESC
            LIMIT 1
        ) AS earlier
        WHERE last.number < :history_runs
    )
    SELECT json_agg(messages ORDER BY position) FROM last
) AS history, (
    SELECT json_agg(newest)
    FROM (
        SELECT m.* FROM ai.agentos_memories AS m
        WHERE m.user_id = session.user_id
        ORDER BY updated_at DESC
        LIMIT :memories
    ) AS newest
) AS memories
FROM session CROSS JOIN run
