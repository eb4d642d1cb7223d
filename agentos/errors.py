"""Every error agentos raises on purpose, each with a code that stays the same across releases.

    AgentOSError
    ├── ConfigurationError           start-up: the person who deploys must act
    ├── InvalidInputError            the caller must act
    ├── NotFoundError                no such row, or not the caller's
    ├── ConflictError                the row is there already, or not in the state the call needs
    │   ├── SessionBusyError         another run of the session is live
    │   └── IdempotencyConflictError the key belongs to another request
    ├── ApprovalPendingError         somebody else must agree first
    ├── QueueFullError               too many runs wait; try again later
    ├── RunLostError                 another process executes the run now
    ├── PayloadTooLargeError         the caller sent more than the server takes
    ├── DatabaseUnavailableError     try again soon
    └── ModelError                   the model's provider refused, failed or made no sense

The text of an error may reach a caller, so it never quotes a foreign exception, a path, SQL or a secret.
"""

from __future__ import annotations


class AgentOSError(Exception):
    """The root: catch it to catch all of ours."""

    code: str = "internal_error"


class ConfigurationError(AgentOSError):
    """A parameter, an environment variable or a file can't work as given; raised before serving starts."""

    code = "configuration"


class InvalidInputError(AgentOSError):
    """The caller's value can't be used; `field` names it and the text says what would do."""

    code = "invalid_input"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotFoundError(AgentOSError):
    """There is no such thing for this caller: absent and somebody else's look the same."""

    code = "not_found"

    def __init__(self, kind: str, id: str | None = None) -> None:  # noqa: A002 - the wire's word
        super().__init__(f"{kind} not found" if id is None else f"{kind} with id {id!r} not found")
        self.kind = kind
        self.id = id


class ConflictError(AgentOSError):
    """The thing exists already, or is in a state that doesn't allow the call."""

    code = "conflict"


class SessionBusyError(ConflictError):
    """Another run of the session is live, and this one was to be refused then."""

    code = "session_busy"


class IdempotencyConflictError(ConflictError):
    """The idempotency key was sent before, with another request."""

    code = "idempotency_conflict"


class ApprovalPendingError(AgentOSError):
    """The run waits for an approver, whose word nobody else's replaces."""

    code = "approval_pending"


class QueueFullError(AgentOSError):
    """As many runs wait as may; `retry_after` seconds later there may be room."""

    code = "queue_full"
    retry_after: int = 5


class RunLostError(AgentOSError):
    """The process was taken for dead: another one has the run now, and nothing here may touch it."""

    code = "run_lost"


class PayloadTooLargeError(AgentOSError):
    """A request body, a file or a field is larger than the server takes."""

    code = "payload_too_large"


class DatabaseUnavailableError(AgentOSError):
    """Postgres didn't answer; `retry_after` seconds later it may."""

    code = "database_unavailable"
    retry_after: int = 2


class ModelError(AgentOSError):
    """A model's provider refused or failed.

    `code` is one of `model_rate_limited`, `model_unavailable`, `model_timeout`, `model_unauthorized`,
    `model_rejected` (the request itself), `model_bad_response`, `model_error`.
    """

    code = "model_error"

    def __init__(self, message: str, *, code: str = "model_error") -> None:
        super().__init__(message)
        self.code = code
