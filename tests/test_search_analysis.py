"""From text to terms: the same for documents, queries and marks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whoosh.lang import porter2

from canvas_archive.search.answer.snippet import Marking, _with_positions, make_snippet
from canvas_archive.search.index.analysis import (
    analysed,
    composed,
    fold,
    is_spaceless,
    occurrences,
    query_terms,
    spans,
    stem,
    terms,
)
from canvas_archive.search.index.stemming import porter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Final EXAM", "final exam"),
        ("naïve Ångström Łódź Søren", "naive angstrom lodz soren"),
        ("Straße ŒUVRE Æsir þing", "strasse oeuvre aesir thing"),
        ("e\u0301cole", "ecole"),
        ("ﬁne ＦＵＬＬ １２３ x²", "fine full 123 x 2"),
        ("İstanbul IŞIK", "istanbul isik"),
        ("don't Chen's students' I’ll O'Brien", "dont chen students ill obrien"),
        ("l'école d’accord qu'il", "l ecole d accord qu il"),
        ("BIO-101 bio101 BIO 101", "bio 101 bio 101 bio 101"),
        ("astrid.chen@uni.example.edu", "astrid chen uni example edu"),
        ("https://x.edu/a_b?c=1", "https x edu a b c 1"),
        ("3.14, 1,000 and 2025-03-09", "3 14 1 000 and 2025 03 09"),
        ("生物学", "生物 物学 学"),
        ("カタカナ", "カタ タカ カナ ナ"),
        ("김하늘 씨", "김하 하늘 늘씨 씨"),
        ("快乐。\n期末", "快乐 乐期 期末 末"),
        ("生", "生"),
        ("👍🏽 👨‍👩‍👧", "👍 👨 👩 👧"),
        ("سَمَرقند", "سمرقند"),
        ("Дмитрий Ёлка", "дмитрии елка"),
        ("हिन्दी", "हिन्दी"),
        ("٤٢", "42"),
        ("a\u00adb zero\u200bwidth", "ab zerowidth"),
        ("a" * 90, " ".join(("a" * 40, "a" * 40, "a" * 10))),
        ("!!! ... \x00 _", ""),
    ],
)
def test_a_text_has_the_terms(text: str, expected: str) -> None:
    assert terms(text) == expected.split()


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_marks_are_placed_on_the_terms_that_are_indexed(text: str) -> None:
    text = composed(text)
    found = spans(text)
    listed, beside = analysed(text)
    assert listed == terms(text)
    assert sorted((span.at, span.term) for span in found) == sorted([*enumerate(listed), *beside])
    for span in found:
        assert 0 <= span.start < span.end <= len(text)


# Signs, ends of sentences, apostrophes, marks that compose, characters that fold to ASCII or to spaces,
# scripts without spaces and quotation marks: what the faster way of ``analysed`` treats apart.
ODD_CHARACTERS = "abI5'`.,$%#+-§€ \n\x00_*“”’—…\u00a0\u00a8éÉİıΣςß\u0301\u0307\u0338=Ꭰꭰ快か\u3099ก👍\u200b²٣"


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet=ODD_CHARACTERS, max_size=60))
def test_the_terms_of_odd_texts_are_those_of_their_folded_form(text: str) -> None:
    text = composed(text)
    listed, beside = analysed(text)
    found = sorted((span.at, span.term) for span in spans(text))
    assert found == sorted([*enumerate(listed), *beside])
    assert listed == terms(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("“Don’t” — it’s C++. 3.5 of $5.", "dont it c 3 5 of 5 | 2 c++ 3 3.5 6 $5"),
        ("First.\nThe .net of O'Brien. Last 50 %", "first the net of obrien last 50 | 2 .net 4 brien 6 50%"),
        ("caf\u0065\u0301 don`t é", "cafe dont e |"),
        ("don`t", "don t |"),
        ("a. 生\n. 物", "a 生物 物 |"),
    ],
)
def test_terms_and_signs_are_counted_through_all_sentences(text: str, expected: str) -> None:
    listed, beside = analysed(text)
    flat = [str(part) for pair in beside for part in pair]
    assert " ".join([*listed, "|", *flat]) == expected


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert analysed(fold(text)) == analysed(text)


def test_only_wanted_spans_are_returned_when_asked() -> None:
    assert [(span.at, span.start, span.end) for span in spans("the exam, an exam", {"exam"})] == [
        (1, 4, 8),
        (3, 13, 17),
    ]


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(
    st.text("aAb1 '-.é…ß’`中ﬁİ\u0302", max_size=38),
    st.sets(st.text("ab1", min_size=1, max_size=3), max_size=4),
)
def test_occurrences_are_the_wanted_spans(text: str, words: set[str]) -> None:
    wanted = {word for word in words if len(terms(word)) == 1}
    text = composed(text)
    expected = {span[1:] for span in spans(text, wanted)}
    assert {span[1:] for span in occurrences(text, frozenset(wanted))} == expected


def test_words_with_an_apostrophe_within_are_occurrences() -> None:
    assert [span[1:] for span in occurrences("You don't, they DON'T.", frozenset({"dont"}))] == [
        (4, 9, "dont"),
        (16, 21, "dont"),
    ]


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(("a", "b", "c", "x", "o'b", "a's", "o’brien's", "l'école", "1", "b1", "中文")),
        max_size=30,
    ),
    st.sampled_from((" ", ", ", "-", ".\n", "… ")),
    st.lists(
        st.lists(st.sampled_from(("a", "b", "c", "ob", "brien", "l", "1")), min_size=2, max_size=3),
        min_size=1,
        max_size=3,
    ),
)
def test_phrases_are_marked_where_their_words_stand_side_by_side(
    words: list[str], between: str, phrases: list[list[str]]
) -> None:
    text = between.join(words)
    sequences = tuple(
        tuple((offset, frozenset({term})) for offset, term in enumerate(phrase)) for phrase in phrases
    )
    marking = Marking({"c": 1.0}, sequences)
    assert marking.marks(_with_positions(text, marking)) == marking.marks(spans(text, marking.wanted))


def test_the_parts_of_a_name_keep_their_distance() -> None:
    text = "Is it's o'brien, or 12 o'brien 5?"
    near = Marking({}, (((0, frozenset({"it"})), (1, frozenset({"brien"}))),))
    far = Marking({}, (((0, frozenset({"12"})), (2, frozenset({"brien"}))),))
    assert [mark[:2] for mark in near.marks(_with_positions(text, near))] == [(3, 15)]
    assert far.marks(_with_positions(text, far)) == []


def test_runs_that_are_cut_in_pieces_are_no_occurrences() -> None:
    text = "x" * 50
    assert occurrences(text, frozenset({"x" * 10})) == []
    assert [span.term for span in spans(text, {"x" * 10})] == ["x" * 10]


def test_spans_point_into_the_original_text() -> None:
    text = "Die Straße ﬁndet l'École"
    places = {span.term: text[span.start : span.end] for span in spans(text)}
    assert places["strasse"] == "Straße"
    assert places["findet"] == "ﬁndet"
    assert places["ecole"] == "École"


def test_a_query_leaves_out_the_last_character_that_its_pair_holds() -> None:
    assert query_terms("生物学") == [(0, "生物"), (1, "物学")]
    assert query_terms("生物101") == [(0, "生物"), (2, "101")]
    assert query_terms("生") == [(0, "生")]
    assert query_terms("bio-101") == [(0, "bio"), (1, "101")]
    assert query_terms("…") == []


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        ("C++, C#; F# g++ C++11", [(0, "c++"), (1, "c#"), (2, "f#"), (3, "g++"), (4, "c++")]),
        ("A+ a- pre- 18+ a+b", [(0, "a+"), (1, "a-"), (3, "18+")]),
        (".NET ASP.NET", [(0, ".net"), (2, ".net")]),
        ("3.5 3,5 12.03.2025 10:30", [(0, "3.5"), (2, "3.5"), (4, "12.03"), (5, "03.2025")]),
        ("§7 § 7 §§ 7", [(0, "§7"), (1, "§7"), (2, "§7")]),
        ("$50, 50€, 50 %", [(0, "$50"), (1, "€50"), (2, "50%")]),
        ("#7 #exam", [(0, "#7"), (1, "#exam")]),
        ("O'Brien Ankara'da don't they'll Chen's", [(0, "brien"), (1, "ankara")]),
        ("plain words, and 7 of them.", []),
    ],
)
def test_beside_a_term_is_the_one_with_its_sign(text: str, beside: list[tuple[int, str]]) -> None:
    assert list(analysed(text).beside) == beside


def test_a_query_with_a_sign_looks_for_the_term_that_has_it() -> None:
    assert query_terms("C++") == [(0, "c++")]
    assert query_terms("asp.net") == [(0, "asp"), (1, "net")]
    assert query_terms(".net") == [(0, ".net")]
    assert query_terms("12.03.2025") == [(0, "12.03"), (1, "03.2025")]
    assert query_terms("$3.50") == [(0, "$3"), (0, "3.50")]
    assert query_terms("O'Brien") == [(0, "obrien")]


_ENDINGS = (
    *(ending for ending, *_ in (*porter2.s2_triples, *porter2.s3_triples)),
    *porter2.s4_delete_list,
    *(
        "",
        "sion",
        "tion",
        "s",
        "us",
        "ss",
        "sses",
        "ied",
        "ies",
        "eed",
        "eedly",
        "ed",
        "edly",
        "ing",
        "ingly",
    ),
    *("ed", "edly", "ing", "ingly", "y", "e", "l", "ll", "le"),
)


@pytest.mark.thorough
@settings(max_examples=500, deadline=None)
@given(
    st.text("aeioubcdlrstyz", min_size=3, max_size=9),
    st.lists(st.sampled_from(_ENDINGS), max_size=2).map("".join),
)
def test_stems_are_those_of_the_whole_algorithm(beginning: str, ending: str) -> None:
    assert porter(beginning + ending) == porter2.stem(beginning + ending)


@pytest.mark.parametrize(
    "word", sorted({*porter2.exceptional_forms, *porter2.exceptional_early_exit_post_1a})
)
def test_exceptional_words_have_the_stems_of_the_whole_algorithm(word: str) -> None:
    assert porter(word) == porter2.stem(word)
    assert porter(f"{word}s") == porter2.stem(f"{word}s")


def test_stems_join_the_forms_of_a_word() -> None:
    assert stem("exams") == stem("exam")
    assert stem("studies") == stem("study") == stem("studying")
    assert stem("running") == stem("runs") == stem("run")
    assert stem("universities") == stem("university")
    assert stem("quizzes") == stem("quiz")
    assert stem("theses") == stem("thesis")
    assert stem("wrote") == stem("writing") == stem("write")
    assert stem("生物") == "生物"
    assert stem("ok") == "ok"


def test_scripts_without_spaces_are_known() -> None:
    assert is_spaceless("学")
    assert not is_spaceless("exam")


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("Learn C++, not C.", "C++", ["C++"]),
        ("grade 3.5 or 3,5, not 3 5", "3.5", ["3.5", "3,5"]),
        ("see § 7, chapter 7", "§7", ["§ 7"]),
        ("asp.NET or .NET", ".NET", [".NET", ".NET"]),
        ("Ask O'Brien", "brien", ["Brien"]),
        ("新年快乐。期末", "快乐期末", ["快乐。期末"]),
        ("costs 50 € and $50", "50€", ["50 €"]),
    ],
)
def test_a_term_with_its_sign_is_marked_with_it(text: str, query: str, marked: list[str]) -> None:
    wanted = query_terms(query)
    sequence = tuple((offset, frozenset({term})) for offset, term in wanted)
    marking = Marking({}, (sequence,)) if len(wanted) > 1 else Marking({wanted[0][1]: 1.0})
    snippet, _ = make_snippet(text, marking)
    assert [piece for piece, is_marked in snippet.pieces if is_marked] == marked
