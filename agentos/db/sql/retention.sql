-- Deleting what is old.

-- fragment: old_sessions
-- Sessions that haven't changed for `age`, without a run that is live or paused; NULL is no age at all. Nested
-- runs are no longer live than their root. A session hasn't been changed before it was created: the index on the
-- one narrows down the other.
SELECT session_id FROM $sessions AS s
WHERE created_at < now() - CAST(:age AS interval) AND updated_at < now() - CAST(:age AS interval)
    AND NOT EXISTS (
        SELECT FROM $runs AS r
        WHERE r.session_id = s.session_id
            AND r.parent_run_id IS NULL
            AND r.status IN ('PENDING', 'RUNNING', 'PAUSED')
    )

-- fragment: inside_old
-- What goes with the sessions `old`. All parts of a statement see what was there before it, so what is deleted
-- along is counted.
inside AS (
    SELECT run_id, segment, durable FROM $runs WHERE session_id IN (SELECT session_id FROM old)
), counts AS (
    SELECT
        (SELECT count(*) FROM old) AS sessions,
        (SELECT count(*) FROM inside) AS runs,
        (SELECT count(*) FROM $events WHERE run_id IN (SELECT run_id FROM inside)) AS events,
        (SELECT count(*) FROM $approvals WHERE run_id IN (SELECT run_id FROM inside)) AS approvals,
        ARRAY(
            SELECT run_id || ':' || number FROM inside, generate_series(0, segment) AS number WHERE durable
        ) AS workflows
)

-- fragment: ended_logs
-- The next runs behind `after` that have a log, and those of them that ended `log_age` ago. By the index from one
-- run to the next: the runs that have no log any more cost nothing.
logged AS (
    (SELECT run_id FROM $events WHERE run_id > :after ORDER BY run_id LIMIT 1)
    UNION ALL
    SELECT following.run_id
    FROM logged CROSS JOIN LATERAL (
        SELECT e.run_id FROM $events AS e WHERE e.run_id > logged.run_id ORDER BY e.run_id LIMIT 1
    ) AS following
), batch AS MATERIALIZED (
    SELECT run_id FROM logged LIMIT :batch
), ended AS MATERIALIZED (
    SELECT run_id, session_id FROM batch JOIN $runs USING (run_id)
    WHERE status NOT IN ('PENDING', 'RUNNING', 'PAUSED') AND updated_at < now() - CAST(:log_age AS interval)
)

-- name: count_sessions
WITH old AS ($old_sessions), $inside_old
SELECT * FROM counts

-- name: prune_sessions
-- A batch of them; what somebody else holds is left for the next time.
WITH old AS (
    $old_sessions
    ORDER BY created_at
    LIMIT :batch
    FOR UPDATE SKIP LOCKED
), $inside_old, gone AS (
    DELETE FROM $sessions WHERE session_id IN (SELECT session_id FROM old)
)
SELECT * FROM counts

-- name: count_logs
WITH RECURSIVE $ended_logs, old AS ($old_sessions)
SELECT (SELECT max(run_id) FROM batch) AS last, (
    SELECT count(*) FROM $events
    WHERE run_id IN (SELECT run_id FROM ended WHERE session_id NOT IN (SELECT session_id FROM old))
) AS events

-- name: prune_logs
-- Those of a batch of runs.
WITH RECURSIVE $ended_logs, gone AS (
    DELETE FROM $events WHERE run_id IN (SELECT run_id FROM ended) RETURNING run_id
)
SELECT (SELECT max(run_id) FROM batch) AS last, (SELECT count(*) FROM gone) AS events
