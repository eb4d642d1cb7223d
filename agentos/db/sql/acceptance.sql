-- Accepting runs. No status comes back, and nothing has been written, if the session's key is another owner's.

-- fragment: place
-- The session of the run: the one that has its id, else a new one under `fresh_key`; and where its history ends.
place AS (
    SELECT
        coalesce((SELECT session_id FROM named ORDER BY own DESC LIMIT 1), :fresh_key) AS session_id,
        CAST(:kind AS text) AS kind,
        CAST(:runnable_id AS text) AS runnable_id,
        coalesce((SELECT position FROM earlier), 9223372036854775807) AS before
)

-- name: accept_run
-- Accepts a run without rules that brings neither values for the state nor media: finds or makes its session, writes its row, reads
-- what it needs.
WITH $named, earlier AS (
    SELECT CAST(NULL AS bigint) AS position
), $place, rules AS (
    SELECT CASE WHEN $is_ambiguous THEN 'ambiguous' END AS refusal
), admitted AS (
    SELECT CAST(:status AS text) AS status FROM rules WHERE refusal IS NULL
), before AS (
    SELECT FROM admitted WHERE false
), changes AS (
    SELECT FROM before
), $session, $run
SELECT refusal, session.user_id, session_state, run.status, $history, $memories_read
FROM rules LEFT JOIN session ON true LEFT JOIN run ON true

-- name: accept_run_with_state
-- The same for one that has media, or defaults of its runnable or values of its caller for the state.
WITH $named, earlier AS (
    SELECT CAST(NULL AS bigint) AS position
), $place, rules AS (
    SELECT CASE
        WHEN $is_ambiguous THEN 'ambiguous'
        WHEN $outgrows THEN 'state'
    END AS refusal
), admitted AS (
    SELECT CAST(:status AS text) AS status FROM rules WHERE refusal IS NULL
), $changes, $session, $noted, home AS (
    SELECT session_id, user_id FROM session
), $kept, $run
SELECT refusal, session.user_id, session_state, run.status, $history, $memories_read
FROM rules LEFT JOIN session ON true LEFT JOIN run ON true

-- name: queue_length
-- Goes ahead of `admit_run` in its transaction, with the right to see everybody's rows: the queue is everybody's.
SELECT set_config(
    'agentos.queued',
    (SELECT count(*) FROM $runs WHERE status = 'PENDING' AND background)::text,
    true
)

