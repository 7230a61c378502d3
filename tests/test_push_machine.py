"""Any sequence of edits in two archives, on their web pages and on Canvas, of syncs, pushes, kills and faults
ends, after one undisturbed sync and push of each, with nothing pending and both equal to Canvas; and Canvas
never got a write that nobody asked for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from canvas_archive.canvas import CanvasClient
from canvas_archive.errors import ArchiveError
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.store import Archive, edits
from canvas_archive.sync import push as push_module
from canvas_archive.sync.calls import EVENTS
from canvas_archive.sync.settling import Settling
from canvas_archive.web import writing
from tests.push_support import ADA, Mail, PushClock, at, big_mailbox
from tests.sync_support import assert_equal
from tests.test_push_crash import Killed
from tests.trust_support import TALLY

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]
WRITE = r"^/api/v1/conversations(/\d+)?$"
SHOW = r"^/api/v1/conversations/\d+\?"
numbers = st.integers(0, 10_000)
which = st.sampled_from([0, 1])
states = st.sampled_from(["read", "unread", "archived"])
VALUES = {"true": "1", "false": "0"}
MANY = "UPDATE conversations SET workflow_state = ?, starred = ? WHERE id BETWEEN 1000 AND 1012"


class Edits(RuleBasedStateMachine):
    """The world: one sandbox, two archives of its mailbox."""

    def __init__(self) -> None:
        super().__init__()
        TALLY["random histories: of edits and pushes"] += 1
        self.folder = tempfile.TemporaryDirectory()
        self.sandbox = Sandbox(big_mailbox(12))
        self.sandbox.start()
        self.sandbox.school.now = at(900)
        self.before = {name: os.environ.get(name) for name in ("CANVAS_API_URL", "CANVAS_API_TOKEN")}
        os.environ.update(CANVAS_API_URL=self.sandbox.url, CANVAS_API_TOKEN=self.sandbox.token)
        self.clock = PushClock()
        self.wished: set[tuple[int, str, str]] = set()
        self.mails = [self._archive(name) for name in ("one", "two")]

    def _archive(self, name: str) -> Mail:
        mail = Mail(self.sandbox, Path(self.folder.name) / name)
        mail.clock = self.clock
        Archive.create(mail.folder, base_url=self.sandbox.url, user_id=ADA, name="Ada").close()
        mail.sync(mode="full", attachments=False, clock=self.clock)
        return mail

    def _visible(self, number: int) -> int:
        ids = sorted(self.sandbox.school.truth())
        return ids[number % len(ids)]

    def _stored(self, mail: Mail, number: int) -> int:
        ids = [row[0] for row in mail.sql("SELECT id FROM conversations ORDER BY id")]
        return int(ids[number % len(ids)])

    # -- what happens on Canvas ------------------------------------------------------------------

    @rule(number=numbers, who=numbers)
    def receive(self, number: int, who: int) -> None:
        id_ = self._visible(number)
        others = self.mails[0].others(id_)
        if others:
            self.sandbox.school.receive(id_, others[who % len(others)], "News.")

    @rule(number=numbers)
    def own_reply(self, number: int) -> None:
        self.sandbox.school.own_reply(self._visible(number), "My reply.")

    @rule(
        number=numbers,
        state=st.one_of(st.none(), states),
        starred=st.sampled_from([None, True, False]),
        subscribed=st.sampled_from([None, True, False]),
    )
    def owner_set(
        self, number: int, state: str | None, starred: bool | None, subscribed: bool | None
    ) -> None:
        self.sandbox.school.owner_set(self._visible(number), state, starred, subscribed)

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        if len(self.sandbox.school.truth()) > 8:
            self.sandbox.school.owner_delete(self._visible(number))

    @rule(number=numbers)
    def revert(self, number: int) -> None:
        archived = self.sandbox.school.ids("archived")
        if archived:
            self.sandbox.school.revert_archive(archived[number % len(archived)])

    @rule()
    def jobs(self) -> None:
        self.sandbox.school.finish_jobs()

    # -- what happens here -----------------------------------------------------------------------

    @rule(mail=which, number=numbers, state=states)
    def edit_state(self, mail: int, number: int, state: str) -> None:
        self.mails[mail].set(self._stored(self.mails[mail], number), workflow_state=state)

    @rule(mail=which, number=numbers)
    def edit_star(self, mail: int, number: int) -> None:
        one = self.mails[mail]
        one.update("UPDATE conversations SET starred = 1 - starred WHERE id = ?", self._stored(one, number))

    @rule(mail=which, number=numbers)
    def edit_subscription(self, mail: int, number: int) -> None:
        one = self.mails[mail]
        statement = "UPDATE conversations SET subscribed = 1 - subscribed WHERE id = ? AND private = 0"
        one.update(statement, self._stored(one, number))

    @rule(mail=which, state=states, starred=st.sampled_from([0, 1]))
    def edit_many(self, mail: int, state: str, starred: int) -> None:
        self.mails[mail].update(MANY, state, starred)

    @rule(mail=which, number=numbers, verb=st.sampled_from(["star", "unstar", "archive", "read", "unread"]))
    def edit_on_the_page(self, mail: int, number: int, verb: str) -> None:
        one = self.mails[mail]
        id_ = self._stored(one, number)
        if one.one("SELECT removed_at FROM conversations WHERE id = ?", id_) is None:
            writing.apply(one.folder / "archive.db", verb, [id_])

    @rule(mail=which)
    def discard(self, mail: int) -> None:
        one = self.mails[mail]
        with Archive.open(one.folder) as archive:
            shown = {edit.id: edits.fingerprint(edit) for edit in edits.pending_edits(archive.db)}
        writing.discard(one.folder / "archive.db", shown)

    @rule(minutes=st.sampled_from([1, 10, 90]))
    def time_passes(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)

    # -- bringing both together ------------------------------------------------------------------

    @rule(mail=which, mode=st.sampled_from(["quick", "full"]), push=st.booleans())
    def sync(self, mail: int, mode: str, push: bool) -> None:
        self.mails[mail].sync(
            mode=mode, push=push, attachments=False, check=False, clock=self.clock, allow_mass_removal=True
        )

    @rule(mail=which, policy=st.sampled_from(["local", "remote", "ask"]))
    def push(self, mail: int, policy: str) -> None:
        self._try_to_push(self.mails[mail], policy)

    @rule(
        mail=which,
        owner=st.sampled_from(
            [
                (CanvasClient, "update_conversation"),
                (push_module, "await_batch"),
                (Settling, "take_row"),
            ]
        ),
        calls=st.integers(1, 4),
    )
    def killed(self, mail: int, owner: tuple[object, str], calls: int) -> None:
        left = [calls]
        original = getattr(*owner)

        def ends(*args: object, **named: object) -> object:
            result = original(*args, **named)
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return result

        with mock.patch.object(*owner, ends):
            try:
                self._try_to_push(self.mails[mail], "local")
            except Killed:
                return

    def _try_to_push(self, mail: Mail, policy: str) -> None:
        try:
            mail.push(policy=policy)
        except ArchiveError:
            return

    @rule(
        kind=st.sampled_from(["status", "reset", "truncate", "invalid_json", "throttle_429"]),
        where=st.sampled_from([WRITE, SHOW]),
        times=st.integers(1, 3),
        performed=st.booleans(),
    )
    def fault(self, kind: str, where: str, times: int, performed: bool) -> None:
        self.sandbox.faults.add(Fault(kind, where, times=times, status=500, performed=performed))  # type: ignore[arg-type]

    # -- what must hold --------------------------------------------------------------------------

    def _undisturbed(self, mail: Mail) -> None:
        self.clock.advance(hours=2)
        mail.sync(mode="full", push=True, attachments=False, clock=self.clock, allow_mass_removal=True)

    @invariant()
    def wishes_are_remembered(self) -> None:
        """The journal keeps one row for a wish that is changed before it is settled: remember each value."""
        for mail in self.mails:
            for row in mail.sql("SELECT conversation_id, field, value FROM edits"):
                self.wished.add((row[0], row[1], row[2]))

    def _nothing_else_was_sent(self) -> None:
        events = {event: pair for pair, event in EVENTS.items()}
        self.wishes_are_remembered()
        for method, path, params in self.mails[0].writes:
            assert method == "PUT"
            if path == "/conversations":
                sent = {(int(id_), *events[params["event"]]) for id_ in params["conversation_ids"]}
            else:
                id_ = int(path.rsplit("/", 1)[1])
                sent = {
                    (id_, field, VALUES.get(value, value)) for field, value in params["conversation"].items()
                }
            assert sent <= self.wished

    def teardown(self) -> None:
        try:
            self.sandbox.faults.clear()
            self.sandbox.school.finish_jobs()
            for mail in self.mails:
                self._undisturbed(mail)
            self._nothing_else_was_sent()
            # The other archive has sent its own since: one look, and nothing more to send.
            writes = len(self.mails[0].writes)
            self._undisturbed(self.mails[0])
            assert len(self.mails[0].writes) == writes
            for mail in self.mails:
                mail.settled()
                assert_equal(mail, ordered=False)
        finally:
            self.sandbox.close()
            self.folder.cleanup()
            for name, value in self.before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


quietly = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
TestEdits = Edits.TestCase
TestEdits.settings = settings(
    max_examples=8, stateful_step_count=16, deadline=None, suppress_health_check=quietly, derandomize=True
)


@pytest.mark.torture
class TestManyEdits(Edits.TestCase):
    """The same, for long."""

    settings = settings(
        max_examples=300, stateful_step_count=40, deadline=None, suppress_health_check=quietly
    )
