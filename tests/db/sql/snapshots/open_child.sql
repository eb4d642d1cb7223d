WITH parent AS (
    SELECT session_id, user_id, coalesce(root_run_id, run_id) AS root_run_id, coalesce(depth, 0) + 1 AS depth
    FROM ai.agentos_runs
    WHERE run_id = :parent_run_id
        AND status = 'RUNNING'
        AND executor_id IS NOT DISTINCT FROM :worker_id
        AND (:anyone OR user_id = :owner)
), run AS (
    INSERT INTO ai.agentos_runs AS r (
        run_id, session_id, kind, runnable_id, user_id, parent_run_id, root_run_id, depth, status, created_at,
        input, messages, details, executor_id, durable
    )
    SELECT
        :run_id, session_id, :kind, :runnable_id, user_id, :parent_run_id, root_run_id, depth, 'RUNNING',
        :created_at, :input, :messages, :details, :worker_id, :durable
    FROM parent
    ON CONFLICT (run_id) DO UPDATE SET
        status = CASE WHEN r.status = ANY (:over) THEN r.status ELSE 'RUNNING' END,
        executor_id = CASE WHEN r.status = ANY (:over) THEN r.executor_id ELSE excluded.executor_id END,
        segment = r.segment + (r.status = 'PAUSED')::integer,
        updated_at = now()
    WHERE r.parent_run_id = excluded.parent_run_id
    RETURNING r.*, r.xmax = 0 AS is_new
), session AS (
    SELECT user_id FROM run
)
SELECT
    run.*,
    (
        SELECT json_agg(messages ORDER BY position)
        FROM (
            SELECT r.messages, r.position FROM ai.agentos_runs AS r
            WHERE r.session_id = run.session_id
                AND r.kind = run.kind
                AND r.runnable_id = run.runnable_id
                AND r.parent_run_id IS NOT NULL
                AND r.status = 'COMPLETED'
                AND r.position < run.position
            ORDER BY r.position DESC
            LIMIT :history_runs
        ) AS last
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
FROM run CROSS JOIN session
