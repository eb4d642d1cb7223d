"""When keys are looked for, how often, and what holds meanwhile."""

import asyncio

import pytest

from agentos.os.tokens.keys import ChangingKeys, Key, KeySet
from agentos.os.tokens.keys.key_set import JwksError

MAX_AGE = 300


class Place:
    """Where keys are read: what is there, how often it was read, and how long that takes."""

    def __init__(self, *kids: str) -> None:
        self.kids = kids
        self.reads = 0
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.now = 1000.0

    async def read(self) -> KeySet:
        self.reads += 1
        kids = self.kids
        await self.is_open.wait()
        if not kids:
            raise JwksError("it is empty")
        return KeySet(tuple(Key(kid, ("RS256",), kid) for kid in kids), MAX_AGE)

    def keys(self, **options) -> ChangingKeys:
        return ChangingKeys(self.read, clock=lambda: self.now, **options)

    def close(self) -> None:
        self.is_open.clear()


async def has(keys: ChangingKeys, kid: str) -> bool:
    return any(key.kid == kid for key in await keys.for_token(kid))


async def looking() -> list[asyncio.Task]:
    """The looks that go on, each begun."""
    await asyncio.sleep(0)
    return [task for task in asyncio.all_tasks() if task.get_name() == "refresh keys"]


async def test_a_key_that_isnt_there_is_looked_for_at_once():
    place = Place("a")
    keys = place.keys()
    assert await has(keys, "a")
    place.kids = ("a", "b")
    assert await has(keys, "b")
    place.kids = ("b", "c")
    assert await has(keys, "c")
    assert not await has(keys, "a")
    assert place.reads == 4


async def test_a_vain_look_is_followed_by_a_cool_down():
    place = Place("a")
    keys = place.keys(cool_down=10)
    assert await has(keys, "a")
    assert not await has(keys, "b")
    place.kids = ("a", "b")
    reads = place.reads
    place.now += 9.9
    assert not await has(keys, "b")
    assert await has(keys, "a")
    assert place.reads == reads
    place.now += 0.2
    assert await has(keys, "b")


async def test_a_thousand_unknown_keys_cause_one_look():
    place = Place("a")
    keys = place.keys()
    assert await has(keys, "a")
    found = await asyncio.gather(*(has(keys, f"forged {n}") for n in range(1000)), has(keys, "a"))
    assert found.count(True) == 1
    assert place.reads == 2


async def test_a_look_that_began_before_the_key_was_there_is_no_answer():
    place = Place("a")
    keys = place.keys()
    assert await has(keys, "a")
    place.now += MAX_AGE + 1
    place.close()
    assert await has(keys, "a")
    await looking()
    place.kids = ("a", "b")
    waiting = asyncio.create_task(has(keys, "b"))
    await looking()
    place.is_open.set()
    assert await waiting
    assert place.reads == 3


async def test_who_gives_up_waiting_doesnt_end_the_look():
    place = Place("a")
    place.close()
    keys = place.keys()
    impatient, patient = (asyncio.create_task(has(keys, "a")) for _ in range(2))
    (look,) = await looking()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert not look.done()
    place.is_open.set()
    assert await patient
    assert place.reads == 1


async def test_old_keys_do_while_others_are_fetched():
    place = Place("a")
    keys = place.keys()
    assert await has(keys, "a")
    place.kids = ("b",)
    place.now += MAX_AGE - 1
    assert await has(keys, "a")
    assert not await looking()
    place.now += 2
    place.close()
    assert await has(keys, "a")
    (look,) = await looking()
    place.is_open.set()
    await asyncio.wait([look])
    assert await has(keys, "b")
    assert place.reads == 2
    assert not await has(keys, "a")


async def test_keys_that_nobody_looked_after_for_long_arent_used_before_a_look():
    place = Place("a")
    keys = place.keys()
    assert await has(keys, "a")
    place.kids = ("b",)
    place.now += 2 * MAX_AGE + 1
    found = await asyncio.gather(*(has(keys, "a") for _ in range(5)))
    assert found == [False] * 5
    assert await has(keys, "b")


async def test_keys_in_use_stay_in_use_while_looks_fail(caplog):
    place = Place("a")
    keys = place.keys(cool_down=10)
    assert await has(keys, "a")
    place.kids = ()
    for minutes in range(30):
        place.now += 60
        assert await has(keys, "a")
        assert not await has(keys, f"new {minutes}")
    assert "keeping the current ones" in caplog.text
    place.kids = ("b",)
    place.now += 60
    assert await has(keys, "b")
    assert not await has(keys, "a")


async def test_without_a_first_key_there_is_none_until_a_look_succeeds():
    place = Place()
    keys = place.keys(cool_down=10)
    assert not await has(keys, "a")
    assert keys.are_missing
    assert keys.retry_after == 10
    place.kids = ("a",)
    place.now += 3.5
    assert not await has(keys, "a")
    assert keys.retry_after == 7
    assert place.reads == 1
    place.now += 7
    assert await has(keys, "a")
    assert not keys.are_missing


async def test_opening_looks_ahead_without_waiting_and_closing_leaves_nothing():
    place = Place("a")
    place.close()
    keys = place.keys()
    async with keys.open():
        (look,) = await looking()
        asking = asyncio.create_task(has(keys, "a"))
        await looking()
    assert look.cancelled()
    assert not await asking
    assert keys.are_missing
    place.is_open.set()
    async with keys.open():
        assert await has(keys, "a")
    assert not await looking()


async def test_keys_with_one_name_are_all_tried():
    same = (Key("first", ("RS256",), "a"), Key("second", ("RS256",), "a"), Key("third", ("RS256",)))

    async def read() -> KeySet:
        return KeySet(same, MAX_AGE)

    keys = ChangingKeys(read)
    assert await keys.for_token("a") == same[:2]
    assert await keys.for_token("b") == same[2:]
    assert await keys.for_token(None) == same[2:]
