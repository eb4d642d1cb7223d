-- create_session
INSERT INTO ai.agentos_sessions (
    session_id, given_session_id, kind, runnable_id, joined, user_id, session_name, title, session_state, metadata,
    summary, metrics, created_at, updated_at
)
SELECT
    :fresh_key, nullif(:session_id, :fresh_key), :kind, :runnable_id, :joined, :user_id, :session_name, :title,
    :session_state, :metadata, :summary, :metrics, :created_at, :updated_at
WHERE NOT EXISTS (
    SELECT FROM ai.agentos_sessions
    WHERE session_id = ANY (:keys)
        AND coalesce(given_session_id, session_id) = :session_id
        AND user_id IS NOT DISTINCT FROM :user_id
)
ON CONFLICT (session_id) DO NOTHING
RETURNING *

-- change_session
WITH named AS (
    SELECT session_id, user_id, user_id IS NOT DISTINCT FROM :user_id AS own FROM ai.agentos_sessions
    WHERE session_id = ANY (:keys)
        AND coalesce(given_session_id, session_id) = :session_id
        AND (:anyone OR user_id = :owner)
    UNION
    SELECT session_id, user_id, user_id IS NOT DISTINCT FROM :user_id FROM ai.agentos_sessions
    WHERE :anyone AND given_session_id = :session_id
), held AS (
    SELECT s.session_id, s.user_id, s.session_state, coalesce(s.state_version, 0) + 1 AS next
    FROM ai.agentos_sessions AS s
    WHERE session_id = (SELECT session_id FROM named ORDER BY own DESC LIMIT 1)
        AND NOT (SELECT count(*) > 1 AND NOT bool_or(own) FROM named)
    FOR NO KEY UPDATE OF s
), replaced AS (
    SELECT key, old.value
    FROM held CROSS JOIN LATERAL jsonb_each(session_state) AS old
    FULL JOIN jsonb_each(:session_state) AS new USING (key)
    WHERE :session_state IS NOT NULL
        AND EXISTS (SELECT FROM held)
        AND old.value IS DISTINCT FROM new.value
), recent AS (
    SELECT DISTINCT ON (key) key, run_id
    FROM held JOIN ai.agentos_state_changes AS c USING (session_id)
    WHERE version > coalesce((SELECT max(state_version) FROM ai.agentos_runs AS r JOIN held USING (session_id)), 0)
    ORDER BY key, version DESC
), noted AS (
    INSERT INTO ai.agentos_state_changes (session_id, version, place, user_id, key, value)
    SELECT session_id, next, row_number() OVER (), user_id, key, value
    FROM held CROSS JOIN replaced
    WHERE key NOT IN (SELECT key FROM recent WHERE run_id IS NULL)
), changed AS (
    UPDATE ai.agentos_sessions AS s
    SET
        session_name = coalesce(:session_name, s.session_name),
        session_state = coalesce(:session_state, s.session_state),
        state_version = CASE WHEN EXISTS (SELECT FROM replaced) THEN held.next ELSE s.state_version END,
        metadata = coalesce(:metadata, s.metadata),
        summary = coalesce(:summary, s.summary),
        updated_at = now()
    FROM held
    WHERE s.session_id = held.session_id
    RETURNING s.*
)
SELECT (SELECT count(*) > 1 AND NOT bool_or(own) FROM named) AS is_ambiguous, changed.*
FROM (SELECT) AS always LEFT JOIN changed ON true

-- delete_sessions
WITH found AS (
    SELECT session_id, coalesce(given_session_id, session_id) AS id, user_id IS NULL AS own FROM ai.agentos_sessions
    WHERE session_id = ANY (:keys)
        AND coalesce(given_session_id, session_id) = ANY (:session_ids)
        AND (:anyone OR user_id = :owner)
    UNION
    SELECT session_id, given_session_id, user_id IS NULL FROM ai.agentos_sessions
    WHERE :anyone AND given_session_id = ANY (:session_ids)
), ambiguous AS (
    SELECT id FROM found GROUP BY id HAVING count(*) > 1 AND NOT bool_or(own) ORDER BY id LIMIT 1
), gone AS (
    DELETE FROM ai.agentos_sessions
    WHERE session_id IN (SELECT DISTINCT ON (id) session_id FROM found ORDER BY id, own DESC)
        AND NOT EXISTS (SELECT FROM ambiguous)
    RETURNING 1
)
SELECT (SELECT id FROM ambiguous) AS ambiguous, (SELECT count(*) FROM gone) AS deleted

-- read_states
WITH wanted AS (
    SELECT session_id, min(state_version) AS first, max(state_version) AS last
    FROM ai.agentos_runs
    WHERE run_id = ANY (:run_ids) AND state_version IS NOT NULL AND (:anyone OR user_id = :owner)
    GROUP BY session_id
)
SELECT session_id, session_state, (
    SELECT json_agg(json_build_array(version, key, value, value IS NULL) ORDER BY version DESC)
    FROM (
        SELECT DISTINCT ON (least(version, last + 1), key) least(version, last + 1) AS version, key, value
        FROM ai.agentos_state_changes AS c
        WHERE c.session_id = wanted.session_id AND c.version > first
        ORDER BY least(version, last + 1), key, c.version
    ) AS change
) AS changes
FROM wanted JOIN ai.agentos_sessions USING (session_id)
