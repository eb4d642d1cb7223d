"""What synchronous calls open is closed: with its owner, or with the program."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.processes import environment, fake_openai

ROOT = Path(__file__).parents[1]
PROGRAM = """
import gc
import threading
from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.event_loop import run_sync
from agentos.models.openai import OpenAIChat

def ask(db):
    agent = Agent(model=OpenAIChat(id="gpt-5.2", api_key="k", base_url={url!r}), db=db)
    assert agent.run("hello").content

{body}
"""
BODIES = {
    "kept": "kept = PostgresDb({db!r})\nask(kept)\nask(kept)",
    "discarded": "ask(None)\nask(PostgresDb({db!r}))\ngc.collect()",
    "streamed": (
        "agent = Agent(model=OpenAIChat(id='gpt-5.2', api_key='k', base_url={url!r}))\n"
        "next(iter(agent.run('hello', stream=True)))"
    ),
}


@pytest.fixture(scope="module")
def openai():
    with fake_openai() as url:
        yield url


@pytest.mark.parametrize("body", list(BODIES))
def test_a_program_that_runs_an_agent_leaves_no_socket(database, openai, body):
    program = PROGRAM.format(url=openai, body=BODIES[body].format(db=database, url=openai))
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
