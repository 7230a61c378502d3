"""A Canvas that lies: any JSON is stored whole or refused by name, and never spoils what else is there."""

from __future__ import annotations

import copy
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canvas_archive.canvas import CanvasClient, Token, parse
from canvas_archive.canvas.body import decode_json
from canvas_archive.clock import SYSTEM
from canvas_archive.errors import ArchiveError, ItemsFailed, MalformedAnswer
from canvas_archive.store import Archive, Ingest, transaction
from canvas_archive.store.reading import list_conversations
from canvas_archive.store.threads import read_thread
from canvas_archive.sync import service
from canvas_archive.sync.service import SyncOptions, SyncResult, sync
from tests.client_support import letter, row
from tests.client_support import shown as shown_as
from tests.store_support import OWNER as ME
from tests.store_support import create
from tests.test_client_parse import FULL
from tests.test_sync_faults import QuickClock
from tests.trust_support import TALLY, unclean

pytestmark = pytest.mark.sampled


def shown(conversation_id: int, *messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return what ``show`` answers, with the messages counted as they are."""
    return shown_as(conversation_id, *messages, **{"message_count": len(messages), **fields})


HOST = "https://school.example"
TOKEN = "hostile-canvas-token"

# -- any document, through the parser into the tables and back -------------------------------------------

NASTY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.sampled_from([0, -1, 2**63 - 1, 2**63, -(2**63), "0", "007", "9" * 19, "1e3", "٣", "", " ", "NaN"]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["\x00", "\ud800", "\x1b[2J", "a\u202eb", "course_1", "course_99999999999999999999", "_"]
    ),
    st.sampled_from(
        ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-01T10:00:00Z", "now"]
    ),
    st.lists(st.integers(0, 40) | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=3),
)
LONG = [
    pytest.param(60, id="some"),
    pytest.param(6_000, id="many", marks=pytest.mark.torture),
]


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside a document."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


@st.composite
def bent(draw: st.DrawFn) -> dict[str, Any]:
    """Return the documented answer of ``show``, a few of its values replaced, removed, doubled or added."""
    document: dict[str, Any] = copy.deepcopy(FULL)
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(list(places(document))))
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        what = draw(st.sampled_from(["replace", "replace", "remove", "double", "add"]))
        if what == "remove":
            del parent[path[-1]]
        elif what == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[path[-1]]))
        elif what == "add" and isinstance(parent, dict):
            parent["x_" + draw(st.text(max_size=5))] = draw(NASTY)
        else:
            parent[path[-1]] = draw(NASTY)
        if not document:
            break
    return document


def contents(db: sqlite3.Connection) -> list[str]:
    """Return everything a database holds, as text."""
    return list(db.iterdump())


@pytest.mark.thorough
@pytest.mark.uncounted
@pytest.mark.parametrize("examples", LONG)
def test_any_answer_is_stored_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, examples: int
) -> None:
    folder = tmp_path_factory.mktemp("any") / "archive"
    with create(folder) as archive:
        db = archive.db
        ingest = Ingest(db, archive_clock := SYSTEM)
        with transaction(db):
            ingest.save_conversation(parse.conversation(shown(77, letter(700), letter(701))))
        innocent = [(m.id, m.body) for m in read_thread(db, 77).messages]

        @settings(
            max_examples=examples,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(bent())
        def one(document: dict[str, Any]) -> None:
            TALLY["hostile inputs: answers of show"] += 1
            body = json.dumps(document).encode()
            try:
                conversation = parse.conversation(decode_json(body))
            except MalformedAnswer as error:
                assert str(error)
                return
            db.execute("BEGIN IMMEDIATE")
            try:
                check(document, conversation)
            finally:
                db.execute("ROLLBACK")

        def check(document: dict[str, Any], conversation: Any) -> None:
            Ingest(db, archive_clock).save_conversation(conversation)
            again = Ingest(db, archive_clock).save_conversation(conversation)
            assert not again.new and again.new_messages == 0 and again.new_attachment_ids == ()
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
            thread = read_thread(db, conversation.id)
            wanted = {m.id: m for m in reversed(conversation.messages or ()) if m.id > 0}
            stored = {m.id: m for m in thread.messages if not m.removed_at}
            if conversation.id != 77:
                assert set(stored) == set(wanted)
                if not {700, 701} & set(every_id(conversation)):
                    assert [(m.id, m.body) for m in read_thread(db, 77).messages] == innocent
            for id_, message in wanted.items():
                assert stored[id_].body == message.body
                assert stored[id_].created_at == message.created_at
            (extra,) = db.execute(
                "SELECT extra FROM conversations WHERE id = ?", (conversation.id,)
            ).fetchone()
            for key, value in conversation.extra.items():
                assert json.loads(extra)[key] == value
            for id_, message in wanted.items():
                (extra,) = db.execute("SELECT extra FROM messages WHERE id = ?", (id_,)).fetchone()
                assert json.loads(extra) == message.extra
            assert list_conversations(db, "archived", 10, None) is not None

        one()
        assert [m.id for m in read_thread(db, 77).messages] == [700, 701]
    assert unclean(folder) == []


WRONG = (None, True, -1, 2**70, 1.5, "x", "", [], ["x"], {}, {"x": None})


@pytest.mark.thorough
@pytest.mark.uncounted
def test_every_field_of_every_wrong_type(tmp_path: Path) -> None:
    """Each value of the documented answer replaced by each wrong one: stored or refused, never half."""
    with create(tmp_path / "archive") as archive:
        db = archive.db
        with transaction(db):
            Ingest(db, SYSTEM).save_conversation(parse.conversation(shown(77, letter(700))))
        before = contents(db)
        for path in places(FULL):
            for wrong in WRONG:
                document: Any = copy.deepcopy(FULL)
                parent = document
                for key in path[:-1]:
                    parent = parent[key]
                parent[path[-1]] = wrong
                TALLY["hostile inputs: wrong types"] += 1
                try:
                    conversation = parse.conversation(decode_json(json.dumps(document).encode()))
                except MalformedAnswer as error:
                    assert str(error)
                    continue
                db.execute("BEGIN IMMEDIATE")
                try:
                    Ingest(db, SYSTEM).save_conversation(conversation)
                    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
                    assert read_thread(db, conversation.id).messages is not None
                finally:
                    db.execute("ROLLBACK")
        assert contents(db) == before


def every_id(conversation: Any) -> Iterator[int]:
    """Yield the ids of all messages of a conversation, forwarded ones included."""
    waiting = list(conversation.messages or ())
    while waiting:
        message = waiting.pop()
        yield message.id
        waiting += message.forwarded_messages


# -- a Canvas made of whatever a test says ---------------------------------------------------------------


class LyingCanvas:
    """Answers as documented, but with the documents it is given; keeps every request."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.documents = list(documents)
        self.rows: list[Any] | None = None
        self.shows: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.files: dict[str, httpx.Response] = {}
        self.raw: Callable[[httpx.Request], httpx.Response | None] = lambda request: None
        self.requests: list[httpx.Request] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        path = request.url.path
        odd = self.raw(request)
        if odd is not None:
            return odd
        if path in self.files:
            return self.files[path]
        if path == "/api/v1/users/self":
            return self._json({"id": ME, "name": "Me"})
        if path == "/api/v1/courses":
            return self._json([])
        if path == "/api/v1/conversations":
            return self._list(request)
        number = path.rpartition("/")[2]
        if number in self.shows:
            return self._json(self.shows[number])
        for document in self.documents:
            if str(document.get("id")) == number:
                return self._json(document)
        return self._json({"errors": [{"message": "not found"}]}, 404)

    def _list(self, request: httpx.Request) -> httpx.Response:
        rows = self.rows
        if rows is None:
            rows = [{k: v for k, v in d.items() if k != "messages"} for d in self.documents]
        if request.url.params.get("scope") in ("archived", "starred", "unread"):
            rows = []
        if request.url.params.get("include_all_conversation_ids") == "true":
            ids = [r["id"] for r in rows if isinstance(r, dict) and "id" in r]
            return self._json({"conversations": rows, "conversation_ids": ids})
        return self._json(rows)

    def _json(self, document: Any, status: int = 200) -> httpx.Response:
        return httpx.Response(status, json=document, headers=self.headers)


@pytest.fixture
def lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SyncResult]:
    """Return a function that syncs an archive with a lying Canvas."""
    folder = tmp_path / "archive"
    Archive.create(folder, base_url=HOST, user_id=ME, name="Me").close()

    def run(canvas: LyingCanvas, mode: str = "full") -> SyncResult:
        def client(archive: Archive, **_: Any) -> CanvasClient:
            return CanvasClient(
                HOST,
                Token(TOKEN),
                patience=5,
                clock=QuickClock(),
                transport=httpx.MockTransport(canvas.answer),
            )

        monkeypatch.setattr(service, "open_client", client)
        TALLY["hostile inputs: lying servers"] += 1
        return sync(folder, SyncOptions(mode=mode, index=True), clock=QuickClock())  # type: ignore[arg-type]

    return run


