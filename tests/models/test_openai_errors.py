"""Failures of the provider: what is tried again, what the run is told, and what nobody may see."""

import asyncio
import logging
import traceback

import pytest

from agentos.errors import ConfigurationError, ModelError
from agentos.models.openai import OpenAIChat
from tests.fakes import openai_payloads as payloads
from tests.fakes.openai_script import Reply, Request, Script, error_reply, json_reply, stream_reply
from tests.fakes.openai_server import FakeOpenAI
from tests.models.conftest import KEY
from tests.models.requests import answer, asking


async def failing(model, *, stream: bool = False) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await answer(model, "hello", stream=stream)
    return caught.value


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("status", "provider_code", "code"),
    [
        (400, "invalid_request", "model_rejected"),
        (400, "context_length_exceeded", "model_rejected"),
        (401, "invalid_api_key", "model_unauthorized"),
        (403, "forbidden", "model_unauthorized"),
        (404, "model_not_found", "model_rejected"),
        (408, "timeout", "model_timeout"),
        (409, "conflict", "model_rejected"),
        (422, "invalid", "model_rejected"),
        (429, "rate_limit_exceeded", "model_rate_limited"),
        (429, "insufficient_quota", "model_rate_limited"),
        (500, "server_error", "model_unavailable"),
        (503, "overloaded", "model_unavailable"),
    ],
)
async def test_a_status_has_its_code_and_a_sentence_of_ours(
    openai_model, replies, status, provider_code, code, stream
):
    replies(error_reply(status, "their own words", provider_code))
    error = await failing(openai_model, stream=stream)
    assert error.code == code
    assert "their own words" not in str(error)
    assert "their own words" in str(error.__cause__), "a log may show the cause"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_rate_limit_is_waited_out_as_told(make, openai_model, server, stream):
    # Longer than any pause the client would choose by itself before its first retry.
    limits = [error_reply(429, retry_after="0.7")]
    script = Script()
    server.respond = lambda request: limits.pop() if limits else script(request)
    await answer(make(type(openai_model), max_retries=1), "hello", stream=stream)
    first, second = server.requests
    assert second.at - first.at >= 0.7
    assert second.content == first.content


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_passing_failures_are_tried_again(make, openai_model, server, status):
    failures = [error_reply(status, retry_after_ms="1")] * 2
    script = Script()
    server.respond = lambda request: failures.pop() if failures else script(request)
    assert (await answer(make(type(openai_model), max_retries=2), "hello")).content
    assert len(server.requests) == 3


async def test_trying_again_has_an_end(make, openai_model, server, replies):
    replies(error_reply(500, retry_after_ms="1"))
    error = await failing(make(type(openai_model), max_retries=2))
    assert error.code == "model_unavailable"
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_lasting_failures_are_not_tried_again(make, openai_model, server, replies, status):
    replies(error_reply(status))
    await failing(make(type(openai_model), max_retries=2))
    assert len(server.requests) == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("code", [429, "429", 503, "rate_limit_exceeded", "server_error"])
async def test_an_error_in_a_good_answer_is_tried_again_as_its_code_is(
    make, openai_model, server, code, stream
):
    error = {"error": {"message": "slow down", "code": code}}
    events = (b": still here\n\n", payloads.sse(error))
    pause = (("retry-after-ms", "1"),)
    bodies = Reply(events=events, headers=pause) if stream else json_reply(error, retry_after_ms="1")
    failures = [bodies] * 2
    script = Script()
    server.respond = lambda request: failures.pop() if failures else script(request)
    model = make(type(openai_model), max_retries=2)
    assert (await answer(model, "hello", stream=stream)).content
    assert len(server.requests) == 3


async def test_a_rate_limit_in_a_good_answer_is_waited_out_as_told(make, openai_model, server):
    limits = [json_reply({"error": {"message": "slow down", "code": 429}}, retry_after="0.7")]
    script = Script()
    server.respond = lambda request: limits.pop() if limits else script(request)
    await answer(make(type(openai_model), max_retries=1), "hello", stream=False)
    first, second = server.requests
    assert second.at - first.at >= 0.7


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("code", [400, 401, "insufficient_quota", "content_filter", None, 7, True])
async def test_a_lasting_error_in_a_good_answer_is_not_tried_again(
    make, openai_model, server, replies, code, stream
):
    error = {"error": {"message": "no", "code": code}}
    replies(stream_reply([payloads.sse(error)]) if stream else json_reply(error))
    await failing(make(type(openai_model), max_retries=2), stream=stream)
    assert len(server.requests) == 1


async def test_a_stream_that_fails_halfway_is_not_tried_again(make, server, replies):
    begun = payloads.sse(payloads.chat_chunk({"content": "Hel"}))
    replies(stream_reply([begun, payloads.sse({"error": {"message": "no", "code": 503}})]))
    error = await failing(make(OpenAIChat, max_retries=2), stream=True)
    assert error.code == "model_unavailable"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "end",
    [b"", b"data: {", b"data: {\n\n", payloads.sse({"error": {"message": "no usage", "code": 500}})],
    ids=["lost", "cut off", "no JSON", "an error"],
)
async def test_what_fails_behind_a_complete_answer_is_ignored(chat, replies, end):
    complete = [payloads.chat_chunk({"content": "Done."}), payloads.chat_chunk({}, "stop")]
    begun = [payloads.chat_chunk({"content": "Do"})]
    for chunks in (complete, begun):
        events = [payloads.sse(chunk) for chunk in chunks]
        replies(stream_reply([*events, *([end] if end else [])], ending="broken"))
        if chunks is complete:
            assert (await answer(chat, "hello")).content == "Done."
        else:
            await failing(chat, stream=True)


