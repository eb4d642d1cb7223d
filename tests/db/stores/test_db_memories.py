import pytest

from agentos.db.contracts.memories import MemoryQuery, MemoryStats
from agentos.errors import ConflictError, InvalidInputError
from agentos.run.owner import ANYONE
from tests.db.made import NOON, UNSTORABLE, a_memory


async def test_a_memory_comes_back_as_it_was_stored(db):
    memory = a_memory(topics=["tea", "Ärger"], agent_id="web", team_id="crew")
    assert await db.create_memory(memory, owner="alice") == memory
    assert await db.get_memory(memory.memory_id, owner="alice") == memory


@pytest.mark.parametrize(("owner", "sees"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_a_memory_is_seen_changed_and_deleted_by_its_owner_only(db, owner, sees):
    await db.create_memory(a_memory("hers", topics=["tea"]), owner="alice")
    found = await db.get_memory("hers", owner=owner)
    listed = await db.list_memories(MemoryQuery(), owner=owner)
    topics = await db.memory_topics(owner=owner)
    stats = await db.memory_stats(owner=owner)
    changed = await db.update_memory("hers", memory="Coffee", topics=None, owner=owner)
    deleted = await db.delete_memories(["hers"], owner=owner)
    seen = (found is not None, listed.total, len(topics), stats.total, changed is not None, deleted)
    assert seen == (sees, sees, sees, sees, sees, sees)
    left = await db.get_memory("hers", owner=ANYONE)
    assert (left is None) == sees
    if left is not None:
        assert left.memory == "Likes tea"


@pytest.mark.parametrize(("owner", "may"), [("bob", False), ("alice", True), (ANYONE, True)])
async def test_a_memory_is_made_for_oneself_only(db, owner, may):
    if may:
        assert (await db.create_memory(a_memory("hers"), owner=owner)).user_id == "alice"
        return
    with pytest.raises(InvalidInputError) as refusal:
        await db.create_memory(a_memory("hers"), owner=owner)
    assert refusal.value.field == "user_id"
    assert await db.get_memory("hers", owner=ANYONE) is None


async def test_a_taken_memory_id_conflicts_whoever_has_it(db):
    await db.create_memory(a_memory("taken"), owner="alice")
    for user in ("alice", "bob"):
        with pytest.raises(ConflictError):
            await db.create_memory(a_memory("taken", user_id=user, memory="New"), owner=user)
    assert (await db.get_memory("taken", owner="alice")).memory == "Likes tea"


LISTINGS = [
    ("alice", {}, ["three", "two", "one"]),
    ("bob", {}, ["four"]),
    ("carol", {}, []),
    (ANYONE, {}, ["four", "three", "two", "one"]),
    (ANYONE, {"user_id": "bob"}, ["four"]),
    ("alice", {"user_id": "bob"}, []),
    (ANYONE, {"agent_id": "web"}, ["two"]),
    (ANYONE, {"team_id": "crew"}, ["three"]),
    (ANYONE, {"topics": ["food"]}, ["four", "two", "one"]),
    ("alice", {"topics": ["food", "drink"]}, ["two"]),
    ("alice", {"topics": ["foo"]}, []),
    (ANYONE, {"search": "TEA"}, ["four", "one"]),
    ("alice", {"search": "100%"}, ["two"]),
    ("alice", {"search": "_"}, []),
    ("alice", {"sort_by": "memory", "descending": False}, ["two", "one", "three"]),
    (ANYONE, {"sort_by": "created_at", "descending": False, "limit": 2, "page": 2}, ["three", "four"]),
]


async def some_memories(db):
    rows = [
        a_memory("one", minutes=1, topics=["food"]),
        a_memory("two", minutes=2, topics=["drink", "food"], memory="100% cocoa", agent_id="web"),
        a_memory("three", minutes=3, memory="Runs", team_id="crew"),
        a_memory("four", minutes=4, user_id="bob", topics=["food"], memory="tea too"),
    ]
    for row in rows:
        await db.create_memory(row, owner=ANYONE)


async def test_memories_are_listed_by_owner_and_filter(db):
    await some_memories(db)
    for owner, asked, ids in LISTINGS:
        page = await db.list_memories(MemoryQuery(**asked), owner=owner)
        assert [memory.memory_id for memory in page.rows] == ids, (owner, asked)
        assert page.total == (4 if "limit" in asked else len(ids)), (owner, asked)


async def test_no_memory_matches_what_cannot_be_stored(db):
    await some_memories(db)
    for text in UNSTORABLE.values():
        asked = [
            {"user_id": text},
            {"agent_id": text},
            {"team_id": text},
            {"search": text},
            {"topics": [text]},
        ]
        for each in asked:
            assert (await db.list_memories(MemoryQuery(**each), owner=ANYONE)).rows == []
        assert (await db.list_memories(MemoryQuery(), owner=text)).rows == []
        assert await db.get_memory(text, owner=ANYONE) is None
        assert await db.update_memory(text, memory="x", topics=None, owner=ANYONE) is None
        assert await db.delete_memories([text], owner=ANYONE) == 0
        assert await db.memory_topics(owner=ANYONE, user_id=text) == []
        assert (await db.memory_stats(owner=ANYONE, user_id=text)).total == 0


async def test_a_change_without_topics_leaves_them(db):
    await db.create_memory(a_memory("m", topics=["tea"]), owner="alice")
    changed = await db.update_memory("m", memory="Coffee", topics=None, owner="alice")
    assert (changed.memory, changed.topics) == ("Coffee", ["tea"])
    assert changed.updated_at > NOON
    assert (await db.update_memory("m", memory="Coffee", topics=[], owner="alice")).topics == []


async def test_only_those_deleted_are_counted(db):
    await some_memories(db)
    assert await db.delete_memories(["one", "four", "never", "one"], owner="alice") == 1
    assert (await db.list_memories(MemoryQuery(), owner=ANYONE)).total == 3


async def test_topics_are_each_named_once_in_order(db):
    await some_memories(db)
    await db.create_memory(a_memory(topics=["Zoo", "food"]), owner="alice")
    assert await db.memory_topics(owner="alice") == ["Zoo", "drink", "food"]
    assert await db.memory_topics(owner="bob") == ["food"]
    assert await db.memory_topics(owner=ANYONE, user_id="bob") == ["food"]
    assert await db.memory_topics(owner="alice", user_id="bob") == []


async def test_statistics_are_a_line_per_user_the_latest_first(db):
    await some_memories(db)
    alice = MemoryStats("alice", 3, a_memory(minutes=3).updated_at)
    bob = MemoryStats("bob", 1, a_memory(minutes=4).updated_at)
    assert (await db.memory_stats(owner=ANYONE)).rows == [bob, alice]
    assert (await db.memory_stats(owner="alice")).rows == [alice]
    assert (await db.memory_stats(owner="alice", user_id="bob")).rows == []
    second = await db.memory_stats(owner=ANYONE, limit=1, page=2)
    assert (second.rows, second.total) == ([alice], 2)


async def test_what_cannot_be_stored_is_refused_by_name_or_mended(db):
    for field in ("memory_id", "user_id", "agent_id", "team_id"):
        for bad in UNSTORABLE.values():
            with pytest.raises(InvalidInputError) as refusal:
                await db.create_memory(a_memory().model_copy(update={field: bad}), owner=ANYONE)
            assert refusal.value.field == field
    for bad in UNSTORABLE.values():
        with pytest.raises(InvalidInputError) as refusal:
            await db.create_memory(a_memory(topics=[bad]), owner=ANYONE)
        assert refusal.value.field == "topics"
        with pytest.raises(InvalidInputError):
            await db.update_memory("m", memory="x", topics=["fine", bad], owner=ANYONE)
    stored = await db.create_memory(a_memory(memory="a\0b\ud800c"), owner="alice")
    assert stored.memory == "a\ufffdb\ufffdc"
