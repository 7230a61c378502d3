"""Whose mailbox a token opens: checked before it is read or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.errors import WrongAccount

if TYPE_CHECKING:
    from canvas_archive.canvas import CanvasClient
    from canvas_archive.model import User
    from canvas_archive.store import Archive


def check_account(archive: Archive, client: CanvasClient) -> User:
    """Return what Canvas says of the archive's own person.

    Raises WrongAccount when the token answers for somebody else.

    :calls: GET /api/v1/users/self
    """
    user = client.current_user()
    account = archive.account
    owner = account.owner_id
    if user.id != owner:
        raise WrongAccount(
            f"This archive belongs to {account.name or 'user'} (user {owner}), but the token answers for "
            f"{user.name} (user {user.id}). For another mailbox name another folder with --archive. "
            f"{client.renewal}"
        )
    return user
