"""The school as tests steer it: what other people do, what the owner does elsewhere, and what is true now."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from canvas_archive.sandbox import delivery, editing
from canvas_archive.sandbox.delivery import Draft
from canvas_archive.sandbox.jobs import Jobs
from canvas_archive.sandbox.loading import file_uuid, load
from canvas_archive.sandbox.mailbox import Mailbox, Media, SandboxFile, SandboxPerson
from canvas_archive.sandbox.sanitising import sanitised, without_scripts
from canvas_archive.sandbox.serialise import Detail, Serialiser
from canvas_archive.sandbox.state import Conversation, MailboxRow, State, StoredFile

SHOWN = Detail(context_name=True, indirect=True, reply_check=True, submissions=True)


class School:
    """The state of a sandbox and everything that can happen to it; every public method takes the lock.

    ``now`` is the school's time and moves on by ``tick`` with every message, so that order means something;
    with ``tick = timedelta(0)`` messages share one second. ``file_links`` is ``"verifier"``, ``"plain"`` or
    ``"location"``. ``texts`` is ``"entities"``, as newer servers send bodies, or ``"raw"``, as typed.
    ``restricted_courses`` are closed by date and have no name for the caller; ``nicknames`` are the owner's
    own names of courses.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self.lock = threading.RLock()
        self.state: State = load(mailbox)
        self.jobs = Jobs()
        self.tick = timedelta(seconds=1)
        self.base_url = "http://127.0.0.1"
        self.file_links = "verifier"
        self.texts = "entities"
        self.restricted_courses: set[int] = set()
        self.nicknames: dict[int, str] = {}

    # The time ------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """Return the school's time."""
        return self.state.now

    @now.setter
    def now(self, moment: datetime) -> None:
        with self.lock:
            self.state.now = moment.replace(microsecond=0)

    def next_moment(self) -> datetime:
        """Return the time now and move the clock on."""
        with self.lock:
            moment = self.state.now
            self.state.now = moment + self.tick
            return moment

    def clean(self, body: str) -> str:
        """Return a body as this server sends it."""
        return sanitised(body) if self.texts == "entities" else body

    # Who is who ----------------------------------------------------------------------------------------

    @property
    def owner_id(self) -> int:
        """Return whose mailbox this is."""
        return self.state.owner_id

    @property
    def admin_id(self) -> int:
        """Return the account administrator, who may act as others."""
        return min(self.state.admin_ids)

    def conversation(self, conversation_id: int) -> Conversation:
        """Return the shared part of a conversation; KeyError when there is none."""
        return self.state.conversations[conversation_id]

    def owner_row(self, conversation_id: int) -> MailboxRow:
        """Return the owner's row of a conversation, also of a deleted one; KeyError when there is none."""
        return self.state.rows[self.owner_id][conversation_id]

    @property
    def unread_count(self) -> int:
        """Return the owner's cached number of unread conversations."""
        return self.state.unread.get(self.owner_id, 0)

    def ids(self, scope: str = "inbox") -> list[int]:
        """Return the owner's conversation ids of a scope, in Canvas's order."""
        with self.lock:
            return self.state.folders(self.owner_id).ids(scope)

    # What other people do ------------------------------------------------------------------------------

    def receive(
        self,
        conversation_id: int,
        author_id: int,
        body: str,
        *,
        at: datetime | None = None,
        to_ids: Iterable[int] | None = None,
        attachments: Sequence[int] = (),
        media: Media | None = None,
        forwarded_ids: Sequence[int] = (),
    ) -> int:
        """Let a participant write, to all or to ``to_ids``; return the message's id."""
        with self.lock:
            moment = at.replace(microsecond=0) if at is not None else self.next_moment()
            draft = Draft(author_id, body, tuple(attachments), media, tuple(forwarded_ids))
            receivers = None if to_ids is None else [*to_ids, author_id]
            conversation = self.state.conversations[conversation_id]
            return delivery.post(self.state, conversation, draft, moment, to_ids=receivers).id

    def start_conversation(
        self,
        author_id: int,
        recipient_ids: Sequence[int],
        subject: str | None,
        body: str,
        *,
        group: bool = True,
        private: bool = False,
        context_code: str | None = None,
        at: datetime | None = None,
        attachments: Sequence[int] = (),
        forwarded_ids: Sequence[int] = (),
    ) -> int:
        """Let someone begin a conversation and return its id; a private one is reused when it exists."""
        with self.lock:
            conversation = delivery.open_conversation(
                self.state,
                list(dict.fromkeys([author_id, *recipient_ids])),
                private=private or not group,
                subject=subject,
                context_code=context_code,
            )
            self.receive(
                conversation.id,
                author_id,
                body,
                at=at,
                attachments=attachments,
                forwarded_ids=forwarded_ids,
            )
            return conversation.id

    def add_people(self, conversation_id: int, adder_id: int, user_ids: Sequence[int]) -> int | None:
        """Let a participant add people; return the id of the generated message, if there is one."""
        with self.lock:
            conversation = self.state.conversations[conversation_id]
            if conversation.private:
                raise ValueError(f"Conversation {conversation_id} is private: nobody can be added.")
            message = delivery.add_people(self.state, conversation, adder_id, user_ids, self.next_moment())
            return message.id if message else None

    def share(self, conversation_id: int, message_ids: Iterable[int], user_ids: Sequence[int]) -> None:
        """Give older messages to people who have no copy, as ``included_messages`` of a reply does."""
        with self.lock:
            for message_id in message_ids:
                delivery.share(self.state, self.state.conversations[conversation_id], message_id, user_ids)

    def rename(self, user_id: int, name: str, full_name: str | None = None) -> None:
        """Give a person another name."""
        with self.lock:
            self.state.people[user_id].name = name
            self.state.people[user_id].full_name = full_name or name

    def add_person(self, name: str, *, role: str = "student", course_ids: Sequence[int] = ()) -> int:
        """Enrol someone new and return their id."""
        with self.lock:
            user_id = self.state.next_id("user")
            self.state.people[user_id] = SandboxPerson(user_id, name, name, role=role)
            kind = "TeacherEnrollment" if role == "teacher" else "StudentEnrollment"
            for course_id in course_ids:
                self.state.enroll(course_id, user_id, kind)
            return user_id

    def conclude_course(self, course_id: int, *, concluded: bool = True) -> None:
        """End a course: nobody can reply in its conversations any more."""
        with self.lock:
            self.state.courses[course_id].concluded = concluded

    def add_file(
        self, owner_id: int, display_name: str, content: bytes, content_type: str = "application/pdf"
    ) -> int:
        """Put a file into someone's conversation attachments and return its id."""
        with self.lock:
            file = SandboxFile(
                self.state.next_id("file"), owner_id, display_name, content_type, self.now, "", content
            )
            self.state.files[file.id] = StoredFile(file, file_uuid(file.id))
            return file.id

    def delete_file(self, file_id: int) -> None:
        """Let the sender delete a file: its message keeps naming it, its download answers 404."""
        with self.lock:
            self.state.files[file_id].state = "deleted"

    def lock_file(self, file_id: int) -> None:
        """Lock a file: its links become empty."""
        with self.lock:
            self.state.files[file_id].state = "locked"

    def delete_for_all(self, conversation_id: int) -> None:
        """Let a site administrator wipe a conversation from everyone's view."""
        with self.lock:
            self.state.forget(self.state.conversations[conversation_id])

    def orphan(self, conversation_id: int) -> None:
        """Leave the rows of a conversation without their conversation, as damaged data does."""
        with self.lock:
            self.state.orphans.add(conversation_id)

    def move_to_foreign_account(self, conversation_id: int) -> None:
        """Hide a conversation from masquerading administrators, as another root account's would be."""
        with self.lock:
            self.state.conversations[conversation_id].foreign_account = True

    # What the owner does in another client -------------------------------------------------------------

    def own_reply(
        self,
        conversation_id: int,
        body: str,
        *,
        at: datetime | None = None,
        by_email: bool = False,
        attachments: Sequence[int] = (),
        forwarded_ids: Sequence[int] = (),
    ) -> int:
        """Let the owner reply in Canvas's own pages, or ``by_email``; return the message's id."""
        with self.lock:
            moment = at.replace(microsecond=0) if at is not None else self.next_moment()
            draft = Draft(self.owner_id, body, tuple(attachments), None, tuple(forwarded_ids))
            conversation = self.state.conversations[conversation_id]
            return delivery.post(self.state, conversation, draft, moment, by_email=by_email).id

    def owner_set(
        self,
        conversation_id: int,
        workflow_state: str | None = None,
        starred: bool | None = None,
        subscribed: bool | None = None,
    ) -> None:
        """Let the owner file, star or follow a conversation."""
        given = {"workflow_state": workflow_state, "starred": starred, "subscribed": subscribed}
        changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
        with self.lock:
            editing.update(self.state, self.owner_row(conversation_id), changes)

    def owner_delete(self, conversation_id: int) -> None:
        """Let the owner delete a conversation from their own view."""
        with self.lock:
            editing.delete(self.state, self.owner_row(conversation_id))

    def owner_remove_messages(self, conversation_id: int, message_ids: Iterable[int]) -> None:
        """Let the owner remove single messages from their own view."""
        with self.lock:
            editing.remove_messages(self.state, self.owner_row(conversation_id), message_ids)

    def restore_message(self, conversation_id: int, message_id: int) -> None:
        """Let a site administrator bring back a message the owner removed; ValueError for any other."""
        with self.lock:
            editing.restore_message(self.state, self.owner_row(conversation_id), message_id)

    def restore_conversation(self, conversation_id: int) -> None:
        """Let a site administrator bring back everything the owner removed from a conversation."""
        with self.lock:
            row = self.owner_row(conversation_id)
            for message_id in list(row.removed):
                editing.restore_message(self.state, row, message_id)

    def revert_archive(self, conversation_id: int) -> None:
        """Turn an archived conversation unread again by itself, as a known defect of Canvas does."""
        with self.lock:
            row = self.owner_row(conversation_id)
            if row.workflow_state == "archived":
                editing.set_workflow_state(self.state, row, "unread")
                self.state.placed(row)

    # Jobs ----------------------------------------------------------------------------------------------

    def finish_jobs(self) -> None:
        """Run all background work to its end."""
        with self.lock:
            self.jobs.finish(self.now)

    # The truth -----------------------------------------------------------------------------------------

    def truth(self) -> dict[int, dict[str, Any]]:
        """Return everything the owner can see, as the answers of ``show``, without marking anything read.

        Bodies are as a person reads them, with no entities; previews are as they are sent.
        """
        with self.lock:
            writer = Serialiser(
                self.state,
                self.owner_id,
                self.base_url,
                file_links=self.file_links,
                clean=self.clean,
                clean_body=without_scripts if self.texts == "entities" else str,
            )
            folders = self.state.folders(self.owner_id)
            return {
                row.conversation_id: writer.conversation(
                    row,
                    SHOWN,
                    visible=folders.holds("inbox", row.conversation_id),
                    messages=self.state.visible_messages(row),
                )
                for row in self.state.rows.get(self.owner_id, {}).values()
                if row.message_count > 0 and row.conversation_id not in self.state.orphans
            }
