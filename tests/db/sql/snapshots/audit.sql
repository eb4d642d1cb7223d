-- append_audit
INSERT INTO ai.agentos_audit (
    seq, "time", decision, reason, status, method, route, resource_id, principal, token_ref, request_id, hash
)
SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS added (
    seq bigint, "time" timestamptz, decision text, reason text, status integer, method text, route text,
    resource_id text, principal text, token_ref text, request_id text, hash text
)
RETURNING seq
