"""Everything that can go wrong, as one hierarchy.

Each class carries the exit code the command line ends with; each instance carries one or two
sentences that say what happened and what to do about it.

    ArchiveError                        1   (anything below, or a defect)
    ├── MachineTrouble                  1   the disk is full or fails, a folder cannot be written
    ├── BadInput                        2   an argument, option, variable, query or file is wrong
    │   ├── NoArchive                   2   there is no archive in that folder
    │   └── UnknownName                 2   nobody, or no course, of that name is in the archive
    ├── CredentialProblem               3   no token, or Canvas does not accept it
    │   ├── TokenMissing
    │   ├── TokenRefused
    │   └── KeyringUnusable                 there is no system keyring, or it fails
    ├── CanvasProblem                   4   Canvas cannot be reached, or refuses
    │   ├── Unreachable                     Canvas as a whole does not answer, past the patience
    │   │   └── Unanswered                  one request gets no whole answer, while Canvas answers others
    │   ├── NotCanvas                       something answers there, but it is not Canvas
    │   ├── UnsafeRedirect                  a link or redirect would leave the configured host
    │   ├── MalformedAnswer                 Canvas answered with something that cannot be read
    │   └── ApiError                        Canvas answered with an error status
    │       ├── BadRequest                  400, 422
    │       ├── NotPermitted                401 without WWW-Authenticate, 403
    │       ├── NotFound                    404
    │       ├── Throttled                   429, or 403 "Rate Limit Exceeded", past the patience
    │       └── ServerFailure               5xx to this request, while Canvas answers others
    ├── ItemsFailed                     5   finished, but some items failed; they are tried again later
    ├── ConflictsLeft                   6   edits wait for a decision
    ├── ArchiveLocked                   7   another process is writing to this archive
    ├── VerificationFailed              8   the archive or an export does not match its own records
    └── GuardRefused                    9   the safe answer is to stop
        ├── WrongAccount                    the token belongs to another person or host
        ├── ForeignFolder                   the folder holds something that is not an archive
        ├── ForeignSchema                   the database holds tables or triggers that are not this program's
        ├── UnusableFile                    a link, FIFO, device or outsized file is where a file belongs
        ├── NotAdopted                      made on another machine or by somebody else: it is only read
        ├── NewerArchive                    written by a newer version of this program
        └── MassRemoval                     Canvas suddenly misses more than half of the mailbox

An interruption (Ctrl-C, SIGTERM) ends with 130.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_UNEXPECTED = 1
EXIT_INTERRUPTED = 130


class ArchiveError(Exception):
    """Base of every error this program raises on purpose; ``str()`` is the sentence for the user."""

    exit_code = EXIT_UNEXPECTED


class MachineTrouble(ArchiveError):
    """The machine refuses: the disk is full, read-only or fails, too many files are open.

    ``everywhere``: another archive would meet the same.
    """

    everywhere = False


class BadInput(ArchiveError):
    """An argument, an option, a variable, a query or a file of the user's cannot be used."""

    exit_code = 2


class NoArchive(BadInput):
    """There is no archive in that folder."""


class UnknownName(BadInput):
    """The archive knows no person, or no course, of a name that was given."""


class CredentialProblem(ArchiveError):
    """No token, or one that Canvas does not accept."""

    exit_code = 3


class TokenMissing(CredentialProblem):
    """No token in the environment, the configuration or the keyring."""


class TokenRefused(CredentialProblem):
    """Canvas says the token is unknown, revoked or expired."""


class KeyringUnusable(CredentialProblem):
    """This machine has no keyring, or its keyring fails: ``reason`` says which, ``repair`` what may help."""

    def __init__(self, reason: str, repair: str = "", *, otherwise: str = "") -> None:
        self.reason, self.repair = reason, repair
        ways = [
            way for way in (repair, otherwise or "set CANVAS_API_TOKEN, or run: canvas-archive login") if way
        ]
        text = ", ".join(ways)
        super().__init__(f"{reason} {text[:1].upper()}{text[1:]}")


class CanvasProblem(ArchiveError):
    """Canvas cannot be reached, or refuses.

    ``item_alone``: the error concerns the one thing that was asked for, so a run goes on with the others.
    """

    exit_code = 4
    item_alone = True


class Unreachable(CanvasProblem):
    """Canvas as a whole gave no answer within the patience.

    ``never_sent``: the request certainly did not reach Canvas.
    """

    item_alone = False

    def __init__(self, sentence: str, *, never_sent: bool = False) -> None:
        super().__init__(sentence)
        self.never_sent = never_sent


class Unanswered(Unreachable):
    """One request gets no whole answer, while Canvas answers others."""

    item_alone = True


class NotCanvas(CanvasProblem):
    """Something answers at that address, but it is not a Canvas API."""

    item_alone = False


class UnsafeRedirect(CanvasProblem):
    """A next link or a redirect would have taken the token to another host."""


class MalformedAnswer(CanvasProblem):
    """An answer that is not what the API documents: broken JSON, a login page, wrong types."""


class ApiError(CanvasProblem):
    """Canvas answered with an error status.

    ``status`` is the HTTP status; ``messages`` are the sentences of the body, whichever of Canvas's
    error shapes it had; ``request`` is ``"METHOD path"`` without query or credentials.
    """

    def __init__(
        self, sentence: str, *, status: int, messages: tuple[str, ...] = (), request: str = ""
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.messages = messages
        self.request = request


class BadRequest(ApiError):
    """Canvas found the request wrong (400, 422)."""


class NotPermitted(ApiError):
    """The token is fine, but this is not allowed (403, or 401 without ``WWW-Authenticate``)."""


class NotFound(ApiError):
    """Canvas knows nothing by that id (404)."""


class Throttled(ApiError):
    """Still throttled when the patience ran out."""

    item_alone = False


class ServerFailure(ApiError):
    """Canvas keeps answering this request with 5xx."""


class ItemsFailed(ArchiveError):
    """The run finished, but some items failed and are recorded as problems."""

    exit_code = 5


class ConflictsLeft(ArchiveError):
    """Edits conflict with what Canvas has and wait for a decision."""

    exit_code = 6


class ArchiveLocked(ArchiveError):
    """Another process is writing to this archive."""

    exit_code = 7


class VerificationFailed(ArchiveError):
    """Something does not match its own record."""

    exit_code = 8


class GuardRefused(ArchiveError):
    """A guard stopped the program before it could do harm."""

    exit_code = 9


class WrongAccount(GuardRefused):
    """The token belongs to another person or another Canvas than this archive."""


class ForeignFolder(GuardRefused):
    """The folder holds something that is not an archive of ours."""


class ForeignSchema(GuardRefused):
    """The database holds tables, views, indexes or triggers that this program did not make."""


class UnusableFile(GuardRefused, OSError):
    """A link, FIFO, socket, device or outsized file is where a file of the archive belongs.

    An OSError as well: code that goes on without a file that cannot be read goes on without this one.
    ``reason`` says what it is, without the path.
    """

    def __init__(self, sentence: str, *, reason: str) -> None:
        super().__init__(sentence)
        self.reason = self.strerror = reason

    def __str__(self) -> str:
        return str(self.args[0])


class NotAdopted(GuardRefused):
    """The archive was made on another machine or by somebody else, and this user has not said to trust it."""


class NewerArchive(GuardRefused):
    """The archive was written by a newer version of this program."""


class MassRemoval(GuardRefused):
    """More than half of the mailbox seems to be gone from Canvas."""
