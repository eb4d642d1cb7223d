"""The server: agents over HTTP, behind JWT and RBAC."""
