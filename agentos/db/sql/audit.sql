-- The audit, which only grows.

-- name: append_audit
-- Adds rows of the audit, all or none.
INSERT INTO $audit (
    seq, "time", decision, reason, status, method, route, resource_id, principal, token_ref, request_id, hash
)
SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS added (
    seq bigint, "time" timestamptz, decision text, reason text, status integer, method text, route text,
    resource_id text, principal text, token_ref text, request_id text, hash text
)
RETURNING seq

-- fragment: old_audit
-- The first rows, and whether they are older than `age` or, if there are more than `keep`, not among the latest;
-- NULL is no limit. The mark that a deletion leaves counts among the kept ones.
ends AS (
    SELECT min(seq) AS first, max(seq) AS last FROM $audit
), aged AS (
    SELECT seq, hash, decision,
        coalesce("time" < now() - CAST(:age AS interval), false)
        OR coalesce(last - first >= CAST(:keep AS bigint) AND seq <= last + 1 - CAST(:keep AS bigint), false)
            AS is_old
    FROM $audit, ends ORDER BY seq LIMIT :batch
), old AS (
    SELECT * FROM aged WHERE seq < coalesce((SELECT min(seq) FROM aged WHERE NOT is_old), 9223372036854775807)
)

-- name: prunable_audit
-- The last old row of the next batch. A mark alone, which an earlier batch has left, isn't worth another mark.
WITH $old_audit
SELECT seq, hash FROM old
WHERE (SELECT count(*) > 1 OR bool_or(decision <> 'pruned') FROM old)
ORDER BY seq DESC LIMIT 1

-- name: count_audit
-- How many rows are old.
WITH $old_audit
SELECT count(*) AS rows FROM old

-- name: cut_audit
-- Deletes the beginning of the audit up to a row, if it is still there.
DELETE FROM $audit
WHERE seq <= :seq AND EXISTS (SELECT FROM $audit WHERE seq = :seq AND hash = :hash)
RETURNING seq
