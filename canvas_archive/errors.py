"""Everything that can go wrong, as one hierarchy.

Each class carries the exit code the command line ends with; each instance carries one or two
sentences that say what happened and what to do about it.

    ArchiveError                        1   (anything below, or a defect)
    ├── MachineTrouble                  1   the disk is full or fails, a folder cannot be written
    ├── BadInput                        2   an argument, option, query or file of the user's is wrong
    │   ├── NoArchive                   2   there is no archive in that folder
    │   └── UnknownName                 2   nobody, or no course, of that name is in the archive
    ├── CredentialProblem               3   no token, or Canvas does not accept it
    │   ├── TokenMissing
    │   └── TokenRefused
    ├── CanvasProblem                   4   Canvas cannot be reached, or refuses
    │   ├── Unreachable                     no connection, time-outs, broken answers, past the patience
    │   ├── NotCanvas                       something answers there, but it is not Canvas
    │   ├── UnsafeRedirect                  a link or redirect would leave the configured host
    │   ├── MalformedAnswer                 Canvas answered with something that cannot be read
    │   └── ApiError                        Canvas answered with an error status
    │       ├── BadRequest                  400, 422
    │       ├── NotPermitted                401 without WWW-Authenticate, 403
    │       ├── NotFound                    404
    │       ├── Throttled                   429, or 403 "Rate Limit Exceeded", past the patience
    │       └── ServerFailure               5xx, past the patience
    ├── ItemsFailed                     5   finished, but some items failed; they are tried first next time
    ├── ConflictsLeft                   6   edits wait for a decision
    ├── ArchiveLocked                   7   another process is writing to this archive
    ├── VerificationFailed              8   the archive or an export does not match its own records
    └── GuardRefused                    9   the safe answer is to stop
        ├── WrongAccount                    the token belongs to another person or host
        ├── ForeignFolder                   the folder holds something that is not an archive
        ├── NotAdopted                      the archive is somebody else's: it is only read
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
    """An argument, an option, a query or a file of the user's cannot be used."""

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


class CanvasProblem(ArchiveError):
    """Canvas cannot be reached, or refuses."""

    exit_code = 4


class Unreachable(CanvasProblem):
    """No answer could be had within the patience."""


class NotCanvas(CanvasProblem):
    """Something answers at that address, but it is not a Canvas API."""


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


class ServerFailure(ApiError):
    """Still a 5xx answer when the patience ran out."""


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


class NotAdopted(GuardRefused):
    """The archive was made by somebody else, and this user has not said to trust it."""


class NewerArchive(GuardRefused):
    """The archive was written by a newer version of this program."""


class MassRemoval(GuardRefused):
    """More than half of the mailbox seems to be gone from Canvas."""
