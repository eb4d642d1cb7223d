-- Deleting everything that belongs to a user. A session is locked before its runs, as everywhere.

-- name: cancel_runs_of_user
-- Asks the processes that execute the user's runs to end them, and counts these runs. A nested run ends with its root.
WITH found AS (
    SELECT run_id FROM $runs
    WHERE parent_run_id IS NULL
        AND status = 'RUNNING'
        AND (user_id = :user_id OR session_id IN (SELECT session_id FROM $sessions WHERE user_id = :user_id))
    ORDER BY run_id
    FOR NO KEY UPDATE
), changed AS (
    UPDATE $runs AS r
    SET cancelling = coalesce(r.cancelling, 'cancel'), updated_at = now()
    FROM found
    WHERE r.run_id = found.run_id
), news AS (
    SELECT 'cancel' AS kind, run_id FROM found
)
SELECT (SELECT count(*) FROM found) AS live, $told

-- name: lock_sessions_of_user
SELECT session_id FROM $sessions WHERE user_id = :user_id FOR UPDATE

-- name: lock_runs_of_user
-- Their runs, and the workflows that DBOS may have of durable ones.
SELECT run_id, ARRAY(
    SELECT run_id || ':' || number FROM generate_series(0, segment) AS number WHERE durable
) AS workflows
FROM $runs
WHERE session_id = ANY (:session_ids) OR user_id = :user_id
FOR UPDATE

-- name: erase
-- Deletes what hangs on others first, so that everything is counted.
WITH events AS (
    DELETE FROM $events WHERE run_id = ANY (:run_ids) RETURNING 1
), approvals AS (
    DELETE FROM $approvals WHERE run_id = ANY (:run_ids) OR user_id = :user_id RETURNING 1
), runs AS (
    DELETE FROM $runs WHERE run_id = ANY (:run_ids) RETURNING 1
), state_changes AS (
    DELETE FROM $state_changes WHERE session_id = ANY (:session_ids) RETURNING 1
), media AS (
    DELETE FROM $media WHERE session_id = ANY (:session_ids) RETURNING 1
), sessions AS (
    DELETE FROM $sessions WHERE session_id = ANY (:session_ids) RETURNING 1
), memories AS (
    DELETE FROM $memories WHERE user_id = :user_id RETURNING 1
)
SELECT
    (SELECT count(*) FROM events) AS events,
    (SELECT count(*) FROM approvals) AS approvals,
    (SELECT count(*) FROM runs) AS runs,
    (SELECT count(*) FROM state_changes) AS state_changes,
    (SELECT count(*) FROM media) AS media,
    (SELECT count(*) FROM sessions) AS sessions,
    (SELECT count(*) FROM memories) AS memories
