INSERT INTO ai.agentos_run_events (run_id, seq, name, text)
SELECT :run_id, batch.* FROM json_to_recordset(:batch) AS batch (seq integer, name text, text text)