def sound(folder: Path) -> list[str]:
    """Return what ``verify`` finds, but for messages that are lacking by Canvas's own count."""
    return [found for found in unclean(folder) if not found.startswith("completeness: ")]


def bodies(folder: Path) -> dict[int, list[str]]:
    """Return the bodies of every archived conversation."""
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        found: dict[int, list[str]] = {}
        rows = db.execute(
            "SELECT conversation_id, body FROM messages WHERE conversation_id IS NOT NULL ORDER BY id"
        )
        for conversation_id, body in rows:
            found.setdefault(conversation_id, []).append(body)
        return found


INNOCENT = shown(5, letter(50, body="Innocent."))


def twisted(**fields: Any) -> dict[str, Any]:
    """Return conversation 6 with fields of its own."""
    return {**shown(6, letter(60, body="Twisted.")), **fields}


def cycle() -> dict[str, Any]:
    """Return a conversation whose messages forward each other."""
    a, b = letter(61, body="a"), letter(62, body="b")
    a["forwarded_messages"] = [{**b, "forwarded_messages": [letter(61, body="a")]}]
    b["forwarded_messages"] = [{**letter(61, body="a"), "forwarded_messages": [letter(62, body="b")]}]
    return shown(6, a, b)


STORED: dict[str, dict[str, Any]] = {
    "no messages counted": twisted(message_count=0),
    "a thousand million messages counted": twisted(message_count=1_000_000_000),
    "last message of another time": twisted(last_message_at="1970-01-01T00:00:00Z"),
    "the same message twice": shown(6, letter(60, body="Twisted."), letter(60, body="Other.")),
    "messages forwarding each other": cycle(),
    "a message forwarding itself": shown(6, letter(60, forwarded_messages=[letter(60)])),
    "the largest id": shown(6, letter(2**63 - 1, body="Twisted.")),
    "an id as text": {**twisted(), "id": "6"},
    "a stranger as author": shown(6, letter(60, author_id=999_999_999_999)),
    "nobody takes part": twisted(participants=[], audience=[]),
    "the same person twice": twisted(participants=[{"id": 8, "name": "A"}, {"id": 8, "name": "B"}]),
    "an older server": {
        "id": 6,
        "workflow_state": "read",
        "message_count": 1,
        "messages": [{"id": 60, "author_id": 8, "created_at": "2026-02-01T10:00:00Z", "body": "Twisted."}],
    },
    "unknown kinds of context": twisted(audience_contexts={"courses": {}, "planets": {"3": ["Martian"]}}),
    "a context code of no known form": twisted(context_code="../../etc/passwd"),
    "a body of a megabyte": shown(6, letter(60, body="x y" * 350_000)),
    "nul and escapes": shown(6, letter(60, body="\x00\x1b]0;title\x07\u202e")),
}
REFUSED: dict[str, dict[str, Any]] = {
    "a negative count": twisted(message_count=-1),
    "an id beyond 63 bits": shown(6, letter(2**63)),
    "a negative id": shown(6, letter(-5)),
    "an author without a number": shown(6, letter(60, author_id="root")),
    "a state that does not exist": twisted(workflow_state="haunted"),
    "a file of negative size": shown(6, letter(60, attachments=[{"id": 9, "size": -1}])),
    "a list for a body": shown(6, letter(60, body=["x"])),
    "messages that are no list": twisted(messages={"60": {}}),
    "a time that is none": shown(6, letter(60, created_at="yesterday")),
}


