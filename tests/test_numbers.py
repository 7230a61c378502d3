"""What the views, the canned queries and the cookbook count is counted again from the receipts, in Python."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from statistics import mean, median
from typing import Any

import pytest
import yaml

from canvas_archive.canvas import parse
from canvas_archive.sandbox import Sandbox
from canvas_archive.store.flags import FIELDS
from canvas_archive.store.receipts import read_receipts
from tests.docs_support import REPOSITORY, blocks, live_through
from tests.numbers_support import NEWCOMER, Told, eventful, hours, links, moment, told
from tests.store_support import OWNER

pytestmark = [pytest.mark.uncounted, pytest.mark.sampled]

QUERIES = yaml.safe_load((REPOSITORY / "metadata.yml").read_text(encoding="utf-8"))["databases"]["archive"][
    "queries"
]
RECIPES = {
    int(block.title.split(".")[0]): block.text
    for block in blocks(REPOSITORY / "docs" / "cookbook.md")
    if block.title[:1].isdigit() and block.language == "sql" and not block.text.startswith("UPDATE")
}


@pytest.fixture(scope="module", params=["eventful", pytest.param("sample", marks=pytest.mark.thorough)])
def db(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sqlite3.Connection]:
    """The database of an archive, by any connection: it needs none of this program's."""
    folder = tmp_path_factory.mktemp("numbers") / "archive"
    if request.param == "eventful":
        with closing(eventful(folder)) as db:
            yield db
        return
    with pytest.MonkeyPatch.context() as patch, Sandbox(conversations=80) as sandbox:
        patch.setenv("CANVAS_API_URL", sandbox.url)
        patch.setenv("CANVAS_API_TOKEN", sandbox.token)
        live_through(sandbox, folder)
        with closing(sqlite3.connect(folder / "archive.db")) as db:
            yield db


@pytest.fixture(scope="module")
def facts(db: sqlite3.Connection) -> Told:
    """What the receipts of that archive say."""
    return told(db)


def rows(db: sqlite3.Connection, sql: str) -> list[dict[str, Any]]:
    """Return the answer to a statement, its parameter ``days`` left empty."""
    cursor = db.execute(sql, {"days": ""} if ":days" in sql else {})
    return [dict(zip((column[0] for column in cursor.description), row, strict=True)) for row in cursor]


