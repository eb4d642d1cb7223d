"""What an approver agrees to is what is done, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agentos.agent import Agent
from agentos.db.base import Db
from agentos.db.contracts.approvals import Approval, Resolution
from agentos.errors import ApprovalPendingError, InvalidInputError
from agentos.run.messages import ToolCall
from agentos.run.owner import ANYONE
from agentos.run.records import RunOutput, RunStatus
from agentos.tools import approval, tool
from tests.agent.models import call, scripted

sent: list[tuple[str, str]] = []


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    sent.clear()


def pay(to: str, amount: str) -> str:
    """Pays somebody."""
    sent.append((to, amount))
    return "paid"


asking = approval(tool(requires_user_input=True, user_input_fields=["to"])(pay))
plain = approval(tool(pay))


def payer(db: Db, *turns: str | Sequence[ToolCall], made: object = asking) -> Agent:
    return Agent(id="payer", model=scripted(*turns)[0], db=db, tools=[made])  # type: ignore[list-item]


async def resolve(db: Db, approval_id: str, status: Resolution = "approved") -> None:
    await db.resolve_approval(approval_id, status=status, resolved_by="carol", owner=ANYONE)


async def given(db: Db, run: RunOutput, to: str) -> RunOutput:
    """The run, once its user has said whom to pay."""
    requirements = run.requirements
    requirements[0].user_input_schema[0]["value"] = to
    return await payer(db, "done").acontinue_run(run_id=run.run_id, requirements=requirements)


async def of(db: Db, run: RunOutput) -> list[Approval]:
    return await db.approvals_of([run.run_id], owner=ANYONE)


async def test_an_approver_is_asked_once_the_arguments_are_known(db: Db) -> None:
    run = await payer(db, [call("pay", {"amount": "7"})]).arun("go", user_id="alice")
    assert run.is_paused
    assert await of(db, run) == []
    run = await given(db, run, "bo")
    assert run.is_paused
    (asked,) = await of(db, run)
    assert asked.tool_args == {"to": "bo", "amount": "7"}
    with pytest.raises(ApprovalPendingError):
        await given(db, run, "mallory")
    await resolve(db, asked.id)
    assert (await given(db, run, "mallory")).status is RunStatus.COMPLETED
    assert sent == [("bo", "7")]


async def test_a_rejected_call_that_asked_its_user_is_not_made(db: Db) -> None:
    run = await payer(db, [call("pay", {"amount": "7"})]).arun("go", user_id="alice")
    run = await given(db, run, "bo")
    (asked,) = await of(db, run)
    await resolve(db, asked.id, "rejected")
    assert (await given(db, run, "mallory")).status is RunStatus.COMPLETED
    assert sent == []


@pytest.mark.parametrize("words", [("rejected", "approved"), ("approved", "rejected")])
async def test_a_word_on_one_call_is_none_on_another_with_its_id(
    db: Db, words: tuple[Resolution, Resolution]
) -> None:
    calls = [call("pay", {"to": to, "amount": "7"}, "same") for to in ("bo", "mallory")]
    run = await payer(db, calls, made=plain).arun("go", user_id="alice")
    for asked, word in zip(await of(db, run), words, strict=True):
        await resolve(db, asked.id, word)
    rest = await payer(db, "done", made=plain).acontinue_run(run_id=run.run_id)
    assert rest.status is RunStatus.COMPLETED
    assert [each.confirmed for each in rest.tools] == [word == "approved" for word in words]
    assert sent == [
        (to, "7") for to, word in zip(("bo", "mallory"), words, strict=True) if word == "approved"
    ]


async def test_without_a_word_of_the_approvers_nothing_is_done(db: Db) -> None:
    run = await payer(db, [call("pay", {"to": "bo", "amount": "7"})], made=plain).arun("go", user_id="alice")
    (asked,) = await of(db, run)
    assert await db.delete_approval(asked.id, owner="alice")
    run.requirements[0].confirm()
    with pytest.raises(InvalidInputError, match="an approval"):
        await payer(db, "done", made=plain).acontinue_run(run)
    assert sent == []
