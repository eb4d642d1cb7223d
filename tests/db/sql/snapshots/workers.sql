-- beat
WITH beat AS (
    INSERT INTO ai.agentos_executors (executor_id) VALUES (:worker_id)
    ON CONFLICT (executor_id) DO UPDATE SET beat_at = now()
)
SELECT run_id FROM ai.agentos_runs
WHERE executor_id = :worker_id AND status = 'RUNNING' AND cancelling IS NOT NULL

-- leave
WITH gone AS (
    DELETE FROM ai.agentos_executors WHERE executor_id = :worker_id RETURNING executor_id
), left_behind AS (
    UPDATE ai.agentos_runs SET takeovers = coalesce(takeovers, 0) - 1
    WHERE executor_id IN (SELECT executor_id FROM gone) AND status = 'RUNNING' AND durable
)
SELECT pg_notify('ai.agentos_runs', '{"queue":[]}')

-- claim_runs
WITH busy AS (
    SELECT kind, runnable_id, coalesce(user_id, '') AS user_id FROM ai.agentos_runs
    WHERE status = 'RUNNING' AND background AND parent_run_id IS NULL
), in_all AS (
    SELECT count(*) AS n FROM busy
), in_runnables AS (
    SELECT kind, runnable_id, count(*) AS n FROM busy GROUP BY kind, runnable_id
), in_users AS (
    SELECT user_id, count(*) AS n FROM busy GROUP BY user_id
), ready AS (
    SELECT
        r.run_id,
        r.position,
        r.kind,
        r.runnable_id,
        coalesce(r.user_id, '') AS user_id,
        r.background AND r.cancelling IS NULL AS is_limited
    FROM ai.agentos_runs AS r
    WHERE r.status = 'PENDING'
        AND r.parent_run_id IS NULL
        AND (
            r.executor_id = :worker_id
            OR r.executor_id IS NULL AND (r.kind, r.runnable_id) IN (
                SELECT kind, id FROM json_to_recordset(:runnables) AS runnable (kind text, id text)
            )
        )
        AND (
            r.cancelling IS NOT NULL
            OR r.multitask IS NULL
            OR NOT EXISTS (
                SELECT FROM ai.agentos_runs AS earlier
                WHERE earlier.session_id = r.session_id
                    AND earlier.position < r.position
                    AND earlier.parent_run_id IS NULL
                    AND earlier.status IN ('PENDING', 'RUNNING')
            )
        )
        AND (
            r.cancelling IS NOT NULL
            OR NOT r.background
            OR coalesce((SELECT n FROM in_all) < :total, true)
            AND (r.kind, r.runnable_id) NOT IN (
                SELECT kind, runnable_id FROM in_runnables WHERE n >= :per_runnable
            )
            AND coalesce(r.user_id, '') NOT IN (SELECT user_id FROM in_users WHERE n >= :per_user)
        )
    ORDER BY r.position
    LIMIT 1000
), counted AS (
    SELECT
        run_id,
        ready.position,
        is_limited,
        in_all.n + row_number() OVER (PARTITION BY is_limited ORDER BY ready.position) AS nth,
        coalesce(in_runnables.n, 0) + row_number()
            OVER (PARTITION BY is_limited, kind, runnable_id ORDER BY ready.position) AS nth_of_runnable,
        coalesce(in_users.n, 0) + row_number()
            OVER (PARTITION BY is_limited, user_id ORDER BY ready.position) AS nth_of_user
    FROM ready
    CROSS JOIN in_all
    LEFT JOIN in_runnables USING (kind, runnable_id)
    LEFT JOIN in_users USING (user_id)
), chosen AS (
    SELECT run_id FROM counted
    WHERE NOT is_limited
        OR coalesce(nth <= :total, true)
        AND coalesce(nth_of_runnable <= :per_runnable, true)
        AND coalesce(nth_of_user <= :per_user, true)
    ORDER BY position
    LIMIT :most
), held AS (
    SELECT run_id FROM ai.agentos_runs AS r JOIN chosen USING (run_id) ORDER BY run_id FOR NO KEY UPDATE OF r
)
UPDATE ai.agentos_runs AS r
SET
    status = 'RUNNING',
    executor_id = :worker_id,
    started_at = coalesce(r.started_at, now()),
    updated_at = now()
FROM held
WHERE r.run_id = held.run_id
    AND r.status = 'PENDING'
    AND (r.executor_id IS NULL OR r.executor_id = :worker_id)
RETURNING r.run_id, r.kind, r.runnable_id, r.segment, r.durable, r.cancelling, r.position

-- adopt_runs
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

-- gone_workers
SELECT worker_id FROM unnest(:worker_ids) AS worker_id
WHERE NOT EXISTS (SELECT FROM ai.agentos_executors WHERE executor_id = worker_id)

-- take_run
UPDATE ai.agentos_runs
SET
    executor_id = :worker_id,
    takeovers = CASE
        WHEN taken_by = :worker_id THEN takeovers
        WHEN coalesce(takeover_steps, :steps) = :steps THEN coalesce(takeovers, 0) + 1
        ELSE 1
    END,
    takeover_steps = :steps,
    taken_by = :worker_id,
    updated_at = now()
WHERE run_id = :run_id AND status = 'RUNNING' AND segment = :segment
RETURNING run_id, kind, runnable_id, segment, durable, cancelling, position, takeovers