def pairs(found: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    """Return some columns of an answer, sorted."""
    return sorted((tuple(row[column] for column in columns) for row in found), key=repr)


def ordered(expected: Any) -> list[tuple[Any, ...]]:
    """Return what is expected in the order of ``pairs``."""
    return sorted(expected, key=repr)


# -- the canned queries and the recipes --------------------------------------------------------------------


def per_person(facts: Told) -> Counter[int]:
    return Counter(one.author_id for one in facts.written())


def waits(facts: Told, *, by_me: bool) -> dict[int, list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    for question, answer in facts.replies():
        if (answer.author_id == facts.owner) == by_me:
            found[question.author_id if by_me else answer.author_id].append(hours(question, answer))
    return found


def waiting(facts: Told, *, mine: bool) -> list[tuple[int, str]]:
    return [
        (one.id, last.created_at)
        for one, last in facts.last_words()
        if (last.author_id == facts.owner) == mine and (mine or one.workflow_state != "archived")
    ]


def by_course(facts: Told) -> list[tuple[Any, ...]]:
    groups: dict[tuple[str | None, str], list[int]] = defaultdict(list)
    threads = facts.threads()
    for id_ in facts.conversations:
        groups[facts.course(id_), "" if facts.course(id_) else facts.course_name(id_) or ""].append(id_)
    found = []
    for (code, name), ids in groups.items():
        told_of = facts.courses.get(code or "", (None, None, None))
        written = [message for id_ in ids for message in threads.get(id_, [])]
        mine = sum(one.author_id == facts.owner for one in written)
        label = told_of[1] or told_of[0] or name or "No course"
        found.append((told_of[2] or "", label, len(ids), len(written), mine))
    return found


def copies(facts: Told) -> list[tuple[str, int]]:
    found = Counter(facts.files[id_]["sha256"] for _, id_ in facts.carried() if id_ in facts.files)
    return [(sha256, count) for sha256, count in found.items() if count > 1]


def extents(facts: Told) -> list[tuple[int, int, int]]:
    return [(id_, len(all_), len({m.author_id for m in all_})) for id_, all_ in facts.threads().items()]


def removed(facts: Told) -> list[tuple[str, int]]:
    inner = [("message", id_) for id_ in facts.gone_messages if facts.homes[id_] not in facts.gone]
    return [*(("conversation", id_) for id_ in facts.gone), *inner]


def summary(found: dict[int, list[float]]) -> list[tuple[Any, ...]]:
    return [
        (id_, len(all_), about(mean(all_)), about(min(all_)), about(max(all_))) for id_, all_ in found.items()
    ]


def about(value: float) -> Any:
    """Return what equals a number of hours with one decimal place, however a half is rounded."""
    return pytest.approx(value, abs=0.0501)


def by_hour(facts: Told) -> list[tuple[str, str, int]]:
    found = Counter(moment(one).strftime("%A %H") for one in facts.written())
    return [(*when.split(), count) for when, count in found.items()]  # type: ignore[misc]


def every_link(facts: Told) -> list[tuple[int, str]]:
    return [(one.id, link) for one in facts.written() for link in links(one.body)]


Check = Callable[[Told], Any]
CANNED: dict[str, tuple[tuple[str, ...], Check]] = {
    "correspondents": (("person_id", "messages"), lambda t: per_person(t).items()),
    "unanswered_by_me": (("conversation_id", "written_at"), lambda t: waiting(t, mine=False)),
    "unanswered_by_them": (("conversation_id", "written_at"), lambda t: waiting(t, mine=True)),
    "my_response_times": (
        ("person_id", "answers", "hours_on_average", "quickest", "slowest"),
        lambda t: summary(waits(t, by_me=True)),
    ),
    "their_response_times": (
        ("person_id", "answers", "hours_on_average", "quickest", "slowest"),
        lambda t: summary(waits(t, by_me=False)),
    ),
    "per_course": (("term", "course", "conversations", "messages", "mine"), by_course),
    "per_month": (("month", "messages"), lambda t: Counter(m.created_at[:7] for m in t.written()).items()),
    "per_weekday_and_hour": (("weekday", "hour", "messages"), by_hour),
    "largest_attachments": (("attachment_id", "message_id"), lambda t: [(f, m.id) for m, f in t.carried()]),
    "same_file_twice": (("sha256", "copies"), copies),
    "longest_conversations": (("conversation_id", "messages", "writers"), extents),
    "only_here": (
        ("kind", "conversation_id", "message_id"),
        lambda t: [(k, i, None) if k == "conversation" else (k, t.homes[i], i) for k, i in removed(t)],
    ),
    "links_in_messages": (("message_id", "link"), every_link),
}  # fmt: skip
ELSEWHERE = {"what_changed": "test_changes_on_canvas", "edit_history": "test_the_history_of_edits"}


def test_every_canned_query_says_what_it_counts_and_is_counted_again() -> None:
    assert set(CANNED) | set(ELSEWHERE) == set(QUERIES)
    assert all(query["description"].endswith(".") for query in QUERIES.values())
    assert all(name in globals() for name in ELSEWHERE.values())


@pytest.mark.parametrize("name", CANNED)
def test_a_canned_query(db: sqlite3.Connection, facts: Told, name: str) -> None:
    columns, expected = CANNED[name]
    found = rows(db, QUERIES[name]["sql"])
    assert pairs(found, *columns) == ordered(expected(facts))


def test_the_history_of_edits(db: sqlite3.Connection) -> None:
    count = db.execute("SELECT count(*) FROM edits").fetchone()[0]
    assert len(rows(db, QUERIES["edit_history"]["sql"])) == count > 0


def teachers(facts: Told) -> set[tuple[int, str]]:
    """Return who teaches which course, by what private conversations say."""
    return {
        (one.audience[0], code)
        for one in facts.conversations.values()
        if len(one.audience) == 1
        for code, roles in one.audience_contexts.items()
        if "TeacherEnrollment" in roles
    }


def taught(facts: Told) -> list[tuple[int, float]]:
    known = teachers(facts)
    found = [
        hours(question, answer)
        for question, answer in facts.replies()
        if (answer.author_id, facts.course(facts.homes[answer.id])) in known
    ]
    return [(len(found), about(median(found)))] if found else []


def course_pairs(facts: Told) -> list[tuple[Any, ...]]:
    found: Counter[tuple[Any, bool]] = Counter()
    names = {}
    for one in facts.written():
        home = facts.homes[one.id]
        key = (facts.course(home), facts.course_name(home))
        names[key] = facts.course_name(home) or "No course"
        found[key, one.author_id == facts.owner] += 1
    return [(names[key], found[key, False], found[key, True]) for key in names]


def terms(facts: Told) -> list[tuple[str, int, int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for one in facts.written():
        found[facts.term(facts.homes[one.id]) or "No term"].append(facts.homes[one.id])
    return [(term, len(set(ids)), len(ids)) for term, ids in found.items()]


def in_geography(facts: Told) -> list[tuple[int, int, int]]:
    there = [m for m in facts.written() if facts.course(facts.homes[m.id]) in ("course_16", "course_3051")]
    wrote = Counter(m.author_id for m in there if m.author_id != facts.owner)
    got = Counter(user for m in there if m.author_id == facts.owner for user in {*m.participating_user_ids})
    return [(user, count, got[user]) for user, count in wrote.items()]


def everything_removed(facts: Told) -> list[tuple[str, int]]:
    whole = [("conversation", id_) for id_ in facts.gone]
    return [*whole, *(("message", id_) for id_ in facts.gone_messages)]


RECIPE_CHECKS: dict[int, tuple[tuple[str, ...], Check]] = {
    1: (("id", "created_at"), lambda t: waiting(t, mine=False)),
    2: (("id", "created_at"), lambda t: waiting(t, mine=True)),
    3: (("answers",), lambda t: [(len(one),) for one in waits(t, by_me=True).values()]),
    4: (("answers", "median_hours"), taught),
    6: (("term", "conversations", "messages"), terms),
    7: (("course", "received", "sent"), course_pairs),
    8: (("month", "messages"), lambda t: Counter(m.created_at[:7] for m in t.written()).items()),
    12: (("id", "from_them", "to_them"), in_geography),
    22: (("what", "id"), everything_removed),
}  # fmt: skip


@pytest.mark.parametrize("number", RECIPE_CHECKS)
def test_a_recipe(db: sqlite3.Connection, facts: Told, number: int) -> None:
    columns, expected = RECIPE_CHECKS[number]
    assert pairs(rows(db, RECIPES[number]), *columns) == ordered(expected(facts))


def test_recipes_that_show_a_part(db: sqlite3.Connection, facts: Told) -> None:
    newest = max(one.created_at for one in facts.written())
    lost = [row["messages"] for row in rows(db, RECIPES[5])]
    months = int(newest[:4]) * 12 + int(newest[5:7])
    for id_, count in per_person(facts).items():
        last = max(m.created_at for m in facts.written() if m.author_id == id_)
        if count >= 3 and id_ != facts.owner and months - int(last[:4]) * 12 - int(last[5:7]) > 6:
            lost.remove(count)
    longest = sorted((count for _, count, _ in extents(facts)), reverse=True)[:20]
    assert [row["messages"] for row in rows(db, RECIPES[10])] == longest
    with_links = [m.id for m in facts.written() if re.search("https?://", m.body, re.IGNORECASE)]
    found = rows(db, RECIPES[15])
    assert pairs(found, "id") == ordered((id_,) for id_ in with_links)
    assert all(row["link_and_what_follows"].lower().startswith("http") for row in found)
    forwarded = sum(len(one.forwarded_messages) for one in facts.messages.values())
    assert len(rows(db, RECIPES[14])) == forwarded
    stored = sum(id_ in facts.files for _, id_ in facts.carried())
    assert len(rows(db, RECIPES[16])) == min(20, stored)
    assert len(rows(db, RECIPES[17])) == len(facts.carried()) - stored
    assert sum(row["files"] for row in rows(db, RECIPES[18])) == len(facts.files)
    assert max(len(row["bar"]) for row in rows(db, RECIPES[8])) <= 50


# -- the views ---------------------------------------------------------------------------------------------


def test_messages_full(db: sqlite3.Connection, facts: Told) -> None:
    found = rows(db, "SELECT * FROM messages_full")
    expected = [
        (
            one.id,
            one.author_id,
            int(one.author_id == facts.owner),
            facts.course(facts.homes[one.id]),
            facts.course_name(facts.homes[one.id]),
            facts.term(facts.homes[one.id]),
            len({*one.participating_user_ids} - {one.author_id}),
        )
        for one in facts.written()
    ]
    columns = ("id", "author_id", "mine", "course", "course_name", "term", "recipient_count")
    assert pairs(found, *columns) == ordered(expected)
    assert all(len((row["recipients"] or "").split(", ")) >= min(1, row["recipient_count"]) for row in found)


def test_replies(db: sqlite3.Connection, facts: Told) -> None:
    found = rows(db, "SELECT * FROM replies")
    expected = [(q.id, a.id, int(a.author_id == facts.owner)) for q, a in facts.replies()]
    assert pairs(found, "question_id", "answer_id", "by_me") == ordered(expected)
    for row in found:
        wait = hours(facts.messages[row["question_id"]], facts.messages[row["answer_id"]])
        assert row["hours"] == pytest.approx(wait, abs=1e-6)


def test_attachments_full(db: sqlite3.Connection, facts: Told) -> None:
    found = rows(db, "SELECT * FROM attachments_full")
    files = [(f, m.id, facts.homes.get(m.id), m.author_id) for m, f in facts.carried()]
    shown = [row for row in found if row["kind"] == "file"]
    assert pairs(shown, "attachment_id", "message_id", "conversation_id", "author_id") == ordered(files)
    media = [(m.media_comment.media_id, m.id) for m in facts.messages.values() if m.media_comment]
    spoken = [row for row in found if row["kind"] == "recording"]
    assert pairs(spoken, "media_id", "message_id") == ordered(media)


def test_participants_direct(db: sqlite3.Connection, facts: Told) -> None:
    expected = [
        (one.id, user)
        for one in facts.conversations.values()
        for user in {p.id for p in one.participants} & {*one.audience, facts.owner}
    ]
    assert pairs(rows(db, "SELECT * FROM participants_direct"), "conversation_id", "user_id") == ordered(
        expected
    )
    people = {row["id"]: row["people"] for row in rows(db, "SELECT id, people FROM threads")}
    for one in facts.conversations.values():
        others = [facts.names[p.id] for p in one.participants if p.id in one.audience]
        assert sorted((people[one.id] or "").split(", ")) == sorted(others or [""])


def test_course_roles(db: sqlite3.Connection, facts: Told) -> None:
    found = {
        (row["user_id"], row["context_code"])
        for row in rows(db, "SELECT * FROM course_roles")
        if "TeacherEnrollment" in row["roles"]
    }
    assert found == teachers(facts)


def test_joinings(db: sqlite3.Connection, facts: Told) -> None:
    first: dict[int, set[int]] = {}
    joined = []
    for receipt in read_receipts(db):
        if receipt.kind != "thread":
            continue
        one = parse.conversation(receipt.payload)  # type: ignore[arg-type]
        listed = {p.id for p in one.participants}
        joined += [(one.id, user) for user in (listed - first.get(one.id, listed)) & {*one.audience}]
        first[one.id] = listed
    assert pairs(rows(db, "SELECT * FROM joinings"), "conversation_id", "user_id") == ordered(joined)


CHANGES = QUERIES["what_changed"]["sql"]


def test_changes_on_canvas(db: sqlite3.Connection, facts: Told) -> None:
    found = {(row["table"], row["id"], row["column"]) for row in rows(db, CHANGES)}
    if facts.owner == OWNER:
        assert found == {
            ("conversations", "9", "removed_at"),
            ("conversation_participants", f"7/{NEWCOMER}", "position"),
            ("conversations", "7", "audience"),
            ("messages", "6000", "forwarded_messages"),
            ("conversations", "3", "subject"),
            *(("messages", str(7000 + at * 7), "recipients") for at in range(4)),
        }
        return
    assert ("users", "name") in {(table, column) for table, _, column in found}
    own = {f"remote_{field}" for field in FIELDS}
    pushed = {str(row[0]) for row in db.execute("SELECT key FROM receipts WHERE kind = 'pushed'")}
    assert not {(table, id_) for table, id_, column in found if column in own and id_ in pushed}
    names = [row["before"] for row in rows(db, CHANGES) if row["table"] == "users"]
    assert names and None not in names
