-- Storing what a segment of a run came to.

-- fragment: own_run
-- The run and its session. The session is locked before the run, as when a session is deleted: the
-- other way round, finishing and deleting could wait for each other. What was done to either meanwhile is seen once
-- it is locked.
held AS (
    SELECT session_id, user_id, session_state, coalesce(state_version, 0) AS state_version
    FROM $sessions
    WHERE session_id = (SELECT session_id FROM $runs WHERE run_id = :run_id)
    FOR NO KEY UPDATE
), found AS (
    SELECT r.run_id, r.status, r.executor_id, r.cancelling, r.awaited, r.background, r.parent_run_id
    FROM $runs AS r JOIN held USING (session_id)
    WHERE r.run_id = :run_id AND (:anyone OR r.user_id = :owner)
    FOR NO KEY UPDATE OF r
)

-- fragment: executing
-- The run of `own_run`, if it executes at this worker.
SELECT *, coalesce(cancelling = 'rollback', false) AND :status = 'CANCELLED' AS is_undone
FROM found
WHERE status IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :worker_id

-- fragment: is_over
-- Whether the outcome of a run that doesn't execute here any more is this worker's.
CASE status
    WHEN 'PAUSED' THEN :status = 'PAUSED'
    ELSE status NOT IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :worker_id
END AS is_over

-- fragment: stored
-- Stores the outcome of `own_run` with the last lines of the log, and adds it to the session: state and sums are
-- changed where they are, so runs that end at the same time don't lose each other's. A run that is to be cancelled
-- doesn't pause, somebody has to end it. The request, which may hold keys to other services, is of no use to a run
-- that has ended. What is left of its nested runs ends with it, and for its reason.
run AS (
    UPDATE $runs AS r
    SET
        status = CASE WHEN :status = 'PAUSED' AND mine.cancelling <> '' THEN 'PENDING' ELSE :status END,
        input = :input,
        messages = :messages,
        details = :details,
        executor_id = CASE WHEN :status = 'PAUSED' THEN NULL ELSE r.executor_id END,
        arguments = CASE WHEN :status = 'PAUSED' THEN r.arguments END,
        state_version = held.state_version + change.is_change::integer,
        ended_at = CASE WHEN :status = 'PAUSED' THEN NULL ELSE now() END,
        model = :model,
        time_to_first_token = :time_to_first_token,
        input_tokens = :input_tokens,
        output_tokens = :output_tokens,
        total_tokens = :total_tokens,
        steps = :steps,
        updated_at = now()
    FROM mine CROSS JOIN held LEFT JOIN change ON true
    WHERE r.run_id = mine.run_id AND NOT mine.is_undone
    RETURNING r.run_id, r.session_id, r.parent_run_id
), nested AS (
    UPDATE $runs AS r
    SET
        status = CASE WHEN :status = 'ERROR' THEN 'ERROR' ELSE 'CANCELLED' END,
        details = CASE
            WHEN :status = 'ERROR' THEN (
                SELECT json_object_agg(key, value)
                FROM (
                    SELECT * FROM json_each(r.details)
                    WHERE key NOT IN ('content', 'content_type', 'error_type', 'error_id')
                    UNION ALL
                    SELECT * FROM json_each(:reason)
                ) AS detail
            )
            ELSE r.details
        END,
        arguments = NULL,
        ended_at = now(),
        updated_at = now()
    FROM run
    WHERE r.session_id = run.session_id
        AND r.root_run_id = run.run_id
        AND r.status IN ('PENDING', 'RUNNING', 'PAUSED')
        AND :status <> 'PAUSED'
), replaced AS (
    UPDATE $runs AS r
    SET status = 'REGENERATED', updated_at = now()
    FROM run
    WHERE r.run_id = :replaces
        AND r.session_id = run.session_id
        AND r.status = 'COMPLETED'
        AND :status = 'COMPLETED'
), logged AS (
    INSERT INTO $events (run_id, seq, name, text)
    SELECT run_id, seq, name, text
    FROM run JOIN json_to_recordset(:lines) AS line (run_id text, seq integer, name text, text text)
        USING (run_id)
    ON CONFLICT DO NOTHING
), session AS (
    UPDATE $sessions AS s
    SET session_state = CASE
            WHEN is_change THEN (s.session_state - change.removed) || put
            ELSE s.session_state
        END,
        state_version = held.state_version + is_change::integer,
        metrics = :first || s.metrics || (
            SELECT jsonb_object_agg(key, value::numeric + coalesce((s.metrics ->> key)::numeric, 0))
            FROM jsonb_each_text(:more)
        ),
        updated_at = now()
    FROM change CROSS JOIN held CROSS JOIN run
    WHERE s.session_id = held.session_id
), news AS (
    SELECT 'events' AS kind, run_id FROM mine WHERE :is_logged
)