@pytest.mark.parametrize("name", STORED)
def test_odd_but_readable_is_stored(lie: Callable[..., SyncResult], tmp_path: Path, name: str) -> None:
    canvas = LyingCanvas(INNOCENT, STORED[name])
    result = lie(canvas)
    assert result.error is None, name
    stored = bodies(tmp_path / "archive")
    assert stored[5] == ["Innocent."] and stored[6]
    assert sound(tmp_path / "archive") == []
    before = stored
    again = lie(canvas, "quick")
    assert again.error is None and bodies(tmp_path / "archive") == before


@pytest.mark.parametrize("name", REFUSED)
def test_unreadable_is_a_problem_of_its_own(
    lie: Callable[..., SyncResult], tmp_path: Path, name: str
) -> None:
    canvas = LyingCanvas(INNOCENT, twisted())
    canvas.shows["6"] = REFUSED[name]
    result = lie(canvas)
    assert isinstance(result.error, ItemsFailed), name
    assert [p.id for p in result.report.problems] == ["6"]
    assert bodies(tmp_path / "archive") == {5: ["Innocent."]}
    assert unclean(tmp_path / "archive") == []
    canvas.shows.clear()
    assert lie(canvas).error is None
    assert bodies(tmp_path / "archive")[6] == ["Twisted."]


