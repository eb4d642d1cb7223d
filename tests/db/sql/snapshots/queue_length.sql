SELECT set_config(
    'agentos.queued',
    (SELECT count(*) FROM ai.agentos_runs WHERE status = 'PENDING' AND background)::text,
    true
)
