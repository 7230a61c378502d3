"""The help topics: what no single command's ``--help`` can tell."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from canvas_archive.store.config import OPTIONS


class Topic(NamedTuple):
    """One topic: a line for the list, and the text."""

    summary: str
    text: str


EXIT_CODES = {
    0: "done",
    1: "something unexpected; --debug shows where",
    2: "wrong usage, or confirmation needed without a terminal",
    3: "no token, or Canvas does not accept it",
    4: "Canvas cannot be reached, or refuses",
    5: "finished, but some items failed; they are tried again later",
    6: "conflicts wait for a decision",
    7: "another process is writing to the archive",
    8: "verification failed",
    9: "stopped: other account, folder or schema, a link, not adopted, too new, mass removal",
    130: "interrupted; what was done is kept",
}

_QUERY = """\
Words are found whatever their case, accents and English endings. A message must have all of them.

  midterm exam            both words
  "room has changed"      a phrase
  photo*                  words that begin so
  NOT exam, -exam         not this
  lab OR section          one of them, and binds closer than a space; parentheses group

  from:chen  to:me  with:mensah       people, by a part of their name, their id, or me
  subject:midterm  course:"BIO 130"   in the subject; course or group
  filename:pdf                        names of attachments
  has:attachment  has:media           also has:link, has:forwarded
  has:pdf  larger:1M                  kind and size of a file; also has:image, smaller:200K
  id:123  thread:123                  a message or conversation; a conversation
  is:starred  is:unread  is:archived  also is:unstarred, is:read, is:removed, is:private, is:group
  in:inbox  in:sent  in:starred       folders; also in:unread, in:archived, in:removed
                                      (the only one that holds removed conversations)
  in:attachments                      the text inside attachments
  after:2026-03  before:2026  on:2026-03-09  after:7d

Dates are local without --tz. The first line that is printed says how the query was understood.
Names from other mail programs work where the same exists: since:, until:, author:, cc:, type:.
An operator or value that is not known, an open quotation mark and an open parenthesis are errors.
Any other text is searched, such as re: or 10:30. Quotation marks search for an operator as text.
On the command line, write NOT late, or -- before the query: a leading dash is for options.

  canvas-archive search 'midterm from:chen'
  canvas-archive search 'course:"GEOG 118" -from:me is:starred' --facets
  canvas-archive search --save exams 'midterm OR final'
  canvas-archive search --saved exams
"""

_FOLDERS = """\
What 'canvas-archive list --folder NAME' and 'export --folder NAME' know, newest first:

  inbox     what Canvas shows in the inbox: read and unread, not archived
  unread    the unread ones of the inbox
  starred   starred, wherever they are
  archived  archived
  sent      conversations you wrote in; those nobody answered are here alone
  removed   gone from Canvas, kept here

'list all' shows every folder but removed. An edit shows at once, before it was sent: an archived
conversation is in archived.

  canvas-archive list unread
  canvas-archive list sent --limit 5
  canvas-archive list --from chen --after 2026-03
"""

_TABLES = """\
'canvas-archive sql QUERY' reads; it cannot change anything. Times are ISO-8601 text in UTC, ids are
Canvas's own.

  conversations   one row each; starred, workflow_state, subscribed are what you want,
                  remote_starred, … what Canvas last said; removed_at: gone from Canvas
  messages        body, author_id, created_at, conversation_id
  users           names; conversation_participants and message_recipients say who was there
  attachments     display_name, content_type, size, state; message_attachments says where
  edits           what was changed here, and what became of it
  acts            what was done on Canvas at once, and what it answered
  threads         a view: one row per conversation with the names of its people
  inbox, sent     views, as Canvas shows them

  canvas-archive sql "SELECT people, count(*) FROM threads GROUP BY people ORDER BY 2 DESC LIMIT 5"
  canvas-archive sql "SELECT count(*) FROM messages WHERE author_id = :id" -p id 42
  canvas-archive sql "SELECT * FROM inbox" --csv

