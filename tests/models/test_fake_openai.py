"""The fake OpenAI as a process, for suites that start servers."""

import asyncio
import json
import sys
from urllib.request import Request, urlopen


def post(url: str, **body) -> dict:
    request = Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=5) as response:
        return json.load(response)


async def test_the_fake_runs_as_a_process_and_prints_its_address():
    command = [sys.executable, "-m", "tests.fakes.openai_server", "--words", "3"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        url = (await process.stdout.readline()).decode().strip()
        messages = [{"role": "user", "content": "hello"}]
        chat = await asyncio.to_thread(post, f"{url}/chat/completions", messages=messages)
        assert chat["choices"][0]["message"]["content"] == "word1 word2 word3"
        response = await asyncio.to_thread(post, f"{url}/responses", input="say hi")
        assert response["output"][0]["content"][0]["text"] == "hi"
    finally:
        process.terminate()
        await process.communicate()
