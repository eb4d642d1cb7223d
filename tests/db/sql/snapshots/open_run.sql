WITH run AS (
    SELECT * FROM ai.agentos_runs WHERE run_id = :run_id AND executor_id = :worker_id AND status = 'RUNNING'
), place AS (
    SELECT session_id, coalesce(history_before, position) AS before FROM run
), changed AS (
    UPDATE ai.agentos_sessions AS s
    SET session_state = :defaults || s.session_state
    FROM run
    WHERE s.session_id = run.session_id AND NOT s.session_state ?& :default_keys
    RETURNING s.session_state
), session AS (
    SELECT s.user_id, coalesce((SELECT session_state FROM changed), s.session_state) AS current_state
    FROM ai.agentos_sessions AS s JOIN run USING (session_id)
)
SELECT
    run.*,
    current_state,
    coalesce((SELECT max(seq) FROM ai.agentos_run_events AS e WHERE e.run_id = run.run_id), 0) AS last_seq,
    (
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
) AS history,
    (
    SELECT json_agg(newest)
    FROM (
        SELECT m.* FROM ai.agentos_memories AS m
        WHERE m.user_id = session.user_id
        ORDER BY updated_at DESC
        LIMIT :memories
    ) AS newest
) AS memories
FROM run, session
