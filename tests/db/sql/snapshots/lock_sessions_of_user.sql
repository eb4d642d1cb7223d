SELECT session_id FROM ai.agentos_sessions WHERE user_id = :user_id FOR UPDATE
