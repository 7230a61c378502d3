"""A Canvas that has just the mailbox of an archive: enough to sync one of a million messages without changes.

    python -m tests.benchmarks.archive_canvas ARCHIVE

It knows who the token's owner is and the lists of conversations, and answers anything else with 404. One JSON
line says where it is; it ends when its input does.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_SCOPES = {
    # scope: (the condition, the time its list is sorted by)
    "inbox": ("remote_workflow_state <> 'archived' AND last_message_at > ''", "last_message_at"),
    "unread": ("remote_workflow_state = 'unread' AND last_message_at > ''", "last_message_at"),
    "archived": ("remote_workflow_state = 'archived' AND last_message_at > ''", "last_message_at"),
    "sent": ("last_authored_message_at > ''", "last_authored_message_at"),
    "starred": ("remote_starred = 1", "coalesce(last_message_at, last_authored_message_at)"),
}
_ROWS = """
SELECT id, subject, remote_workflow_state AS workflow_state, last_message, last_message_at,
  last_authored_message, last_authored_message_at, message_count,
  remote_subscribed AS subscribed, private, remote_starred AS starred, properties,
  audience, avatar_url, context_code, context_name
FROM conversations WHERE {condition} ORDER BY {sorted_by} DESC, id DESC LIMIT ?
"""
_IDS = "SELECT id FROM conversations WHERE {condition} ORDER BY {sorted_by} DESC, id DESC"
_PEOPLE = """
SELECT u.id, u.name, u.full_name FROM conversation_participants p JOIN users u ON u.id = p.user_id
WHERE p.conversation_id = ? ORDER BY p.position
"""


class Mailbox:
    """The lists, read from the archive once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        db.row_factory = sqlite3.Row
        (self.owner_id, self.owner) = tuple(db.execute("SELECT user_id, name FROM account").fetchone())
        self._pages = {scope: self._page(db, *how) for scope, how in _SCOPES.items()}

    def _page(self, db: sqlite3.Connection, condition: str, sorted_by: str) -> tuple[list[Any], list[int]]:
        told = {"condition": condition, "sorted_by": sorted_by}
        rows = [self._row(db, row) for row in db.execute(_ROWS.format(**told), (100,)).fetchall()]
        return rows, [row[0] for row in db.execute(_IDS.format(**told))]

    def _row(self, db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
        told = dict(row)
        told.update({name: json.loads(told[name]) for name in ("properties", "audience")})
        told.update({name: bool(told[name]) for name in ("subscribed", "private", "starred")})
        told["participants"] = [dict(person) for person in db.execute(_PEOPLE, (row["id"],))]
        kind, _, number = (row["context_code"] or "").partition("_")
        told["audience_contexts"] = {"courses": {number: ["StudentEnrollment"]} if kind == "course" else {}}
        return told

    def answer(self, path: str) -> object | None:
        """Return the document for a path with its query; ``None`` when there is none."""
        parts = urlsplit(path)
        if parts.path == "/api/v1/users/self":
            return {"id": self.owner_id, "name": self.owner}
        if parts.path != "/api/v1/conversations":
            return None
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        rows, ids = self._pages[query.get("scope", "inbox")]
        top = rows[: int(query["per_page"])]
        if "include_all_conversation_ids" not in query:
            return top
        return {"conversations": top, "conversation_ids": ids}


def serve(mailbox: Mailbox) -> ThreadingHTTPServer:
    """Start answering on the loopback, in a thread of this process."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            document = mailbox.answer(self.path)
            body = json.dumps({"errors": []} if document is None else document).encode()
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing: standard output is for the answers."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    """Serve until the input ends."""
    with closing(sqlite3.connect(f"file:{Path(sys.argv[1]) / 'archive.db'}?mode=ro", uri=True)) as db:
        mailbox = Mailbox(db)
    server = serve(mailbox)
    try:
        print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
        sys.stdin.read()
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
