"""The access token: a secret that only the ``Authorization`` header shows."""

from __future__ import annotations

from canvas_archive.errors import TokenRefused
from canvas_archive.secret import Secret, is_token_text, token_text

SHORTEST_HINT = 4
_LOGIN = "then run: canvas-archive login"
NEW_TOKEN = f"Make a new token in Canvas (Account > Settings > New Access Token), {_LOGIN}"


class Token:
    """A Canvas access token. Neither ``repr`` nor ``str`` nor formatting shows it."""

    __slots__ = ("_secret", "renewal")

    def __init__(self, secret: str, renewal: str = NEW_TOKEN) -> None:
        """Take the secret as Canvas showed it, without what was copied with it (see ``token_text``).

        ``renewal`` says how to replace this token, once Canvas refuses it.

        Raises TokenRefused when the text cannot be a token at all.
        """
        secret = cleaned = token_text(secret)
        if not is_token_text(cleaned):
            raise TokenRefused(
                f"That is not an access token: it is empty or has characters no token has. {renewal}"
            )
        self._secret = cleaned
        self.renewal = renewal

    def header(self) -> Secret:
        """Return the value of the ``Authorization`` header."""
        return Secret(f"Bearer {self._secret}")

    def begins_with(self, hint: str) -> bool:
        """Return whether ``hint`` is how this token begins, with or without the number of its shard."""
        hint = hint.rstrip(".")
        bare = self._secret.partition("~")[2]
        return len(hint) >= SHORTEST_HINT and (self._secret.startswith(hint) or bare.startswith(hint))

    def __repr__(self) -> str:
        return "Token(hidden)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and other._secret == self._secret

    def __hash__(self) -> int:
        return hash(self._secret)

    def __reduce__(self) -> str:
        raise TypeError("an access token is not to be pickled or copied into a file")
