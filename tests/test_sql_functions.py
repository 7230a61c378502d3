"""SQL functions of an archive's connections: counted a second way in Python, and their errors."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from canvas_archive.cli.main import run
from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.search import IndexBehind, IndexUnusable, functions, query_archive
from canvas_archive.search.functions import SqlFunctions, local
from canvas_archive.store.connection import connect_readonly
from tests.search_support import SearchArchive

SHORT = "SELECT id FROM messages WHERE canvas_search(:q, id) ORDER BY id"
LONG = "SELECT id FROM messages WHERE id IN (SELECT value FROM json_each(canvas_search(:q))) ORDER BY id"
VALUES = "SELECT value FROM json_each(:values)"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchArchive]:
    box = SearchArchive(tmp_path_factory.mktemp("functions") / "archive")
    chen = box.person(11, "Chen Wu")
    for number in range(40):
        word = "midterm" if number % 4 == 0 else "lunch"
        box.message(f"About the {word}, part {number}", conversation=1 + number // 8, author=chen)
    box.index()
    yield box
    box.close()


def ask(box: SearchArchive, sql: str, **params: object) -> list[tuple[object, ...]]:
    return list(query_archive(box.archive.db_path, box.search_dir, sql, params).rows)


def failure(box: SearchArchive, sql: str, kind: type[ArchiveError] = BadInput, **params: object) -> str:
    with pytest.raises(kind) as raised:
        ask(box, sql, **params)
    return str(raised.value)


@pytest.mark.parametrize("sql", [SHORT, LONG])
@pytest.mark.parametrize("query", ["midterm", "from:chen lunch", "midterm OR lunch", "nothing-like-it"])
def test_canvas_search_finds_what_the_search_finds(box: SearchArchive, sql: str, query: str) -> None:
    assert [row[0] for row in ask(box, sql, q=query)] == sorted(box.found(query))


def test_a_search_runs_once_for_all_rows(box: SearchArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    from canvas_archive.search import service

    asked: list[str] = []
    found = service.select_messages

    def counting(db_path: Path, search_dir: Path, text: str, **how: bool) -> list[int]:
        asked.append(text)
        return found(db_path, search_dir, text, **how)

    monkeypatch.setattr(service, "select_messages", counting)
    assert len(ask(box, SHORT, q="midterm")) == 10
    assert len(ask(box, LONG, q="midterm")) == 10
    assert asked == ["midterm", "midterm"]


def test_nothing_is_searched_for_null(box: SearchArchive) -> None:
    assert ask(box, "SELECT canvas_search(NULL), canvas_search('x', NULL), canvas_search(NULL, 1)") == [
        (None, None, None)
    ]


@pytest.mark.parametrize(
    "query", ["'\"open'", "'is:nonsense'", "'from:nobodyatall'", "''", "'  '", "5", "x'00'"]
)
def test_a_query_that_cannot_be_is_one_clear_error(box: SearchArchive, query: str) -> None:
    sentence = failure(box, f"SELECT count(*) FROM messages WHERE canvas_search({query}, id)")
    assert "user-defined" not in sentence and "SQLite" not in sentence and sentence.endswith((".", ")"))


def test_an_index_that_is_behind_is_said(tmp_path: Path) -> None:
    box = SearchArchive(tmp_path / "archive")
    box.message("about lunch")
    assert "There is no search index yet" in failure(box, SHORT, IndexUnusable, q="midterm")
    box.index()
    box.message("the midterm, again")
    sentence = failure(box, SHORT, IndexBehind, q="midterm")
    assert (
        sentence.startswith("1 message is not in the search index yet")
        and "'canvas-archive index'" in sentence
    )
    box.index()
    assert len(ask(box, SHORT, q="midterm")) == 1
    box.close()


def test_the_index_of_somebody_else_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = SearchArchive(tmp_path / "archive")
    box.message("the midterm, again")
    box.index()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody"))
    assert "is not opened" in failure(box, SHORT, IndexUnusable, q="midterm")
    box.close()


def test_the_command_builds_an_index_that_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = SearchArchive(tmp_path / "archive")
    number = box.message("the midterm, again")
    box.close()
    assert run(["--archive", str(tmp_path / "archive"), "sql", SHORT, "-p", "q", "midterm", "--csv"]) == 0
    shown = capsys.readouterr()
    assert shown.out.split() == ["id", str(number)]


@pytest.mark.parametrize("values", [[3], [1, 2], [5, 1, 4, 4, 2.5], [-1e9, 0, 7, 8], list(range(1000))])
@pytest.mark.parametrize("share", [0, 10, 33.3, 50, 90, 100])
def test_percentiles_are_interpolated(box: SearchArchive, values: list[float], share: float) -> None:
    ((median, percentile),) = ask(
        box,
        f"SELECT median(value), percentile(value, :share) FROM ({VALUES} UNION ALL SELECT NULL)",
        values=str(values),
        share=share,
    )
    assert median == pytest.approx(statistics.median(values))
    doubled = sorted(values * 2) if len(values) == 1 else sorted(values)
    cuts = [min(doubled), *statistics.quantiles(doubled, n=1000, method="inclusive"), max(doubled)]
    assert percentile == pytest.approx(cuts[round(share * 10)])


def test_a_percentile_of_nothing_is_null(box: SearchArchive) -> None:
    assert ask(box, "SELECT median(id), percentile(id, 90) FROM messages WHERE 0") == [(None, None)]
    assert ask(box, "SELECT median(NULL), percentile(NULL, 90) FROM messages") == [(None, None)]


def test_percentiles_of_each_group(box: SearchArchive) -> None:
    rows = ask(box, "SELECT conversation_id, median(id) FROM messages GROUP BY 1 ORDER BY 1")
    groups: dict[int, list[int]] = {}
    for conversation, number in box.db.execute("SELECT conversation_id, id FROM messages"):
        groups.setdefault(conversation, []).append(number)
    assert dict(rows) == {key: statistics.median(ids) for key, ids in groups.items()}  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT median(body) FROM messages", "take numbers"),
        ("SELECT median(x'00')", "take numbers"),
        ("SELECT percentile(1, 101)", "from 0 to 100"),
        ("SELECT percentile(1, -0.1)", "from 0 to 100"),
        ("SELECT percentile(1, 'half')", "from 0 to 100"),
        ("SELECT percentile(1, NULL)", "from 0 to 100"),
        ("SELECT percentile(1, value) FROM json_each('[1, 2]')", "one p for all rows"),
        ("SELECT local('2026-03-09T14:05:00Z', 'Mars/Olympus')", "not a time zone"),
        ("SELECT local('2026-03-09T14:05:00Z', 5)", "name of a zone"),
    ],
)
def test_wrong_arguments_are_one_clear_error(box: SearchArchive, sql: str, said: str) -> None:
    sentence = failure(box, sql)
    assert said in sentence and "user-defined" not in sentence


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize("time", ["2026-03-08T06:59:59Z", "2026-03-08T07:00:00Z", "2026-10-25T00:59:00Z"])
def test_local_is_the_clock_on_the_wall(box: SearchArchive, zone: str, time: str) -> None:
    moment = datetime.fromisoformat(time.replace("Z", "+00:00")).astimezone(ZoneInfo(zone))
    wall = moment.replace(tzinfo=None).isoformat()
    # Without an offset, so that SQLite's own date functions read it as it is.
    assert ask(box, "SELECT local(:t, :z), date(local(:t, :z))", t=time, z=zone) == [(wall, wall[:10])]


def test_local_without_a_zone_is_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "local_zone", lambda: ZoneInfo("America/New_York"))
    assert local("2026-07-01T12:00:00Z") == "2026-07-01T08:00:00"
    monkeypatch.setattr(functions, "local_zone", lambda: ZoneInfo("Europe/Berlin"))
    assert local("2026-07-01T12:00:00Z") == "2026-07-01T14:00:00"
    assert local("2026-07-01T12:00:00") == local("2026-07-01T14:00:00+02:00") == "2026-07-01T14:00:00"


@pytest.mark.parametrize(
    "time", [None, "", "Z", "soon", "2026-13-01T00:00:00Z", 5, b"x", "9999-12-31T23:59:59Z"]
)
def test_local_of_no_time_is_null(time: object) -> None:
    assert local(time, "Asia/Tokyo") is None


def test_a_statement_of_many_searches_holds_few(box: SearchArchive) -> None:
    db = connect_readonly(box.archive.db_path)
    added = SqlFunctions(db, box.archive.db_path, box.search_dir)
    db.execute(
        "SELECT count(canvas_search('part ' || value)) FROM json_each('[0,1,2,3,4,5,6,7,8,9]')"
    ).fetchone()
    assert len(added._found) <= 4
    db.close()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 sets no limits")
def test_a_failure_of_sqlite_itself_stays_sqlites(box: SearchArchive) -> None:
    assert "SQLite says" in failure(box, "SELECT canvas_search('midterm'), randomblob(1000000000)")
    assert "SQLite says" in failure(box, "SELECT median(id, 5) FROM messages")


def test_times_are_utc_in_the_archive(box: SearchArchive) -> None:
    ((shown,),) = ask(box, "SELECT local(max(created_at), 'UTC') FROM messages")
    assert datetime.fromisoformat(str(shown)).replace(tzinfo=timezone.utc).year == 2026
