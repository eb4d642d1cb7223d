-- create_approvals
WITH run AS (
    SELECT r.run_id, r.session_id, r.kind, r.runnable_id, r.user_id, (
        SELECT jsonb_build_object('asked_by', jsonb_agg(DISTINCT name))
        FROM (
            VALUES
                (root.arguments ->> 'begun_by'),
                (root.arguments ->> 'continued_by')
        ) AS asking (name)
        WHERE name IS NOT NULL
        HAVING count(*) > 0
    ) AS asked_by
    FROM ai.agentos_runs AS r JOIN ai.agentos_runs AS root ON root.run_id = coalesce(r.root_run_id, r.run_id)
    WHERE r.run_id = ANY (:run_ids) AND (:anyone OR r.user_id = :owner)
), added AS (
    INSERT INTO ai.agentos_approvals (
        id, run_id, session_id, kind, runnable_id, user_id, status, approval_type, pause_type, tool_call_id,
        tool_name, tool_args, expires_at, source_name, requirements, context, resolution_data, resolved_by,
        resolved_at
    )
    SELECT
        a.id, run_id, run.session_id, run.kind, run.runnable_id, run.user_id, a.status, a.approval_type,
        a.pause_type, a.tool_call_id, a.tool_name, a.tool_args, a.expires_at, a.source_name, a.requirements,
        CASE
            WHEN run.asked_by IS NULL THEN a.context
            ELSE (coalesce(a.context::jsonb, '{}') || run.asked_by)::json
        END,
        a.resolution_data, a.resolved_by, a.resolved_at
    FROM json_to_recordset(:rows) AS a (
        id text, run_id text, status text, approval_type text, pause_type text, tool_call_id text,
        tool_name text, tool_args json, expires_at bigint, source_name text, requirements json, context json,
        resolution_data json, resolved_by text, resolved_at bigint
    ) JOIN run USING (run_id)
    ON CONFLICT (id) DO NOTHING
)
SELECT run_id FROM run
