"""Any sequence of events on Canvas, local edits, syncs, kills and faults ends, after one undisturbed full
sync, with the archive equal to the sandbox's truth, and with nothing lost that was ever seen."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.store import Archive
from canvas_archive.sync.progress import SyncProgress
from canvas_archive.sync.service import SyncOptions, sync
from tests.sync_support import Pair, assert_equal
from tests.test_sync_faults import QuickClock
from tests.trust_support import TALLY

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]
SHOW = r"^/api/v1/conversations/\d+"
LIST = r"^/api/v1/conversations\?"
numbers = st.integers(0, 10_000)


class Killed(BaseException):
    """The end of a process, as far as one thread can play it."""


class KillAt(SyncProgress):
    """Ends the run after so many stored conversations."""

    def __init__(self, number: int) -> None:
        self.left = number

    def conversations(self, done: int, total: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


class Mailboxes(RuleBasedStateMachine):
    """The world: one sandbox, one archive."""

    def __init__(self) -> None:
        super().__init__()
        TALLY["random histories: of syncs"] += 1
        self.folder = tempfile.TemporaryDirectory()
        self.sandbox = Sandbox(conversations=14, texts="raw")  # a cut run leaves entities undecided
        self.sandbox.start()
        self.before = {name: os.environ.get(name) for name in ("CANVAS_API_URL", "CANVAS_API_TOKEN")}
        os.environ.update(CANVAS_API_URL=self.sandbox.url, CANVAS_API_TOKEN=self.sandbox.token)
        self.pair = Pair(self.sandbox, Path(self.folder.name) / "archive")
        self.seen: dict[int, str] = {}
        self.clock = QuickClock()

    @initialize()
    def create(self) -> None:
        Archive.create(
            self.pair.folder, base_url=self.sandbox.url, user_id=self.sandbox.user_id, name="Owner"
        ).close()

    # -- choosing --------------------------------------------------------------------------------

    def _visible(self, number: int) -> int:
        ids = sorted(self.sandbox.school.truth())
        return ids[number % len(ids)]

    def _other(self, conversation_id: int, number: int) -> int | None:
        others = self.pair.others(conversation_id)
        return others[number % len(others)] if others else None

    # -- what happens on Canvas ------------------------------------------------------------------

    @rule(number=numbers, who=numbers, body=st.text(min_size=1, max_size=40), same_second=st.booleans())
    def receive(self, number: int, who: int, body: str, same_second: bool) -> None:
        id_ = self._visible(number)
        author = self._other(id_, who)
        if author is not None:
            school = self.sandbox.school
            school.receive(id_, author, body, at=school.now if same_second else None)

    @rule(number=numbers, by_email=st.booleans())
    def own_reply(self, number: int, by_email: bool) -> None:
        self.sandbox.school.own_reply(self._visible(number), "My reply.", by_email=by_email)

    @rule(
        number=numbers,
        state=st.sampled_from([None, "read", "unread", "archived"]),
        starred=st.sampled_from([None, True, False]),
        subscribed=st.sampled_from([None, True, False]),
    )
    def owner_set(
        self, number: int, state: str | None, starred: bool | None, subscribed: bool | None
    ) -> None:
        self.sandbox.school.owner_set(self._visible(number), state, starred, subscribed)

    @rule(number=numbers, which=numbers)
    def remove_message(self, number: int, which: int) -> None:
        id_ = self._visible(number)
        # A removed "X was added" line changes nothing that any list tells: only --refetch sees it.
        messages = [m for m in self.sandbox.school.truth()[id_]["messages"] if not m["generated"]]
        if len(messages) > 1:
            self.sandbox.school.owner_remove_messages(id_, [messages[which % len(messages)]["id"]])

    @rule(number=numbers, comes_back=st.booleans())
    def delete(self, number: int, comes_back: bool) -> None:
        if len(self.sandbox.school.truth()) <= 4:
            return
        id_ = self._visible(number)
        self.sandbox.school.owner_delete(id_)
        author = self._other(id_, number)
        if comes_back and author is not None:
            self.sandbox.school.receive(id_, author, "Back again.")

    @rule(number=numbers, who=numbers)
    def add_people(self, number: int, who: int) -> None:
        school = self.sandbox.school
        id_ = self._visible(number)
        adder = self._other(id_, who)
        strangers = [p for p in school.state.people if p not in school.conversation(id_).rows]
        if adder is not None and strangers and not school.conversation(id_).private:
            school.add_people(id_, adder, [strangers[who % len(strangers)]])

    @rule(who=numbers, name=st.sampled_from(["Ana Ortiz", "王小明", "O’Brien, Sean", "Zoë"]))
    def rename(self, who: int, name: str) -> None:
        # Who is known only as the author of a forwarded message stands in no list: only --refetch sees that.
        school = self.sandbox.school
        people = sorted({user for id_ in school.truth() for user in school.conversation(id_).rows})
        school.rename(people[who % len(people)], name)

    # -- what happens here -----------------------------------------------------------------------

    @rule(number=numbers, state=st.sampled_from(["read", "unread", "archived"]))
    def edit(self, number: int, state: str) -> None:
        ids = [row[0] for row in self.pair.sql("SELECT id FROM conversations ORDER BY id")]
        if ids:
            self.pair.update(
                "UPDATE conversations SET workflow_state = ?, starred = 1 - starred WHERE id = ?",
                state,
                ids[number % len(ids)],
            )

    @rule(mode=st.sampled_from(["quick", "full"]))
    def sync(self, mode: str) -> None:
        self._sync(mode)

    @rule(mode=st.sampled_from(["quick", "full"]), number=st.integers(0, 20))
    def killed(self, mode: str, number: int) -> None:
        options = SyncOptions(mode=mode, attachments=False, index=False)  # type: ignore[arg-type]
        with suppress(Killed):
            sync(self.pair.folder, options, KillAt(number), self.clock)
        self._remember()

    @rule(
        kind=st.sampled_from(["status", "reset", "truncate", "invalid_json", "throttle_429", "drop_row"]),
        where=st.sampled_from([SHOW, LIST]),
        times=st.integers(1, 3),
    )
    def fault(self, kind: str, where: str, times: int) -> None:
        self.sandbox.faults.add(Fault(kind, where, times=times, status=503))  # type: ignore[arg-type]

    # -- what must hold --------------------------------------------------------------------------

    def _sync(self, mode: str) -> None:
        self.pair.sync(mode=mode, attachments=False, check=False, clock=self.clock, allow_mass_removal=True)
        self._remember()

    def _remember(self) -> None:
        for row in self.pair.sql("SELECT id, body FROM messages"):
            self.seen.setdefault(row["id"], row["body"])

    @invariant()
    def nothing_seen_is_lost(self) -> None:
        if not (self.pair.folder / "archive.db").exists():
            return
        have = {row["id"]: row["body"] for row in self.pair.sql("SELECT id, body FROM messages")}
        assert self.seen.items() <= have.items()

    @invariant()
    def nothing_is_written_to_canvas(self) -> None:
        assert self.sandbox.log.writes == []

    def teardown(self) -> None:
        try:
            if (self.pair.folder / "archive.db").exists():
                self.sandbox.faults.clear()
                wishes = self.pair.sql(
                    "SELECT conversation_id, field, value FROM edits WHERE state = 'pending'"
                )
                self._sync("full")
                self.nothing_seen_is_lost()
                assert_equal(self.pair, ordered=False)
                self._check_wishes([tuple(wish) for wish in wishes])
        finally:
            self.sandbox.close()
            self.folder.cleanup()
            for name, value in self.before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def _check_wishes(self, wishes: list[tuple[int, str, str]]) -> None:
        """A sync never undoes a local edit: the column still holds the wish."""
        for conversation_id, field, value in wishes:
            stored = self.pair.one(f"SELECT {field} FROM conversations WHERE id = ?", conversation_id)
            assert str(stored) == value


quietly = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
TestMailboxes = Mailboxes.TestCase
TestMailboxes.settings = settings(
    max_examples=12, stateful_step_count=18, deadline=None, suppress_health_check=quietly, derandomize=True
)


@pytest.mark.torture
class TestManyMailboxes(Mailboxes.TestCase):
    """The same, for long."""

    settings = settings(
        max_examples=400,
        stateful_step_count=50,
        deadline=None,
        suppress_health_check=quietly,
        phases=(Phase.reuse, Phase.generate),  # shrinking such a sequence takes longer than reading it
    )
