"""The server: agents over HTTP, protected by JWT and RBAC."""

from agentos.os.app import AgentOS
from agentos.os.audit.anonymous import AuditConfig
from agentos.os.server.limits import QueueConfig
from agentos.os.server.retention import Retention

__all__ = ["AgentOS", "AuditConfig", "QueueConfig", "Retention"]