-- name: admit_run
-- Accepts a run that there are rules for: turns in its session, a queue, a request that comes twice, an answer that is
-- replaced once. The locks
-- that go with it make it exact. The session's row is locked before its runs' rows, as when a run is finished:
-- a run that ends meanwhile finds that it is awaited, or has been seen to be over.
WITH $named, target AS (
    SELECT user_id FROM named WHERE session_id = $meant
    UNION ALL
    SELECT :user_id WHERE NOT EXISTS (SELECT FROM named)
), earlier AS (
    SELECT position FROM $runs WHERE run_id = :history_before AND session_id = $meant
), $place, known AS (
    SELECT r.run_id, r.status, r.user_id, r.fingerprint IS NOT DISTINCT FROM :fingerprint AS is_same
    FROM $runs AS r, target
    WHERE coalesce(r.user_id, '') = coalesce(target.user_id, '')
        AND r.kind = :kind
        AND r.runnable_id = :runnable_id
        AND r.idempotency_key = :idempotency_key
        AND (:anyone OR r.user_id = :owner)
), live AS (
    SELECT r.run_id, (r.kind, r.runnable_id) = (place.kind, place.runnable_id) AS is_of_runnable
    FROM $runs AS r JOIN place USING (session_id)
    WHERE r.parent_run_id IS NULL
        AND r.status IN ('PENDING', 'RUNNING')
        AND (:anyone OR r.user_id = :owner)
        AND :multitask IS NOT NULL
), answers AS (
    SELECT FROM $runs AS r JOIN place USING (session_id)
    WHERE :replaces IS NOT NULL
        AND (
            r.run_id = :replaces AND r.status = 'REGENERATED'
            OR r.status IN ('PENDING', 'RUNNING', 'PAUSED') AND r.details ->> 'regenerated_from' = :replaces
        )
), rules AS (
    SELECT
        CASE
            WHEN $is_ambiguous THEN 'ambiguous'
            WHEN EXISTS (SELECT FROM known) THEN 'known'
            WHEN EXISTS (SELECT FROM answers) THEN 'answered'
            WHEN $outgrows THEN 'state'
            WHEN :multitask = 'reject' AND EXISTS (SELECT FROM live) THEN 'busy'
            WHEN nullif(current_setting('agentos.queued', true), '')::bigint >= :queue_limit THEN 'full'
            WHEN :user_queue_limit <= (
                SELECT count(*) FROM $runs AS r, target
                WHERE r.status = 'PENDING' AND r.background
                    AND coalesce(r.user_id, '') = coalesce(target.user_id, '')
            ) THEN 'full for the user'
        END AS refusal,
        CASE WHEN EXISTS (SELECT FROM live) THEN 'PENDING' ELSE :status END AS status
), admitted AS (
    SELECT status FROM rules WHERE refusal IS NULL
), $changes, $session, $noted, home AS (
    SELECT session_id, user_id FROM session
), $kept, $run, waited AS (
    SELECT r.run_id, r.cancelling, live.is_of_runnable
    FROM $runs AS r JOIN live USING (run_id) CROSS JOIN run
    WHERE r.status IN ('PENDING', 'RUNNING')
    ORDER BY r.run_id
    FOR NO KEY UPDATE OF r
), marked AS (
    UPDATE $runs AS r
    SET
        awaited = true,
        cancelling = coalesce(r.cancelling, CASE WHEN waited.is_of_runnable THEN :cancelling END)
    FROM waited
    WHERE r.run_id = waited.run_id
), news AS (
    SELECT 'cancel' AS kind, run_id
    FROM waited
    WHERE is_of_runnable AND cancelling IS NULL AND :cancelling IS NOT NULL
)
SELECT
    refusal,
    known.run_id AS known_run_id,
    known.status AS known_status,
    known.user_id AS known_user_id,
    known.is_same,
    session.user_id,
    session_state,
    run.status,
    $history,
    $memories_read,
    $told,
    (SELECT $queue FROM run WHERE status = 'PENDING') AS queue
FROM rules LEFT JOIN known ON true LEFT JOIN session ON true LEFT JOIN run ON true

-- name: open_child
-- Begins a nested run, or takes it up again: the same id is the same run in every segment of its parent. One
-- that has ended is given back as it is. No row unless the parent executes here, and none if the id is that of
-- a row that isn't part of the parent's session: an imported one may say what it likes of its parent.
WITH parent AS (
    SELECT
        session_id, given_session_id, user_id, coalesce(root_run_id, run_id) AS root_run_id,
        coalesce(depth, 0) + 1 AS depth
    FROM $runs
    WHERE run_id = :parent_run_id
        AND status = 'RUNNING'
        AND executor_id IS NOT DISTINCT FROM :worker_id
        AND (:anyone OR user_id = :owner)
), run AS (
    INSERT INTO $runs AS r (
        run_id, session_id, given_session_id, kind, runnable_id, user_id, parent_run_id, root_run_id, depth,
        status, created_at, input, messages, details, executor_id, durable, started_at
    )
    SELECT
        :run_id, session_id, given_session_id, :kind, :runnable_id, user_id, :parent_run_id, root_run_id, depth,
        'RUNNING', :created_at, :input, :messages, :details, :worker_id, :durable, now()
    FROM parent
    ON CONFLICT (run_id) DO UPDATE SET
        status = CASE WHEN r.status = ANY (:over) THEN r.status ELSE 'RUNNING' END,
        executor_id = CASE WHEN r.status = ANY (:over) THEN r.executor_id ELSE excluded.executor_id END,
        segment = r.segment + (r.status = 'PAUSED')::integer,
        updated_at = now()
    WHERE r.parent_run_id = excluded.parent_run_id
        AND r.session_id = excluded.session_id
        AND r.user_id IS NOT DISTINCT FROM excluded.user_id
    RETURNING r.*, r.xmax = 0 AS is_new
), session AS (
    SELECT user_id FROM run
), home AS (
    SELECT session_id, user_id FROM run
), $kept
SELECT
    run.*,
    (
        SELECT json_agg(messages ORDER BY position)
        FROM (
            SELECT r.messages, r.position FROM $runs AS r
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
    $memories_read
FROM run CROSS JOIN session
