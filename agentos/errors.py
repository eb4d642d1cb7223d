"""Every error agentos raises on purpose, each with a code that stays the same across releases.

    AgentOSError
    ├── ConfigurationError           start-up: the person who deploys must act
    ├── InvalidInputError            the caller must act
    ├── BadRequestError              the caller must act; the wire contract has a status of its own for it
    │   └── NoDatabaseError          the call needs a database, and none is configured
    ├── AuthenticationError          the caller hasn't proved who they are
    ├── NotFoundError                no such row, or not the caller's
    ├── MethodNotAllowedError        the path has other methods
    ├── ConflictError                the row is there already, or not in the state the call needs
    │   ├── SessionBusyError         another run of the session is live
    │   └── IdempotencyConflictError the key belongs to another request
    ├── ApprovalPendingError         somebody else must agree first
    ├── PayloadTooLargeError         the caller sent more than the server takes
    ├── UnsupportedMediaTypeError    the body has a content type that the call doesn't read
    ├── TooManyRequestsError         try again later
    │   ├── QueueFullError           too many runs wait
    │   └── TooManyFailuresError     too many bad tokens came from the caller's address
    ├── UnavailableError             what the call needs isn't there now
    │   ├── DatabaseUnavailableError try again soon
    │   ├── NotConfiguredError       this server lacks what the call needs
    │   └── RunLostError             another process executes the run now
    └── ModelError                   the model's provider refused, failed or made no sense

The text of an error may reach a caller, so it never quotes a foreign exception, a path, SQL or a secret.
"""

from __future__ import annotations

from collections.abc import Iterable


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


class BadRequestError(AgentOSError):
    """The request can't be served as sent. Unlike `InvalidInputError` it names no field."""

    code = "bad_request"


class NoDatabaseError(BadRequestError):
    """The call is about rows, and the server, or the runnable, has no database."""

    code = "no_database"


class AuthenticationError(AgentOSError):
    """The caller hasn't proved who they are."""

    code = "unauthenticated"


class NotFoundError(AgentOSError):
    """There is no such thing for this caller: absent and somebody else's look the same.

    `message` stands in for the usual sentence.
    """

    code = "not_found"

    def __init__(
        self,
        kind: str,
        id: str | None = None,  # noqa: A002 - the wire's word
        *,
        message: str | None = None,
    ) -> None:
        usual = f"{kind} not found" if id is None else f"{kind} with id {id!r} not found"
        super().__init__(message or usual)
        self.kind = kind
        self.id = id


class MethodNotAllowedError(AgentOSError):
    """The path isn't served with this method, only with those in `allowed`."""

    code = "method_not_allowed"

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__("Method Not Allowed")
        self.allowed = frozenset(allowed)


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


class PayloadTooLargeError(AgentOSError):
    """A request body, a file or a field is larger than the server takes."""

    code = "payload_too_large"


class UnsupportedMediaTypeError(AgentOSError):
    """The body has a content type that the call doesn't read."""

    code = "unsupported_media_type"


class TooManyRequestsError(AgentOSError):
    """More was asked than may be; `retry_after` seconds later there may be room."""

    code = "too_many_requests"
    retry_after: int = 1


class QueueFullError(TooManyRequestsError):
    """As many runs wait as may."""

    code = "queue_full"
    retry_after = 5


class TooManyFailuresError(TooManyRequestsError):
    """As many bad tokens came from the caller's address as may in a minute."""

    code = "too_many_failures"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            f"Too many failed authentications from your address: try again in {retry_after} seconds"
        )
        self.retry_after = retry_after


class UnavailableError(AgentOSError):
    """What the call needs isn't there now; `retry_after` seconds later it may be, if that can be said."""

    code = "unavailable"
    retry_after: int | None = None


class DatabaseUnavailableError(UnavailableError):
    """Postgres didn't answer."""

    code = "database_unavailable"
    retry_after = 2


class NotConfiguredError(UnavailableError):
    """The server runs without what the call needs; the person who deploys must act."""

    code = "not_configured"


class RunLostError(UnavailableError):
    """The process was taken for dead: another one has the run now, and nothing here may touch it."""

    code = "run_lost"


class ModelError(AgentOSError):
    """A model's provider refused or failed.

    `code` is one of `model_rate_limited`, `model_unavailable`, `model_timeout`, `model_unauthorized`,
    `model_rejected` (the request itself), `model_bad_response`, `model_error`.
    """

    code = "model_error"

    def __init__(self, message: str, *, code: str = "model_error") -> None:
        super().__init__(message)
        self.code = code
