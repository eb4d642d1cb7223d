-- accept_run
WITH named AS (
    SELECT session_id, user_id, user_id IS NOT DISTINCT FROM :user_id AS own FROM ai.agentos_sessions
    WHERE session_id = ANY (:keys)
        AND coalesce(given_session_id, session_id) = :session_id
        AND (:anyone OR user_id = :owner)
    UNION
    SELECT session_id, user_id, user_id IS NOT DISTINCT FROM :user_id FROM ai.agentos_sessions
    WHERE :anyone AND given_session_id = :session_id
), earlier AS (
    SELECT CAST(NULL AS bigint) AS position
), place AS (
    SELECT
        coalesce((SELECT session_id FROM named ORDER BY own DESC LIMIT 1), :fresh_key) AS session_id,
        CAST(:kind AS text) AS kind,
        CAST(:runnable_id AS text) AS runnable_id,
        coalesce((SELECT position FROM earlier), 9223372036854775807) AS before
), rules AS (
    SELECT CASE WHEN (SELECT count(*) > 1 AND NOT bool_or(own) FROM named) THEN 'ambiguous' END AS refusal
), admitted AS (
    SELECT CAST(:status AS text) AS status FROM rules WHERE refusal IS NULL
), before AS (
    SELECT FROM admitted WHERE false
), changes AS (
    SELECT FROM before
), session AS (
    INSERT INTO ai.agentos_sessions AS s (
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
), run AS (
    INSERT INTO ai.agentos_runs (
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
SELECT refusal, session.user_id, session_state, run.status, (
    WITH RECURSIVE last AS (
        SELECT CAST(NULL AS json) AS messages, before AS position, before AS behind, 0 AS number FROM place
        UNION ALL
        SELECT earlier.*
        FROM last, LATERAL (
            SELECT messages, position, coalesce(history_before, position), last.number + 1
            FROM ai.agentos_runs
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
) AS history, (
    SELECT json_agg(newest)
    FROM (
        SELECT m.* FROM ai.agentos_memories AS m
        WHERE m.user_id = session.user_id
        ORDER BY updated_at DESC
        LIMIT :memories
    ) AS newest
) AS memories
FROM rules LEFT JOIN session ON true LEFT JOIN run ON true

-- accept_run_with_state
WITH named AS (
    SELECT session_id, user_id, user_id IS NOT DISTINCT FROM :user_id AS own FROM ai.agentos_sessions
    WHERE session_id = ANY (:keys)
        AND coalesce(given_session_id, session_id) = :session_id
        AND (:anyone OR user_id = :owner)
    UNION
    SELECT session_id, user_id, user_id IS NOT DISTINCT FROM :user_id FROM ai.agentos_sessions
    WHERE :anyone AND given_session_id = :session_id
), earlier AS (
    SELECT CAST(NULL AS bigint) AS position
), place AS (
    SELECT
        coalesce((SELECT session_id FROM named ORDER BY own DESC LIMIT 1), :fresh_key) AS session_id,
        CAST(:kind AS text) AS kind,
        CAST(:runnable_id AS text) AS runnable_id,
        coalesce((SELECT position FROM earlier), 9223372036854775807) AS before
), rules AS (
    SELECT CASE
        WHEN (SELECT count(*) > 1 AND NOT bool_or(own) FROM named) THEN 'ambiguous'
        WHEN :state <> '{}' AND EXISTS (
    SELECT FROM ai.agentos_sessions JOIN place USING (session_id)
    WHERE (:anyone OR user_id = :owner)
        AND (
            octet_length((session_state || :state)::text) > :max_state
            OR (SELECT count(*) FROM jsonb_object_keys(session_state || :state)) > :max_keys
        )
) THEN 'state'
    END AS refusal
), admitted AS (
    SELECT CAST(:status AS text) AS status FROM rules WHERE refusal IS NULL
), before AS (
    SELECT s.session_state
    FROM ai.agentos_sessions AS s JOIN place USING (session_id) CROSS JOIN admitted
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
), session AS (
    INSERT INTO ai.agentos_sessions AS s (
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
), noted AS (
    INSERT INTO ai.agentos_state_changes (session_id, version, place, user_id, run_id, key, value)
    SELECT session_id, state_version, row_number() OVER (), user_id, :run_id, key, value
    FROM session CROSS JOIN changes
), home AS (
    SELECT session_id, user_id FROM session
), kept AS (
    INSERT INTO ai.agentos_media (session_id, key, user_id, mime_type, content)
    SELECT home.session_id, m.key, home.user_id, m.mime_type, m.content
    FROM home CROSS JOIN unnest(
        CAST(:media_keys AS text[]), CAST(:mime_types AS text[]), CAST(:contents AS bytea[])
    ) AS m (key, mime_type, content)
    ON CONFLICT DO NOTHING
), run AS (
    INSERT INTO ai.agentos_runs (
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
SELECT refusal, session.user_id, session_state, run.status, (
    WITH RECURSIVE last AS (
        SELECT CAST(NULL AS json) AS messages, before AS position, before AS behind, 0 AS number FROM place
        UNION ALL
        SELECT earlier.*
        FROM last, LATERAL (
            SELECT messages, position, coalesce(history_before, position), last.number + 1
            FROM ai.agentos_runs
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
) AS history, (
    SELECT json_agg(newest)
    FROM (
        SELECT m.* FROM ai.agentos_memories AS m
        WHERE m.user_id = session.user_id
        ORDER BY updated_at DESC
        LIMIT :memories
    ) AS newest
) AS memories
FROM rules LEFT JOIN session ON true LEFT JOIN run ON true

-- queue_length
SELECT set_config(
    'agentos.queued',
    (SELECT count(*) FROM ai.agentos_runs WHERE status = 'PENDING' AND background)::text,
    true
)

-- admit_run
WITH named AS (
    SELECT session_id, user_id, user_id IS NOT DISTINCT FROM :user_id AS own FROM ai.agentos_sessions
    WHERE session_id = ANY (:keys)
        AND coalesce(given_session_id, session_id) = :session_id
        AND (:anyone OR user_id = :owner)
    UNION
    SELECT session_id, user_id, user_id IS NOT DISTINCT FROM :user_id FROM ai.agentos_sessions
    WHERE :anyone AND given_session_id = :session_id
), target AS (
    SELECT user_id FROM named WHERE session_id = (SELECT session_id FROM named ORDER BY own DESC LIMIT 1)
    UNION ALL
    SELECT :user_id WHERE NOT EXISTS (SELECT FROM named)
), earlier AS (
    SELECT position FROM ai.agentos_runs WHERE run_id = :history_before AND session_id = (SELECT session_id FROM named ORDER BY own DESC LIMIT 1)
), place AS (
    SELECT
        coalesce((SELECT session_id FROM named ORDER BY own DESC LIMIT 1), :fresh_key) AS session_id,
        CAST(:kind AS text) AS kind,
        CAST(:runnable_id AS text) AS runnable_id,
        coalesce((SELECT position FROM earlier), 9223372036854775807) AS before
), known AS (
    SELECT r.run_id, r.status, r.user_id, r.fingerprint IS NOT DISTINCT FROM :fingerprint AS is_same
    FROM ai.agentos_runs AS r, target
    WHERE coalesce(r.user_id, '') = coalesce(target.user_id, '')
        AND r.kind = :kind
        AND r.runnable_id = :runnable_id
        AND r.idempotency_key = :idempotency_key
        AND (:anyone OR r.user_id = :owner)
), live AS (
    SELECT r.run_id, (r.kind, r.runnable_id) = (place.kind, place.runnable_id) AS is_of_runnable
    FROM ai.agentos_runs AS r JOIN place USING (session_id)
    WHERE r.parent_run_id IS NULL
        AND r.status IN ('PENDING', 'RUNNING')
        AND (:anyone OR r.user_id = :owner)
        AND :multitask IS NOT NULL
), answers AS (
    SELECT FROM ai.agentos_runs AS r JOIN place USING (session_id)
    WHERE :replaces IS NOT NULL
        AND (
            r.run_id = :replaces AND r.status = 'REGENERATED'
            OR r.status IN ('PENDING', 'RUNNING', 'PAUSED') AND r.details ->> 'regenerated_from' = :replaces
        )
), rules AS (
    SELECT
        CASE
            WHEN (SELECT count(*) > 1 AND NOT bool_or(own) FROM named) THEN 'ambiguous'
            WHEN EXISTS (SELECT FROM known) THEN 'known'
            WHEN EXISTS (SELECT FROM answers) THEN 'answered'
            WHEN :state <> '{}' AND EXISTS (
    SELECT FROM ai.agentos_sessions JOIN place USING (session_id)
    WHERE (:anyone OR user_id = :owner)
        AND (
            octet_length((session_state || :state)::text) > :max_state
            OR (SELECT count(*) FROM jsonb_object_keys(session_state || :state)) > :max_keys
        )
) THEN 'state'
            WHEN :multitask = 'reject' AND EXISTS (SELECT FROM live) THEN 'busy'
            WHEN nullif(current_setting('agentos.queued', true), '')::bigint >= :queue_limit THEN 'full'
            WHEN :user_queue_limit <= (
                SELECT count(*) FROM ai.agentos_runs AS r, target
                WHERE r.status = 'PENDING' AND r.background
                    AND coalesce(r.user_id, '') = coalesce(target.user_id, '')
            ) THEN 'full for the user'
        END AS refusal,
        CASE WHEN EXISTS (SELECT FROM live) THEN 'PENDING' ELSE :status END AS status
), admitted AS (
    SELECT status FROM rules WHERE refusal IS NULL
), before AS (
    SELECT s.session_state
    FROM ai.agentos_sessions AS s JOIN place USING (session_id) CROSS JOIN admitted
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
), session AS (
    INSERT INTO ai.agentos_sessions AS s (
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
), noted AS (
    INSERT INTO ai.agentos_state_changes (session_id, version, place, user_id, run_id, key, value)
    SELECT session_id, state_version, row_number() OVER (), user_id, :run_id, key, value
    FROM session CROSS JOIN changes
), home AS (
    SELECT session_id, user_id FROM session
), kept AS (
    INSERT INTO ai.agentos_media (session_id, key, user_id, mime_type, content)
    SELECT home.session_id, m.key, home.user_id, m.mime_type, m.content
    FROM home CROSS JOIN unnest(
        CAST(:media_keys AS text[]), CAST(:mime_types AS text[]), CAST(:contents AS bytea[])
    ) AS m (key, mime_type, content)
    ON CONFLICT DO NOTHING
), run AS (
    INSERT INTO ai.agentos_runs (
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
), waited AS (
    SELECT r.run_id, r.cancelling, live.is_of_runnable
    FROM ai.agentos_runs AS r JOIN live USING (run_id) CROSS JOIN run
    WHERE r.status IN ('PENDING', 'RUNNING')
    ORDER BY r.run_id
    FOR NO KEY UPDATE OF r
), marked AS (
    UPDATE ai.agentos_runs AS r
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
    (
    WITH RECURSIVE last AS (
        SELECT CAST(NULL AS json) AS messages, before AS position, before AS behind, 0 AS number FROM place
        UNION ALL
        SELECT earlier.*
        FROM last, LATERAL (
            SELECT messages, position, coalesce(history_before, position), last.number + 1
            FROM ai.agentos_runs
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
) AS history,
    (
    SELECT json_agg(newest)
    FROM (
        SELECT m.* FROM ai.agentos_memories AS m
        WHERE m.user_id = session.user_id
        ORDER BY updated_at DESC
        LIMIT :memories
    ) AS newest
) AS memories,
    (
    SELECT count(pg_notify('ai.agentos_runs', json_build_object(kind, ids)::text))
    FROM (
        SELECT kind, json_agg(run_id) AS ids
        FROM (
            SELECT kind, run_id, sum(octet_length(to_json(run_id)::text)) OVER (ORDER BY run_id) / 6000 AS part
            FROM (SELECT DISTINCT kind, run_id FROM news) AS distinct_news
        ) AS parts
        GROUP BY kind, part
    ) AS messages
) AS told,
    (SELECT pg_notify('ai.agentos_runs', '{"queue":[]}') FROM run WHERE status = 'PENDING') AS queue
FROM rules LEFT JOIN known ON true LEFT JOIN session ON true LEFT JOIN run ON true

-- open_child
WITH parent AS (
    SELECT
        session_id, given_session_id, user_id, coalesce(root_run_id, run_id) AS root_run_id,
        coalesce(depth, 0) + 1 AS depth
    FROM ai.agentos_runs
    WHERE run_id = :parent_run_id
        AND status = 'RUNNING'
        AND executor_id IS NOT DISTINCT FROM :worker_id
        AND (:anyone OR user_id = :owner)
), run AS (
    INSERT INTO ai.agentos_runs AS r (
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
), kept AS (
    INSERT INTO ai.agentos_media (session_id, key, user_id, mime_type, content)
    SELECT home.session_id, m.key, home.user_id, m.mime_type, m.content
    FROM home CROSS JOIN unnest(
        CAST(:media_keys AS text[]), CAST(:mime_types AS text[]), CAST(:contents AS bytea[])
    ) AS m (key, mime_type, content)
    ON CONFLICT DO NOTHING
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
