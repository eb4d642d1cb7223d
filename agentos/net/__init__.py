"""The one HTTP client for addresses that somebody else names: a model, a user, a document, a redirect.

Whoever names an address could name a service that only this machine can reach (server-side request forgery,
CWE-918). So a host is resolved once, each of its addresses is checked, and the connection goes to an address
that was checked. A name that resolves differently the second time gains nothing, since there is no second
time. The check is made for every connection, and therefore for every redirect.

Addresses that the operator names, such as a model's `base_url`, don't need it.
"""

from agentos.net.client import Answer, Client

__all__ = ["Answer", "Client"]