def test_one_conversation_cannot_take_the_messages_of_another(
    lie: Callable[..., SyncResult], tmp_path: Path
) -> None:
    """Canvas answers for 6 what belongs to 5: nothing is filed in the wrong place, nothing is lost."""
    canvas = LyingCanvas(INNOCENT, twisted())
    canvas.shows["6"] = shown(5, letter(50, body="Replaced."), letter(51, body="Foreign."))
    result = lie(canvas)
    assert isinstance(result.error, ItemsFailed)
    assert bodies(tmp_path / "archive") == {5: ["Innocent."]}


@pytest.mark.thorough
def test_what_was_stored_survives_any_later_lie(lie: Callable[..., SyncResult], tmp_path: Path) -> None:
    canvas = LyingCanvas(INNOCENT, twisted())
    assert lie(canvas).error is None
    for rows in ([], [None, 7, "x", [], {}], [{"id": 6}] * 50, [row(6)] * 300, {"conversations": 3}):
        canvas.rows = rows  # type: ignore[assignment]
        with suppress(ArchiveError):
            lie(canvas)
        assert bodies(tmp_path / "archive") == {5: ["Innocent."], 6: ["Twisted."]}, rows
        assert unclean(tmp_path / "archive") == []


@pytest.mark.parametrize("answer", [{}, [], None, 7, {"id": 6}, {"id": 6, "workflow_state": "read"}])
def test_a_show_that_says_nothing_removes_nothing(
    lie: Callable[..., SyncResult], tmp_path: Path, answer: Any
) -> None:
    canvas = LyingCanvas(INNOCENT, twisted())
    assert lie(canvas).error is None
    canvas.documents[1] = {**twisted(), "message_count": 2}  # so that it is asked for again
    canvas.shows["6"] = answer
    lie(canvas)
    with closing(sqlite3.connect(tmp_path / "archive" / "archive.db")) as db:
        gone = db.execute("SELECT count(*) FROM messages WHERE removed_at IS NOT NULL").fetchone()[0]
    assert gone == 0
    assert bodies(tmp_path / "archive") == {5: ["Innocent."], 6: ["Twisted."]}


@pytest.mark.parametrize(("stated", "sent"), [(5, 5000), (5000, 5), (10**12, 5), (0, 5), (None, 5)])
def test_a_file_of_another_size_than_stated(
    lie: Callable[..., SyncResult], tmp_path: Path, stated: int | None, sent: int
) -> None:
    file = {"id": 9, "display_name": "a.txt", "size": stated, "url": f"{HOST}/files/9/download?verifier=x"}
    canvas = LyingCanvas(INNOCENT, shown(6, letter(60, body="Twisted.", attachments=[file])))
    canvas.files["/files/9/download"] = httpx.Response(200, content=b"x" * sent)
    canvas.files["/api/v1/files/9"] = httpx.Response(200, json=file)
    lie(canvas)
    assert bodies(tmp_path / "archive")[6] == ["Twisted."]
    assert unclean(tmp_path / "archive") == []
    with closing(sqlite3.connect(tmp_path / "archive" / "archive.db")) as db:
        state, size, note = db.execute("SELECT state, stored_size, error FROM attachments").fetchone()
    # Whole by its own length: stored as it came, and what Canvas said of it is noted.
    assert (state, size) == ("stored", sent)
    assert (note is None) == (stated is None)


def test_cookies_are_not_given_back(lie: Callable[..., SyncResult]) -> None:
    canvas = LyingCanvas(INNOCENT, twisted())
    canvas.headers = {"Set-Cookie": "_normandy_session=stolen; Path=/", "X-Frame-Options": "\x7f"}
    assert lie(canvas).error is None
    assert len(canvas.requests) > 3
    assert not [r for r in canvas.requests if "cookie" in r.headers]


# -- answers that are no answers -------------------------------------------------------------------------


class Endless(httpx.SyncByteStream):
    """A body that does not end; it counts what was read of it."""

    def __init__(self) -> None:
        self.read = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.read += 1 << 20
            yield b"[" + b" " * ((1 << 20) - 1)


