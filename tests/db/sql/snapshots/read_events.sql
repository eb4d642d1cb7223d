SELECT e.seq, e.name, e.text
FROM ai.agentos_run_events AS e JOIN ai.agentos_runs AS r USING (run_id)
WHERE run_id = :run_id AND e.seq > :after AND (:anyone OR r.user_id = :owner)
ORDER BY e.seq
LIMIT :limit
