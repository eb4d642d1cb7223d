-- append_audit
INSERT INTO ai.agentos_audit (
    seq, "time", decision, reason, status, method, route, resource_id, principal, token_ref, request_id, hash
)
SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS added (
    seq bigint, "time" timestamptz, decision text, reason text, status integer, method text, route text,
    resource_id text, principal text, token_ref text, request_id text, hash text
)
RETURNING seq

-- prunable_audit
WITH ends AS (
    SELECT min(seq) AS first, max(seq) AS last FROM ai.agentos_audit
), aged AS (
    SELECT seq, hash, decision,
        coalesce("time" < now() - CAST(:age AS interval), false)
        OR coalesce(last - first >= CAST(:keep AS bigint) AND seq <= last + 1 - CAST(:keep AS bigint), false)
            AS is_old
    FROM ai.agentos_audit, ends ORDER BY seq LIMIT :batch
), old AS (
    SELECT * FROM aged WHERE seq < coalesce((SELECT min(seq) FROM aged WHERE NOT is_old), 9223372036854775807)
)
SELECT seq, hash FROM old
WHERE (SELECT count(*) > 1 OR bool_or(decision <> 'pruned') FROM old)
ORDER BY seq DESC LIMIT 1

-- count_audit
WITH ends AS (
    SELECT min(seq) AS first, max(seq) AS last FROM ai.agentos_audit
), aged AS (
    SELECT seq, hash, decision,
        coalesce("time" < now() - CAST(:age AS interval), false)
        OR coalesce(last - first >= CAST(:keep AS bigint) AND seq <= last + 1 - CAST(:keep AS bigint), false)
            AS is_old
    FROM ai.agentos_audit, ends ORDER BY seq LIMIT :batch
), old AS (
    SELECT * FROM aged WHERE seq < coalesce((SELECT min(seq) FROM aged WHERE NOT is_old), 9223372036854775807)
)
SELECT count(*) AS rows FROM old

-- cut_audit
DELETE FROM ai.agentos_audit
WHERE seq <= :seq AND EXISTS (SELECT FROM ai.agentos_audit WHERE seq = :seq AND hash = :hash)
RETURNING seq
