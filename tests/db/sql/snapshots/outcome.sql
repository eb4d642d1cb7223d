-- finish_run
WITH held AS (
    SELECT session_id, user_id, session_state, coalesce(state_version, 0) AS state_version
    FROM ai.agentos_sessions
    WHERE session_id = (SELECT session_id FROM ai.agentos_runs WHERE run_id = :run_id)
    FOR NO KEY UPDATE
), found AS (
    SELECT r.run_id, r.status, r.executor_id, r.cancelling, r.awaited, r.background, r.parent_run_id
    FROM ai.agentos_runs AS r JOIN held USING (session_id)
    WHERE r.run_id = :run_id AND (:anyone OR r.user_id = :owner)
    FOR NO KEY UPDATE OF r
), mine AS (SELECT *, coalesce(cancelling = 'rollback', false) AND :status = 'CANCELLED' AS is_undone
FROM found
WHERE status IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :worker_id), change AS (
    SELECT CAST('{}' AS jsonb) AS put, CAST('{}' AS text[]) AS removed, false AS is_change FROM mine
    WHERE parent_run_id IS NULL
), run AS (
    UPDATE ai.agentos_runs AS r
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
    UPDATE ai.agentos_runs AS r
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
    UPDATE ai.agentos_runs AS r
    SET status = 'REGENERATED', updated_at = now()
    FROM run
    WHERE r.run_id = :replaces
        AND r.session_id = run.session_id
        AND r.status = 'COMPLETED'
        AND :status = 'COMPLETED'
), logged AS (
    INSERT INTO ai.agentos_run_events (run_id, seq, name, text)
    SELECT run_id, seq, name, text
    FROM run JOIN json_to_recordset(:lines) AS line (run_id text, seq integer, name text, text text)
        USING (run_id)
    ON CONFLICT DO NOTHING
), session AS (
    UPDATE ai.agentos_sessions AS s
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
SELECT
    EXISTS (SELECT FROM mine) AS is_stored,
    CASE status
    WHEN 'PAUSED' THEN :status = 'PAUSED'
    ELSE status NOT IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :worker_id
END AS is_over,
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
    (SELECT pg_notify('ai.agentos_runs', '{"queue":[]}') FROM mine WHERE awaited OR background OR cancelling <> '') AS queue
FROM found

-- finish_run_with_state
WITH held AS (
    SELECT session_id, user_id, session_state, coalesce(state_version, 0) AS state_version
    FROM ai.agentos_sessions
    WHERE session_id = (SELECT session_id FROM ai.agentos_runs WHERE run_id = :run_id)
    FOR NO KEY UPDATE
), found AS (
    SELECT r.run_id, r.status, r.executor_id, r.cancelling, r.awaited, r.background, r.parent_run_id
    FROM ai.agentos_runs AS r JOIN held USING (session_id)
    WHERE r.run_id = :run_id AND (:anyone OR r.user_id = :owner)
    FOR NO KEY UPDATE OF r
), mine AS (SELECT *, coalesce(cancelling = 'rollback', false) AND :status = 'CANCELLED' AS is_undone
FROM found
WHERE status IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :worker_id), undone AS (
    DELETE FROM ai.agentos_runs AS r
    USING mine
    WHERE mine.is_undone
        AND r.session_id = (SELECT session_id FROM held)
        AND (r.run_id = mine.run_id OR r.root_run_id = mine.run_id)
    RETURNING r.run_id, coalesce(r.input::text, '') || r.messages::text AS said
), unkept AS (
    DELETE FROM ai.agentos_media AS m
    USING held
    WHERE m.session_id = held.session_id
        AND EXISTS (SELECT FROM undone WHERE strpos(said, m.key) > 0)
        AND NOT EXISTS (
            SELECT FROM ai.agentos_runs AS r
            WHERE r.session_id = m.session_id
                AND r.run_id NOT IN (SELECT run_id FROM undone)
                AND strpos(coalesce(r.input::text, '') || r.messages::text, m.key) > 0
        )
), given_back AS (
    SELECT DISTINCT ON (key) key, value
    FROM mine CROSS JOIN held JOIN ai.agentos_state_changes AS c USING (session_id)
    WHERE mine.is_undone
        AND c.run_id = mine.run_id
        AND NOT EXISTS (
            SELECT FROM ai.agentos_state_changes AS later
            WHERE later.session_id = c.session_id
                AND later.key = c.key
                AND later.version > c.version
                AND later.run_id IS DISTINCT FROM c.run_id
        )
    ORDER BY key, version
), wanted AS (
    SELECT :put AS put, CAST(:removed AS text[]) AS removed FROM mine
    WHERE NOT is_undone AND parent_run_id IS NULL
    UNION ALL
    SELECT
    coalesce(jsonb_object_agg(key, value) FILTER (WHERE value IS NOT NULL), '{}'),
    coalesce(array_agg(key) FILTER (WHERE value IS NULL), '{}')
FROM given_back
HAVING count(*) > 0
), changed AS (
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
    INSERT INTO ai.agentos_state_changes (session_id, version, place, user_id, run_id, key, value)
    SELECT session_id, state_version + 1, row_number() OVER (), user_id, :run_id, key, value
    FROM held CROSS JOIN changed
), home AS (
    SELECT held.session_id, held.user_id FROM held CROSS JOIN mine WHERE NOT is_undone
), kept AS (
    INSERT INTO ai.agentos_media (session_id, key, user_id, mime_type, content)
    SELECT home.session_id, m.key, home.user_id, m.mime_type, m.content
    FROM home CROSS JOIN unnest(
        CAST(:media_keys AS text[]), CAST(:mime_types AS text[]), CAST(:contents AS bytea[])
    ) AS m (key, mime_type, content)
    ON CONFLICT DO NOTHING
), given AS (
    UPDATE ai.agentos_sessions AS s
    SET
        session_state = (s.session_state - change.removed) || change.put,
        state_version = held.state_version + 1,
        updated_at = now()
    FROM change CROSS JOIN held CROSS JOIN mine
    WHERE s.session_id = held.session_id AND mine.is_undone
), run AS (
    UPDATE ai.agentos_runs AS r
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
    UPDATE ai.agentos_runs AS r
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
    UPDATE ai.agentos_runs AS r
    SET status = 'REGENERATED', updated_at = now()
    FROM run
    WHERE r.run_id = :replaces
        AND r.session_id = run.session_id
        AND r.status = 'COMPLETED'
        AND :status = 'COMPLETED'
), logged AS (
    INSERT INTO ai.agentos_run_events (run_id, seq, name, text)
    SELECT run_id, seq, name, text
    FROM run JOIN json_to_recordset(:lines) AS line (run_id text, seq integer, name text, text text)
        USING (run_id)
    ON CONFLICT DO NOTHING
), session AS (
    UPDATE ai.agentos_sessions AS s
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
SELECT
    EXISTS (SELECT FROM mine) AS is_stored,
    CASE status
    WHEN 'PAUSED' THEN :status = 'PAUSED'
    ELSE status NOT IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :worker_id
END AS is_over,
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
    (SELECT pg_notify('ai.agentos_runs', '{"queue":[]}') FROM mine WHERE awaited OR background OR cancelling <> '') AS queue
FROM found

-- finish_run_with_merges
WITH held AS (
    SELECT session_id, user_id, session_state, coalesce(state_version, 0) AS state_version
    FROM ai.agentos_sessions
    WHERE session_id = (SELECT session_id FROM ai.agentos_runs WHERE run_id = :run_id)
    FOR NO KEY UPDATE
), found AS (
    SELECT r.run_id, r.status, r.executor_id, r.cancelling, r.awaited, r.background, r.parent_run_id
    FROM ai.agentos_runs AS r JOIN held USING (session_id)
    WHERE r.run_id = :run_id AND (:anyone OR r.user_id = :owner)
    FOR NO KEY UPDATE OF r
), own AS (SELECT *, coalesce(cancelling = 'rollback', false) AND :status = 'CANCELLED' AS is_undone
FROM found
WHERE status IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :worker_id), merged AS (
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
), undone AS (
    DELETE FROM ai.agentos_runs AS r
    USING mine
    WHERE mine.is_undone
        AND r.session_id = (SELECT session_id FROM held)
        AND (r.run_id = mine.run_id OR r.root_run_id = mine.run_id)
    RETURNING r.run_id, coalesce(r.input::text, '') || r.messages::text AS said
), unkept AS (
    DELETE FROM ai.agentos_media AS m
    USING held
    WHERE m.session_id = held.session_id
        AND EXISTS (SELECT FROM undone WHERE strpos(said, m.key) > 0)
        AND NOT EXISTS (
            SELECT FROM ai.agentos_runs AS r
            WHERE r.session_id = m.session_id
                AND r.run_id NOT IN (SELECT run_id FROM undone)
                AND strpos(coalesce(r.input::text, '') || r.messages::text, m.key) > 0
        )
), given_back AS (
    SELECT DISTINCT ON (key) key, value
    FROM mine CROSS JOIN held JOIN ai.agentos_state_changes AS c USING (session_id)
    WHERE mine.is_undone
        AND c.run_id = mine.run_id
        AND NOT EXISTS (
            SELECT FROM ai.agentos_state_changes AS later
            WHERE later.session_id = c.session_id
                AND later.key = c.key
                AND later.version > c.version
                AND later.run_id IS DISTINCT FROM c.run_id
        )
    ORDER BY key, version
), wanted AS (
    SELECT :put || results AS put, CAST(:removed AS text[]) AS removed FROM mine CROSS JOIN merged
    WHERE NOT is_undone AND parent_run_id IS NULL
    UNION ALL
    SELECT
    coalesce(jsonb_object_agg(key, value) FILTER (WHERE value IS NOT NULL), '{}'),
    coalesce(array_agg(key) FILTER (WHERE value IS NULL), '{}')
FROM given_back
HAVING count(*) > 0
), changed AS (
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
    INSERT INTO ai.agentos_state_changes (session_id, version, place, user_id, run_id, key, value)
    SELECT session_id, state_version + 1, row_number() OVER (), user_id, :run_id, key, value
    FROM held CROSS JOIN changed
), home AS (
    SELECT held.session_id, held.user_id FROM held CROSS JOIN mine WHERE NOT is_undone
), kept AS (
    INSERT INTO ai.agentos_media (session_id, key, user_id, mime_type, content)
    SELECT home.session_id, m.key, home.user_id, m.mime_type, m.content
    FROM home CROSS JOIN unnest(
        CAST(:media_keys AS text[]), CAST(:mime_types AS text[]), CAST(:contents AS bytea[])
    ) AS m (key, mime_type, content)
    ON CONFLICT DO NOTHING
), given AS (
    UPDATE ai.agentos_sessions AS s
    SET
        session_state = (s.session_state - change.removed) || change.put,
        state_version = held.state_version + 1,
        updated_at = now()
    FROM change CROSS JOIN held CROSS JOIN mine
    WHERE s.session_id = held.session_id AND mine.is_undone
), run AS (
    UPDATE ai.agentos_runs AS r
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
    UPDATE ai.agentos_runs AS r
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
    UPDATE ai.agentos_runs AS r
    SET status = 'REGENERATED', updated_at = now()
    FROM run
    WHERE r.run_id = :replaces
        AND r.session_id = run.session_id
        AND r.status = 'COMPLETED'
        AND :status = 'COMPLETED'
), logged AS (
    INSERT INTO ai.agentos_run_events (run_id, seq, name, text)
    SELECT run_id, seq, name, text
    FROM run JOIN json_to_recordset(:lines) AS line (run_id text, seq integer, name text, text text)
        USING (run_id)
    ON CONFLICT DO NOTHING
), session AS (
    UPDATE ai.agentos_sessions AS s
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
SELECT
    EXISTS (SELECT FROM mine) AS is_stored,
    CASE status
    WHEN 'PAUSED' THEN :status = 'PAUSED'
    ELSE status NOT IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :worker_id
END AS is_over,
    EXISTS (SELECT FROM refused) AS is_refused,
    (SELECT results FROM merged CROSS JOIN mine WHERE NOT is_undone) AS merged,
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
    (SELECT pg_notify('ai.agentos_runs', '{"queue":[]}') FROM mine WHERE awaited OR background OR cancelling <> '') AS queue
FROM found

-- open_run
WITH run AS (
    SELECT * FROM ai.agentos_runs WHERE run_id = :run_id AND executor_id = :worker_id AND status = 'RUNNING'
), place AS (
    SELECT session_id, kind, runnable_id, coalesce(history_before, position) AS before FROM run
), before AS (
    SELECT s.session_id, s.user_id, s.session_state
    FROM ai.agentos_sessions AS s JOIN run USING (session_id)
    WHERE NOT s.session_state ?& :default_keys
    FOR NO KEY UPDATE OF s
), changed AS (
    UPDATE ai.agentos_sessions AS s
    SET session_state = :defaults || s.session_state, state_version = coalesce(s.state_version, 0) + 1
    FROM before
    WHERE s.session_id = before.session_id
    RETURNING s.session_state, s.state_version
), noted AS (
    INSERT INTO ai.agentos_state_changes (session_id, version, place, user_id, run_id, key)
    SELECT session_id, state_version, row_number() OVER (), user_id, :run_id, key
    FROM changed CROSS JOIN before CROSS JOIN jsonb_object_keys(:defaults) AS key
    WHERE NOT before.session_state ? key
), session AS (
    SELECT s.user_id, coalesce((SELECT session_state FROM changed), s.session_state) AS current_state
    FROM ai.agentos_sessions AS s JOIN run USING (session_id)
)
SELECT
    run.*,
    current_state,
    coalesce((SELECT max(seq) FROM ai.agentos_run_events AS e WHERE e.run_id = run.run_id), 0) AS last_seq,
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
) AS memories
FROM run, session

-- reopen_run
WITH found AS (
    SELECT run_id, status, json_array_length(messages) AS messages, ARRAY(
        SELECT (call ->> 'member_run_id') || ' ' || (call #>> '{tool_execution,tool_call_id}')
        FROM json_each(details -> 'child_requirements') AS child, json_array_elements(child.value) AS call
    ) AS nested_calls
    FROM ai.agentos_runs
    WHERE run_id = :run_id AND (:anyone OR user_id = :owner)
    FOR NO KEY UPDATE
), run AS (
    UPDATE ai.agentos_runs AS r
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
SELECT segment, (SELECT pg_notify('ai.agentos_runs', '{"queue":[]}') FROM run WHERE status = 'PENDING') AS queue
FROM found LEFT JOIN run ON true

-- cancel_run
WITH found AS (
    SELECT
        run_id,
        CASE WHEN status = 'RUNNING' AND executor_id IS NULL THEN 'PENDING' ELSE status END AS status
    FROM ai.agentos_runs
    WHERE run_id = :run_id AND (:anyone OR user_id = :owner)
    FOR NO KEY UPDATE
), changed AS (
    UPDATE ai.agentos_runs AS r
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
SELECT status, (
    SELECT count(pg_notify('ai.agentos_runs', json_build_object(kind, ids)::text))
    FROM (
        SELECT kind, json_agg(run_id) AS ids
        FROM (
            SELECT kind, run_id, sum(octet_length(to_json(run_id)::text)) OVER (ORDER BY run_id) / 6000 AS part
            FROM (SELECT DISTINCT kind, run_id FROM news) AS distinct_news
        ) AS parts
        GROUP BY kind, part
    ) AS messages
) AS told
FROM found