-- name: finish_run
-- Stores an outcome, or a pause, that leaves the state of the session as it is and brings no media.
WITH $own_run, mine AS ($executing), change AS (
    SELECT CAST('{}' AS jsonb) AS put, CAST('{}' AS text[]) AS removed, false AS is_change FROM mine
    WHERE parent_run_id IS NULL
), $stored
SELECT
    EXISTS (SELECT FROM mine) AS is_stored,
    $is_over,
    $told,
    (SELECT $queue FROM mine WHERE awaited OR background OR cancelling <> '') AS queue
FROM found

-- fragment: undoing
-- Deletes a run that is rolled back. The keys that nobody has changed since get back the values that its request
-- replaced.
undone AS (
    DELETE FROM $runs AS r
    USING mine
    WHERE mine.is_undone
        AND r.session_id = (SELECT session_id FROM held)
        AND (r.run_id = mine.run_id OR r.root_run_id = mine.run_id)
    RETURNING r.run_id, coalesce(r.input::text, '') || r.messages::text AS said
), unkept AS (
    DELETE FROM $media AS m
    USING held
    WHERE m.session_id = held.session_id
        AND EXISTS (SELECT FROM undone WHERE strpos(said, m.key) > 0)
        AND NOT EXISTS (
            SELECT FROM $runs AS r
            WHERE r.session_id = m.session_id
                AND r.run_id NOT IN (SELECT run_id FROM undone)
                AND strpos(coalesce(r.input::text, '') || r.messages::text, m.key) > 0
        )
), given_back AS (
    SELECT DISTINCT ON (key) key, value
    FROM mine CROSS JOIN held JOIN $state_changes AS c USING (session_id)
    WHERE mine.is_undone
        AND c.run_id = mine.run_id
        AND NOT EXISTS (
            SELECT FROM $state_changes AS later
            WHERE later.session_id = c.session_id
                AND later.key = c.key
                AND later.version > c.version
                AND later.run_id IS DISTINCT FROM c.run_id
        )
    ORDER BY key, version
)

-- fragment: returned
-- What `undoing` gives back, as a change.
SELECT
    coalesce(jsonb_object_agg(key, value) FILTER (WHERE value IS NOT NULL), '{}'),
    coalesce(array_agg(key) FILTER (WHERE value IS NULL), '{}')
FROM given_back
HAVING count(*) > 0

-- fragment: changing
-- What the change that is `wanted` replaces, which is kept.
changed AS (
    SELECT key, old.value
    FROM (
        SELECT each.* FROM wanted, jsonb_each(put) AS each
        UNION ALL
        SELECT key, NULL FROM wanted, unnest(removed) AS key WHERE NOT put ? key
    ) AS new
    LEFT JOIN (SELECT each.* FROM held, jsonb_each(session_state) AS each) AS old USING (key)
    WHERE old.value IS DISTINCT FROM new.value
), change AS (
    SELECT put, removed, EXISTS (SELECT FROM changed) AS is_change FROM wanted
), noted AS (
    INSERT INTO $state_changes (session_id, version, place, user_id, run_id, key, value)
    SELECT session_id, state_version + 1, row_number() OVER (), user_id, :run_id, key, value
    FROM held CROSS JOIN changed
), home AS (
    SELECT held.session_id, held.user_id FROM held CROSS JOIN mine WHERE NOT is_undone
)

