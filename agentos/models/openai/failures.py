"""Turns failures of the provider into `ModelError`s with our own text."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from traceback import format_exception
from typing import TYPE_CHECKING

from pydantic import ValidationError

from agentos.errors import ModelError

if TYPE_CHECKING:
    import openai

_LONGEST_PLAIN = 7
"""Header values up to this length ("1", "true") aren't treated as secrets, since they occur in any text."""


@contextmanager
def translated(model_id: str, secrets: tuple[str, ...]) -> Generator[None]:
    """Turns any exception of the SDK into a ModelError.

    The SDK's exception becomes its cause, so that it can be logged, unless its text contains one of
    `secrets`.
    """
    import httpx2
    import openai

    try:
        yield
    except (openai.OpenAIError, httpx2.HTTPError, OSError, ValueError) as error:
        raise _explain(error, model_id) from (None if _quotes(error, secrets) else error)


@contextmanager
def harmless(is_complete: Callable[[], bool]) -> Generator[None]:
    """Ignores failures of a stream once the answer is complete. Only the token counts may be missing then."""
    import httpx2
    import openai

    try:
        yield
    except (openai.OpenAIError, httpx2.HTTPError, OSError, ValueError):
        if not is_complete():
            raise


def _quotes(error: Exception, secrets: tuple[str, ...]) -> bool:
    text = "".join(format_exception(error))
    return any(len(secret) > _LONGEST_PLAIN and secret in text for secret in secrets)


def _explain(error: Exception, model_id: str) -> ModelError:
    import httpx2
    import openai

    match error:
        case ValidationError():
            return nonsense("its answer has not the shape that the API promises")
        case openai.APITimeoutError() | httpx2.TimeoutException():
            return ModelError("The model's provider did not answer in time.", code="model_timeout")
        case openai.APIConnectionError() | httpx2.HTTPError() | OSError():  # a TLS connection's is bare
            return broken_off()
        case ValueError():
            return nonsense("its answer is not JSON")
        case openai.APIStatusError():
            return _status(error.status_code, _code_of(error), model_id)
        case openai.APIError():
            return reported(_code_of(error), model_id)
        case _:
            return failure(None)


_TOO_LONG = ("maximum context length", "exceed_context_size_error")
"""What vLLM and llama.cpp, which have no code for it, say of a conversation that is too long."""


def _code_of(error: openai.APIError) -> str | None:
    """The provider's code."""
    body = str(error.body)
    return "context_length_exceeded" if any(each in body for each in _TOO_LONG) else error.code


def _status(status: int, code: str | None, model_id: str) -> ModelError:
    if code == "insufficient_quota" or status == 402:
        return ModelError("The quota at the model's provider is used up.", code="model_rate_limited")
    if code == "content_filter":
        return failure(code)
    if code == "context_length_exceeded":
        return ModelError(
            f"The conversation is longer than the model {model_id!r} can read.", code="model_rejected"
        )
    match status:
        case 401 | 403:
            return ModelError(
                f"The model's provider refused the API key (HTTP {status}): "
                "check OPENAI_API_KEY or api_key=, and what that key may use.",
                code="model_unauthorized",
            )
        case 404:
            return ModelError(
                f"The model's provider has no model {model_id!r} (HTTP 404): check id= and base_url=.",
                code="model_rejected",
            )
        case 408:
            return ModelError("The model's provider gave up waiting (HTTP 408).", code="model_timeout")
        case 429:
            return ModelError(
                "The model's provider limits the rate of requests (HTTP 429): try again later.",
                code="model_rate_limited",
            )
        case _ if status >= 500:
            return ModelError(f"The model's provider failed (HTTP {status}).", code="model_unavailable")
        case _:
            return ModelError(
                f"The model's provider rejected the request (HTTP {status}).", code="model_rejected"
            )


_FAILURES = {
    "rate_limit_exceeded": ("limits the rate of requests: try again later", "model_rate_limited"),
    "insufficient_quota": ("reports that the quota is used up", "model_rate_limited"),
    "server_error": ("failed while it answered", "model_unavailable"),
    "invalid_prompt": ("rejected the request", "model_rejected"),
    "content_filter": ("filtered the answer out", "model_rejected"),
}


def failure(code: str | None) -> ModelError:
    """A failure that the provider reports inside a response, with its code."""
    sentence, ours = _FAILURES.get(code or "", ("reported an error", "model_error"))
    return ModelError(f"The model's provider {sentence}.", code=ours)


def reported(code: str | int | None, model_id: str) -> ModelError:
    """A failure inside a response, whose code may be an HTTP status, as proxies pass it on."""
    if code == "context_length_exceeded":
        return _status(400, "context_length_exceeded", model_id)
    if isinstance(code, str) and code in _FAILURES:
        return failure(code)
    status = http_status(code)
    return failure(None) if status is None else _status(status, None, model_id)


def http_status(code: object) -> int | None:
    """The HTTP status of a failure that an error's code is or stands for; None if it is no such code."""
    match code:
        case "rate_limit_exceeded":
            return 429
        case "server_error":
            return 500
        case bool():
            return None
        case int() if 400 <= code <= 599:
            return code
        case str() if len(code) == 3 and code.isdecimal():
            return http_status(int(code))
        case _:
            return None


def broken_off() -> ModelError:
    """The connection failed, or closed before the response was complete."""
    return ModelError(
        "The model's provider could not be reached, or ended its answer early.", code="model_unavailable"
    )


def nonsense(why: str) -> ModelError:
    """An unusable response."""
    return ModelError(f"The model's provider made no sense: {why}.", code="model_bad_response")


def too_long(max_bytes: int) -> ModelError:
    """A response beyond the limit; the rest of it isn't read."""
    return ModelError(
        f"The model's provider sent more than {max_bytes} bytes in one response: raise max_response_bytes, "
        "if that is what it should do.",
        code="model_bad_response",
    )


def used_up() -> ModelError:
    """The token limit was reached before there was any output."""
    return ModelError(
        "The model used up its token limit before it answered: raise the limit or lower reasoning_effort.",
        code="model_bad_response",
    )