async def test_a_lost_connection_is_tried_again(make, openai_model, server):
    lost = [Reply(content=b"{}" * 20, ending="broken")]
    script = Script()
    server.respond = lambda request: lost.pop() if lost else script(request)
    model = make(type(openai_model), max_retries=1)
    # The client's own first pause is half a second at most.
    assert (await answer(model, "hello", stream=False)).content
    assert len(server.requests) == 2


@pytest.mark.parametrize("stream", [True, False])
async def test_a_connection_that_breaks_off_is_unavailable(openai_model, stream):
    with pytest.raises(ModelError) as caught:
        await answer(openai_model, "break off", stream=stream)
    assert caught.value.code == "model_unavailable"


async def test_a_server_that_is_away_is_unavailable(make, openai_model, unused_tcp_port):
    model = make(type(openai_model), base_url=f"http://127.0.0.1:{unused_tcp_port}/v1")
    assert (await failing(model)).code == "model_unavailable"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_server_that_hangs_times_out(make, openai_model, stream):
    model = make(type(openai_model), timeout=0.05)
    with pytest.raises(ModelError) as caught:
        await answer(model, "hang", stream=stream)
    assert caught.value.code == "model_timeout"


async def test_a_connection_left_open_behind_the_last_event_is_not_waited_for(chat, replies, server):
    replies(stream_reply(payloads.chat_stream(payloads.chat_chunks("Done.")), ending="open"))
    async with asyncio.timeout(5):
        assert (await answer(chat, "hello")).content == "Done."
    await server.all_closed()


@pytest.mark.parametrize("error", [{"code": "server_error", "message": "overloaded"}, "overloaded"])
async def test_an_error_in_place_of_an_event_is_told_to_a_log(chat, replies, error):
    replies(stream_reply([payloads.sse({"error": error})]))
    failure = await failing(chat, stream=True)
    assert failure.code == ("model_error" if isinstance(error, str) else "model_unavailable")
    assert "overloaded" not in str(failure)
    assert "overloaded" in str(failure.__cause__), "a log may show the cause"


async def test_cancelling_a_turn_is_not_an_error_of_the_model(openai_model, server):
    turn = openai_model.respond(asking("hang"))
    await anext(turn)
    task = asyncio.ensure_future(_rest(turn))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.all_closed()


async def _rest(turn) -> None:
    async for _ in turn:
        pass


async def test_no_key_is_an_error_at_first_use(make, openai_model, monkeypatch, server):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for value in (None, ""):
        model = make(type(openai_model), api_key=value)
        error = await failing(model)
        assert error.code == "model_unauthorized"
        assert "OPENAI_API_KEY" in str(error)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "no key for models")
    assert (await failing(make(type(openai_model), api_key=None))).code == "model_unauthorized"
    assert server.requests == []


async def test_key_and_address_come_from_the_environment(make, openai_model, monkeypatch, server):
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert (await answer(make(type(openai_model), api_key=None, base_url=None), "hello")).content
    assert server.requests[0].headers["authorization"] == "Bearer from-the-environment"


@pytest.mark.parametrize("address", ["", "localhost", "http://host:port"])
async def test_an_address_that_is_none_is_a_configuration_error(make, openai_model, monkeypatch, address):
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(ConfigurationError, match="OPENAI_BASE_URL"):
        await answer(make(type(openai_model), base_url=None), "hello")


def indiscreet(request: Request) -> Reply:
    """Repeats the key that it was sent, as some proxies do."""
    return error_reply(request.body["status"], f"who is {request.headers['authorization']}?")


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_a_key_that_comes_back_is_shown_nowhere(make, openai_model, server, caplog, status):
    caplog.set_level(logging.DEBUG)
    server.respond = indiscreet
    model = make(type(openai_model), extra_body={"status": status}, extra_headers={"X-Key": "another-key"})
    error = await failing(model)
    logging.getLogger("test").error("the run failed", exc_info=error)
    assert KEY not in "".join(traceback.format_exception(error))
    assert KEY not in caplog.text
    assert KEY not in repr(model)
    assert "another-key" not in repr(model)


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX-Admin: yes", f"{KEY}\u2028", f"“{KEY}”"])
async def test_a_key_that_is_no_header_is_refused_unseen(make, openai_model, server, key):
    error = await failing(make(type(openai_model), api_key=key))
    assert error.code == "model_unauthorized"
    assert KEY not in "".join(traceback.format_exception(error))
    assert server.requests == []


async def test_the_fake_counts_its_connections(server: FakeOpenAI, make):
    await answer(make(OpenAIChat), "hello")
    await answer(make(OpenAIChat), "hello")
    assert [request.connection for request in server.requests] == [1, 2]
