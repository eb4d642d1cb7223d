-- Pieces that statements share. Each reads from a common table expression of the statement that it stands in.

-- fragment: session
-- Finds or makes the session of a run that is `admitted`. The runnable's defaults go under the stored state and
-- the caller's values over it; a state that neither changes isn't rewritten, since a big one costs. No row if
-- the session is another user's, or another runnable's.
session AS (
    INSERT INTO $sessions AS s (session_id, kind, runnable_id, user_id, title, session_state)
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
)

-- fragment: outgrows
-- Whether the caller's values would make the state of the session too large.
:state <> '{}' AND EXISTS (
    SELECT FROM $sessions
    WHERE session_id = :session_id
        AND (:anyone OR user_id = :owner)
        AND octet_length((session_state || :state)::text) > :max_state
)

-- fragment: run
-- Writes the row of a run whose `session` was found or made; its history ends before the run `earlier`.
run AS (
    INSERT INTO $runs (
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

-- fragment: history
-- The messages of the last completed runs of the session in `place`, before its position. A run that branched
-- off from another one holds the messages that they share, so the walk continues before the branching point.
(
    WITH RECURSIVE last AS (
        (
            SELECT messages, position, coalesce(history_before, position) AS behind, 1 AS number
            FROM $runs
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
            FROM $runs
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
) AS history

-- fragment: memories_read
-- The newest memories of the user of `session`.
(
    SELECT json_agg(newest)
    FROM (
        SELECT m.* FROM $memories AS m
        WHERE m.user_id = session.user_id
        ORDER BY updated_at DESC
        LIMIT :memories
    ) AS newest
) AS memories

-- fragment: told
-- Tells every process about the runs in `news (kind, run_id)`, in as few notifications as hold them: Postgres
-- takes 8000 bytes, and an id has at most some 1500. They carry ids only, for row-level security doesn't reach
-- notifications.
(
    SELECT count(pg_notify($channel, json_build_object(kind, ids)::text))
    FROM (
        SELECT kind, json_agg(run_id) AS ids
        FROM (
            SELECT kind, run_id, sum(octet_length(to_json(run_id)::text)) OVER (ORDER BY run_id) / 6000 AS part
            FROM (SELECT DISTINCT kind, run_id FROM news) AS distinct_news
        ) AS parts
        GROUP BY kind, part
    ) AS messages
) AS told

-- fragment: queue
-- Tells every process that a run may start now that couldn't before.
pg_notify($channel, '{"queue":[]}')
