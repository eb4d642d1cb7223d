"""The import path of the slash middleware in existing apps. AgentOS installs it by itself."""

from agentos.os.http.lookup import TrailingSlash as TrailingSlashMiddleware

__all__ = ["TrailingSlashMiddleware"]
