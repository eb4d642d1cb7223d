WITH dead AS (
    DELETE FROM ai.agentos_executors
    WHERE executor_id <> :worker_id
        AND beat_at < statement_timestamp() - make_interval(secs => :dead_after)
    RETURNING executor_id
), orphan AS (
    SELECT r.run_id FROM ai.agentos_runs AS r
    WHERE r.status IN ('PENDING', 'RUNNING')
        AND r.parent_run_id IS NULL
        AND r.executor_id IS NOT NULL
        AND CASE
            WHEN r.executor_id = :worker_id
            THEN r.status = 'RUNNING'
                AND r.run_id <> ALL (:held)
                AND r.updated_at < statement_timestamp() - make_interval(secs => 3 * :dead_after)
            ELSE r.executor_id IN (SELECT executor_id FROM dead)
                OR NOT EXISTS (SELECT FROM ai.agentos_executors AS e WHERE e.executor_id = r.executor_id)
        END
        AND (
            NOT r.durable
            OR r.cancelling IS NOT NULL
            OR (r.kind, r.runnable_id) IN (
                SELECT kind, id FROM json_to_recordset(:runnables) AS runnable (kind text, id text)
            )
        )
    ORDER BY r.run_id
    FOR NO KEY UPDATE OF r
), changed AS (
    UPDATE ai.agentos_runs AS r
    SET
        status = CASE WHEN r.durable AND r.cancelling IS NULL THEN r.status ELSE 'RUNNING' END,
        executor_id = CASE
            WHEN r.durable AND r.cancelling IS NULL AND r.status = 'PENDING' THEN NULL ELSE :worker_id
        END,
        updated_at = now()
    FROM orphan
    WHERE r.run_id = orphan.run_id
    RETURNING r.*
)
SELECT run_id, kind, runnable_id, segment, durable, cancelling, position
FROM changed
WHERE status = 'RUNNING'
