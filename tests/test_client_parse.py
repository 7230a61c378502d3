"""Documents become values of the model, or MalformedAnswer; never anything else, never half of something."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canvas_archive.canvas import parse
from canvas_archive.canvas.body import decode_json
from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import Attachment, MediaComment, Message, Participant
from tests.client_support import ME, letter, row, shown

ATTACHMENT = {
    "id": "61",
    "folder_id": "9",
    "display_name": "Übung 1.pdf",
    "filename": "%C3%9Cbung+1.pdf",
    "upload_status": "success",
    "content-type": "application/pdf",
    "url": "https://school.example/files/61/download?download_frd=1&verifier=abc",
    "size": 1018,
    "created_at": "2026-02-01T10:00:00Z",
    "locked": False,
    "thumbnail_url": None,
}
MEDIA = {
    "content-type": "audio/mp4",
    "display_name": "Voice",
    "media_id": "m-5",
    "media_type": "audio",
    "url": "https://school.example/users/7/media_download?entryId=m-5",
}
FULL = shown(
    5,
    letter(
        31,
        attachments=[ATTACHMENT],
        media_comment=MEDIA,
        forwarded_messages=[letter(20, forwarded_messages=[letter(10)])],
    ),
    letter(30, generated=True),
)


def test_a_conversation_with_everything() -> None:
    found = parse.conversation(FULL)
    assert (found.id, found.subject, found.workflow_state, found.message_count) == (
        5,
        "Lab report",
        "read",
        2,
    )
    assert found.last_message_at == "2026-03-01T10:00:00Z" and found.last_authored_message_at is None
    assert (found.subscribed, found.private, found.starred) == (True, True, False)
    assert found.properties == ("last_author",) and found.audience == (8,)
    assert found.audience_contexts == {"course_12": ("StudentEnrollment",), "group_3": ()}
    assert found.participants[1] == Participant(8, "Chen", "Chen W", "she/her")
    assert found.context_code == "course_12" and found.context_name == "BIO 101"
    assert found.extra == {"visible": True, "submissions": []}
    assert found.messages is not None
    first, second = found.messages
    assert (first.id, first.author_id, first.body, first.participating_user_ids) == (31, 8, "See you", (7, 8))
    assert second.generated
    assert first.attachments == (
        Attachment(
            61,
            "Übung 1.pdf",
            "%C3%9Cbung+1.pdf",
            "application/pdf",
            1018,
            "2026-02-01T10:00:00Z",
            ATTACHMENT["url"],
            {"folder_id": "9", "upload_status": "success", "locked": False, "thumbnail_url": None},
        ),
    )
    assert first.media_comment == MediaComment("m-5", "audio", "Voice", "audio/mp4", MEDIA["url"])
    assert [one.id for one in first.forwarded_messages] == [20]
    assert [one.id for one in first.forwarded_messages[0].forwarded_messages] == [10]


def test_the_rows_of_older_servers() -> None:
    found = parse.conversation({"id": 1, "workflow_state": "unread", "starred": None, "subscribed": None})
    assert (found.starred, found.subscribed, found.private, found.message_count) == (False, True, False, 0)
    assert found.messages is None and found.participants == () and found.audience_contexts == {}
    bare = parse.message({"id": 1, "author_id": 2, "created_at": "2026-01-01T00:00:00Z", "body": None})
    assert bare == Message(1, 2, "2026-01-01T00:00:00Z", "")
    assert parse.conversation({"id": 1, "workflow_state": "read", "messages": []}).messages == ()


def test_unknown_fields_are_kept_wherever_they_are() -> None:
    document = shown(
        5,
        letter(
            31,
            attachments=[{**ATTACHMENT, "new_a": [1]}],
            media_comment={**MEDIA, "duration": 3.5},
            forwarded_messages=[letter(20, new_f="f")],
            new_m={"deep": [{"x": None}]},
        ),
        participants=[{"id": 8, "uuid": "u", "common_courses": {"12": ["StudentEnrollment"]}}],
        audience_contexts={"courses": {}, "accounts": {"1": []}},
        cannot_reply=True,
        beta=False,
        new_c=2**70,
    )
    found = parse.conversation(document)
    assert found.extra == {
        "visible": True,
        "submissions": [],
        "cannot_reply": True,
        "beta": False,
        "new_c": 2**70,
        "audience_contexts": {"accounts": {"1": []}},
    }
    assert found.participants[0].extra == {"uuid": "u", "common_courses": {"12": ["StudentEnrollment"]}}
    assert found.messages is not None
    message = found.messages[0]
    assert message.extra == {"new_m": {"deep": [{"x": None}]}, "media_comment": {"duration": 3.5}}
    assert message.attachments[0].extra["new_a"] == [1]
    assert message.forwarded_messages[0].extra == {"new_f": "f"}


@pytest.mark.parametrize(
    "raw", [9007199254740993, "9007199254740993", 2**63 - 1, str(2**63 - 1), "0031", 10000000000123]
)
def test_ids_of_any_size_and_form(raw: Any) -> None:
    assert parse.conversation(row(raw)).id == int(raw)
    assert parse.conversation({**row(1), "id": raw, "audience": [raw]}).audience == (int(raw),)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        -1,
        "-1",
        2**63,
        str(2**63),
        "9" * 5000,
        1.0,
        True,
        "",
        "1~123",
        "١٢",
        "²",
        " 1",
        "0x1",
        [],
        {},
        "1e3",
    ],
)
def test_what_is_no_id(raw: Any) -> None:
    for document in (
        {**row(1), "id": raw},
        row(1, audience=[raw]),
        row(1, participants=[{"id": raw}]),
        shown(1, letter(1) | {"id": raw}),
        shown(1, letter(1, author_id=raw)),
        shown(1, letter(1, participating_user_ids=[raw])),
        shown(1, letter(1, attachments=[{**ATTACHMENT, "id": raw}])),
        row(1, audience_contexts={"courses": {str(raw): []}}) if str(raw) not in ("0031",) else row("x"),
    ):
        with pytest.raises(MalformedAnswer):
            parse.conversation(document)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"workflow_state": "bogus"}, "workflow_state is not read, unread or archived."),
        ({"workflow_state": None}, "workflow_state is not read, unread or archived."),
        ({"workflow_state": ["read"]}, "workflow_state is not text."),
        ({"subject": 5}, "subject is not text."),
        ({"starred": "true"}, "starred is not true or false."),
        ({"private": 1}, "private is not true or false."),
        ({"message_count": -1}, "message_count is not a count."),
        ({"message_count": 2.0}, "message_count is not a count."),
        ({"message_count": True}, "message_count is not a count."),
        ({"last_message_at": "yesterday"}, "last_message_at is not a time."),
        ({"last_message_at": "2026-03-09T14:05+01Z"}, "last_message_at is not a time."),
        ({"last_message_at": 1700000000}, "last_message_at is not text."),
        ({"last_authored_message_at": "2026-13-01T00:00:00Z"}, "last_authored_message_at is not a time."),
        ({"properties": "last_author"}, "properties is not a list."),
        ({"properties": [1]}, "properties is not a list of texts."),
        ({"audience": {}}, "audience is not a list."),
        ({"audience_contexts": []}, "audience_contexts is not an object."),
        ({"audience_contexts": {"courses": []}}, "audience_contexts: courses is not an object."),
        ({"audience_contexts": {"groups": {"3": "x"}}}, "audience_contexts: 3 is not a list."),
        ({"participants": [5]}, "a participant is not an object."),
        ({"participants": [{"id": 8, "name": []}]}, "Participant 8: name is not text."),
        ({"messages": {}}, "messages is not a list."),
        ({"messages": [letter(31, body=5)]}, "message 31: body is not text."),
        ({"messages": [letter(31, created_at=None)]}, "message 31: created_at is not a time."),
        ({"messages": [letter(31, generated=0)]}, "message 31: generated is not true or false."),
        ({"messages": [letter(31, media_comment=[])]}, "media_comment is not an object."),
        ({"messages": [letter(31, media_comment={"media_id": ""})]}, "media_comment: media_id is not"),
        ({"messages": [letter(31, attachments=[{"id": 61, "size": "big"}])]}, "attachment 61: size is not"),
        ({"messages": [letter(31, forwarded_messages={})]}, "message 31: forwarded_messages is not a list."),
        ({"messages": [letter(31, forwarded_messages=[letter(20, body=[])])]}, "forwarded: message 20: body"),
        ({"messages": [7]}, "a message is not an object."),
    ],
)  # fmt: skip
def test_wrong_types_are_named(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MalformedAnswer) as caught:
        parse.conversation({**row(5), **fields})
    assert sentence.lower() in str(caught.value).lower()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-03-09T14:05:00Z", "2026-03-09T14:05:00Z"),
        ("2026-03-09T14:05:00+00:00", "2026-03-09T14:05:00Z"),
        ("2026-03-09T08:05:00-06:00", "2026-03-09T14:05:00Z"),
        ("2026-03-09T14:05:00.250Z", "2026-03-09T14:05:00Z"),
        (None, None),
    ],
)
def test_times_compare_as_text(sent: str | None, kept: str | None) -> None:
    assert parse.conversation(row(1, last_message_at=sent)).last_message_at == kept


@pytest.mark.parametrize(
    "sent", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "", "Z", "2026-03-09T14:05:00+99:00"]
)
def test_times_beyond_reckoning(sent: str) -> None:
    with pytest.raises(MalformedAnswer, match="created_at"):
        parse.message(letter(1, created_at=sent))


def test_media_ids_may_be_numbers() -> None:
    comment = parse.message(letter(1, media_comment={"media_id": 55})).media_comment
    assert comment is not None and comment.media_id == "55"


def nested(depth: int, first: int = 1) -> dict[str, Any]:
    inner: list[dict[str, Any]] = []
    for number in range(first + depth, first - 1, -1):
        inner = [letter(number, forwarded_messages=inner)]
    return inner[0]


def depth_of(message: Message) -> int:
    depth = 0
    while message.forwarded_messages:
        (message,) = message.forwarded_messages
        depth += 1
    return depth


def test_forwarding_is_read_a_hundred_levels_deep() -> None:
    assert depth_of(parse.message(nested(100))) == 100
    assert depth_of(parse.message(nested(150))) == 100


def test_a_message_among_its_own_forwarders_is_cut() -> None:
    loop = letter(1, forwarded_messages=[letter(2, forwarded_messages=[letter(1), letter(3)]), letter(1)])
    found = parse.message(loop)
    assert [one.id for one in found.forwarded_messages] == [2]
    assert [one.id for one in found.forwarded_messages[0].forwarded_messages] == [3]


def test_the_same_message_may_be_forwarded_twice_side_by_side() -> None:
    twice = letter(1, forwarded_messages=[letter(2), letter(3, forwarded_messages=[letter(2)])])
    found = parse.message(twice)
    assert found.forwarded_messages[1].forwarded_messages[0].id == 2


@pytest.mark.thorough
def test_nesting_beyond_python_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "DEEPEST_FORWARD", 10**9)
    with pytest.raises(MalformedAnswer, match="nested too deeply"):
        parse.message(nested(5000))
    with pytest.raises(MalformedAnswer, match="nested too deeply"):
        parse.conversation({**row(1), "messages": [nested(5000)]})


# -- other documents ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "document"),
    [
        (parse.user, []),
        (parse.user, {"name": "x"}),
        (parse.user, {"id": 1, "name": 5}),
        (parse.course, {"id": 1, "name": []}),
        (parse.course, {"id": 1, "term": {"name": 5}}),
        (parse.recipient, {"id": "", "name": "x"}),
        (parse.recipient, {"id": None}),
        (parse.recipient, {"id": 5, "user_count": "many"}),
        (parse.progress, {"id": 1}),
        (parse.progress, {"id": 1, "workflow_state": "queued", "completion": "half"}),
        (parse.progress, {"id": 1, "workflow_state": "queued", "completion": 10**400}),
        (parse.batch, {"id": 1, "workflow_state": None}),
        (parse.batch, {"id": 1, "workflow_state": "sending", "message": {"id": 3}}),
        (parse.conversations, {"id": 1}),
        (parse.unread_count, "7"),
    ],
)
def test_other_documents_are_as_strict(read: Any, document: Any) -> None:
    with pytest.raises(MalformedAnswer):
        read(document)


def test_a_user_without_a_name_has_the_short_one() -> None:
    assert parse.user({"id": 1, "name": None, "short_name": "Ju"}).name == "Ju"
    assert parse.user({"id": 1}).name == ""


# -- anything at all ---------------------------------------------------------------------------

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(["read", "1", "2026-03-09T14:05:00Z", "-1", "9" * 30]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "courses", "message", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
READERS = [
    (parse.conversation, FULL),
    (
        parse.message,
        letter(31, attachments=[ATTACHMENT], media_comment=MEDIA, forwarded_messages=[letter(20)]),
    ),
    (parse.attachment, ATTACHMENT),
    (parse.user, ME),
    (parse.course, {"id": 1, "name": "BIO", "course_code": "B", "term": {"name": "Spring"}}),
    (parse.recipient, {"id": "course_1", "name": "BIO", "type": "context", "user_count": 3}),
    (parse.progress, {"id": 1, "workflow_state": "queued", "completion": 1.0, "message": None, "url": "u"}),
    (
        parse.batch,
        {"id": 1, "workflow_state": "sending", "completion": 0.1, "message": letter(1), "tags": []},
    ),
    (parse.unread_count, {"unread_count": "7"}),
    (parse.conversation_page, {"conversations": [FULL, row(6)], "conversation_ids": [5, 6]}),
    (parse.conversations, [FULL]),
]


def places(document: Any) -> list[tuple[Any, Any]]:
    """Every container and key within a document."""
    found = []
    pairs = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, value in pairs:
        found.append((document, key))
        found.extend(places(value))
    return found


@pytest.mark.parametrize(("read", "document"), READERS)
def test_every_documented_shape_is_read(read: Any, document: Any) -> None:
    assert read(document) is not None


@pytest.mark.thorough
@pytest.mark.uncounted
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_mutated_documents_are_read_or_malformed(data: st.DataObject) -> None:
    read, original = data.draw(st.sampled_from(READERS))
    document = json.loads(json.dumps(original))
    for _ in range(data.draw(st.integers(1, 3))):
        spots = places(document)
        if not spots:
            break
        container, key = data.draw(st.sampled_from(spots))
        if isinstance(container, dict) and data.draw(st.booleans()):
            del container[key]
        else:
            container[key] = data.draw(JUNK)
    try:
        read(document)
    except MalformedAnswer as error:
        assert str(error).endswith(".")


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(document=JUNK)
def test_any_document_is_read_or_malformed(document: Any) -> None:
    for read, _ in READERS:
        try:
            read(document)
        except MalformedAnswer as error:
            assert str(error).endswith(".")


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_body_is_json_or_malformed(body: bytes) -> None:
    try:
        json.dumps(decode_json(body), allow_nan=False).encode()
    except MalformedAnswer as error:
        assert str(error).endswith(".")


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(), max_size=20))
def test_text_is_always_storable(text: str) -> None:
    """Escaped halves of surrogate pairs have no UTF-8; whole pairs and everything else survive."""
    found = decode_json(json.dumps({text: [text]}).encode())
    assert isinstance(found, dict)
    ((key, values),) = found.items()
    assert values == [key]
    key.encode()
    assert key == "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in key)
