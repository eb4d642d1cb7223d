WITH pause AS (
    SELECT coalesce(max(seq), 0) AS before FROM ai.agentos_run_events WHERE run_id = :run_id AND name = :paused
)
SELECT before, e.seq, e.name, e.text
FROM pause LEFT JOIN ai.agentos_run_events AS e ON e.run_id = :run_id AND e.seq > before AND e.seq > :after
ORDER BY e.seq
LIMIT :limit
