"""The server: agents over HTTP, behind JWT and RBAC."""

from agentos.os.app import AgentOS

__all__ = ["AgentOS"]
