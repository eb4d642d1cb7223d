"""Every error agentos raises on purpose, each with a code that stays the same across releases.

    AgentOSError
    ├── ConfigurationError           start-up: the operator must act
    ├── InvalidInputError            the caller must act
    ├── BadRequestError              the caller must act; a separate status in the wire contract
    │   └── NoDatabaseError          the call needs a database, and none is configured
    ├── AuthenticationError          the caller isn't authenticated
    ├── NotFoundError                the row doesn't exist, or isn't the caller's
    ├── MethodNotAllowedError        the path supports other methods
    ├── ConflictError                the row already exists, or its state doesn't allow the call
    │   ├── SessionBusyError         another run of the session is live
    │   ├── IdempotencyConflictError the key belongs to another request
    │   └── UnreadableEventError     an event in a run's log isn't one of ours
    ├── ApprovalPendingError         an approver must decide first
    ├── PayloadTooLargeError         the request exceeds a limit of the server
    │   └── StateTooLargeError       a session's state exceeds a limit of its database
    ├── UnsupportedMediaTypeError    the call doesn't accept the body's content type
    ├── TooManyRequestsError         try again later
    │   ├── QueueFullError           too many runs are queued
    │   ├── TooManyStreamsError      the caller has too many event streams open
    │   └── TooManyFailuresError     too many invalid tokens from the caller's address
    ├── UnavailableError             something that the call needs is unavailable
    │   ├── DatabaseUnavailableError try again soon
    │   ├── NotConfiguredError       the server lacks something that the call needs
    │   ├── NotStartedError          the app's lifespan hasn't been entered
    │   └── RunLostError             another process executes the run now
    ├── ModelError                   the model's provider refused, failed or sent an unusable answer
    └── FetchError                   an address that somebody else named can't be fetched
        ├── AddressRefusedError      it leads to a private network, or has an unacceptable form
        └── AnswerTooLargeError      its answer exceeds the caller's limit

The text of an error may reach a caller, so it never contains foreign exceptions, paths, SQL or secrets.
"""

from __future__ import annotations

from collections.abc import Iterable


class AgentOSError(Exception):
    """The root: catch it to catch all of ours. Its own code stands for exceptions that nobody expected."""

    code: str = "internal_error"


class ConfigurationError(AgentOSError, ValueError):
    """A parameter, an environment variable or a file is invalid. Raised before serving starts."""

    code = "configuration"


class InvalidInputError(AgentOSError):
    """The caller's value is invalid. `field` names it, and the text says what is allowed."""

    code = "invalid_input"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class BadRequestError(AgentOSError):
    """The request can't be served as sent. Unlike `InvalidInputError` it names no field."""

    code = "bad_request"


class NoDatabaseError(BadRequestError):
    """The call needs rows, but the server or the runnable has no database."""

    code = "no_database"


class AuthenticationError(AgentOSError):
    """The caller isn't authenticated."""

    code = "unauthenticated"


class NotFoundError(AgentOSError):
    """The object doesn't exist, or belongs to someone else; the two can't be told apart.

    `message` replaces the default text.
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
    """The path doesn't support this method, only those in `allowed`."""

    code = "method_not_allowed"

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__("Method Not Allowed")
        self.allowed = frozenset(allowed)


class ConflictError(AgentOSError):
    """The object already exists, or its state doesn't allow the call."""

    code = "conflict"


class SessionBusyError(ConflictError):
    """Another run of the session is live, and the request's policy is to be rejected in that case."""

    code = "session_busy"


class AmbiguousSessionError(ConflictError):
    """Several users have a session with the id, and the caller may see all of them."""

    code = "ambiguous_session"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Several users have a session {session_id!r}: say whose it is, with user_id=…")


class IdempotencyConflictError(ConflictError):
    """The idempotency key was already used for a different request."""

    code = "idempotency_conflict"


class ApprovalPendingError(AgentOSError):
    """The run waits for an approver's decision, which no one else can replace."""

    code = "approval_pending"


class PayloadTooLargeError(AgentOSError):
    """A request body, a file or a field is larger than the server takes."""

    code = "payload_too_large"


class StateTooLargeError(PayloadTooLargeError):
    """A session's state would be larger than its database takes, or have more keys at the top."""

    code = "state_too_large"
    max_keys = 5000
    """Keys at the top of a state. Each that changes is kept with its old value."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"The session's state may have {max_bytes} bytes of JSON and {self.max_keys} keys at the top: "
            "keep big values elsewhere."
        )


class UnsupportedMediaTypeError(AgentOSError):
    """The call doesn't accept the body's content type."""

    code = "unsupported_media_type"


class TooManyRequestsError(AgentOSError):
    """The caller exceeded a limit; there may be room after `retry_after` seconds."""

    code = "too_many_requests"
    retry_after: int = 1


class QueueFullError(TooManyRequestsError):
    """The queue has reached its limit."""

    code = "queue_full"
    retry_after = 5


class TooManyStreamsError(TooManyRequestsError):
    """The caller has as many event streams open as one caller may have."""

    code = "too_many_streams"
    retry_after = 5

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} event streams open: close one, or ask without a stream.")


class TooManyBytesError(TooManyRequestsError):
    """The caller sends more in large bodies than one caller may while others use the server."""

    code = "too_many_bytes"

    def __init__(self, rate: int, *, retry_after: int) -> None:
        super().__init__(
            f"You have sent more than {rate} bytes a second: send large bodies one after the other."
        )
        self.retry_after = retry_after


class TooManyFailuresError(TooManyRequestsError):
    """Too many invalid tokens came from the caller's address within a minute."""

    code = "too_many_failures"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            f"Too many failed authentications from your address: try again in {retry_after} seconds"
        )
        self.retry_after = retry_after


class UnreadableEventError(ConflictError):
    """An event in a run's log isn't one of ours, so the log can't be followed beyond it."""

    code = "unreadable_event"

    def __init__(self) -> None:
        super().__init__("An event in the log of this run can't be read: get the run itself instead.")


class UnavailableError(AgentOSError):
    """Something that the call needs is unavailable; it may be back after `retry_after` seconds, if known."""

    code = "unavailable"
    retry_after: int | None = None


class DatabaseUnavailableError(UnavailableError):
    """Postgres didn't answer."""

    code = "database_unavailable"
    retry_after = 2


class NotConfiguredError(UnavailableError):
    """The server lacks something that the call needs; its operator must configure it."""

    code = "not_configured"


class NotStartedError(UnavailableError):
    """The app serves requests although its lifespan hasn't been entered."""

    code = "not_started"

    def __init__(self) -> None:
        super().__init__(
            "This AgentOS hasn't been started. An app that is mounted in another one is started by that one: "
            "enter app.router.lifespan_context(app) in the outer app's lifespan. In tests, use "
            "`with TestClient(app) as client`."
        )


class RunLostError(UnavailableError):
    """This process was presumed dead and another one has the run now; nothing here may change it."""

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


class FetchError(AgentOSError):
    """An address that somebody else named can't be fetched: its server is away, slow or speaks no HTTP."""

    code = "fetch_failed"


class AddressRefusedError(FetchError):
    """The address isn't on the public internet, or has a form that isn't fetched. Nothing was sent to it."""

    code = "address_refused"


class AnswerTooLargeError(FetchError):
    """The server's answer exceeds the limit. The rest of it wasn't read."""

    code = "answer_too_large"
