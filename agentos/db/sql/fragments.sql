-- Pieces that statements share. Each reads from a common table expression of the statement that it stands in.

-- fragment: named
-- The sessions with the id `session_id` that the caller may see: one at most of each owner, under one of `keys`. Of
-- several, the one of `user_id` itself is meant.
named AS (
    SELECT session_id, user_id, user_id IS NOT DISTINCT FROM :user_id AS own FROM $sessions
    WHERE session_id = ANY (:keys)
        AND coalesce(given_session_id, session_id) = :session_id
        AND (:anyone OR user_id = :owner)
    UNION
    SELECT session_id, user_id, user_id IS NOT DISTINCT FROM :user_id FROM $sessions
    WHERE :anyone AND given_session_id = :session_id
)

-- fragment: is_ambiguous
-- Whether `named` has several sessions, none of which is meant.
(SELECT count(*) > 1 AND NOT bool_or(own) FROM named)

-- fragment: meant
-- The key of the session in `named` that is meant, if there is one.
(SELECT session_id FROM named ORDER BY own DESC LIMIT 1)

-- fragment: changes
-- What the runnable's defaults and the caller's values change in the state of the session in `place`, with the
-- values that they replace.
before AS (
    SELECT s.session_state
    FROM $sessions AS s JOIN place USING (session_id) CROSS JOIN admitted
    WHERE (:anyone OR s.user_id = :owner) AND (:state <> '{}' OR NOT s.session_state ?& :default_keys)
    FOR NO KEY UPDATE OF s
), changes AS (
    SELECT key, old.value
    FROM jsonb_each(:defaults || :state) AS new
    LEFT JOIN (SELECT each.* FROM before, jsonb_each(session_state) AS each) AS old USING (key)
    WHERE CASE
        WHEN :state ? key THEN old.value IS DISTINCT FROM new.value
        ELSE old.value IS NULL AND EXISTS (SELECT FROM before)
    END
)

-- fragment: noted
-- Keeps the values that the `changes` to the state of a `session` replace.
noted AS (
    INSERT INTO $state_changes (session_id, version, place, user_id, run_id, key, value)
    SELECT session_id, state_version, row_number() OVER (), user_id, :run_id, key, value
    FROM session CROSS JOIN changes
)

-- fragment: kept
-- Keeps the bytes of media that a run in `home` brings.
kept AS (
    INSERT INTO $media (session_id, key, user_id, mime_type, content)
    SELECT home.session_id, m.key, home.user_id, m.mime_type, m.content
    FROM home CROSS JOIN unnest(
        CAST(:media_keys AS text[]), CAST(:mime_types AS text[]), CAST(:contents AS bytea[])
    ) AS m (key, mime_type, content)
    ON CONFLICT DO NOTHING
)

-- fragment: session
-- Finds or makes the session in `place` for a run that is `admitted`. The runnable's defaults go under the stored
-- state and the caller's values over it; a state without `changes` isn't rewritten, since a big one costs. A runnable
-- that didn't begin the session joins it. No row if another owner's session has the key, or if another process has
-- just made the session, so that `changes` don't know what they replace.
session AS (
    INSERT INTO $sessions AS s (
        session_id, given_session_id, kind, runnable_id, user_id, title, session_state, state_version
    )
    SELECT
        place.session_id, nullif(:session_id, place.session_id), :kind, :runnable_id, :user_id, :title,
        :defaults || :state, (SELECT 1 WHERE EXISTS (SELECT FROM changes))
    FROM admitted CROSS JOIN place
    ON CONFLICT (session_id) DO UPDATE SET
        kind = CASE WHEN s.runnable_id IS NULL THEN excluded.kind ELSE s.kind END,
        runnable_id = coalesce(s.runnable_id, excluded.runnable_id),
        joined = CASE
            WHEN s.runnable_id IS NULL
                OR (s.kind, s.runnable_id) = (excluded.kind, excluded.runnable_id)
                OR s.joined @> :itself
            THEN s.joined
            ELSE coalesce(s.joined, '[]') || :itself
        END,
        title = coalesce(s.title, excluded.title),
        session_state = CASE
            WHEN excluded.state_version IS NULL THEN s.session_state
            ELSE :defaults || s.session_state || :state
        END,
        state_version = CASE
            WHEN excluded.state_version IS NULL THEN s.state_version
            ELSE coalesce(s.state_version, 0) + 1
        END,
        updated_at = now()
    WHERE (:anyone OR s.user_id = :owner)
        AND coalesce(s.given_session_id, s.session_id) = :session_id
        AND (excluded.state_version IS NULL OR EXISTS (SELECT FROM before))
    RETURNING session_id, given_session_id, user_id, session_state, state_version
)

-- fragment: outgrows
-- Whether the caller's values would make the state of the session in `place` too large.
:state <> '{}' AND EXISTS (
    SELECT FROM $sessions JOIN place USING (session_id)
    WHERE (:anyone OR user_id = :owner)
        AND (
            octet_length((session_state || :state)::text) > :max_state
            OR (SELECT count(*) FROM jsonb_object_keys(session_state || :state)) > :max_keys
        )
)

-- fragment: run
-- Writes the row of a run whose `session` was found or made; its history ends before the run `earlier`.
run AS (
    INSERT INTO $runs (
        run_id, session_id, given_session_id, kind, runnable_id, user_id, status, created_at, input, messages, details,
        executor_id, durable, arguments, background, multitask, idempotency_key, fingerprint, history_before,
        queued_at, started_at
    )
    SELECT
        :run_id, session.session_id, session.given_session_id, :kind, :runnable_id, session.user_id,
        admitted.status, :created_at, :input, :messages, :details, :worker_id, :durable, :request, :background,
        :multitask, :idempotency_key, :fingerprint, (SELECT position FROM earlier),
        now(), CASE WHEN admitted.status = 'RUNNING' THEN now() END
    FROM session CROSS JOIN admitted
    RETURNING status
)

-- fragment: history
-- The messages of the last completed runs of the runnable in the session in `place`, before its position. A run that branched
-- off from another one holds the messages that they share, so the walk continues before the branching point.
(
    WITH RECURSIVE last AS (
        SELECT CAST(NULL AS json) AS messages, before AS position, before AS behind, 0 AS number FROM place
        UNION ALL
        SELECT earlier.*
        FROM last, LATERAL (
            SELECT messages, position, coalesce(history_before, position), last.number + 1
            FROM $runs
            WHERE (session_id, kind, runnable_id) = (SELECT session_id, kind, runnable_id FROM place)
                AND status = 'COMPLETED'
                AND parent_run_id IS NULL
                AND position < last.behind
            ORDER BY position DESC
            LIMIT 1
        ) AS earlier
        WHERE last.number < :history_runs
    )
    SELECT json_agg(messages ORDER BY position) FROM last WHERE number > 0
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