-- fragment: giving
-- Gives back to the session what a run that is rolled back has changed.
given AS (
    UPDATE $sessions AS s
    SET
        session_state = (s.session_state - change.removed) || change.put,
        state_version = held.state_version + 1,
        updated_at = now()
    FROM change CROSS JOIN held CROSS JOIN mine
    WHERE s.session_id = held.session_id AND mine.is_undone
)

-- name: finish_run_with_state
-- The same with a change of the state, or media. The values that it replaces are kept in `noted`.
WITH $own_run, mine AS ($executing), $undoing, wanted AS (
    SELECT :put AS put, CAST(:removed AS text[]) AS removed FROM mine
    WHERE NOT is_undone AND parent_run_id IS NULL
    UNION ALL
    $returned
), $changing, $kept, $giving, $stored
SELECT
    EXISTS (SELECT FROM mine) AS is_stored,
    $is_over,
    $told,
    (SELECT $queue FROM mine WHERE awaited OR background OR cancelling <> '') AS queue
FROM found

-- name: finish_run_with_merges
-- The same with what is added to numbers and appended to lists that the session has by then. If that makes the
-- state too large, nothing is stored.
WITH $own_run, own AS ($executing), merged AS (
    SELECT coalesce(jsonb_object_agg(key, CASE jsonb_typeof(new.value)
        WHEN 'number' THEN to_jsonb(coalesce(old.value #>> '{}', '0')::numeric + (new.value #>> '{}')::numeric)
        ELSE coalesce(old.value, '[]') || new.value
    END), '{}') AS results
    FROM jsonb_each(:merged) AS new
    LEFT JOIN (SELECT each.* FROM held, jsonb_each(session_state) AS each) AS old USING (key)
    WHERE old.value IS NULL OR jsonb_typeof(old.value) = jsonb_typeof(new.value)
), refused AS (
    SELECT FROM own CROSS JOIN held CROSS JOIN merged, LATERAL (
        SELECT (session_state - CAST(:removed AS text[])) || :put || results AS state
    ) AS after
    WHERE NOT is_undone
        AND :put || results <> :put
        AND (
            octet_length(state::text) > greatest(:max_state, octet_length(session_state::text))
            OR (SELECT count(*) FROM jsonb_object_keys(state))
                > greatest(:max_keys, (SELECT count(*) FROM jsonb_object_keys(session_state)))
        )
), mine AS (
    SELECT * FROM own WHERE NOT EXISTS (SELECT FROM refused)
), $undoing, wanted AS (
    SELECT :put || results AS put, CAST(:removed AS text[]) AS removed FROM mine CROSS JOIN merged
    WHERE NOT is_undone AND parent_run_id IS NULL
    UNION ALL
    $returned
), $changing, $kept, $giving, $stored
SELECT
    EXISTS (SELECT FROM mine) AS is_stored,
    $is_over,
    EXISTS (SELECT FROM refused) AS is_refused,
    (SELECT results FROM merged CROSS JOIN mine WHERE NOT is_undone) AS merged,
    $told,
    (SELECT $queue FROM mine WHERE awaited OR background OR cancelling <> '') AS queue
FROM found

-- name: open_run
-- The worker's own run with all it needs to execute its present segment. The defaults go under the stored
-- state, as when a run is accepted; a state that has them all isn't rewritten.
WITH run AS (
    SELECT * FROM $runs WHERE run_id = :run_id AND executor_id = :worker_id AND status = 'RUNNING'
), place AS (
    SELECT session_id, kind, runnable_id, coalesce(history_before, position) AS before FROM run
), before AS (
    SELECT s.session_id, s.user_id, s.session_state
    FROM $sessions AS s JOIN run USING (session_id)
    WHERE NOT s.session_state ?& :default_keys
    FOR NO KEY UPDATE OF s
), changed AS (
    UPDATE $sessions AS s
    SET session_state = :defaults || s.session_state, state_version = coalesce(s.state_version, 0) + 1
    FROM before
    WHERE s.session_id = before.session_id
    RETURNING s.session_state, s.state_version
), noted AS (
    INSERT INTO $state_changes (session_id, version, place, user_id, run_id, key)
    SELECT session_id, state_version, row_number() OVER (), user_id, :run_id, key
    FROM changed CROSS JOIN before CROSS JOIN jsonb_object_keys(:defaults) AS key
    WHERE NOT before.session_state ? key
), session AS (
    SELECT s.user_id, coalesce((SELECT session_state FROM changed), s.session_state) AS current_state
    FROM $sessions AS s JOIN run USING (session_id)
)
SELECT
    run.*,
    current_state,
    coalesce((SELECT max(seq) FROM $events AS e WHERE e.run_id = run.run_id), 0) AS last_seq,
    $history,
    $memories_read
FROM run, session

-- name: reopen_run
-- Continues a PAUSED run. Whoever has read it before somebody else continued it knows fewer messages, or other
-- calls of nested runs that wait. Runs that wait for their turn may have been accepted during the pause, so it
-- counts as awaited. `changes` are put over the stored request; what they leave alone keeps its order.
WITH found AS (
    SELECT run_id, status, json_array_length(messages) AS messages, ARRAY(
        SELECT (call ->> 'member_run_id') || ' ' || (call #>> '{tool_execution,tool_call_id}')
        FROM json_each(details -> 'child_requirements') AS child, json_array_elements(child.value) AS call
    ) AS nested_calls
    FROM $runs
    WHERE run_id = :run_id AND (:anyone OR user_id = :owner)
    FOR NO KEY UPDATE
), run AS (
    UPDATE $runs AS r
    SET
        status = CASE WHEN :worker_id IS NULL THEN 'PENDING' ELSE 'RUNNING' END,
        executor_id = :worker_id,
        segment = r.segment + 1,
        background = r.background OR :worker_id IS NULL,
        awaited = true,
        durable = r.durable AND :recorded,
        takeovers = NULL,
        takeover_steps = NULL,
        details = :details,
        arguments = (
            SELECT json_object_agg(key, value)
            FROM (
                SELECT * FROM json_each(r.arguments) WHERE key <> ALL (:changed)
                UNION ALL
                SELECT * FROM json_each(:changes)
            ) AS request
        ),
        updated_at = now()
    FROM found
    WHERE r.run_id = found.run_id
        AND found.status = 'PAUSED'
        AND found.messages = :messages
        AND found.nested_calls @> :nested_calls
        AND found.nested_calls <@ :nested_calls
    RETURNING r.status, r.segment
)
SELECT segment, (SELECT $queue FROM run WHERE status = 'PENDING') AS queue
FROM found LEFT JOIN run ON true

-- name: cancel_run
-- Asks for a run to end. One that a script executes has no worker: nobody can reach the script, or tell whether
-- it lives, so it counts as waiting.
WITH found AS (
    SELECT
        run_id,
        CASE WHEN status = 'RUNNING' AND executor_id IS NULL THEN 'PENDING' ELSE status END AS status
    FROM $runs
    WHERE run_id = :run_id AND (:anyone OR user_id = :owner)
    FOR NO KEY UPDATE
), changed AS (
    UPDATE $runs AS r
    SET
        status = 'RUNNING',
        executor_id = CASE WHEN found.status = 'RUNNING' THEN r.executor_id ELSE :worker_id END,
        cancelling = coalesce(r.cancelling, :how),
        updated_at = now()
    FROM found
    WHERE r.run_id = found.run_id AND found.status IN ('PENDING', 'RUNNING', 'PAUSED')
), news AS (
    SELECT 'cancel' AS kind, run_id FROM found WHERE status = 'RUNNING'
)
SELECT status, $told
FROM found
