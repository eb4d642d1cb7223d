"""A client that leaves before its request has arrived costs one line of the log."""

import asyncio
import logging

import pytest

from agentos.os import AgentOS
from tests.os.apps import agent, listening

LEFT = "A client left before its request had arrived"
FORM = b'--x\r\nContent-Disposition: form-data; name="message"\r\n\r\nhal'


@pytest.mark.parametrize(
    ("content_type", "half"),
    [
        ("multipart/form-data; boundary=x", FORM),
        ("application/x-www-form-urlencoded", b"message=hal"),
        ("application/json", b'{"message": "hal'),
    ],
)
@pytest.mark.parametrize("path", ["/agents/web/runs", "/sessions"])
async def test_who_leaves_in_the_middle_of_an_upload_is_one_line(db, caplog, path, content_type, half):
    caplog.set_level(logging.INFO)
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: 99999\r\n\r\n"
    async with listening(AgentOS(agents=[agent()], db=db).get_app()) as port, asyncio.timeout(30):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + half)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        while LEFT not in caplog.text:
            await asyncio.sleep(0)
    assert caplog.text.count(LEFT) == 1
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
