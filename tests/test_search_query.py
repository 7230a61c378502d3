"""What a search finds, in which order, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.errors import BadInput
from canvas_archive.search import Filters, select_conversations, select_messages
from canvas_archive.search.query.language import parse
from canvas_archive.search.query.written import canonical_query
from canvas_archive.store.folders import FOLDERS
from tests.search_support import NOW, OWNER, SearchArchive, days_ago, utc

CHEN, GARCIA, LEE, OBRIEN = 20, 21, 22, 23


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[SearchArchive]:
    archive = SearchArchive(tmp_path / "archive")
    archive.person(CHEN, "Astrid Chen", "Astrid Margareta Chen")
    archive.person(GARCIA, "José García")
    archive.person(LEE, "Bob Lee")
    archive.person(OBRIEN, "Liam O'Brien")
    yield archive
    archive.close()


# Words


def test_words_are_found_in_every_form_and_all_are_wanted(empty: SearchArchive) -> None:
    one = empty.message("The exams are graded on Friday.")
    two = empty.message("An EXAM and a grade.")
    three = empty.message("Only the exam here.")
    empty.index()
    assert empty.found("exam") == {one, two, three}
    assert empty.found("exams grades") == {one, two}
    assert empty.found("exam OR friday") == {one, two, three}
    assert empty.found("exam -friday") == {two, three}
    assert empty.found("-exam") == set()
    assert empty.found("-friday") == {two, three}
    assert empty.found("") == {one, two, three}
    assert empty.found("!!!") == set()
    assert empty.found("exam !!!") == {one, two, three}
    assert empty.found("-!!!") == set()


def test_phrases_are_exact(empty: SearchArchive) -> None:
    one = empty.message("The final exam is on Monday")
    two = empty.message("final exams; the exam is final")
    three = empty.message("a final, then an exam")
    empty.index()
    assert empty.found('"final exam"') == {one}
    assert empty.found('"final exams"') == {two}
    assert empty.found("final exam") == {one, two, three}
    assert empty.found('"exam"') == {one, two, three}
    assert empty.found('"the exam is"') == {two}
    assert empty.found('-"final exam"') == {two, three}
    assert empty.found('"is on monday"') == {one}


def test_a_phrase_does_not_span_subject_and_body(empty: SearchArchive) -> None:
    empty.conversation(1, "Midterm review")
    one = empty.message("session moved", conversation=1)
    empty.index()
    assert empty.found('"review session"') == set()
    assert empty.found("review session") == {one}


@pytest.mark.thorough
def test_phrases_far_into_a_long_text(empty: SearchArchive) -> None:
    filler = "word " * 70_000
    one = empty.message(f"{filler} violet octopus {filler}")
    two = empty.message(f"octopus {filler} violet")
    # The places around 0xD800, where characters leave a gap.
    three = empty.message("x " * 55_294 + "crimson walrus over there")
    empty.index()
    assert empty.found('"violet octopus"') == {one}
    assert empty.found("violet octopus") == {one, two}
    assert empty.found('"crimson walrus over there"') == {three}


def test_codes_addresses_and_scripts(empty: SearchArchive) -> None:
    codes = [empty.message(text) for text in ("BIO-101", "see bio101", "the BIO 101 lab")]
    other = empty.message("bio and 101 reasons; BIO 1010")
    mail = empty.message("write to maps-help@example.edu, see https://maps.example.edu/tools?week=7")
    chinese = empty.message("期中考试的复习")
    emoji = empty.message("well done 👍🏽")
    irish = empty.message("O'Brien don't")
    empty.index()
    for text in ("bio101", "BIO-101", '"bio 101"', "Bio_101"):
        assert empty.found(text) == set(codes)
    assert empty.found("bio 101") == {*codes, other}
    assert empty.found("bio-10*") == {*codes, other}
    assert empty.found("maps-help@example.edu") == {mail}
    assert empty.found("https://maps.example.edu/tools") == {mail}
    assert empty.found("example.edu") == {mail}
    assert empty.found("考试") == empty.found("考试的复习") == {chinese}
    assert empty.found("试") == empty.found("习") == {chinese}
    assert empty.found("考复") == set()
    assert empty.found("👍") == {emoji}
    assert empty.found("obrien") == empty.found("o’brien") == empty.found("dont") == {irish}


def test_prefixes(empty: SearchArchive) -> None:
    one = empty.message("photosynthesis")
    two = empty.message("a photo, photographs")
    phone = empty.message("phone")
    empty.index()
    assert empty.found("photo*") == {one, two}
    assert empty.found("photos*") == {one}
    assert empty.found("-photo* ph*") == {phone}
    assert empty.found("zz*") == set()


def test_beginnings_that_fit_too_much_are_bounded(
    empty: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("canvas_archive.search.answer.planning.MOST_LISTS", 3)
    monkeypatch.setattr("canvas_archive.search.answer.scoring._WIDE", 1)
    old = empty.message("sand sea", at=utc(2024))
    new = empty.message("sand", at=utc(2025))
    empty.message("salt sugar soup tea")
    empty.index()
    assert empty.order("sa*", sort="oldest", limit=2) == [old, new]
    assert empty.search("sa*").total == 3
    with pytest.raises(BadInput, match=r"'s\*'; write more of the word"):
        empty.search("s*")
    assert empty.search("te* te* te* te* te*").total == 1


def test_a_beginning_as_frequent_as_the_messages_does_not_count(
    empty: SearchArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    often = empty.message("sand sea salt", at=utc(2024))
    once = empty.message("sand", at=utc(2025))
    empty.index()
    assert empty.order("s*") == [often, once]
    monkeypatch.setattr("canvas_archive.search.answer.scoring._OFTEN", 3)
    assert empty.order("s*") == [once, often]  # newest first: the four places say nothing
    assert empty.order("sa*") == [often, once]
    assert {hit.score for hit in empty.search("s*").hits} == {0.0}


# Operators


def test_people(empty: SearchArchive) -> None:
    one = empty.message("from chen", author=CHEN, to=[OWNER])
    two = empty.message("to chen and garcia", to=[CHEN, GARCIA])
    three = empty.message("lee to garcia", author=LEE, to=[GARCIA, OWNER])
    empty.index()
    assert empty.found("from:chen") == {one}
    assert empty.found("from:ast") == empty.found("from:margareta") == {one}
    assert empty.found('from:"chen astrid"') == {one}
    assert empty.found(f"from:{CHEN}") == {one}
    assert empty.found("to:garcia") == empty.found("to:García") == {two, three}
    assert empty.found("with:chen") == {one, two}
    assert empty.found("from:me") == {two}
    assert empty.found("to:me") == {one, three}
    assert empty.found("-from:me") == {one, three}
    assert empty.found("from:(chen OR lee)") == {one, three}
    assert empty.found("from:obrien") == empty.found("from:o'brien") == set()


def test_nobody_of_that_name_is_an_error_with_the_nearest(empty: SearchArchive) -> None:
    empty.message("x", author=CHEN)
    empty.index()
    with pytest.raises(BadInput, match=r"'from:chenn'.*Did you mean Astrid Chen\?"):
        empty.search("from:chenn")
    with pytest.raises(BadInput, match=r"Did you mean Astrid Chen\?"):
        empty.search("with:chne")
    empty.person(77, "Farid Hoang")
    with pytest.raises(BadInput, match=r"Did you mean Astrid Chen\?"):
        empty.search('from:"astrid chne"')  # Farid is near, too, but holds one word only
    with pytest.raises(BadInput, match="'to:!!': nobody"):
        empty.search("to:!!")
    with pytest.raises(BadInput, match="nobody"):
        empty.search("with:99999")


def test_courses(empty: SearchArchive) -> None:
    bio = empty.course(12, "Living Systems", "BIO 101")
    chem = empty.course(13, "Chemistry of Living Things", "CHEM 1010")
    empty.conversation(1, context_code=bio)
    empty.conversation(2, context_code=chem)
    empty.conversation(3, context_code="group_9", context_name="Team Vacuole")
    one, two, three = (empty.message("hello", conversation=number) for number in (1, 2, 3))
    four = empty.message("hello", conversation=4)
    empty.index()
    assert empty.found("course:bio101") == empty.found('course:"BIO 101"') == {one}
    assert empty.found("course:12") == empty.found("course:course_12") == {one}
    assert empty.found("course:living") == {one, two}
    assert empty.found("course:101") == {one}
    assert empty.found("group:vacuole") == {three}
    assert empty.found("-course:living") == {three, four}
    with pytest.raises(
        BadInput, match=r"'course:livin5'.*mean Chemistry of Living Things or Living Systems\?"
    ):
        empty.search("course:livin5")
    with pytest.raises(
        BadInput, match=r"'group:nowhere'.*There are Chemistry of .*, Living .* and Team Vacuole"
    ):
        empty.search("group:nowhere")
    assert empty.found("hello vacuole") == {three}  # the name of the group is a word of the message, too


def test_subjects_and_file_names(empty: SearchArchive) -> None:
    empty.conversation(1, "Exam dates")
    one = empty.message("see the sheet", conversation=1, files=["Syllabus v2.pdf", "data.csv"])
    two = empty.message("exam syllabus", conversation=2)
    empty.index()
    assert empty.found("subject:exam") == empty.found('subject:"exam dates"') == {one}
    assert empty.found("subject:(exam OR quiz)") == {one}
    assert empty.found("exam") == {one, two}
    assert empty.found("filename:syllabus") == empty.found("filename:*.pdf") == {one}
    assert empty.found("filename:syllabus-v2.pdf") == {one}
    assert empty.found("filename:data.pdf") == set()
    assert empty.found("syllabus") == {one, two}


def test_what_a_message_carries(empty: SearchArchive) -> None:
    file = empty.message("a", files=["x.bin"])
    media = empty.message("b", media=True)
    link = empty.message("c https://example.edu")
    forward = empty.message("d")
    empty.db.execute("INSERT INTO forwarded_messages VALUES (?, ?, 0)", (forward, link))
    empty.index()
    assert empty.found("has:attachment") == {file}
    assert empty.found("has:media") == {media}
    assert empty.found("has:link") == {link}
    assert empty.found("has:forwarded") == {forward}
    assert empty.found("-has:link -has:media") == {file, forward}


def test_states_come_from_the_tables_without_indexing(empty: SearchArchive) -> None:
    empty.conversation(1, workflow_state="unread", starred=1, private=1)
    empty.conversation(2, workflow_state="archived")
    empty.conversation(3, last_message_at=None, last_authored_message_at="2026-01-01T00:00:00Z")
    one = empty.message("x", conversation=1, author=CHEN)
    two = empty.message("x", conversation=2, author=CHEN)
    three = empty.message("x", conversation=3)
    empty.index()
    found = {text: empty.found(text) for text in (
        "is:unread", "is:starred", "is:unstarred", "is:archived", "in:archived", "in:inbox", "in:sent",
        "is:sent", "is:received", "is:private", "is:read", "is:removed", "is:subscribed", "-is:starred",
    )}  # fmt: skip
    assert found == {
        "is:unread": {one}, "is:starred": {one}, "is:unstarred": {two, three}, "is:archived": {two},
        "in:archived": {two}, "in:inbox": {one}, "in:sent": {three}, "is:sent": {three},
        "is:received": {one, two}, "is:private": {one}, "is:read": {three}, "is:removed": set(),
        "is:subscribed": {one, two, three}, "-is:starred": {two, three},
    }  # fmt: skip
    empty.db.execute("UPDATE conversations SET starred = 0, workflow_state = 'read' WHERE id = 1")
    empty.db.execute("UPDATE conversations SET removed_at = '2026-03-01T00:00:00Z' WHERE id = 2")
    empty.db.execute("UPDATE messages SET removed_at = '2026-03-01T00:00:00Z' WHERE id = ?", (three,))
    assert empty.search("is:starred").freshness.current
    assert empty.found("is:starred") == set()
    assert empty.found("is:read") == {one, three}
    assert empty.found("is:removed") == {two, three}
    assert empty.found("x") == {one, two, three}


@pytest.mark.parametrize("name", ["inbox", "unread", "starred", "archived", "sent"])
def test_a_removed_conversation_is_in_no_folder_but_one(empty: SearchArchive, name: str) -> None:
    kept, removed = [], []
    for number, (state, starred, at) in enumerate(
        product(("read", "unread", "archived"), (0, 1), (None, "2026-03-01T00:00:00Z")), start=1
    ):
        empty.conversation(number, workflow_state=state, starred=starred, removed_at=at,
                           last_authored_message_at="2026-01-01T00:00:00Z")  # fmt: skip
        (removed if at else kept).append(empty.message("x", conversation=number))
    empty.index()
    condition = FOLDERS[name].members()
    rows = empty.db.execute(
        f"SELECT id FROM messages WHERE conversation_id IN (SELECT id FROM conversations WHERE {condition})"
    )
    held = {row[0] for row in rows}
    assert empty.found(f"in:{name}") == held
    assert held and held <= set(kept)
    assert empty.found("in:removed") == empty.found("is:removed") == set(removed)
    if name in ("unread", "starred", "archived"):
        assert empty.found(f"is:{name}") - held < set(removed)
        query = canonical_query(parse(f"in:{name}", now=NOW, tz=timezone.utc))
        assert query == f"in:{name}"


def test_dates(empty: SearchArchive) -> None:
    old = empty.message("x", at="2024-12-31T23:30:00Z")
    new = empty.message("x", at="2025-01-01T00:30:00Z")
    recent = empty.message("x", at=days_ago(3))
    empty.index()
    assert empty.found("on:2024") == {old}
    assert empty.found("before:2025") == {old}
    assert empty.found("after:2025") == {new, recent}
    assert empty.found("after:7d") == {recent}
    assert empty.found("on:2024..2025") == {old, new}
    assert empty.found("on:2025", tz="Europe/Berlin") == {old, new}


def test_generated_lines_and_forwarded_strangers_are_left_out(empty: SearchArchive) -> None:
    one = empty.message("Bob was added", generated=True)
    empty.db.execute(
        "INSERT INTO messages (id, author_id, created_at, body, first_seen_at)"
        " VALUES (5, 20, ?, 'added', '')",
        ("2026-01-01T00:00:00Z",),
    )
    two = empty.message("somebody added Bob")
    empty.index()
    assert empty.found("added") == {two} != {one}


# Order


def test_exact_forms_subjects_and_neighbours_rank_higher(empty: SearchArchive) -> None:
    empty.conversation(9, "Exam")
    moment = utc(2025)
    related = empty.message("the exams for us", at=moment)
    exact = empty.message("the exam for us", at=moment)
    subject = empty.message("no such word here", conversation=9, at=moment)
    long = empty.message("the exam for us " + "and so on and on " * 200, at=moment)
    empty.index()
    assert empty.order("exam") == [subject, exact, related, long]
    apart = empty.message("exam a week before the final", at=moment)
    together = empty.message("a week before the final exam", at=moment)
    empty.index()
    assert empty.order("final exam") == [together, apart]


def test_being_recent_decides_between_equals_only(empty: SearchArchive) -> None:
    old = empty.message("the exam", at=utc(2020))
    new = empty.message("the exam", at=utc(2026))
    better = empty.message("exam exam exam", at=utc(2019))
    empty.index()
    assert empty.order("exam") == [better, new, old]


def test_sorting_by_date_and_paging(empty: SearchArchive) -> None:
    ids = [empty.message("note", at=NOW - timedelta(hours=5 * number)) for number in range(30)]
    empty.index()
    assert empty.order("note", sort="newest", limit=4) == ids[:4]
    assert empty.order("note", sort="newest", limit=4, offset=4) == ids[4:8]
    assert empty.order("note", sort="oldest", limit=3) == ids[:-4:-1]
    pages = [number for at in range(0, 30, 7) for number in empty.order("note", limit=7, offset=at)]
    assert sorted(pages) == sorted(ids)
    assert empty.search("note", limit=0).total == 30
    assert empty.order("note", offset=100) == []


@pytest.mark.parametrize("sort", ["relevance", "newest", "oldest"])
def test_threads_give_the_best_hit_of_each_conversation(empty: SearchArchive, sort: str) -> None:
    best = {}
    for number in (1, 2, 3):
        weak = empty.message("an exam " + "and more " * 30, conversation=number, at=utc(2024, number))
        strong = empty.message("exam exam", conversation=number, at=utc(2025, number))
        best[number] = weak if sort == "oldest" else strong
    empty.index()
    result = empty.search("exam", threads=True, sort=sort)
    assert result.total == 3
    assert {hit.message_id for hit in result.hits} == set(best.values())
    assert empty.search("exam").total == 6
    if sort != "relevance":
        assert [hit.conversation_id for hit in result.hits] == ([3, 2, 1] if sort == "newest" else [1, 2, 3])


def test_selections_are_complete(empty: SearchArchive) -> None:
    ids = [empty.message("exam", conversation=number // 2 + 1) for number in range(40)]
    empty.index()
    assert select_messages(empty.archive.db_path, empty.search_dir, "exam") == sorted(ids)
    assert select_conversations(empty.archive.db_path, empty.search_dir, "exam") == list(range(1, 21))


# What comes with the hits


def test_a_hit_tells_what_it_is(empty: SearchArchive) -> None:
    empty.conversation(1, "Dates", context_code=empty.course(12, "Living Systems", "BIO 101"))
    one = empty.message("The exam is on Monday.", conversation=1, author=CHEN, at="2026-01-02T03:04:05Z")
    empty.index()
    result = empty.search("exam")
    assert (result.query, result.total, result.facets, result.suggestion) == ("exam", 1, None, None)
    assert result.milliseconds > 0
    assert result.understood == 'Messages with "exam"' and result.canonical == "exam"
    (hit,) = result.hits
    assert hit.score > 0 and hit.snippet.plain == "The exam is on Monday."
    assert (hit.message_id, hit.conversation_id, hit.subject) == (one, 1, "Dates")
    assert (hit.author_id, hit.author, hit.course) == (CHEN, "Astrid Chen", "Living Systems")
    assert hit.created_at == "2026-01-02T03:04:05Z"


def test_facets_count_without_their_own_filter(empty: SearchArchive) -> None:
    bio, art = empty.course(1, "Biology"), empty.course(2, "Art")
    empty.conversation(1, context_code=bio)
    empty.conversation(2, context_code=art)
    empty.message("exam", conversation=1, author=CHEN, at=utc(2024), files=["a.pdf"])
    empty.message("exam", conversation=1, author=LEE, at=utc(2025))
    empty.message("exam", conversation=2, author=LEE, at=utc(2025))
    empty.message("else", conversation=2, author=GARCIA, at=utc(2026))
    empty.index()

    def counts(**chosen: tuple[object, ...]) -> dict[str, dict[str, int]]:
        result = empty.search("exam", facets=True, filters=Filters(**chosen))  # type: ignore[arg-type]
        return {
            name: {one.label: one.count for one in values} for name, values in (result.facets or {}).items()
        }

    assert counts() == {
        "person": {"Bob Lee": 2, "Astrid Chen": 1}, "course": {"Biology": 2, "Art": 1},
        "year": {"2025": 2, "2024": 1}, "has": {"Attachment": 1},
    }  # fmt: skip
    assert counts(person=(LEE,)) == {
        "person": {"Bob Lee": 2, "Astrid Chen": 1}, "course": {"Biology": 1, "Art": 1},
        "year": {"2025": 2}, "has": {},
    }  # fmt: skip
    both = counts(person=(LEE,), course=("course_1",))
    assert both["person"] == {"Bob Lee": 1, "Astrid Chen": 1}
    assert both["course"] == {"Biology": 1, "Art": 1}
    assert empty.search("exam", filters=Filters(year=(2024, 2025), has=("attachment",))).total == 1
    assert empty.search("", filters=Filters(person=(GARCIA,))).total == 1
    assert empty.search("exam", filters=Filters(year=(1,))).total == 0


def test_years_are_counted_in_the_zone(empty: SearchArchive) -> None:
    empty.message("x", at="2024-12-31T23:30:00Z")
    empty.message("x", at="2025-06-01T00:00:00Z")
    empty.index()
    for tz, expected in (("UTC", {"2025": 1, "2024": 1}), ("Europe/Berlin", {"2025": 2})):
        facets = empty.search("x", facets=True, tz=tz).facets
        assert facets is not None
        assert {one.value: one.count for one in facets["year"]} == expected
        for value, count in expected.items():
            assert empty.search(f"on:{value}", tz=tz).total == count
    local = empty.search("x", facets=True, tz=None).facets
    assert local is not None
    assert sum(one.count for one in local["year"]) == 2


def test_did_you_mean(empty: SearchArchive) -> None:
    for _ in range(3):
        empty.message("The examination of photosynthesis, from Chen", author=CHEN)
    empty.message("photosynthetic notes", files=[("notes.txt", b"chlorophyll")])
    empty.index()
    assert empty.search("examinaton").suggestion == "examination"
    assert empty.search("xeamination").suggestion == "examination"
    assert empty.search("hpotosynthesis from:chen").suggestion == "photosynthesis from:chen"
    assert empty.search("photosynthesis examinatoin").suggestion == "photosynthesis examination"
    assert empty.search("subject:examinaton").suggestion is None  # no subject holds it
    assert empty.search("qqqqqq").suggestion is None
    assert empty.search("examination").suggestion is None
    assert empty.search("chlorophyll").suggestion == "chlorophyll in:attachments"
    assert empty.search("examinaton notes").suggestion is None  # both exist, but not together
    assert empty.search(" ".join(["examination"] * 249 + ["qqqqqq"])).suggestion is None  # 250 words: no room


def test_a_search_without_hits_says_which_part_is_to_blame(empty: SearchArchive) -> None:
    empty.message("an exam in the lab", author=CHEN, at=utc(2024))
    empty.message("a quiz in the lab", author=LEE, at=utc(2025), files=["x.pdf"])
    empty.index()

    def why(text: str, **options: Any) -> str | None:
        return empty.search(text, **options).explanation

    assert why("exam lab") is None  # it is found
    assert why("zebra") is None  # there is but one part
    assert why('exam zebra "the exam" ze*') == 'No message matches zebra or "the exam" or ze*.'
    assert why("exam quiz") == "Each part is found, but never together in one message."
    assert why("lab exam from:lee") == (
        "The parts are never together in one message; leave out exam to find 1."
    )
    assert why("exam lab has:attachment before:2025") == (
        "The parts are never together in one message; leave out has:attachment to find 1."
    )
    assert why("lab (subject:zebra OR filename:zebra)") == (
        "No message matches (subject:zebra OR filename:zebra)."
    )
    assert why("exam", filters=Filters(person=(LEE,))) == "Leave out the chosen filters to find 1."
    assert why(" ".join(f"zebra{number}" for number in range(9))) is None  # too many to look at


@pytest.mark.parametrize(
    "text",
    [
        "word", '"a phrase"', "begin*", "subject:word", "filename:word", 'from:"Astrid Chen"', "to:me",
        "course:12", "has:link", "is:starred", "in:inbox", "NOT word", "(a OR b)", "in:attachments",
    ],
)  # fmt: skip
def test_parts_are_written_as_they_are_typed(text: str) -> None:
    assert canonical_query(parse(text, now=NOW)) == text


# Snippets


def test_snippets_show_the_best_passage_with_every_form_marked(empty: SearchArchive) -> None:
    filler = "Nothing of interest stands here at all. " * 20
    empty.message(f"{filler}One exam. {filler}The exams are graded after the exam of Friday. {filler}")
    empty.index()
    (hit,) = empty.search("exam grade").hits
    marked = hit.snippet.marked("[", "]")
    assert "[exams] are [graded] after the [exam]" in marked
    assert marked.startswith("… ")
    assert marked.endswith(" …")
    assert len(hit.snippet.plain) < 260


def test_phrases_are_marked_as_phrases(empty: SearchArchive) -> None:
    empty.message("A final note: the final exam and BIO-101.")
    empty.index()
    assert empty.search('"final exam"').hits[0].snippet.marked("[", "]") == (
        "A final note: the [final exam] and BIO-101."
    )
    assert "[BIO-101]" in empty.search("bio101").hits[0].snippet.marked("[", "]")


def test_hostile_text_is_harmless(empty: SearchArchive) -> None:
    empty.message('<script>alert(1)</script> \x1b[31m exam \x9b2J & \u202e"<b>exam</b>\n\nnext')
    empty.index()
    snippet = empty.search("exam script").hits[0].snippet
    assert snippet.html() == (
        "&lt;<mark>script</mark>&gt;alert(1)&lt;/<mark>script</mark>&gt; [31m <mark>exam</mark> 2J &amp; "
        "&quot;&lt;b&gt;<mark>exam</mark>&lt;/b&gt; next"
    )
    assert not any(character in snippet.plain for character in "\x1b\x9b\u202e\n")


def test_snippets_of_other_scripts(empty: SearchArchive) -> None:
    empty.message("你好！我整理了数据结构课的期中考试复习笔记")
    empty.message("Die Prüfung ist in der Straße")
    empty.index()
    assert "[期中考试]" in empty.search("期中考试").hits[0].snippet.marked("[", "]")
    assert "[Prüfung] ist in der [Straße]" in empty.search("prufung strasse").hits[0].snippet.marked("[", "]")


def test_the_beginning_is_shown_when_nothing_is_to_be_marked(empty: SearchArchive) -> None:
    empty.message("word " * 100, author=CHEN)
    empty.index()
    plain = empty.search("from:chen").hits[0].snippet.plain
    assert plain.startswith("word word")
    assert plain.endswith(" …")
    assert len(plain) < 240