def bomb() -> httpx.Response:
    """Return a small packed body that unpacks to two gigabytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = packer.compress(b" " * (64 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the same packed block may be repeated without being packed again.
    again = zlib.compressobj(9, zlib.DEFLATED, -15)
    repeated = again.compress(b" " * (64 << 20)) + again.flush(zlib.Z_FULL_FLUSH)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    return httpx.Response(200, stream=httpx.ByteStream(block + repeated * 31), headers=headers)


ANSWERS: dict[str, Callable[[], httpx.Response]] = {
    "a body without end": lambda: httpx.Response(200, stream=Endless()),
    "a packed bomb": bomb,
    "nested without end": lambda: httpx.Response(200, content=b'{"id":6,"x":' + b"[" * 400_000),
    "nested and closed": lambda: httpx.Response(200, content=b"[" * 90_000 + b"]" * 90_000),
    "numbers of a million digits": lambda: httpx.Response(200, content=b'{"id":' + b"9" * 1_000_000 + b"}"),
    "the same key twice": lambda: httpx.Response(200, content=b'{"id":6,"id":5,"workflow_state":"read"}'),
    "not a number": lambda: httpx.Response(200, content=b'{"id":6,"message_count":NaN}'),
    "not UTF-8": lambda: httpx.Response(200, content=b'{"id":6,"subject":"\xff\xfe"}'),
    "another host": lambda: httpx.Response(302, headers={"Location": "https://evil.example/api/v1/x"}),
    "the same host without encryption": lambda: httpx.Response(
        302, headers={"Location": "http://school.example/api/v1/conversations/6"}
    ),
    "a script": lambda: httpx.Response(302, headers={"Location": "javascript:alert(1)"}),
    "a file of this machine": lambda: httpx.Response(302, headers={"Location": "file:///etc/passwd"}),
    "an odd status": lambda: httpx.Response(999, json={}),
    "headers of a megabyte": lambda: httpx.Response(500, headers={"X-Junk": "x" * 1_000_000}),
}


@pytest.mark.thorough
@pytest.mark.uncounted
@pytest.mark.parametrize("where", ["show", "list"])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_none_costs_little_and_spoils_nothing(
    lie: Callable[..., SyncResult], tmp_path: Path, name: str, where: str
) -> None:
    """The run ends with an error or goes on without the item; the token went to nobody else."""
    canvas = LyingCanvas(INNOCENT, twisted())
    assert lie(canvas).error is None
    canvas.documents[1] = {**twisted(), "message_count": 2}
    made: list[httpx.Response] = []

    def odd(request: httpx.Request) -> httpx.Response | None:
        path = "/api/v1/conversations/6" if where == "show" else "/api/v1/conversations"
        if request.url.path != path:
            return None
        made.append(ANSWERS[name]())
        return made[-1]

    canvas.raw = odd
    try:
        error: ArchiveError | None = lie(canvas).error
    except ArchiveError as caught:
        error = caught
    assert error is not None and error.exit_code in (4, 5), error
    for response in made:
        if isinstance(response.stream, Endless):
            assert response.stream.read < 100 << 20
    assert {request.url.host for request in canvas.requests} == {"school.example"}
    assert {request.url.scheme for request in canvas.requests} == {"https"}
    assert bodies(tmp_path / "archive") == {5: ["Innocent."], 6: ["Twisted."]}
    assert sound(tmp_path / "archive") == []
    canvas.raw = lambda request: None
    canvas.documents[1] = twisted()
    assert lie(canvas).error is None


@pytest.mark.thorough
def test_a_next_page_on_another_host_is_not_asked_for(lie: Callable[..., SyncResult], tmp_path: Path) -> None:
    canvas = LyingCanvas(INNOCENT, twisted())
    for link in ("https://evil.example/api/v1/conversations?page=2", "http://school.example/x?page=2",
                 "https://school.example.evil.example/", "https://school.example@evil.example/",
                 "//evil.example/", "https://school.example:444/api/v1/conversations?page=2"):  # fmt: skip
        canvas.headers = {"Link": f'<{link}>; rel="next"'}
        with suppress(ArchiveError):
            assert lie(canvas).error is not None
    assert {f"{r.url.scheme}://{r.url.netloc.decode()}" for r in canvas.requests} == {HOST}
    canvas.headers = {}
    assert lie(canvas).error is None
    assert bodies(tmp_path / "archive") == {5: ["Innocent."], 6: ["Twisted."]}
