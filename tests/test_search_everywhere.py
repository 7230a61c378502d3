"""One table of texts and queries for the program's search, its web pages and the exported site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from whoosh.lang import porter2

from canvas_archive.clock import iso
from canvas_archive.export.run import Request, export
from canvas_archive.search.index.analysis import query_terms, stem
from tests.search_support import NOW, SearchArchive
from tests.web_support import open_visitor

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

# A text, and queries that find it or do not.
TEXTS: list[tuple[str, list[str], list[str]]] = [
    ("祝你们新年快乐", ["新年", "快乐", "祝", "年", "你们新年", '"新年快乐"', "祝*"], ["快乐新年", "新快"]),
    ("新年 快乐。期末\n考试", ["快乐期末", "期末考试", "新年快乐", "快乐 考试", "末考"], ["新年期末"]),
    ("私は日本語を勉強します", ["日本語", "勉強", "日本語 勉強", "語を"], ["日本勉強"]),
    ("ｶﾀｶﾅ と ひらがな", ["カタカナ", "ひらがな"], ["かたかな"]),
    ("กรุณาส่งการบ้านวันศุกร์", ["การบ้าน", "วันศุกร์", "กรุณา"], ["บ้านการ"]),
    ("다음 주 기말고사입니다", ["기말고사", "기말", "고사입니다", "다음주"], ["고사기말"]),
    ("기말 고사", ["기말고사", "기말", "고사", '"기말 고사"'], []),
    ("C++ and java", ["C++", "c++", "c", '"C++ and"', "(c++)", "java C++", "Ｃ＋＋"], ["C#", "C+"]),
    ("vitamin C only", ["C", "vitamin"], ["C++", "C#", '"C++"']),
    ("Write it in c#.", ["C#", "c"], ["C++", "#c"]),
    ("F# or g++, please", ["f#", "G++", "f", "g"], ["g#"]),
    (".NET and ASP.NET Core", [".NET", "net", "asp.net", "ASP", ".n*"], [".core"]),
    ("a net, an asp", ["net", "NET"], [".NET", "asp.net"]),
    ("You got an A+ twice", ["A+", "a"], ["A-", "B+"]),
    ("Only a B- this time", ["B-", "b"], ["B+", "A-"]),
    ("grade 3.5 of 4", ["3.5", "3,5", "3", "5", '"grade 3.5"', '"3.5 of 4"'], ["3.4", "5.3", "35"]),
    ("rooms 3 5 and 3-5", ["3", "5", '"3 5"', "3-5"], ["3.5"]),
    ("see §7 and § 12", ["§7", "§12", "7", '"§ 7"'], ["§8"]),
    ("chapter 7, page 12", ["7", "12"], ["§7", "#7", "12%"]),
    ("costs $50 or 70 €", ["$50", "50", "€70", "70€", '"70 €"'], ["€50", "50%"]),
    ("about 50% and 60 %", ["50%", "60%", "60"], ["$50"]),
    ("1,000 people and 2.000 more", ["1,000", "1.000", "2,000"], ["1000", "3.000"]),
    ("question #7 about #finals", ["#7", "#finals", "finals", "final"], ["#8"]),
    ("well done 👍🏽!", ["👍", "👍🏿", "done 👍"], ["👎"]),
    ("family 👨‍👩‍👧", ["👨‍👩‍👧", "👩"], ["👧👨"]),
    ("Straße ohne Ende", ["Strasse", "STRASSE", "straße", "strass*"], ["strase"]),
    ("Hauptstrasse", ["hauptstraße"], ["strasse", "straße"]),
    ("Søren, Łódź, Đorđe, Æsir, Þór", ["soren", "lodz", "dorde", "aesir", "thor", "ŁÓDŹ"], ["sren"]),
    ("Soren wrote from Lodz", ["Søren", "Łódź", "write"], []),
    ("İSTANBUL ve Işık", ["istanbul", "isik", "ışık", "İstanbul"], []),
    ("Ankara'da hava", ["Ankara", "Ankara'da", "ankarada", "ankara*", '"ankara hava"'], ["da"]),
    ("Ask O'Brien today", ["Brien", "obrien", "O'Brien", "O’Brien", '"brien today"'], ["O'Brian"]),
    ("I don't know", ["don't", "dont", "don’t"], ["don", "t"]),
    ("Chen's notes, students' notes", ["chen", "student", "students", "note"], []),
    ("l'école d’accord", ["ecole", "école", "accord", "l'école"], []),
    (
        "final_exam_v2.pdf",
        ["exam", "final_exam", "final_exam_v2", "v2", "final_exam_v2.pdf", "pdf"],
        ["exam_final"],
    ),
    (
        "mail astrid.chen@uni.example.edu",
        ["chen", "astrid.chen", "astrid.chen@uni.example.edu", "example.edu"],
        ["chen.astrid"],
    ),
    ("https://x.edu/a_b/Page-7?c=1#top", ["x.edu", "page", "page-7", "https://x.edu/a_b", "top"], ["edu.x"]),
    (
        "well-known state-of-the-art",
        ["well-known", "known", "state-of-the-art", '"well known"'],
        ["known-well"],
    ),
    ("wellknown", ["wellknown"], ["well-known"]),
    ("BIO-101 and CHEM202", ["bio101", "BIO 101", "bio-101", "chem-202", '"chem 202"'], ["bio202"]),
    ("due 2025-03-09 at 10:30", ["2025-03-09", "10:30", "2025", "2025-03"], ["09-03", "30:10"]),
    ("am 12.03.2025", ["12.03.2025", "12.03.", "03.2025", "2025"], ["12.2025"]),
    ("ＦＵＬＬ　ｗｉｄｔｈ １２３", ["full", "width", "123"], []),
    ("plain ascii 123", ["ａｓｃｉｉ", "１２３", "١٢٣"], []),
    ("re\u0301sume\u0301", ["résumé", "resume"], []),
    ("crème brûlée", ["creme", "bru\u0302le\u0301e", "CRÈME BRÛLÉE"], []),
    ("sylla\u00adbus zero\u200bwidth", ["syllabus", "zerowidth", "sylla\u00adbus"], ["sylla", "bus"]),
    ("שָׁלוֹם לכולם", ["שלום", "שָׁלוֹם", "לכולם"], ["שלו"]),
    ("مُحَمَّد العربية", ["محمد", "مُحَمَّد", "العـربية"], ["محم"]),
    ("हिन्दी में परीक्षा", ["हिन्दी", "परीक्षा", "परी*"], ["परी"]),
    ("Дмитрий и Ёлка", ["дмитрий", "ДМИТРИЙ", "елка", "ёлка"], ["дмитр"]),
    ("Ὀδυσσεύς ΟΔΟΣ", ["οδυσσευς", "ΟΔΥΣΣΕΥΣ", "οδος", "οδοσ"], []),
    ("E = mc² and H₂O", ["mc2", "h2o", "mc²", "H₂O"], []),
    ("ﬁnal oﬃce ŒUVRE", ["final", "office", "oeuvre", "oﬃces"], []),
    (
        "two exams scheduled",
        ["exam", "exams", "schedule", "scheduling", "exams scheduling"],
        ["examination", '"exam"'],
    ),
    (
        "the exam schedule",
        ["exams", '"exam schedule"', '"the exam"', "exam*", "EXAM"],
        ['"exams"', '"schedule exam"'],
    ),
    ("three theses, two quizzes", ["thesis", "quiz", "theses"], []),
    ("she wrote to children", ["write", "writing", "child", "wrote"], []),
    ("__proto__ constructor toString", ["__proto__", "constructor", "tostring"], ["hasOwnProperty"]),
    (
        "alpha beta gamma",
        [
            "alpha gamma",
            '"alpha beta"',
            "alpha -delta",
            "delta OR beta",
            "(alpha | delta) gamma",
            "alpha NOT delta",
            "alph*",
            "NOT delta alpha",
            "“beta gamma”",
            "alpha !!",
            "-(delta epsilon) alpha",
        ],
        [
            "alpha -beta",
            "alph",
            '"alpha gamma"',
            "alpha delta",
            "beta NOT alpha",
            "!!",
            "beta AND NOT alpha",
            "al* -gam*",
        ],
    ),
    ("<script>alert(1)</script>", ["script", "alert(1)", "<script>"], []),
    ("Canvas\u202eabc \u2068Ann\u2069", ["canvas", "ann"], []),
    ("x" * 90, ["x" * 90, "x" * 40 + "*"], ["x" * 39]),
]


@dataclass
class Places:
    """The same texts in an archive, on its pages and in an export; conversation ``n`` has text ``n``."""

    archive: SearchArchive
    visitor: Any
    page: Page

    def index(self, query: str) -> list[int]:
        return sorted(number - 1000 for number in self.archive.found(query))

    def web(self, query: str) -> list[int]:
        shown = self.visitor.get(f"/mail/search?q={quote(query)}").text
        return sorted({int(number) for number in re.findall(r'href="/mail/c/(\d+)[^"]*#m', shown)})

    def site(self, queries: list[str]) -> list[list[int]]:
        ranks = self.page.evaluate(
            "async (queries) => { const [opened, found] = [await canvasArchive.opened(), []];"
            " for (const query of queries) found.push((await opened.search(query)).numbers);"
            " return found; }",
            queries,
        )
        return [sorted(rank + 1 for rank in found) for found in ranks]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[Places]:
    folder = tmp_path_factory.mktemp("everywhere")
    archive = SearchArchive(folder / "archive", owner_name="Zz")
    for number, (text, _, _) in enumerate(TEXTS, 1):
        at = iso(NOW - timedelta(hours=number))  # the newest first: the ranks in the site
        archive.conversation(number, None, last_message_at=at)
        archive.message(text, conversation=number, at=at, number=1000 + number)
    archive.index()
    export(
        Request(archive.folder, archive.archive.db_path, archive.archive.files_dir, folder / "out", ("html",))
    )
    visitor = open_visitor(archive.folder)
    with closing(archive), closing(visitor), closing(chromium.new_context()) as context:
        page = context.new_page()
        page.goto(f"file://{folder}/out/html/search.html")
        yield Places(archive, visitor, page)


def test_index_pages_and_site_answer_alike(places: Places) -> None:
    asked = [
        (number, query, wanted)
        for number, (_, found, missed) in enumerate(TEXTS, 1)
        for wanted, queries in ((True, found), (False, missed))
        for query in queries
    ]
    # A page takes as long as a hundred searches: one query that finds a text, and one that does not.
    on_pages = {queries[0] for _, *both in TEXTS for queries in both if queries}
    assert len(asked) > 250 and len(on_pages) > 100
    sites = places.site([query for _, query, _ in asked])
    wrong = []
    for (number, query, wanted), site in zip(asked, sites, strict=True):
        index = places.index(query)
        web = places.web(query) if query in on_pages else index
        if not (index == web == site and (number in index) is wanted):
            wrong.append((TEXTS[number - 1][0][:30], query, wanted, number, index, web, site))
    assert wrong == []


def test_the_site_takes_queries_apart_as_the_program_does(places: Places) -> None:
    random = Random(17)
    units = [
        *"aZ1 .,'+#-§$€%*_éøİßσΣ中學학กिशא٣½²ﬁＡ！\u00ad\u0301\u200d👍",
        "ing",
        "l'",
        "'s",
        "ies",
        "12",
        "++",
    ]
    texts = ["".join(random.choices(units, k=random.randint(1, 12))) for _ in range(1500)]
    texts += [chr(code) for code in range(0xA0, 0x600)]
    texts += ["x" * 39 + "+", "x" * 40 + "+", "1" * 40 + ".5"]
    found = places.page.evaluate(
        "async (texts) => { const { terms } = await canvasArchive.opened(); return texts.map(terms); }",
        texts,
    )
    program = [[list(term) for term in query_terms(text)] for text in texts]
    wrong = [each for each in zip(texts, found, program, strict=True) if sorted(each[1]) != each[2]]
    assert wrong == []


def test_the_site_stems_as_the_program_does(places: Places) -> None:
    random = Random(17)
    endings = [
        "",
        "s",
        "ies",
        "ied",
        "ing",
        "ed",
        "edly",
        "eed",
        "y",
        "li",
        "e",
        "ll",
        "sion",
        *porter2.s4_delete_list,
    ]
    endings += [end for end, *_ in (*porter2.s2_triples, *porter2.s3_triples)]
    words = [
        "".join(random.choices("aeiouybcdlnrstvw", k=random.randint(1, 6)))
        + "".join(random.choices(endings, k=2))
        for _ in range(3000)
    ]
    words += [
        *porter2.exceptional_forms,
        *porter2.exceptional_early_exit_post_1a,
        "generate",
        "communism",
        "wrote",
    ]
    found = places.page.evaluate(
        "async (words) => { const { stem } = await canvasArchive.opened(); return words.map(stem); }", words
    )
    wrong = [each for each in zip(words, found, map(stem, words), strict=True) if each[1] != each[2]]
    assert wrong == []


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("exam from:chen", "“from:” works in the program only. Nothing was searched."),
        ("-from:chen", "“from:” works in the program only. Nothing was searched."),
        ('"open quote', "The quote that opens before “open quote” is not closed. Nothing was searched."),
        ("(exam OR", "A parenthesis is not closed. Nothing was searched."),
        ("(" * 41 + "exam" + ")" * 41, "The query has parentheses more than 40 deep. Nothing was searched."),
        ("zebra", "Nothing found for “zebra”."),
        ("gamma", "1 conversation for “gamma”"),
    ],
)
def test_the_site_says_what_it_does_not_search(places: Places, query: str, sentence: str) -> None:
    page = places.page
    page.goto(f"{page.url.partition('?')[0]}?q={quote(query)}")
    page.locator("body[data-ready=true]").wait_for(state="attached")
    assert page.locator("#status").inner_text() == sentence
    assert page.locator("#results li").count() == (1 if query == "gamma" else 0)
