SELECT run_id, e.seq, e.name, e.text
FROM json_to_recordset(:wanted) AS wanted (run_id text, after bigint)
JOIN ai.agentos_runs AS r USING (run_id)
CROSS JOIN LATERAL (
    SELECT seq, name, text FROM ai.agentos_run_events
    WHERE run_id = wanted.run_id AND seq > wanted.after
    ORDER BY seq
    LIMIT 1000
) AS e
WHERE :anyone OR r.user_id = :owner
ORDER BY run_id, e.seq
