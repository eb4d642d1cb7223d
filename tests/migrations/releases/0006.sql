SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA ai;
CREATE SCHEMA dbos;
CREATE FUNCTION dbos.enqueue_workflow(workflow_name text, queue_name text, positional_args json[] DEFAULT ARRAY[]::json[], named_args json DEFAULT '{}'::json, class_name text DEFAULT NULL::text, config_name text DEFAULT NULL::text, workflow_id text DEFAULT NULL::text, app_version text DEFAULT NULL::text, timeout_ms bigint DEFAULT NULL::bigint, deadline_epoch_ms bigint DEFAULT NULL::bigint, deduplication_id text DEFAULT NULL::text, priority integer DEFAULT NULL::integer, queue_partition_key text DEFAULT NULL::text, authenticated_user text DEFAULT NULL::text, authenticated_roles text DEFAULT NULL::text, delay_until_epoch_ms bigint DEFAULT NULL::bigint, application_name text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    v_workflow_id TEXT;
    v_serialized_inputs TEXT;
    v_owner_xid TEXT;
    v_now BIGINT;
    v_recovery_attempts INT4 := 0;
    v_priority INT4;
    v_status TEXT;
BEGIN
    -- Validate required parameters
    IF workflow_name IS NULL OR workflow_name = '' THEN
        RAISE EXCEPTION 'Workflow name cannot be null or empty';
    END IF;
    IF queue_name IS NULL OR queue_name = '' THEN
        RAISE EXCEPTION 'Queue name cannot be null or empty';
    END IF;
    IF named_args IS NOT NULL AND jsonb_typeof(named_args::jsonb) != 'object' THEN
        RAISE EXCEPTION 'Named args must be a JSON object';
    END IF;
    IF workflow_id IS NOT NULL AND workflow_id = '' THEN
        RAISE EXCEPTION 'Workflow ID cannot be an empty string if provided.';
    END IF;
    IF delay_until_epoch_ms IS NOT NULL AND delay_until_epoch_ms < 0 THEN
        RAISE EXCEPTION 'delay_until_epoch_ms must be >= 0';
    END IF;
    v_workflow_id := COALESCE(workflow_id, gen_random_uuid()::TEXT);
    v_owner_xid := gen_random_uuid()::TEXT;
    v_priority := COALESCE(priority, 0);
    v_serialized_inputs := json_build_object(
        'positionalArgs', positional_args,
        'namedArgs', named_args
    )::TEXT;
    v_now := EXTRACT(epoch FROM now()) * 1000;
    v_status := CASE WHEN delay_until_epoch_ms IS NULL THEN 'ENQUEUED' ELSE 'DELAYED' END;
    INSERT INTO "dbos".workflow_status (
        workflow_uuid, status,
        name, class_name, config_name,
        queue_name, deduplication_id, priority, queue_partition_key,
        application_version,
        created_at, updated_at, recovery_attempts,
        workflow_timeout_ms, workflow_deadline_epoch_ms,
        parent_workflow_id, owner_xid, serialization,
        authenticated_user, authenticated_roles,
        delay_until_epoch_ms, application_name
    ) VALUES (
        v_workflow_id, v_status,
        workflow_name, class_name, config_name,
        queue_name, deduplication_id, v_priority, queue_partition_key,
        app_version,
        v_now, v_now, v_recovery_attempts,
        timeout_ms, deadline_epoch_ms,
        NULL, v_owner_xid, 'portable_json',
        authenticated_user, authenticated_roles,
        delay_until_epoch_ms, application_name
    )
    ON CONFLICT (workflow_uuid)
    DO UPDATE SET
        updated_at = EXCLUDED.updated_at;
    INSERT INTO "dbos".workflow_input (
        workflow_uuid, inputs, retention_timestamp
    ) VALUES (
        v_workflow_id, v_serialized_inputs, v_now
    )
    ON CONFLICT (workflow_uuid) DO NOTHING;
    RETURN v_workflow_id;
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION 'DBOS queue duplicated'
            USING DETAIL = format('Workflow %s with queue %s and deduplication ID %s already exists', v_workflow_id, queue_name, deduplication_id),
                ERRCODE = 'unique_violation';
END;
$$;
CREATE FUNCTION dbos.send_message(destination_id text, message json, topic text DEFAULT NULL::text, message_id text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    v_topic TEXT := COALESCE(topic, '__null__topic__');
    v_message_id TEXT := COALESCE(message_id, gen_random_uuid()::TEXT);
BEGIN
    INSERT INTO "dbos".notifications (
        destination_uuid, topic, message, message_uuid, serialization
    ) VALUES (
        destination_id, v_topic, message, v_message_id, 'portable_json'
    )
    ON CONFLICT (message_uuid) DO NOTHING;
EXCEPTION
    WHEN foreign_key_violation THEN
        RAISE EXCEPTION 'DBOS non-existent workflow'
            USING DETAIL = format('Destination workflow %s does not exist', destination_id),
                ERRCODE = 'foreign_key_violation';
END;
$$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE ai.agentos_approvals (
    id text NOT NULL,
    run_id text NOT NULL,
    session_id text NOT NULL,
    kind text NOT NULL,
    runnable_id text NOT NULL,
    user_id text,
    status text NOT NULL,
    approval_type text NOT NULL,
    pause_type text,
    tool_call_id text NOT NULL,
    tool_name text,
    tool_args json,
    source_name text,
    requirements json,
    context json,
    resolution_data json,
    resolved_by text,
    expires_at bigint,
    resolved_at bigint,
    created_at bigint DEFAULT (EXTRACT(epoch FROM now()))::bigint NOT NULL,
    updated_at bigint DEFAULT (EXTRACT(epoch FROM now()))::bigint NOT NULL,
    CONSTRAINT agentos_approvals_approval_type_check CHECK ((approval_type = ANY (ARRAY['required'::text, 'audit'::text]))),
    CONSTRAINT agentos_approvals_kind_check CHECK ((kind = ANY (ARRAY['agent'::text, 'team'::text, 'workflow'::text]))),
    CONSTRAINT agentos_approvals_pause_type_check CHECK ((pause_type = ANY (ARRAY['confirmation'::text, 'user_input'::text, 'external_execution'::text]))),
    CONSTRAINT agentos_approvals_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'approved'::text, 'rejected'::text, 'expired'::text, 'cancelled'::text])))
);
CREATE TABLE ai.agentos_audit (
    seq bigint NOT NULL,
    "time" timestamp with time zone NOT NULL,
    decision text NOT NULL,
    reason text NOT NULL,
    status integer,
    method text,
    route text,
    resource_id text,
    principal text,
    token_ref text,
    request_id text,
    hash text NOT NULL
);
CREATE TABLE ai.agentos_executors (
    executor_id text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    beat_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE ai.agentos_memories (
    memory_id text NOT NULL,
    memory text NOT NULL,
    topics text[] DEFAULT '{}'::text[] NOT NULL,
    user_id text NOT NULL,
    agent_id text,
    team_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE ai.agentos_run_events (
    run_id text NOT NULL,
    seq integer NOT NULL,
    name text NOT NULL,
    text text NOT NULL
);
CREATE TABLE ai.agentos_runs (
    run_id text NOT NULL,
    session_id text NOT NULL,
    "position" bigint NOT NULL,
    kind text NOT NULL,
    runnable_id text NOT NULL,
    user_id text,
    parent_run_id text,
    status text NOT NULL,
    created_at bigint NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    input json,
    messages json NOT NULL,
    details json NOT NULL,
    executor_id text,
    segment integer DEFAULT 0 NOT NULL,
    durable boolean DEFAULT false NOT NULL,
    background boolean DEFAULT false NOT NULL,
    multitask text,
    awaited boolean DEFAULT false NOT NULL,
    cancelling text,
    arguments json,
    idempotency_key text,
    fingerprint text,
    history_before bigint,
    CONSTRAINT agentos_runs_kind_check CHECK ((kind = ANY (ARRAY['agent'::text, 'team'::text, 'workflow'::text]))),
    CONSTRAINT agentos_runs_status_check CHECK ((status = ANY (ARRAY['PENDING'::text, 'RUNNING'::text, 'PAUSED'::text, 'COMPLETED'::text, 'CANCELLED'::text, 'ERROR'::text, 'REGENERATED'::text])))
);
ALTER TABLE ai.agentos_runs ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ai.agentos_runs_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ai.agentos_schema_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE ai.agentos_schema_version_c76b8aca (
    version_num character varying(32) NOT NULL
);
CREATE TABLE ai.agentos_service_accounts (
    id text NOT NULL,
    name text NOT NULL,
    token_hash text NOT NULL,
    token_prefix text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by text,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone
);
CREATE TABLE ai.agentos_sessions (
    session_id text NOT NULL,
    kind text NOT NULL,
    runnable_id text,
    user_id text,
    session_name text,
    title text,
    session_state jsonb DEFAULT '{}'::jsonb NOT NULL,
    metadata jsonb,
    summary jsonb,
    metrics jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT agentos_sessions_kind_check CHECK ((kind = ANY (ARRAY['agent'::text, 'team'::text, 'workflow'::text])))
);
CREATE TABLE ai."shop accounts" (
    id text NOT NULL,
    name text NOT NULL,
    token_hash text NOT NULL,
    token_prefix text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by text,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone
);
CREATE TABLE ai."shop approvals" (
    id text NOT NULL,
    run_id text NOT NULL,
    session_id text NOT NULL,
    kind text NOT NULL,
    runnable_id text NOT NULL,
    user_id text,
    status text NOT NULL,
    approval_type text NOT NULL,
    pause_type text,
    tool_call_id text NOT NULL,
    tool_name text,
    tool_args json,
    source_name text,
    requirements json,
    context json,
    resolution_data json,
    resolved_by text,
    expires_at bigint,
    resolved_at bigint,
    created_at bigint DEFAULT (EXTRACT(epoch FROM now()))::bigint NOT NULL,
    updated_at bigint DEFAULT (EXTRACT(epoch FROM now()))::bigint NOT NULL,
    CONSTRAINT "shop approvals_approval_type_check" CHECK ((approval_type = ANY (ARRAY['required'::text, 'audit'::text]))),
    CONSTRAINT "shop approvals_kind_check" CHECK ((kind = ANY (ARRAY['agent'::text, 'team'::text, 'workflow'::text]))),
    CONSTRAINT "shop approvals_pause_type_check" CHECK ((pause_type = ANY (ARRAY['confirmation'::text, 'user_input'::text, 'external_execution'::text]))),
    CONSTRAINT "shop approvals_status_check" CHECK ((status = ANY (ARRAY['pending'::text, 'approved'::text, 'rejected'::text, 'expired'::text, 'cancelled'::text])))
);
CREATE TABLE ai."shop audit" (
    seq bigint NOT NULL,
    "time" timestamp with time zone NOT NULL,
    decision text NOT NULL,
    reason text NOT NULL,
    status integer,
    method text,
    route text,
    resource_id text,
    principal text,
    token_ref text,
    request_id text,
    hash text NOT NULL
);
CREATE TABLE ai."shop events" (
    run_id text NOT NULL,
    seq integer NOT NULL,
    name text NOT NULL,
    text text NOT NULL
);
CREATE TABLE ai."shop executors" (
    executor_id text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    beat_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE ai."shop memories" (
    memory_id text NOT NULL,
    memory text NOT NULL,
    topics text[] DEFAULT '{}'::text[] NOT NULL,
    user_id text NOT NULL,
    agent_id text,
    team_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE ai."shop runs" (
    run_id text NOT NULL,
    session_id text NOT NULL,
    "position" bigint NOT NULL,
    kind text NOT NULL,
    runnable_id text NOT NULL,
    user_id text,
    parent_run_id text,
    status text NOT NULL,
    created_at bigint NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    input json,
    messages json NOT NULL,
    details json NOT NULL,
    executor_id text,
    segment integer DEFAULT 0 NOT NULL,
    durable boolean DEFAULT false NOT NULL,
    background boolean DEFAULT false NOT NULL,
    multitask text,
    awaited boolean DEFAULT false NOT NULL,
    cancelling text,
    arguments json,
    idempotency_key text,
    fingerprint text,
    history_before bigint,
    CONSTRAINT "shop runs_kind_check" CHECK ((kind = ANY (ARRAY['agent'::text, 'team'::text, 'workflow'::text]))),
    CONSTRAINT "shop runs_status_check" CHECK ((status = ANY (ARRAY['PENDING'::text, 'RUNNING'::text, 'PAUSED'::text, 'COMPLETED'::text, 'CANCELLED'::text, 'ERROR'::text, 'REGENERATED'::text])))
);
ALTER TABLE ai."shop runs" ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ai."shop runs_position_seq"
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ai."shop sessions" (
    session_id text NOT NULL,
    kind text NOT NULL,
    runnable_id text,
    user_id text,
    session_name text,
    title text,
    session_state jsonb DEFAULT '{}'::jsonb NOT NULL,
    metadata jsonb,
    summary jsonb,
    metrics jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT "shop sessions_kind_check" CHECK ((kind = ANY (ARRAY['agent'::text, 'team'::text, 'workflow'::text])))
);
CREATE TABLE dbos.application_versions (
    version_id text NOT NULL,
    version_name text NOT NULL,
    version_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    created_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    application_name text
);
CREATE TABLE dbos.dbos_migrations (
    version bigint NOT NULL
);
CREATE TABLE dbos.event_dispatch_kv (
    service_name text NOT NULL,
    workflow_fn_name text NOT NULL,
    key text NOT NULL,
    value text,
    update_seq numeric(38,0),
    update_time numeric(38,15)
);
CREATE TABLE dbos.notifications (
    message_uuid text DEFAULT gen_random_uuid() NOT NULL,
    destination_uuid text NOT NULL,
    topic text,
    message text NOT NULL,
    created_at_epoch_ms bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    serialization text,
    consumed boolean DEFAULT false NOT NULL,
    consumed_by_function_id integer
);
CREATE TABLE dbos.operation_outputs (
    workflow_uuid text NOT NULL,
    function_id integer NOT NULL,
    function_name text DEFAULT ''::text NOT NULL,
    output text,
    error text,
    child_workflow_id text,
    started_at_epoch_ms bigint,
    completed_at_epoch_ms bigint,
    serialization text,
    application_name text,
    retention_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL
);
CREATE TABLE dbos.queues (
    queue_id text DEFAULT (gen_random_uuid())::text NOT NULL,
    name text NOT NULL,
    concurrency integer,
    worker_concurrency integer,
    rate_limit_max integer,
    rate_limit_period_sec double precision,
    priority_enabled boolean DEFAULT false NOT NULL,
    partition_queue boolean DEFAULT false NOT NULL,
    polling_interval_sec double precision DEFAULT 1.0 NOT NULL,
    created_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    updated_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    application_name text,
    partition_concurrency integer,
    partition_worker_concurrency integer,
    partition_rate_limit_max integer,
    partition_rate_limit_period_sec double precision
);
CREATE TABLE dbos.streams (
    workflow_uuid text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    "offset" integer NOT NULL,
    function_id integer DEFAULT 0 NOT NULL,
    serialization text
);
CREATE TABLE dbos.workflow_events (
    workflow_uuid text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    serialization text
);
CREATE TABLE dbos.workflow_events_history (
    workflow_uuid text NOT NULL,
    function_id integer NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    serialization text
);
CREATE TABLE dbos.workflow_input (
    workflow_uuid text NOT NULL,
    inputs text,
    retention_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL
);
CREATE TABLE dbos.workflow_output (
    workflow_uuid text NOT NULL,
    output text,
    error text,
    retention_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL
);
CREATE TABLE dbos.workflow_schedules (
    schedule_id text NOT NULL,
    schedule_name text NOT NULL,
    workflow_name text NOT NULL,
    workflow_class_name text,
    schedule text NOT NULL,
    status text DEFAULT 'ACTIVE'::text NOT NULL,
    context text NOT NULL,
    last_fired_at text,
    automatic_backfill boolean DEFAULT false NOT NULL,
    cron_timezone text,
    queue_name text,
    application_name text
);
CREATE TABLE dbos.workflow_status (
    workflow_uuid text NOT NULL,
    status text,
    name text,
    authenticated_user text,
    assumed_role text,
    authenticated_roles text,
    request text,
    output text,
    error text,
    executor_id text,
    created_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    updated_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    application_version text,
    application_id text,
    class_name character varying(255) DEFAULT NULL::character varying,
    config_name character varying(255) DEFAULT NULL::character varying,
    recovery_attempts bigint DEFAULT 0,
    queue_name text,
    workflow_timeout_ms bigint,
    workflow_deadline_epoch_ms bigint,
    inputs text,
    started_at_epoch_ms bigint,
    deduplication_id text,
    priority integer DEFAULT 0 NOT NULL,
    queue_partition_key text,
    forked_from text,
    owner_xid text,
    parent_workflow_id text,
    serialization text,
    delay_until_epoch_ms bigint,
    was_forked_from boolean DEFAULT false NOT NULL,
    rate_limited boolean DEFAULT false NOT NULL,
    completed_at bigint,
    attributes jsonb,
    schedule_name text,
    debounce_deadline_epoch_ms bigint,
    is_debounced boolean DEFAULT false NOT NULL,
    application_name text,
    creator_xid text
);
INSERT INTO ai.agentos_approvals VALUES ('1de82920-69bb-4698-b286-62d964fdb421:1-0', '1de82920-69bb-4698-b286-62d964fdb421', 'refunding', 'agent', 'clerk', 'alice', 'pending', 'required', 'confirmation', 'call-3f73b61a36814f189979e73d9d01ffc9', 'refund', '{}', NULL, '[{"tool_execution":{"tool_call_id":"call-3f73b61a36814f189979e73d9d01ffc9","tool_name":"refund","tool_args":{},"tool_call_error":null,"result":null,"metrics":null,"child_run_id":null,"stop_after_tool_call":false,"created_at":1795641745,"requires_confirmation":true,"confirmed":null,"confirmation_note":null,"requires_user_input":null,"user_input_schema":null,"user_feedback_schema":null,"answered":null,"external_execution_required":null,"external_execution_silent":null,"approval_type":"required","approval_id":"1de82920-69bb-4698-b286-62d964fdb421:1-0","parent_tool_call_id":null},"id":"call-3f73b61a36814f189979e73d9d01ffc9","created_at":1795641745}]', '{"asked_by": ["alice"]}', NULL, NULL, NULL, NULL, 1795641746, 1795641746);
INSERT INTO ai.agentos_audit VALUES (1, '2026-11-25 21:22:25.691255+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', 'd3075777c8d0', '749a5cd062e74cbab45d04ead026bf3c', 'a50249f972bd40edf4a74fe0c993761d09313bc4bef25418ea096c28f256e17f');
INSERT INTO ai.agentos_audit VALUES (2, '2026-11-25 21:22:25.73108+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', 'd3075777c8d0', '907984e6c8a14a6385cb6cfe7cf33135', '318c33ca3c861773b44a9d7e22ce8c4b466f6a8d1f459ed646bcdaab0a2f664f');
INSERT INTO ai.agentos_audit VALUES (3, '2026-11-25 21:22:25.791984+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs/{run_id}/continue', 'clerk/9accc914-7bd5-4d84-9e55-391ef5f65305', 'alice', 'd3075777c8d0', 'c0ac6ebbb5014c8a813864b6180c8766', '3207da9ed51c527a1c677f5056626b398bd0a2094212c0fccf43977b497f2bc2');
INSERT INTO ai.agentos_audit VALUES (4, '2026-11-25 21:22:25.838808+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', 'd3075777c8d0', 'f0fbc916e99c49b9a57cde4e830ff2aa', '51c1f22f9dd0917859bd919f7868a10ce1e0a05b2cd3e51bc36aa10ea909b163');
INSERT INTO ai.agentos_audit VALUES (5, '2026-11-25 21:22:25.875749+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', 'd3075777c8d0', '368559d2bde44fd4926382ef83818250', '368ee9b1e43e0b6d0afbace0f46bed0e3c2981d45512e22f0365b65b7751d88c');
INSERT INTO ai.agentos_audit VALUES (6, '2026-11-25 21:22:25.935462+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', 'd3075777c8d0', 'df92468845144f21a05e6cb7c73c62aa', 'e265053efb91452f65afd2e1ffcf71614fe5061aeb593f102402463e42223f59');
INSERT INTO ai.agentos_audit VALUES (7, '2026-11-25 21:22:25.959286+00', 'allowed', 'granted', 202, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', 'd3075777c8d0', '951e1a2571764185bfd1570f48b3284f', '6b75b1eb891441567f4eb95d9f16b16c54673439439906ed13d09e2f2be934a9');
INSERT INTO ai.agentos_audit VALUES (8, '2026-11-25 21:22:26.020485+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs/{run_id}/cancel', 'clerk/d3861576-a0a6-4754-87ca-9f6025a1523d', 'alice', 'd3075777c8d0', 'ef415556a13045b9bb588f2680b70d66', '88719da30b2f6b4df60d16ff8e2fd9e99c988e9a4c4736387dbcff97d3086a1c');
INSERT INTO ai.agentos_audit VALUES (9, '2026-11-25 21:22:26.075627+00', 'allowed', 'granted', 200, 'POST', '/memories', NULL, 'alice', 'd3075777c8d0', '4130df3c4a8942c999e91624e45cd065', '0022ab8bd83a3ab55d4b0bc742963a2f09586a7646c75109fa65a08949aefb8a');
INSERT INTO ai.agentos_audit VALUES (10, '2026-11-25 21:22:26.091115+00', 'allowed', 'admin', 201, 'POST', '/service-accounts', NULL, 'root', '0d8123c4663d', '8d748b64b50a49b6981136aabee2c65a', 'a9cc7dc4c641f292a135805013d658ab214cc8ac5ef59ca71eb888cc92de8152');
INSERT INTO ai.agentos_audit VALUES (11, '2026-11-25 21:22:26.1028+00', 'allowed', 'admin', 204, 'DELETE', '/service-accounts/{service_account_id}', '7ae9290a-f8e3-41e9-836b-a2c8277f5961', 'root', '0d8123c4663d', '6e9ea50078484db78e78cae44c144d83', 'ae37c4e4fafa5eef6012f42ca278b25ec3cbe354ffb7390577a15e303509fe70');
INSERT INTO ai.agentos_audit VALUES (12, '2026-11-25 21:22:26.113683+00', 'allowed', 'admin', 201, 'POST', '/service-accounts', NULL, 'root', '0d8123c4663d', '8d92d899031b4c0790635dd8a2bb3665', '079fe41e6b62747b3c31366451d38e300053508b04496aecd766aca2eaf51518');
INSERT INTO ai.agentos_audit VALUES (13, '2026-11-25 21:22:26.117836+00', 'denied', 'missing_scope', 403, 'GET', '/service-accounts', NULL, 'alice', 'd3075777c8d0', '344bb75e2f1a4313a0127343435265a1', '697107cd916dc768f0dee6f05de7d1fc1cd5dea908134089a67b938da4178f42');
INSERT INTO ai.agentos_executors VALUES ('12420b49962841a19961cbfc6444ffcc', '2025-01-01 00:00:00+00', '2025-01-01 00:00:00+00');
INSERT INTO ai.agentos_memories VALUES ('04c7cc15-3828-4684-a4fa-f87b56ac3c11', 'Likes tea', '{drinks}', 'alice', NULL, NULL, '2026-11-25 21:22:26.064067+00', '2026-11-25 21:22:26.064067+00');
INSERT INTO ai.agentos_run_events VALUES ('d3861576-a0a6-4754-87ca-9f6025a1523d', 1, 'RunStarted', '{"created_at":1795641746,"event":"RunStarted","agent_id":"clerk","run_id":"d3861576-a0a6-4754-87ca-9f6025a1523d","session_id":"cancelled","nested_depth":0,"model":"function","model_provider":"agentos","event_index":0}');
INSERT INTO ai.agentos_run_events VALUES ('d3861576-a0a6-4754-87ca-9f6025a1523d', 2, 'ModelRequestStarted', '{"created_at":1795641746,"event":"ModelRequestStarted","agent_id":"clerk","run_id":"d3861576-a0a6-4754-87ca-9f6025a1523d","session_id":"cancelled","nested_depth":0,"model":"function","model_provider":"agentos","event_index":1}');
INSERT INTO ai.agentos_run_events VALUES ('d3861576-a0a6-4754-87ca-9f6025a1523d', 3, 'RunCancelled', '{"created_at":1795641746,"event":"RunCancelled","agent_id":"clerk","run_id":"d3861576-a0a6-4754-87ca-9f6025a1523d","session_id":"cancelled","nested_depth":0,"reason":"Operation cancelled by user","event_index":2}');
INSERT INTO ai.agentos_run_events VALUES ('67708ced-8bc8-4260-9332-a77b71118557', 1, 'RunStarted', '{"created_at":1795641746,"event":"RunStarted","agent_id":"durable-clerk","run_id":"67708ced-8bc8-4260-9332-a77b71118557","session_id":"durable","nested_depth":0,"model":"function","model_provider":"agentos","event_index":0}');
INSERT INTO ai.agentos_run_events VALUES ('67708ced-8bc8-4260-9332-a77b71118557', 2, 'ModelRequestStarted', '{"created_at":1795641746,"event":"ModelRequestStarted","agent_id":"durable-clerk","run_id":"67708ced-8bc8-4260-9332-a77b71118557","session_id":"durable","nested_depth":0,"model":"function","model_provider":"agentos","event_index":1}');
INSERT INTO ai.agentos_run_events VALUES ('67708ced-8bc8-4260-9332-a77b71118557', 3, 'ModelRequestCompleted', '{"created_at":1795641746,"event":"ModelRequestCompleted","agent_id":"durable-clerk","run_id":"67708ced-8bc8-4260-9332-a77b71118557","session_id":"durable","nested_depth":0,"model":"function","model_provider":"agentos","input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"event_index":2}');
INSERT INTO ai.agentos_run_events VALUES ('67708ced-8bc8-4260-9332-a77b71118557', 4, 'ToolCallStarted', '{"created_at":1795641746,"event":"ToolCallStarted","agent_id":"durable-clerk","run_id":"67708ced-8bc8-4260-9332-a77b71118557","session_id":"durable","nested_depth":0,"tool":{"tool_call_id":"call-e0861c0896c14d6dbd746974e38dde12","tool_name":"stamp","tool_args":{},"tool_call_error":null,"result":null,"metrics":null,"child_run_id":null,"stop_after_tool_call":false,"created_at":1795641746,"requires_confirmation":null,"confirmed":null,"confirmation_note":null,"requires_user_input":null,"user_input_schema":null,"user_feedback_schema":null,"answered":null,"external_execution_required":null,"external_execution_silent":null,"approval_type":null,"approval_id":null,"parent_tool_call_id":null},"event_index":3}');
INSERT INTO ai.agentos_run_events VALUES ('67708ced-8bc8-4260-9332-a77b71118557', 5, 'ToolCallCompleted', '{"created_at":1795641746,"event":"ToolCallCompleted","agent_id":"durable-clerk","run_id":"67708ced-8bc8-4260-9332-a77b71118557","session_id":"durable","nested_depth":0,"content":"stamp() completed in 0.0257s. ","tool":{"tool_call_id":"call-e0861c0896c14d6dbd746974e38dde12","tool_name":"stamp","tool_args":{},"tool_call_error":false,"result":"0006 plain","metrics":{"start_time":1795641746.1988144,"end_time":1795641746.2245548,"duration":0.025740385055541992},"child_run_id":null,"stop_after_tool_call":false,"created_at":1795641746,"requires_confirmation":null,"confirmed":null,"confirmation_note":null,"requires_user_input":null,"user_input_schema":null,"user_feedback_schema":null,"answered":null,"external_execution_required":null,"external_execution_silent":null,"approval_type":null,"approval_id":null,"parent_tool_call_id":null},"event_index":4}');
INSERT INTO ai.agentos_run_events VALUES ('67708ced-8bc8-4260-9332-a77b71118557', 6, 'ModelRequestStarted', '{"created_at":1795641746,"event":"ModelRequestStarted","agent_id":"durable-clerk","run_id":"67708ced-8bc8-4260-9332-a77b71118557","session_id":"durable","nested_depth":0,"model":"function","model_provider":"agentos","event_index":5}');
INSERT INTO ai.agentos_run_events VALUES ('dd412b8e-4436-42a9-821f-ead4e284f8c1', 1, 'RunStarted', '{"created_at":1795641746,"event":"RunStarted","agent_id":"clerk","run_id":"dd412b8e-4436-42a9-821f-ead4e284f8c1","session_id":"plain","nested_depth":0,"model":"function","model_provider":"agentos","event_index":0}');
INSERT INTO ai.agentos_run_events VALUES ('dd412b8e-4436-42a9-821f-ead4e284f8c1', 2, 'ModelRequestStarted', '{"created_at":1795641746,"event":"ModelRequestStarted","agent_id":"clerk","run_id":"dd412b8e-4436-42a9-821f-ead4e284f8c1","session_id":"plain","nested_depth":0,"model":"function","model_provider":"agentos","event_index":1}');
INSERT INTO ai.agentos_runs OVERRIDING SYSTEM VALUE VALUES ('5ea1c1e8-8b2f-4ab3-8ee8-c7bd38fadf10', 'old', 1, 'agent', 'clerk', 'alice', NULL, 'COMPLETED', 1795641745, '2026-11-25 21:22:25.673292+00', '{"input_content":"stamp"}', '[{"id":"a2364244-c8c1-4bb5-86e2-327eadb65d9a","role":"user","content":"stamp","from_history":false,"created_at":1795641745},{"id":"2de70703-698c-44be-8907-f3f329ec810a","role":"assistant","tool_calls":[{"id":"call-6c767bd6d49f492abcd0307a65ae54ef","type":"function","function":{"name":"stamp","arguments":"{}"}}],"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.0011295779995634803},"from_history":false,"created_at":1795641745},{"id":"711b5cbf-532a-49c8-8c7d-026aa075e6cf","role":"tool","content":"0006 plain","tool_call_id":"call-6c767bd6d49f492abcd0307a65ae54ef","tool_name":"stamp","tool_args":{},"tool_call_error":false,"from_history":false,"created_at":1795641745},{"id":"4eb9903c-703c-43e9-aa82-693826e87c00","role":"assistant","content":"It says: 0006 plain","metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.00004593600078806048},"from_history":false,"created_at":1795641745}]', '{"content":"It says: 0006 plain","content_type":"str","model":"function","model_provider":"agentos","session_state":{"stamped":"0006"},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.018157536000217078},"tools":[{"tool_call_id":"call-6c767bd6d49f492abcd0307a65ae54ef","tool_name":"stamp","tool_args":{},"tool_call_error":false,"result":"0006 plain","metrics":{"start_time":1795641745.6642308,"end_time":1795641745.6644,"duration":0.00016927719116210938},"stop_after_tool_call":false,"created_at":1795641745}]}', '12420b49962841a19961cbfc6444ffcc', 0, false, false, NULL, false, NULL, NULL, NULL, NULL, NULL);
INSERT INTO ai.agentos_runs OVERRIDING SYSTEM VALUE VALUES ('ce3cd36b-5b0c-4ba3-b0a6-d52253766722', 'old', 3, 'agent', 'clerk', 'alice', NULL, 'COMPLETED', 1795641745, '2026-11-25 21:22:25.78689+00', '{"input_content":"hello"}', '[{"id":"6680190f-8491-4aa6-aec8-47a6f313b362","role":"user","content":"hello","from_history":false,"created_at":1795641745},{"id":"de86a540-7328-439b-b86d-6a2e11ab549e","role":"assistant","content":"It says: hello","metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.0001219870000568335},"from_history":false,"created_at":1795641745}]', '{"content":"It says: hello","content_type":"str","model":"function","model_provider":"agentos","session_state":{"stamped":"0006"},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.006896513999890885},"tools":[],"regenerated_from":"9accc914-7bd5-4d84-9e55-391ef5f65305"}', '12420b49962841a19961cbfc6444ffcc', 0, false, false, NULL, false, NULL, NULL, NULL, NULL, 2);
INSERT INTO ai.agentos_runs OVERRIDING SYSTEM VALUE VALUES ('9accc914-7bd5-4d84-9e55-391ef5f65305', 'old', 2, 'agent', 'clerk', 'alice', NULL, 'REGENERATED', 1795641745, '2026-11-25 21:22:25.78689+00', '{"input_content":"hello"}', '[{"id":"d21e7d85-147f-4d4e-bbc6-26e0afa12324","role":"user","content":"hello","from_history":false,"created_at":1795641745},{"id":"41bbcfe8-1e72-42d5-b680-c0fbd85108bb","role":"assistant","content":"It says: hello","metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.00007394800013571512},"from_history":false,"created_at":1795641745}]', '{"content":"It says: hello","content_type":"str","model":"function","model_provider":"agentos","session_state":{"stamped":"0006"},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.0005588730000454234},"tools":[]}', '12420b49962841a19961cbfc6444ffcc', 0, false, false, NULL, false, NULL, NULL, NULL, NULL, NULL);
INSERT INTO ai.agentos_runs OVERRIDING SYSTEM VALUE VALUES ('fda145b3-a76a-4664-a5a1-a70d6f12bfe2', 'failed', 4, 'agent', 'clerk', 'alice', NULL, 'ERROR', 1795641745, '2026-11-25 21:22:25.824519+00', '{"input_content":"fail"}', '[{"id":"76e074c9-d5d9-45b9-b55c-d322185830ff","role":"user","content":"fail","from_history":false,"created_at":1795641745}]', '{"content":"The run failed inside the server. The server''s log has the reason under this error_id.","content_type":"str","model":"function","model_provider":"agentos","session_state":{},"error_type":"internal_error","metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.01237658499940153},"tools":[]}', '12420b49962841a19961cbfc6444ffcc', 0, false, false, NULL, false, NULL, NULL, NULL, NULL, NULL);
INSERT INTO ai.agentos_runs OVERRIDING SYSTEM VALUE VALUES ('3001ad41-541b-4175-ad16-964c4309f991', 'paying', 5, 'agent', 'clerk', 'alice', NULL, 'PAUSED', 1795641745, '2026-11-25 21:22:25.870517+00', '{"input_content":"pay"}', '[{"id":"ab9a0b3a-9e47-4b01-a14b-e21207ff8f40","role":"user","content":"pay","from_history":false,"created_at":1795641745},{"id":"63876273-b118-446b-ad3f-f0d10512c897","role":"assistant","tool_calls":[{"id":"call-cc0b798a60bf4163b31aeb245e075295","type":"function","function":{"name":"pay","arguments":"{}"}}],"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.00010603800001263153},"from_history":false,"created_at":1795641745}]', '{"content_type":"str","model":"function","model_provider":"agentos","session_state":{},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.001817372999539657},"tools":[{"tool_call_id":"call-cc0b798a60bf4163b31aeb245e075295","tool_name":"pay","tool_args":{},"stop_after_tool_call":false,"created_at":1795641745,"requires_confirmation":true}]}', NULL, 0, false, false, NULL, false, NULL, '{"anyone":false,"stream":false,"begun_by":"alice"}', NULL, NULL, NULL);
INSERT INTO ai.agentos_runs OVERRIDING SYSTEM VALUE VALUES ('1de82920-69bb-4698-b286-62d964fdb421', 'refunding', 6, 'agent', 'clerk', 'alice', NULL, 'PAUSED', 1795641745, '2026-11-25 21:22:25.9194+00', '{"input_content":"refund"}', '[{"id":"e909bfb8-e387-4f86-8d40-c6e4824280c1","role":"user","content":"refund","from_history":false,"created_at":1795641745},{"id":"bc8fd5e1-5ef0-440a-9e98-c7f3e3362561","role":"assistant","tool_calls":[{"id":"call-3f73b61a36814f189979e73d9d01ffc9","type":"function","function":{"name":"refund","arguments":"{}"}}],"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.00015007000001787674},"from_history":false,"created_at":1795641745}]', '{"content_type":"str","model":"function","model_provider":"agentos","session_state":{},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.005064583999228489},"tools":[{"tool_call_id":"call-3f73b61a36814f189979e73d9d01ffc9","tool_name":"refund","tool_args":{},"stop_after_tool_call":false,"created_at":1795641745,"requires_confirmation":true,"approval_type":"required","approval_id":"1de82920-69bb-4698-b286-62d964fdb421:1-0"}]}', NULL, 0, false, false, NULL, false, NULL, '{"anyone":false,"stream":false,"begun_by":"alice"}', NULL, NULL, NULL);
INSERT INTO ai.agentos_runs OVERRIDING SYSTEM VALUE VALUES ('d3861576-a0a6-4754-87ca-9f6025a1523d', 'cancelled', 7, 'agent', 'clerk', 'alice', NULL, 'CANCELLED', 1795641745, '2026-11-25 21:22:26.040635+00', '{"input_content":"hold"}', '[{"id":"cefd73d4-11a4-4fad-9b5a-1293e7cc2d8f","role":"user","content":"hold","from_history":false,"created_at":1795641746}]', '{"content_type":"str","model":"function","model_provider":"agentos","session_state":{},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.011672880000332952},"tools":[]}', '12420b49962841a19961cbfc6444ffcc', 0, false, true, NULL, false, 'cancel', NULL, NULL, NULL, NULL);
INSERT INTO ai.agentos_runs OVERRIDING SYSTEM VALUE VALUES ('67708ced-8bc8-4260-9332-a77b71118557', 'durable', 8, 'agent', 'durable-clerk', 'alice', NULL, 'RUNNING', 1795641746, '2026-11-25 21:22:26.121891+00', '{"input_content":"stamp and hold"}', '[]', '{"content_type":"str","tools":[]}', '12420b49962841a19961cbfc6444ffcc', 0, true, false, NULL, false, NULL, '{"anyone":false,"stream":true,"begun_by":"alice"}', NULL, NULL, NULL);
INSERT INTO ai.agentos_runs OVERRIDING SYSTEM VALUE VALUES ('c094f618-196e-4632-9563-2583429cf515', 'plain', 10, 'agent', 'clerk', 'alice', NULL, 'PENDING', 1795641746, '2026-11-25 21:22:26.27148+00', '{"input_content":"stamp"}', '[]', '{"content_type":"str","tools":[]}', NULL, 0, false, true, 'enqueue', false, NULL, '{"anyone":false,"stream":false,"dependencies":{"tone":"warm"},"begun_by":"alice"}', NULL, NULL, NULL);
INSERT INTO ai.agentos_runs OVERRIDING SYSTEM VALUE VALUES ('dd412b8e-4436-42a9-821f-ead4e284f8c1', 'plain', 9, 'agent', 'clerk', 'alice', NULL, 'RUNNING', 1795641746, '2026-11-25 21:22:26.253868+00', '{"input_content":"hold"}', '[]', '{"content_type":"str","tools":[]}', '12420b49962841a19961cbfc6444ffcc', 0, false, true, NULL, true, NULL, '{"anyone":false,"stream":false,"begun_by":"alice"}', NULL, NULL, NULL);
INSERT INTO ai.agentos_schema_version VALUES ('0006');
INSERT INTO ai.agentos_schema_version_c76b8aca VALUES ('0006');
INSERT INTO ai.agentos_service_accounts VALUES ('7ae9290a-f8e3-41e9-836b-a2c8277f5961', 'ci', '038e45125e32d1e1a3a707d76098769be9044a35d1ec1fd61d96592856c07942', 'agentos_sa_aB2M', '{agents:run}', '2026-11-25 21:22:26.081375+00', 'root', NULL, NULL, '2026-11-25 21:22:26.096625+00');
INSERT INTO ai.agentos_service_accounts VALUES ('cf1de292-aac1-41dd-80ba-6d2b1c311ed9', 'ci', 'bf9d050d0fb7ed3d9da636f5ff97135a634c1a4c593c53dc7187ebf3a6884de2', 'agentos_sa_gg50', '{agents:run}', '2026-11-25 21:22:26.105819+00', 'root', NULL, NULL, NULL);
INSERT INTO ai.agentos_sessions VALUES ('old', 'agent', 'clerk', 'alice', NULL, 'stamp', '{"stamped": "0006"}', NULL, NULL, '{"duration": 0.0256129230001533864, "input_tokens": 0, "total_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}', '2026-11-25 21:22:25.638242+00', '2026-11-25 21:22:25.78689+00');
INSERT INTO ai.agentos_sessions VALUES ('failed', 'agent', 'clerk', 'alice', NULL, 'fail', '{}', NULL, NULL, '{"duration": 0.01237658499940153, "input_tokens": 0, "total_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}', '2026-11-25 21:22:25.80193+00', '2026-11-25 21:22:25.824519+00');
INSERT INTO ai.agentos_sessions VALUES ('paying', 'agent', 'clerk', 'alice', NULL, 'pay', '{}', NULL, NULL, '{"duration": 0.001817372999539657, "input_tokens": 0, "total_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}', '2026-11-25 21:22:25.848798+00', '2026-11-25 21:22:25.870517+00');
INSERT INTO ai.agentos_sessions VALUES ('refunding', 'agent', 'clerk', 'alice', NULL, 'refund', '{}', NULL, NULL, '{"duration": 0.005064583999228489, "input_tokens": 0, "total_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}', '2026-11-25 21:22:25.889165+00', '2026-11-25 21:22:25.9194+00');
INSERT INTO ai.agentos_sessions VALUES ('cancelled', 'agent', 'clerk', 'alice', NULL, 'hold', '{}', NULL, NULL, '{"duration": 0.011672880000332952, "input_tokens": 0, "total_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}', '2026-11-25 21:22:25.946258+00', '2026-11-25 21:22:26.040635+00');
INSERT INTO ai.agentos_sessions VALUES ('durable', 'agent', 'durable-clerk', 'alice', NULL, 'stamp and hold', '{}', NULL, NULL, '{}', '2026-11-25 21:22:26.121891+00', '2026-11-25 21:22:26.121891+00');
INSERT INTO ai.agentos_sessions VALUES ('plain', 'agent', 'clerk', 'alice', NULL, 'hold', '{}', NULL, NULL, '{}', '2026-11-25 21:22:26.240453+00', '2026-11-25 21:22:26.27148+00');
INSERT INTO ai."shop accounts" VALUES ('c5942cd3-f96f-438a-83a5-0b387ae64b00', 'ci', '734cc4466324ef43c9abf7052d9c802321ae8f3f144145539c7cde0695182967', 'agentos_sa_rt0D', '{agents:run}', '2026-11-25 21:22:30.740578+00', 'root', NULL, NULL, '2026-11-25 21:22:30.764441+00');
INSERT INTO ai."shop accounts" VALUES ('db5bf4f6-f302-45f3-94d8-073692d2ac2d', 'ci', '12489b1e00a058accf934de3d098b401fa2dfd13c9c6bd188dff62c9aa446cf4', 'agentos_sa_O6w6', '{agents:run}', '2026-11-25 21:22:30.77408+00', 'root', NULL, NULL, NULL);
INSERT INTO ai."shop approvals" VALUES ('f4a1d635-b8d7-4c24-b7cd-4156e469dcd1:1-0', 'f4a1d635-b8d7-4c24-b7cd-4156e469dcd1', 'refunding', 'agent', 'clerk', 'alice', 'pending', 'required', 'confirmation', 'call-21c6e4bb0db942d3adf3a3f39e8060c0', 'refund', '{}', NULL, '[{"tool_execution":{"tool_call_id":"call-21c6e4bb0db942d3adf3a3f39e8060c0","tool_name":"refund","tool_args":{},"tool_call_error":null,"result":null,"metrics":null,"child_run_id":null,"stop_after_tool_call":false,"created_at":1795641750,"requires_confirmation":true,"confirmed":null,"confirmation_note":null,"requires_user_input":null,"user_input_schema":null,"user_feedback_schema":null,"answered":null,"external_execution_required":null,"external_execution_silent":null,"approval_type":"required","approval_id":"f4a1d635-b8d7-4c24-b7cd-4156e469dcd1:1-0","parent_tool_call_id":null},"id":"call-21c6e4bb0db942d3adf3a3f39e8060c0","created_at":1795641750}]', '{"asked_by": ["alice"]}', NULL, NULL, NULL, NULL, 1795641751, 1795641751);
INSERT INTO ai."shop audit" VALUES (1, '2026-11-25 21:22:30.406909+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', '7d311749df5b', '5dceeb430e3b45a785de0dba0544db64', '360b0ee482b6486d969b67c8af8032f888fccff3338f7b415f479f644c70056d');
INSERT INTO ai."shop audit" VALUES (2, '2026-11-25 21:22:30.438327+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', '7d311749df5b', 'e397c9bf2fe14c3a8f6b354b46b35fbc', '4918b4f36b1fea6e46fa415686d114db40d1c727304a27a107e5148a9042d2bd');
INSERT INTO ai."shop audit" VALUES (3, '2026-11-25 21:22:30.492152+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs/{run_id}/continue', 'clerk/f601d4e7-9c1b-4cb6-a816-cbcf8a85c8b7', 'alice', '7d311749df5b', 'bd6e6aa441b9485d9eadad319b756a26', '4d8c000d86a97c7db31c3f6ec56bce1ebe5a40f2af72b3769ce2f84ae5f88902');
INSERT INTO ai."shop audit" VALUES (4, '2026-11-25 21:22:30.520619+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', '7d311749df5b', 'ed4def4680c9441f984a11fddbf33498', 'd7100e975f61ef8c258902d0dd48521d6c19c3561c67275f5afbb792d340cdf1');
INSERT INTO ai."shop audit" VALUES (5, '2026-11-25 21:22:30.550867+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', '7d311749df5b', 'f99f18c862624e93bf1e0a868f1e6e42', '38544b0b8908ef49265e99ac67a538894da6b5da0c86e1f5915eb036ce41b1dc');
INSERT INTO ai."shop audit" VALUES (6, '2026-11-25 21:22:30.583057+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', '7d311749df5b', '5f68221e07a240af9e3062d10782354e', 'f1d3db571688d233eec1f935ab31b043e3f469f24edf63d010e62a29f7a8ce68');
INSERT INTO ai."shop audit" VALUES (7, '2026-11-25 21:22:30.603092+00', 'allowed', 'granted', 202, 'POST', '/agents/{agent_id}/runs', 'clerk', 'alice', '7d311749df5b', 'f86a001d5b1b43809104b771bef24749', '7d64ca266e1e90e7fe5a0fe9273976b1e7a5618b76193f7a2dc296c6f93f4b91');
INSERT INTO ai."shop audit" VALUES (8, '2026-11-25 21:22:30.694737+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs/{run_id}/cancel', 'clerk/801ef0f0-a9a0-4546-9839-a7f3ac84dd9e', 'alice', '7d311749df5b', '2e9fe6e6cf9e4ce1a95e7846c0914eaf', '050118807d2a39321c28b999080497bb7274398b40c058dbdc45a82a7115b703');
INSERT INTO ai."shop audit" VALUES (9, '2026-11-25 21:22:30.735214+00', 'allowed', 'granted', 200, 'POST', '/memories', NULL, 'alice', '7d311749df5b', '5d67ed0775a84bc18a9ced05d5d25816', '3e93039ae5e2bf796bd740fc8081b0ec3c7c4456a667153d49d323e4a845b71a');
INSERT INTO ai."shop audit" VALUES (10, '2026-11-25 21:22:30.759022+00', 'allowed', 'admin', 201, 'POST', '/service-accounts', NULL, 'root', 'cb07e32806ab', '964054e234a24864aa722fefa6fa647c', '721fca506cc3fb5c9dbad8479b888febf2ead058b6a7794fe0525d1a08713d83');
INSERT INTO ai."shop audit" VALUES (11, '2026-11-25 21:22:30.770937+00', 'allowed', 'admin', 204, 'DELETE', '/service-accounts/{service_account_id}', 'c5942cd3-f96f-438a-83a5-0b387ae64b00', 'root', 'cb07e32806ab', '4fbe567ade6e400fb4ec9e4949c22f32', '796f5a554dfe437fbefafcc89c17c463653e55ba4e08b26f545d0b3c2134882e');
INSERT INTO ai."shop audit" VALUES (12, '2026-11-25 21:22:30.783294+00', 'allowed', 'admin', 201, 'POST', '/service-accounts', NULL, 'root', 'cb07e32806ab', '8e93c198a8af4d52966d30e1af1676aa', '258caf0096f85ea71f6167006e028923b2b862fdf910b24bc61d32d59a1970ea');
INSERT INTO ai."shop audit" VALUES (13, '2026-11-25 21:22:30.793567+00', 'denied', 'missing_scope', 403, 'GET', '/service-accounts', NULL, 'alice', '7d311749df5b', '2dd8c38b1e9b4d388bb2b1b2c24d5f5c', '6a7f3c67bf2501dabe6f37b31cb0afdc06a6a8c3cf3a8f5bbfd593e4ca226ea2');
INSERT INTO ai."shop audit" VALUES (14, '2026-11-25 21:22:30.87754+00', 'allowed', 'granted', 200, 'POST', '/agents/{agent_id}/runs', 'durable-clerk', 'alice', '7d311749df5b', '1dacd92e4678402aa6818b37ecb2dce0', '4d1a7b7e406eb2306a8d9d34265164df846a873ef10595a097026309ed05a618');
INSERT INTO ai."shop events" VALUES ('801ef0f0-a9a0-4546-9839-a7f3ac84dd9e', 1, 'RunStarted', '{"created_at":1795641750,"event":"RunStarted","agent_id":"clerk","run_id":"801ef0f0-a9a0-4546-9839-a7f3ac84dd9e","session_id":"cancelled","nested_depth":0,"model":"function","model_provider":"agentos","event_index":0}');
INSERT INTO ai."shop events" VALUES ('801ef0f0-a9a0-4546-9839-a7f3ac84dd9e', 2, 'ModelRequestStarted', '{"created_at":1795641750,"event":"ModelRequestStarted","agent_id":"clerk","run_id":"801ef0f0-a9a0-4546-9839-a7f3ac84dd9e","session_id":"cancelled","nested_depth":0,"model":"function","model_provider":"agentos","event_index":1}');
INSERT INTO ai."shop events" VALUES ('801ef0f0-a9a0-4546-9839-a7f3ac84dd9e', 3, 'RunCancelled', '{"created_at":1795641750,"event":"RunCancelled","agent_id":"clerk","run_id":"801ef0f0-a9a0-4546-9839-a7f3ac84dd9e","session_id":"cancelled","nested_depth":0,"reason":"Operation cancelled by user","event_index":2}');
INSERT INTO ai."shop events" VALUES ('10927f1c-9e47-45fb-b617-043d08804f86', 1, 'RunStarted', '{"created_at":1795641750,"event":"RunStarted","agent_id":"durable-clerk","run_id":"10927f1c-9e47-45fb-b617-043d08804f86","session_id":"durable","nested_depth":0,"model":"function","model_provider":"agentos","event_index":0}');
INSERT INTO ai."shop events" VALUES ('10927f1c-9e47-45fb-b617-043d08804f86', 2, 'ModelRequestStarted', '{"created_at":1795641750,"event":"ModelRequestStarted","agent_id":"durable-clerk","run_id":"10927f1c-9e47-45fb-b617-043d08804f86","session_id":"durable","nested_depth":0,"model":"function","model_provider":"agentos","event_index":1}');
INSERT INTO ai."shop events" VALUES ('10927f1c-9e47-45fb-b617-043d08804f86', 3, 'ModelRequestCompleted', '{"created_at":1795641750,"event":"ModelRequestCompleted","agent_id":"durable-clerk","run_id":"10927f1c-9e47-45fb-b617-043d08804f86","session_id":"durable","nested_depth":0,"model":"function","model_provider":"agentos","input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"event_index":2}');
INSERT INTO ai."shop events" VALUES ('10927f1c-9e47-45fb-b617-043d08804f86', 4, 'ToolCallStarted', '{"created_at":1795641750,"event":"ToolCallStarted","agent_id":"durable-clerk","run_id":"10927f1c-9e47-45fb-b617-043d08804f86","session_id":"durable","nested_depth":0,"tool":{"tool_call_id":"call-b302ed19c4974d71b07d9326889995a8","tool_name":"stamp","tool_args":{},"tool_call_error":null,"result":null,"metrics":null,"child_run_id":null,"stop_after_tool_call":false,"created_at":1795641750,"requires_confirmation":null,"confirmed":null,"confirmation_note":null,"requires_user_input":null,"user_input_schema":null,"user_feedback_schema":null,"answered":null,"external_execution_required":null,"external_execution_silent":null,"approval_type":null,"approval_id":null,"parent_tool_call_id":null},"event_index":3}');
INSERT INTO ai."shop events" VALUES ('10927f1c-9e47-45fb-b617-043d08804f86', 5, 'ToolCallCompleted', '{"created_at":1795641750,"event":"ToolCallCompleted","agent_id":"durable-clerk","run_id":"10927f1c-9e47-45fb-b617-043d08804f86","session_id":"durable","nested_depth":0,"content":"stamp() completed in 0.0324s. ","tool":{"tool_call_id":"call-b302ed19c4974d71b07d9326889995a8","tool_name":"stamp","tool_args":{},"tool_call_error":false,"result":"0006 plain","metrics":{"start_time":1795641750.8791335,"end_time":1795641750.9115255,"duration":0.032392024993896484},"child_run_id":null,"stop_after_tool_call":false,"created_at":1795641750,"requires_confirmation":null,"confirmed":null,"confirmation_note":null,"requires_user_input":null,"user_input_schema":null,"user_feedback_schema":null,"answered":null,"external_execution_required":null,"external_execution_silent":null,"approval_type":null,"approval_id":null,"parent_tool_call_id":null},"event_index":4}');
INSERT INTO ai."shop events" VALUES ('10927f1c-9e47-45fb-b617-043d08804f86', 6, 'ModelRequestStarted', '{"created_at":1795641750,"event":"ModelRequestStarted","agent_id":"durable-clerk","run_id":"10927f1c-9e47-45fb-b617-043d08804f86","session_id":"durable","nested_depth":0,"model":"function","model_provider":"agentos","event_index":5}');
INSERT INTO ai."shop events" VALUES ('45ce829a-eee4-4903-a1d9-991155ec99a2', 1, 'RunStarted', '{"created_at":1795641751,"event":"RunStarted","agent_id":"clerk","run_id":"45ce829a-eee4-4903-a1d9-991155ec99a2","session_id":"plain","nested_depth":0,"model":"function","model_provider":"agentos","event_index":0}');
INSERT INTO ai."shop events" VALUES ('45ce829a-eee4-4903-a1d9-991155ec99a2', 2, 'ModelRequestStarted', '{"created_at":1795641751,"event":"ModelRequestStarted","agent_id":"clerk","run_id":"45ce829a-eee4-4903-a1d9-991155ec99a2","session_id":"plain","nested_depth":0,"model":"function","model_provider":"agentos","event_index":1}');
INSERT INTO ai."shop executors" VALUES ('d7230138c976462d91fe615f182cc87a', '2025-01-01 00:00:00+00', '2025-01-01 00:00:00+00');
INSERT INTO ai."shop memories" VALUES ('6f48c964-cbf9-432a-8868-c525b032540d', 'Likes tea', '{drinks}', 'alice', NULL, NULL, '2026-11-25 21:22:30.718964+00', '2026-11-25 21:22:30.718964+00');
INSERT INTO ai."shop runs" OVERRIDING SYSTEM VALUE VALUES ('4d7205bb-92fd-47bf-b889-00aa8ce598b4', 'old', 1, 'agent', 'clerk', 'alice', NULL, 'COMPLETED', 1795641750, '2026-11-25 21:22:30.394766+00', '{"input_content":"stamp"}', '[{"id":"7a1ff8e7-c214-48af-8511-86edb8711142","role":"user","content":"stamp","from_history":false,"created_at":1795641750},{"id":"fc6b5b64-f60d-4990-a155-86bfb978a7c1","role":"assistant","tool_calls":[{"id":"call-07df9ac4b7424558a95dd052d0210be0","type":"function","function":{"name":"stamp","arguments":"{}"}}],"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.0015454049998879782},"from_history":false,"created_at":1795641750},{"id":"832ac5e3-7d85-4aaf-92b9-80e9c952841c","role":"tool","content":"0006 plain","tool_call_id":"call-07df9ac4b7424558a95dd052d0210be0","tool_name":"stamp","tool_args":{},"tool_call_error":false,"from_history":false,"created_at":1795641750},{"id":"7db590ca-c4fd-4fa6-a604-a8a19c9f9441","role":"assistant","content":"It says: 0006 plain","metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.00005414099996414734},"from_history":false,"created_at":1795641750}]', '{"content":"It says: 0006 plain","content_type":"str","model":"function","model_provider":"agentos","session_state":{"stamped":"0006"},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.03853021800023271},"tools":[{"tool_call_id":"call-07df9ac4b7424558a95dd052d0210be0","tool_name":"stamp","tool_args":{},"tool_call_error":false,"result":"0006 plain","metrics":{"start_time":1795641750.385848,"end_time":1795641750.3860633,"duration":0.00021529197692871094},"stop_after_tool_call":false,"created_at":1795641750}]}', 'd7230138c976462d91fe615f182cc87a', 0, false, false, NULL, false, NULL, NULL, NULL, NULL, NULL);
INSERT INTO ai."shop runs" OVERRIDING SYSTEM VALUE VALUES ('4b0f2b4a-cd9e-4709-9029-cf5dab7c7a3e', 'old', 3, 'agent', 'clerk', 'alice', NULL, 'COMPLETED', 1795641750, '2026-11-25 21:22:30.486509+00', '{"input_content":"hello"}', '[{"id":"7822909b-eb2d-4bde-a663-9da1bc01503d","role":"user","content":"hello","from_history":false,"created_at":1795641750},{"id":"81a9ab06-c1db-414d-bb5b-a809b50c8098","role":"assistant","content":"It says: hello","metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.00007465900034731021},"from_history":false,"created_at":1795641750}]', '{"content":"It says: hello","content_type":"str","model":"function","model_provider":"agentos","session_state":{"stamped":"0006"},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.0024844090003171004},"tools":[],"regenerated_from":"f601d4e7-9c1b-4cb6-a816-cbcf8a85c8b7"}', 'd7230138c976462d91fe615f182cc87a', 0, false, false, NULL, false, NULL, NULL, NULL, NULL, 2);
INSERT INTO ai."shop runs" OVERRIDING SYSTEM VALUE VALUES ('f601d4e7-9c1b-4cb6-a816-cbcf8a85c8b7', 'old', 2, 'agent', 'clerk', 'alice', NULL, 'REGENERATED', 1795641750, '2026-11-25 21:22:30.486509+00', '{"input_content":"hello"}', '[{"id":"916c5e19-529f-4655-830d-8dc22fa4c48e","role":"user","content":"hello","from_history":false,"created_at":1795641750},{"id":"2642f7a2-d154-4eb0-be4e-05414a52aae3","role":"assistant","content":"It says: hello","metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.000060692999795719516},"from_history":false,"created_at":1795641750}]', '{"content":"It says: hello","content_type":"str","model":"function","model_provider":"agentos","session_state":{"stamped":"0006"},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.0005073970005469164},"tools":[]}', 'd7230138c976462d91fe615f182cc87a', 0, false, false, NULL, false, NULL, NULL, NULL, NULL, NULL);
INSERT INTO ai."shop runs" OVERRIDING SYSTEM VALUE VALUES ('bfc6f52d-b8bc-48cd-9ad1-c5bc96628304', 'failed', 4, 'agent', 'clerk', 'alice', NULL, 'ERROR', 1795641750, '2026-11-25 21:22:30.515479+00', '{"input_content":"fail"}', '[{"id":"0a2c8b9d-7693-4bec-9988-c6a076942b4a","role":"user","content":"fail","from_history":false,"created_at":1795641750}]', '{"content":"The run failed inside the server. The server''s log has the reason under this error_id.","content_type":"str","model":"function","model_provider":"agentos","session_state":{},"error_type":"internal_error","metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.0039118229997257},"tools":[]}', 'd7230138c976462d91fe615f182cc87a', 0, false, false, NULL, false, NULL, NULL, NULL, NULL, NULL);
INSERT INTO ai."shop runs" OVERRIDING SYSTEM VALUE VALUES ('09ce50d5-0b7c-42d4-b529-cfb3036cc725', 'paying', 5, 'agent', 'clerk', 'alice', NULL, 'PAUSED', 1795641750, '2026-11-25 21:22:30.543218+00', '{"input_content":"pay"}', '[{"id":"191bf926-e2d6-49ac-a8a2-cc62ada4ed54","role":"user","content":"pay","from_history":false,"created_at":1795641750},{"id":"afffcde8-d5cb-4560-ab8d-be468d90f450","role":"assistant","tool_calls":[{"id":"call-4344f455968040bca7328ada77ed5555","type":"function","function":{"name":"pay","arguments":"{}"}}],"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.0000928129993553739},"from_history":false,"created_at":1795641750}]', '{"content_type":"str","model":"function","model_provider":"agentos","session_state":{},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.0016401030006818473},"tools":[{"tool_call_id":"call-4344f455968040bca7328ada77ed5555","tool_name":"pay","tool_args":{},"stop_after_tool_call":false,"created_at":1795641750,"requires_confirmation":true}]}', NULL, 0, false, false, NULL, false, NULL, '{"anyone":false,"stream":false,"begun_by":"alice"}', NULL, NULL, NULL);
INSERT INTO ai."shop runs" OVERRIDING SYSTEM VALUE VALUES ('f4a1d635-b8d7-4c24-b7cd-4156e469dcd1', 'refunding', 6, 'agent', 'clerk', 'alice', NULL, 'PAUSED', 1795641750, '2026-11-25 21:22:30.575014+00', '{"input_content":"refund"}', '[{"id":"8a86976f-e3d0-46fe-bd7e-c16889856085","role":"user","content":"refund","from_history":false,"created_at":1795641750},{"id":"1354cdb6-8c84-4376-bf36-9642478595e9","role":"assistant","tool_calls":[{"id":"call-21c6e4bb0db942d3adf3a3f39e8060c0","type":"function","function":{"name":"refund","arguments":"{}"}}],"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.0001037539996104897},"from_history":false,"created_at":1795641750}]', '{"content_type":"str","model":"function","model_provider":"agentos","session_state":{},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.0008750329998292727},"tools":[{"tool_call_id":"call-21c6e4bb0db942d3adf3a3f39e8060c0","tool_name":"refund","tool_args":{},"stop_after_tool_call":false,"created_at":1795641750,"requires_confirmation":true,"approval_type":"required","approval_id":"f4a1d635-b8d7-4c24-b7cd-4156e469dcd1:1-0"}]}', NULL, 0, false, false, NULL, false, NULL, '{"anyone":false,"stream":false,"begun_by":"alice"}', NULL, NULL, NULL);
INSERT INTO ai."shop runs" OVERRIDING SYSTEM VALUE VALUES ('801ef0f0-a9a0-4546-9839-a7f3ac84dd9e', 'cancelled', 7, 'agent', 'clerk', 'alice', NULL, 'CANCELLED', 1795641750, '2026-11-25 21:22:30.695593+00', '{"input_content":"hold"}', '[{"id":"0835cbdf-c6f6-4df2-95e4-a66f2c467aea","role":"user","content":"hold","from_history":false,"created_at":1795641750}]', '{"content_type":"str","model":"function","model_provider":"agentos","session_state":{},"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"duration":0.013418520000413992},"tools":[]}', 'd7230138c976462d91fe615f182cc87a', 0, false, true, NULL, false, 'cancel', NULL, NULL, NULL, NULL);
INSERT INTO ai."shop runs" OVERRIDING SYSTEM VALUE VALUES ('10927f1c-9e47-45fb-b617-043d08804f86', 'durable', 8, 'agent', 'durable-clerk', 'alice', NULL, 'RUNNING', 1795641750, '2026-11-25 21:22:30.800821+00', '{"input_content":"stamp and hold"}', '[]', '{"content_type":"str","tools":[]}', 'd7230138c976462d91fe615f182cc87a', 0, true, false, NULL, false, NULL, '{"anyone":false,"stream":true,"begun_by":"alice"}', NULL, NULL, NULL);
INSERT INTO ai."shop runs" OVERRIDING SYSTEM VALUE VALUES ('8ae85efa-7996-4ab6-a412-ce4a74cdcd21', 'plain', 10, 'agent', 'clerk', 'alice', NULL, 'PENDING', 1795641750, '2026-11-25 21:22:31.003955+00', '{"input_content":"stamp"}', '[]', '{"content_type":"str","tools":[]}', NULL, 0, false, true, 'enqueue', false, NULL, '{"anyone":false,"stream":false,"dependencies":{"tone":"warm"},"begun_by":"alice"}', NULL, NULL, NULL);
INSERT INTO ai."shop runs" OVERRIDING SYSTEM VALUE VALUES ('45ce829a-eee4-4903-a1d9-991155ec99a2', 'plain', 9, 'agent', 'clerk', 'alice', NULL, 'RUNNING', 1795641750, '2026-11-25 21:22:30.962496+00', '{"input_content":"hold"}', '[]', '{"content_type":"str","tools":[]}', 'd7230138c976462d91fe615f182cc87a', 0, false, true, NULL, true, NULL, '{"anyone":false,"stream":false,"begun_by":"alice"}', NULL, NULL, NULL);
INSERT INTO ai."shop sessions" VALUES ('old', 'agent', 'clerk', 'alice', NULL, 'stamp', '{"stamped": "0006"}', NULL, NULL, '{"duration": 0.0415220240010967268, "input_tokens": 0, "total_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}', '2026-11-25 21:22:30.336461+00', '2026-11-25 21:22:30.486509+00');
INSERT INTO ai."shop sessions" VALUES ('failed', 'agent', 'clerk', 'alice', NULL, 'fail', '{}', NULL, NULL, '{"duration": 0.0039118229997257, "input_tokens": 0, "total_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}', '2026-11-25 21:22:30.501406+00', '2026-11-25 21:22:30.515479+00');
INSERT INTO ai."shop sessions" VALUES ('paying', 'agent', 'clerk', 'alice', NULL, 'pay', '{}', NULL, NULL, '{"duration": 0.0016401030006818473, "input_tokens": 0, "total_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}', '2026-11-25 21:22:30.529269+00', '2026-11-25 21:22:30.543218+00');
INSERT INTO ai."shop sessions" VALUES ('refunding', 'agent', 'clerk', 'alice', NULL, 'refund', '{}', NULL, NULL, '{"duration": 0.0008750329998292727, "input_tokens": 0, "total_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}', '2026-11-25 21:22:30.558599+00', '2026-11-25 21:22:30.575014+00');
INSERT INTO ai."shop sessions" VALUES ('cancelled', 'agent', 'clerk', 'alice', NULL, 'hold', '{}', NULL, NULL, '{"duration": 0.013418520000413992, "input_tokens": 0, "total_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}', '2026-11-25 21:22:30.588861+00', '2026-11-25 21:22:30.695593+00');
INSERT INTO ai."shop sessions" VALUES ('durable', 'agent', 'durable-clerk', 'alice', NULL, 'stamp and hold', '{}', NULL, NULL, '{}', '2026-11-25 21:22:30.800821+00', '2026-11-25 21:22:30.800821+00');
INSERT INTO ai."shop sessions" VALUES ('plain', 'agent', 'clerk', 'alice', NULL, 'hold', '{}', NULL, NULL, '{}', '2026-11-25 21:22:30.94018+00', '2026-11-25 21:22:31.003955+00');
INSERT INTO dbos.application_versions VALUES ('b4356c30-ab61-4eed-bcdf-768e243c240c', 'agentos-1', 1795641745056, 1795641745056, 'agentos');
INSERT INTO dbos.dbos_migrations VALUES (125);
INSERT INTO dbos.operation_outputs VALUES ('67708ced-8bc8-4260-9332-a77b71118557:0', 1, 'model-1', '{"type":"model_response","number":1,"value":{"content":null,"reasoning_content":null,"tool_calls":[{"id":"call-e0861c0896c14d6dbd746974e38dde12","type":"function","function":{"name":"stamp","arguments":"{}"}}],"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"time_to_first_token":null,"duration":0.00009238199982064543},"provider_data":null},"put":{},"removed":[]}', NULL, NULL, 1795641746158, 1795641746158, 'agentos_json', 'agentos', 1795641746161);
INSERT INTO dbos.operation_outputs VALUES ('67708ced-8bc8-4260-9332-a77b71118557:0', 2, 'tool-1-0', '{"type":"tool_result","number":2,"value":{"content":"0006 plain","error":false},"put":{"stamped":"0006"},"removed":[]}', NULL, NULL, 1795641746200, 1795641746200, 'agentos_json', 'agentos', 1795641746205);
INSERT INTO dbos.operation_outputs VALUES ('10927f1c-9e47-45fb-b617-043d08804f86:0', 1, 'model-1', '{"type":"model_response","number":1,"value":{"content":null,"reasoning_content":null,"tool_calls":[{"id":"call-b302ed19c4974d71b07d9326889995a8","type":"function","function":{"name":"stamp","arguments":"{}"}}],"metrics":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"time_to_first_token":null,"duration":0.00009044900070875883},"provider_data":null},"put":{},"removed":[]}', NULL, NULL, 1795641750833, 1795641750833, 'agentos_json', 'agentos', 1795641750836);
INSERT INTO dbos.operation_outputs VALUES ('10927f1c-9e47-45fb-b617-043d08804f86:0', 2, 'tool-1-0', '{"type":"tool_result","number":2,"value":{"content":"0006 plain","error":false},"put":{"stamped":"0006"},"removed":[]}', NULL, NULL, 1795641750885, 1795641750885, 'agentos_json', 'agentos', 1795641750886);
INSERT INTO dbos.workflow_input VALUES ('67708ced-8bc8-4260-9332-a77b71118557:0', '{"args":["67708ced-8bc8-4260-9332-a77b71118557",0],"kwargs":{}}', 1795641746134);
INSERT INTO dbos.workflow_input VALUES ('10927f1c-9e47-45fb-b617-043d08804f86:0', '{"args":["10927f1c-9e47-45fb-b617-043d08804f86",0],"kwargs":{}}', 1795641750811);
INSERT INTO dbos.workflow_status VALUES ('67708ced-8bc8-4260-9332-a77b71118557:0', 'PENDING', 'agentos_segment', NULL, NULL, NULL, NULL, NULL, NULL, '12420b49962841a19961cbfc6444ffcc', 1795641746134, 1795641746134, 'agentos-1', '', NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, '99db6de8-98aa-4724-88c6-3469999efd42', NULL, 'agentos_json', NULL, false, false, NULL, 'null', NULL, NULL, false, 'agentos', '99db6de8-98aa-4724-88c6-3469999efd42');
INSERT INTO dbos.workflow_status VALUES ('10927f1c-9e47-45fb-b617-043d08804f86:0', 'PENDING', 'agentos_segment', NULL, NULL, NULL, NULL, NULL, NULL, 'd7230138c976462d91fe615f182cc87a', 1795641750811, 1795641750811, 'agentos-1', '', NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, '33fbc250-fd80-4198-baa5-8b2d6ac55e99', NULL, 'agentos_json', NULL, false, false, NULL, 'null', NULL, NULL, false, 'agentos', '33fbc250-fd80-4198-baa5-8b2d6ac55e99');
SELECT pg_catalog.setval('ai.agentos_runs_position_seq', 10, true);
SELECT pg_catalog.setval('ai."shop runs_position_seq"', 10, true);
ALTER TABLE ONLY ai.agentos_approvals
    ADD CONSTRAINT agentos_approvals_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ai.agentos_audit
    ADD CONSTRAINT agentos_audit_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY ai.agentos_executors
    ADD CONSTRAINT agentos_executors_pkey PRIMARY KEY (executor_id);
ALTER TABLE ONLY ai.agentos_memories
    ADD CONSTRAINT agentos_memories_pkey PRIMARY KEY (memory_id);
ALTER TABLE ONLY ai.agentos_run_events
    ADD CONSTRAINT agentos_run_events_pkey PRIMARY KEY (run_id, seq);
ALTER TABLE ONLY ai.agentos_runs
    ADD CONSTRAINT agentos_runs_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY ai.agentos_schema_version_c76b8aca
    ADD CONSTRAINT agentos_schema_version_c76b8aca_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY ai.agentos_schema_version
    ADD CONSTRAINT agentos_schema_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY ai.agentos_service_accounts
    ADD CONSTRAINT agentos_service_accounts_pkey PRIMARY KEY (id);
ALTER TABLE ONLY ai.agentos_sessions
    ADD CONSTRAINT agentos_sessions_pkey PRIMARY KEY (session_id);
ALTER TABLE ONLY ai."shop accounts"
    ADD CONSTRAINT "shop accounts_pkey" PRIMARY KEY (id);
ALTER TABLE ONLY ai."shop approvals"
    ADD CONSTRAINT "shop approvals_pkey" PRIMARY KEY (id);
ALTER TABLE ONLY ai."shop audit"
    ADD CONSTRAINT "shop audit_pkey" PRIMARY KEY (seq);
ALTER TABLE ONLY ai."shop events"
    ADD CONSTRAINT "shop events_pkey" PRIMARY KEY (run_id, seq);
ALTER TABLE ONLY ai."shop executors"
    ADD CONSTRAINT "shop executors_pkey" PRIMARY KEY (executor_id);
ALTER TABLE ONLY ai."shop memories"
    ADD CONSTRAINT "shop memories_pkey" PRIMARY KEY (memory_id);
ALTER TABLE ONLY ai."shop runs"
    ADD CONSTRAINT "shop runs_pkey" PRIMARY KEY (run_id);
ALTER TABLE ONLY ai."shop sessions"
    ADD CONSTRAINT "shop sessions_pkey" PRIMARY KEY (session_id);
ALTER TABLE ONLY dbos.application_versions
    ADD CONSTRAINT application_versions_pkey PRIMARY KEY (version_id);
ALTER TABLE ONLY dbos.application_versions
    ADD CONSTRAINT application_versions_version_name_key UNIQUE (version_name);
ALTER TABLE ONLY dbos.dbos_migrations
    ADD CONSTRAINT dbos_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY dbos.event_dispatch_kv
    ADD CONSTRAINT event_dispatch_kv_pkey PRIMARY KEY (service_name, workflow_fn_name, key);
ALTER TABLE ONLY dbos.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (message_uuid);
ALTER TABLE ONLY dbos.operation_outputs
    ADD CONSTRAINT operation_outputs_pkey PRIMARY KEY (workflow_uuid, function_id);
ALTER TABLE ONLY dbos.queues
    ADD CONSTRAINT queues_name_key UNIQUE (name);
ALTER TABLE ONLY dbos.queues
    ADD CONSTRAINT queues_pkey PRIMARY KEY (queue_id);
ALTER TABLE ONLY dbos.streams
    ADD CONSTRAINT streams_pkey PRIMARY KEY (workflow_uuid, key, "offset");
ALTER TABLE ONLY dbos.workflow_events_history
    ADD CONSTRAINT workflow_events_history_pkey PRIMARY KEY (workflow_uuid, function_id, key);
ALTER TABLE ONLY dbos.workflow_events
    ADD CONSTRAINT workflow_events_pkey PRIMARY KEY (workflow_uuid, key);
ALTER TABLE ONLY dbos.workflow_input
    ADD CONSTRAINT workflow_input_pkey PRIMARY KEY (workflow_uuid);
ALTER TABLE ONLY dbos.workflow_output
    ADD CONSTRAINT workflow_output_pkey PRIMARY KEY (workflow_uuid);
ALTER TABLE ONLY dbos.workflow_schedules
    ADD CONSTRAINT workflow_schedules_pkey PRIMARY KEY (schedule_id);
ALTER TABLE ONLY dbos.workflow_schedules
    ADD CONSTRAINT workflow_schedules_schedule_name_key UNIQUE (schedule_name);
ALTER TABLE ONLY dbos.workflow_status
    ADD CONSTRAINT workflow_status_pkey PRIMARY KEY (workflow_uuid);
CREATE INDEX agentos_approvals_created ON ai.agentos_approvals USING btree (created_at);
CREATE INDEX agentos_approvals_pending ON ai.agentos_approvals USING btree (user_id) WHERE (status = 'pending'::text);
CREATE INDEX agentos_approvals_run ON ai.agentos_approvals USING btree (run_id);
CREATE INDEX agentos_approvals_user_created ON ai.agentos_approvals USING btree (user_id, created_at);
CREATE INDEX agentos_audit_principal ON ai.agentos_audit USING btree (principal, seq);
CREATE INDEX agentos_audit_time ON ai.agentos_audit USING btree ("time", seq);
CREATE INDEX agentos_memories_topics ON ai.agentos_memories USING gin (topics);
CREATE INDEX agentos_memories_updated ON ai.agentos_memories USING btree (updated_at);
CREATE INDEX agentos_memories_user_updated ON ai.agentos_memories USING btree (user_id, updated_at);
CREATE UNIQUE INDEX agentos_runs_idempotency ON ai.agentos_runs USING btree (COALESCE(user_id, ''::text), kind, runnable_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX agentos_runs_live ON ai.agentos_runs USING btree (session_id, "position") WHERE (status = ANY (ARRAY['PENDING'::text, 'RUNNING'::text]));
CREATE INDEX agentos_runs_pending ON ai.agentos_runs USING btree ("position") WHERE (status = 'PENDING'::text);
CREATE INDEX agentos_runs_session ON ai.agentos_runs USING btree (session_id, "position");
CREATE UNIQUE INDEX agentos_service_accounts_name ON ai.agentos_service_accounts USING btree (name) WHERE (revoked_at IS NULL);
CREATE UNIQUE INDEX agentos_service_accounts_token ON ai.agentos_service_accounts USING btree (token_hash);
CREATE INDEX agentos_sessions_created ON ai.agentos_sessions USING btree (created_at);
CREATE INDEX agentos_sessions_runnable_updated ON ai.agentos_sessions USING btree (runnable_id, updated_at);
CREATE INDEX agentos_sessions_user_created ON ai.agentos_sessions USING btree (user_id, created_at);
CREATE INDEX agentos_sessions_user_updated ON ai.agentos_sessions USING btree (user_id, updated_at);
CREATE UNIQUE INDEX "shop accounts_name" ON ai."shop accounts" USING btree (name) WHERE (revoked_at IS NULL);
CREATE UNIQUE INDEX "shop accounts_token" ON ai."shop accounts" USING btree (token_hash);
CREATE INDEX "shop approvals_created" ON ai."shop approvals" USING btree (created_at);
CREATE INDEX "shop approvals_pending" ON ai."shop approvals" USING btree (user_id) WHERE (status = 'pending'::text);
CREATE INDEX "shop approvals_run" ON ai."shop approvals" USING btree (run_id);
CREATE INDEX "shop approvals_user_created" ON ai."shop approvals" USING btree (user_id, created_at);
CREATE INDEX "shop audit_principal" ON ai."shop audit" USING btree (principal, seq);
CREATE INDEX "shop audit_time" ON ai."shop audit" USING btree ("time", seq);
CREATE INDEX "shop memories_topics" ON ai."shop memories" USING gin (topics);
CREATE INDEX "shop memories_updated" ON ai."shop memories" USING btree (updated_at);
CREATE INDEX "shop memories_user_updated" ON ai."shop memories" USING btree (user_id, updated_at);
CREATE UNIQUE INDEX "shop runs_idempotency" ON ai."shop runs" USING btree (COALESCE(user_id, ''::text), kind, runnable_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX "shop runs_live" ON ai."shop runs" USING btree (session_id, "position") WHERE (status = ANY (ARRAY['PENDING'::text, 'RUNNING'::text]));
CREATE INDEX "shop runs_pending" ON ai."shop runs" USING btree ("position") WHERE (status = 'PENDING'::text);
CREATE INDEX "shop runs_session" ON ai."shop runs" USING btree (session_id, "position");
CREATE INDEX "shop sessions_created" ON ai."shop sessions" USING btree (created_at);
CREATE INDEX "shop sessions_runnable_updated" ON ai."shop sessions" USING btree (runnable_id, updated_at);
CREATE INDEX "shop sessions_user_created" ON ai."shop sessions" USING btree (user_id, created_at);
CREATE INDEX "shop sessions_user_updated" ON ai."shop sessions" USING btree (user_id, updated_at);
CREATE INDEX idx_application_versions_owner_timestamp ON dbos.application_versions USING btree (application_name, version_timestamp DESC);
CREATE INDEX idx_application_versions_timestamp ON dbos.application_versions USING btree (version_timestamp DESC);
CREATE INDEX idx_operation_outputs_completed_at_function_name_v2 ON dbos.operation_outputs USING btree (completed_at_epoch_ms, function_name) INCLUDE (application_name);
CREATE INDEX idx_operation_outputs_retention ON dbos.operation_outputs USING btree (retention_timestamp);
CREATE INDEX idx_workflow_input_retention ON dbos.workflow_input USING btree (retention_timestamp);
CREATE INDEX idx_workflow_output_retention ON dbos.workflow_output USING btree (retention_timestamp);
CREATE INDEX idx_workflow_status_attributes ON dbos.workflow_status USING gin (attributes) WHERE (attributes IS NOT NULL);
CREATE INDEX idx_workflow_status_completed_at ON dbos.workflow_status USING btree (completed_at) WHERE (completed_at IS NOT NULL);
CREATE INDEX idx_workflow_status_deadline ON dbos.workflow_status USING btree (workflow_deadline_epoch_ms) WHERE ((status = ANY (ARRAY['ENQUEUED'::text, 'PENDING'::text, 'DELAYED'::text])) AND (workflow_deadline_epoch_ms IS NOT NULL));
CREATE INDEX idx_workflow_status_delayed ON dbos.workflow_status USING btree (delay_until_epoch_ms) WHERE (status = 'DELAYED'::text);
CREATE INDEX idx_workflow_status_failed ON dbos.workflow_status USING btree (status, created_at) WHERE (status = ANY (ARRAY['ERROR'::text, 'CANCELLED'::text, 'MAX_RECOVERY_ATTEMPTS_EXCEEDED'::text]));
CREATE INDEX idx_workflow_status_forked_from ON dbos.workflow_status USING btree (forked_from) WHERE (forked_from IS NOT NULL);
CREATE INDEX idx_workflow_status_in_flight_v2 ON dbos.workflow_status USING btree (queue_name, status, priority, created_at) INCLUDE (application_name) WHERE (status = ANY (ARRAY['ENQUEUED'::text, 'PENDING'::text]));
CREATE INDEX idx_workflow_status_parent_workflow_id ON dbos.workflow_status USING btree (parent_workflow_id) WHERE (parent_workflow_id IS NOT NULL);
CREATE INDEX idx_workflow_status_partition_dequeue_v3 ON dbos.workflow_status USING btree (queue_name, status, queue_partition_key, priority, created_at, workflow_uuid) INCLUDE (application_name) WHERE ((status = ANY (ARRAY['ENQUEUED'::text, 'PENDING'::text])) AND (queue_partition_key IS NOT NULL));
CREATE INDEX idx_workflow_status_pending ON dbos.workflow_status USING btree (created_at) WHERE (status = 'PENDING'::text);
CREATE INDEX idx_workflow_status_rate_limited ON dbos.workflow_status USING btree (queue_name, started_at_epoch_ms) WHERE (rate_limited = true);
CREATE INDEX idx_workflow_status_schedule_name ON dbos.workflow_status USING btree (schedule_name) WHERE (schedule_name IS NOT NULL);
CREATE INDEX idx_workflow_status_started_at ON dbos.workflow_status USING btree (started_at_epoch_ms) WHERE (started_at_epoch_ms IS NOT NULL);
CREATE INDEX idx_workflow_topic ON dbos.notifications USING btree (destination_uuid, topic);
CREATE UNIQUE INDEX uq_application_versions_owner_version ON dbos.application_versions USING btree (application_name, version_name) WHERE (application_name IS NOT NULL);
CREATE UNIQUE INDEX uq_application_versions_unclaimed_version ON dbos.application_versions USING btree (version_name) WHERE (application_name IS NULL);
CREATE UNIQUE INDEX uq_workflow_status_dedup_id ON dbos.workflow_status USING btree (queue_name, deduplication_id) WHERE (deduplication_id IS NOT NULL);
CREATE INDEX workflow_status_created_at_index ON dbos.workflow_status USING btree (created_at);
ALTER TABLE ONLY ai.agentos_approvals
    ADD CONSTRAINT agentos_approvals_run_id_fkey FOREIGN KEY (run_id) REFERENCES ai.agentos_runs(run_id) ON DELETE CASCADE;
ALTER TABLE ONLY ai.agentos_run_events
    ADD CONSTRAINT agentos_run_events_run_id_fkey FOREIGN KEY (run_id) REFERENCES ai.agentos_runs(run_id) ON DELETE CASCADE;
ALTER TABLE ONLY ai.agentos_runs
    ADD CONSTRAINT agentos_runs_session_id_fkey FOREIGN KEY (session_id) REFERENCES ai.agentos_sessions(session_id) ON DELETE CASCADE;
ALTER TABLE ONLY ai."shop approvals"
    ADD CONSTRAINT "shop approvals_run_id_fkey" FOREIGN KEY (run_id) REFERENCES ai."shop runs"(run_id) ON DELETE CASCADE;
ALTER TABLE ONLY ai."shop events"
    ADD CONSTRAINT "shop events_run_id_fkey" FOREIGN KEY (run_id) REFERENCES ai."shop runs"(run_id) ON DELETE CASCADE;
ALTER TABLE ONLY ai."shop runs"
    ADD CONSTRAINT "shop runs_session_id_fkey" FOREIGN KEY (session_id) REFERENCES ai."shop sessions"(session_id) ON DELETE CASCADE;
ALTER TABLE ONLY dbos.notifications
    ADD CONSTRAINT notifications_destination_uuid_fkey FOREIGN KEY (destination_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY dbos.streams
    ADD CONSTRAINT streams_workflow_uuid_fkey FOREIGN KEY (workflow_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY dbos.workflow_events_history
    ADD CONSTRAINT workflow_events_history_workflow_uuid_fkey FOREIGN KEY (workflow_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY dbos.workflow_events
    ADD CONSTRAINT workflow_events_workflow_uuid_fkey FOREIGN KEY (workflow_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ai.agentos_approvals ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai.agentos_memories ENABLE ROW LEVEL SECURITY;
CREATE POLICY agentos_owner ON ai.agentos_approvals USING ((( SELECT (current_setting('agentos.anyone'::text, true) = 'on'::text)) OR (user_id = ( SELECT NULLIF(current_setting('agentos.owner'::text, true), ''::text) AS "nullif"))));
CREATE POLICY agentos_owner ON ai.agentos_memories USING ((( SELECT (current_setting('agentos.anyone'::text, true) = 'on'::text)) OR (user_id = ( SELECT NULLIF(current_setting('agentos.owner'::text, true), ''::text) AS "nullif"))));
CREATE POLICY agentos_owner ON ai.agentos_run_events USING ((EXISTS ( SELECT
   FROM ai.agentos_runs parent
  WHERE (parent.run_id = agentos_run_events.run_id))));
CREATE POLICY agentos_owner ON ai.agentos_runs USING ((( SELECT (current_setting('agentos.anyone'::text, true) = 'on'::text)) OR (user_id = ( SELECT NULLIF(current_setting('agentos.owner'::text, true), ''::text) AS "nullif"))));
CREATE POLICY agentos_owner ON ai.agentos_sessions USING ((( SELECT (current_setting('agentos.anyone'::text, true) = 'on'::text)) OR (user_id = ( SELECT NULLIF(current_setting('agentos.owner'::text, true), ''::text) AS "nullif"))));
CREATE POLICY agentos_owner ON ai."shop approvals" USING ((( SELECT (current_setting('agentos.anyone'::text, true) = 'on'::text)) OR (user_id = ( SELECT NULLIF(current_setting('agentos.owner'::text, true), ''::text) AS "nullif"))));
CREATE POLICY agentos_owner ON ai."shop events" USING ((EXISTS ( SELECT
   FROM ai."shop runs" parent
  WHERE (parent.run_id = "shop events".run_id))));
CREATE POLICY agentos_owner ON ai."shop memories" USING ((( SELECT (current_setting('agentos.anyone'::text, true) = 'on'::text)) OR (user_id = ( SELECT NULLIF(current_setting('agentos.owner'::text, true), ''::text) AS "nullif"))));
CREATE POLICY agentos_owner ON ai."shop runs" USING ((( SELECT (current_setting('agentos.anyone'::text, true) = 'on'::text)) OR (user_id = ( SELECT NULLIF(current_setting('agentos.owner'::text, true), ''::text) AS "nullif"))));
CREATE POLICY agentos_owner ON ai."shop sessions" USING ((( SELECT (current_setting('agentos.anyone'::text, true) = 'on'::text)) OR (user_id = ( SELECT NULLIF(current_setting('agentos.owner'::text, true), ''::text) AS "nullif"))));
ALTER TABLE ai.agentos_run_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai.agentos_runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai.agentos_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai."shop approvals" ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai."shop events" ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai."shop memories" ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai."shop runs" ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai."shop sessions" ENABLE ROW LEVEL SECURITY;
