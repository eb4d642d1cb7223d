-- The event log. Whose events they are is what the run's row says.

-- name: append_events
-- Adds lines of several runs. The runs are locked, so that whoever takes one over meanwhile does so before or
-- after, and finds all lines.
WITH lines AS (
    SELECT * FROM json_to_recordset(:lines) AS line (run_id text, seq integer, name text, text text)
), run AS (
    SELECT run_id FROM $runs
    WHERE run_id = ANY (:run_ids)
        AND (:anyone OR user_id = :owner)
        AND executor_id IS NOT DISTINCT FROM :worker_id
    ORDER BY run_id
    FOR SHARE
), added AS (
    INSERT INTO $events (run_id, seq, name, text)
    SELECT run_id, seq, name, text FROM run JOIN lines USING (run_id)
    ON CONFLICT DO NOTHING
), news AS (
    SELECT 'events' AS kind, run_id FROM run
)
SELECT array_agg(run_id) AS run_ids, $told FROM run

-- name: read_events
-- The lines of one run behind a `seq`.
SELECT e.seq, e.name, e.text
FROM $events AS e JOIN $runs AS r USING (run_id)
WHERE run_id = :run_id AND e.seq > :after AND (:anyone OR r.user_id = :owner)
ORDER BY e.seq
LIMIT :limit

-- name: last_seq
-- Where the log of one run ends.
SELECT coalesce(max(e.seq), 0) AS seq
FROM $events AS e JOIN $runs AS r USING (run_id)
WHERE run_id = :run_id AND (:anyone OR r.user_id = :owner)

-- name: read_segment
-- The lines behind the last one called `paused`: those of the run's present segment, and the `seq` of that one.
WITH pause AS (
    SELECT coalesce(max(seq), 0) AS before FROM $events WHERE run_id = :run_id AND name = :paused
)
SELECT before, e.seq, e.name, e.text
FROM pause LEFT JOIN $events AS e ON e.run_id = :run_id AND e.seq > before AND e.seq > :after
ORDER BY e.seq
LIMIT :limit

-- name: read_news
-- The next lines of several runs, each behind a `seq` of its own.
SELECT run_id, e.seq, e.name, e.text
FROM json_to_recordset(:wanted) AS wanted (run_id text, after bigint)
JOIN $runs AS r USING (run_id)
CROSS JOIN LATERAL (
    SELECT seq, name, text FROM $events
    WHERE run_id = wanted.run_id AND seq > wanted.after
    ORDER BY seq
    LIMIT 1000
) AS e
WHERE :anyone OR r.user_id = :owner
ORDER BY run_id, e.seq

-- name: import_events
-- Adds lines of one run that is being imported.
INSERT INTO $events (run_id, seq, name, text)
SELECT :run_id, batch.* FROM json_to_recordset(:batch) AS batch (seq integer, name text, text text)
