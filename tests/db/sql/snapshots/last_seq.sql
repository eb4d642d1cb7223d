SELECT coalesce(max(e.seq), 0) AS seq
FROM ai.agentos_run_events AS e JOIN ai.agentos_runs AS r USING (run_id)
WHERE run_id = :run_id AND (:anyone OR r.user_id = :owner)