In any other SQLite client, UPDATE of starred, workflow_state or subscribed is an edit, which
'canvas-archive push' sends. All tables and columns: docs/schema.md, or 'canvas-archive serve'.
"""

_ENVIRONMENT = """\
  CANVAS_ARCHIVE         the archive's folder, as --archive
  CANVAS_API_URL         the Canvas of the token; 'login' and 'init' take it when no URL is given
  CANVAS_API_TOKEN       the access token; it goes before any other
  CANVAS_ARCHIVE_FLEET   the folder of a fleet, as --root
  CANVAS_ARCHIVE_ADOPTED 1: whatever archive is opened is your own ('adopt'); for containers
  NO_COLOR               no colours, no progress
  FORCE_COLOR            colours in a pipe, too; --color outranks both
  PAGER                  what long output goes through on a terminal; empty, or --no-pager: nothing
  CANVAS_ARCHIVE_COMMAND_OPTION
                         any option, e.g. CANVAS_ARCHIVE_LIST_LIMIT=50
  HTTPS_PROXY, ALL_PROXY the proxy to Canvas: http://, https://, socks5:// (with the extra 'socks')
  NO_PROXY               hosts, addresses and ranges that are reached without it
  SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE
                         certificates that are trusted beside the system's own
  XDG_DATA_HOME, XDG_STATE_HOME
                         where archives are kept, and where it is remembered which are yours
  XDG_CONFIG_HOME        where tokens are saved where there is no keyring

The token is looked for in this order: CANVAS_API_TOKEN, the token_command of config.toml, the system
keyring, and the file of 'canvas-archive login --token-file-ok'. 'canvas-archive token status' says
where it comes from.
A proxy is never used for a Canvas on this machine. 'doctor' shows what is in use.
A token given for one Canvas is not used for another one.
"""

_SCHEDULE = """\
A sync that runs by itself fetches what is new; it sends nothing. The token must be saved by
'canvas-archive login', or come from token_command in config.toml. What failed: canvas-archive status,
or canvas-archive log.

Linux and macOS, every hour (crontab -e):

  5 * * * *  canvas-archive sync --quiet

Linux with systemd, in ~/.config/systemd/user/canvas-archive.service and canvas-archive.timer:

  [Service]                           [Timer]
  Type=oneshot                        OnCalendar=hourly
  ExecStart=canvas-archive sync -q    [Install]
                                      WantedBy=timers.target

  systemctl --user enable --now canvas-archive.timer

Windows, every hour:

  schtasks /Create /SC HOURLY /TN canvas-archive /TR "canvas-archive sync --quiet"

While a terminal is open, every 30 minutes:

  canvas-archive sync --watch 30
"""


_FILLED = textwrap.TextWrapper(96, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False)


def _config() -> str:
    """Return what ``config.toml`` may hold, from the table that its reader uses."""
    rows = "".join(
        f"\n  {name} = {option.example}\n" + _FILLED.fill(option.sentence) + "\n"
        for name, option in OPTIONS.items()
    )
    return f"{CONFIG_SYNTAX}{rows}\n{CONFIG_GRANTS}"


CONFIG_SYNTAX = """\
The options of an archive are in the file config.toml in its folder, which you may edit. Each is one
line: a name, an equals sign and a value. Text stands in quotation marks, a list in brackets. A line
that begins with # is a comment. Only base_url has to be there. 'canvas-archive config' shows the file
and the values. No token belongs into it.
"""

CONFIG_GRANTS = """\
An option marked with (adopt) counts after you agreed to its value with 'canvas-archive adopt'.
"""

TOPICS = {
    "query": Topic("The search language.", _QUERY),
    "folders": Topic("Inbox, sent, archived and the others.", _FOLDERS),
    "tables": Topic("The tables for 'canvas-archive sql', with examples.", _TABLES),
    "schedule": Topic("A sync that runs by itself.", _SCHEDULE),
    "config": Topic("The options in config.toml.", _config()),
    "environment": Topic("Variables that stand for options.", _ENVIRONMENT),
    "exit-codes": Topic(
        "What a command ends with.",
        "".join(f"{code:5}  {meaning}\n" for code, meaning in EXIT_CODES.items()),
    ),
}
