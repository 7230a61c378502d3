"""Tokens, and who a request acts for."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from starlette.requests import Request

from canvas_archive.sandbox.addressing import parse_id
from canvas_archive.sandbox.answers import Refusal, forbidden
from canvas_archive.sandbox.params import Params
from canvas_archive.sandbox.state import State

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="canvas-lms"'}
FAKE_STUDENT = "student_view"


@dataclass(slots=True)
class SandboxToken:
    """A token's owner and state: ``active``, ``revoked``, ``expired`` or ``unscoped``."""

    user_id: int
    state: str = "active"
    expired_at: str | None = None
    expires_at: str | None = None
    includes: bool = True  # whether its developer key allows include[] beyond uuid


class Tokens:
    """The tokens of the school, by secret."""

    def __init__(self) -> None:
        self._tokens: dict[str, SandboxToken] = {}

    def issue(self, user_id: int, secret: str | None = None, *, includes: bool = True) -> str:
        """Make a token for a person and return its secret."""
        secret = secret or f"7~{secrets.token_urlsafe(32)}"
        self._tokens[secret] = SandboxToken(user_id, includes=includes)
        return secret

    def revoke(self, secret: str) -> None:
        """Revoke a token."""
        self._tokens[secret].state = "revoked"

    def reinstate(self, secret: str) -> None:
        """Make a token work again."""
        self._tokens[secret].state = "active"

    def expire(self, secret: str, at: str) -> None:
        """Let a token expire at an ISO time."""
        self._tokens[secret].state = "expired"
        self._tokens[secret].expired_at = at

    def limit(self, secret: str, at: str) -> None:
        """Let a token work until an ISO time."""
        self._tokens[secret].expires_at = at

    def made_by(self, user_id: int) -> list[dict[str, object]]:
        """Return what Canvas shows a person of their own tokens: how they begin, not what they are."""
        return [
            {
                "id": number,
                "created_at": "2026-01-10T09:00:00Z",
                "expires_at": token.expires_at,
                "workflow_state": "active",
                "token_hint": secret.rpartition("~")[2][:5],
                "user_id": user_id,
                "purpose": "Archive",
            }
            for number, (secret, token) in enumerate(self._tokens.items(), start=1)
            if token.user_id == user_id and token.state == "active"
        ]

    def unscope(self, secret: str) -> None:
        """Give a token scopes that allow nothing here."""
        self._tokens[secret].state = "unscoped"

    def find(self, secret: str) -> SandboxToken | None:
        """Return a token by its secret."""
        return self._tokens.get(secret)


def secret_of(request: Request, params: Params) -> str | None:
    """Return the secret a request carries, in its header or as ``access_token``."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and secret.strip():
        return secret.strip()
    return params.text("access_token")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who acts (``user_id``), and who really does when masquerading (``real_user_id``)."""

    user_id: int
    real_user_id: int | None = None
    includes: bool = True

    @property
    def masquerading(self) -> bool:
        """Return whether someone acts as another person."""
        return self.real_user_id is not None


def identify(state: State, tokens: Tokens, secret: str | None, params: Params) -> Caller:
    """Return who a request acts for, or refuse it in Canvas's words."""
    if secret is None:
        raise Refusal(
            401,
            {"status": "unauthenticated", "errors": [{"message": "user authorization required"}]},
            CHALLENGE,
        )
    token = tokens.find(secret)
    if token is None:
        raise Refusal(401, {"errors": [{"message": "Invalid access token."}]}, CHALLENGE)
    if token.state == "revoked":
        raise Refusal(401, {"errors": [{"message": "Revoked access token."}]}, CHALLENGE)
    if token.state == "expired":
        problem = {"message": "Expired access token.", "expired_at": token.expired_at}
        raise Refusal(401, {"errors": [problem]}, CHALLENGE)
    if token.state == "unscoped":
        raise Refusal(401, {"errors": [{"message": "Insufficient scopes on access token."}]})
    person = state.people.get(token.user_id)
    if person is not None and person.role == FAKE_STUDENT:
        raise forbidden()
    return _masquerade(state, token, params.text("as_user_id"))


def _masquerade(state: State, token: SandboxToken, wanted: str | None) -> Caller:
    if wanted is None or wanted == "":
        return Caller(token.user_id, includes=token.includes)
    other = parse_id(wanted.removeprefix("sis_user_id:"))
    if other == token.user_id:
        return Caller(token.user_id, includes=token.includes)
    if other is None or other not in state.people or token.user_id not in state.admin_ids:
        raise Refusal(401, {"errors": "Invalid as_user_id"})
    return Caller(other, token.user_id, token.includes)
