"""Who is who: the token's owner, courses, and the people one can write to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from canvas_archive.canvas import parse
from canvas_archive.canvas.endpoints import Endpoints
from canvas_archive.canvas.transport import Pairs
from canvas_archive.errors import MalformedAnswer, NotCanvas, NotFound
from canvas_archive.model import AccessToken, Course, Progress, Recipient, User

_COURSE_STATES = ("unpublished", "available", "completed")


class PeopleApi(Endpoints):
    """The endpoints around people, courses and background jobs."""

    def current_user(self) -> User:
        """Return the person the token belongs to, or the one it acts as.

        Raises NotCanvas when something else answers there, TokenRefused for a bad token, NotPermitted when
        it may not act as that person, Unreachable.

        :calls: GET /api/v1/users/self
        """
        new = not self._transport.is_canvas
        try:
            return parse.user(self._read("/users/self"))
        except (MalformedAnswer, NotFound) as error:
            if not new:
                raise
            raise NotCanvas(
                f"{self.base_url} answers, but not as a Canvas API: {error} Check the address."
            ) from None

    def current_token(self) -> AccessToken | None:
        """Return Canvas's record of the token in use; ``None`` when several tokens match it.

        Canvas shows the beginnings of the tokens that a person made; they are compared here, nothing of the
        token is sent. Raises any CanvasProblem or CredentialProblem; a school may not allow the question.

        :calls: GET /api/v1/users/self/user_generated_tokens
        """
        tokens = self._rows("/users/self/user_generated_tokens", (("per_page", "100"),), parse.access_token)
        mine = [token for token in tokens if self._transport.sends(token.hint)]
        return mine[0] if len(mine) == 1 else None

    def courses(self) -> Iterator[Course]:
        """Yield every course the caller is or was in, with its term; rows that cannot be read are logged.

        Raises any CanvasProblem or CredentialProblem.

        :calls: GET /api/v1/courses
        """
        params = (
            ("include[]", "term"),
            *(("state[]", state) for state in _COURSE_STATES),
            ("per_page", "100"),
        )
        return self._rows("/courses", params, parse.course)

    def find_recipients(
        self,
        search: str | None = None,
        *,
        context: str | None = None,
        exclude: Sequence[str | int] = (),
        types: Sequence[str] = (),
        user_id: int | None = None,
    ) -> Iterator[Recipient]:
        """Yield people and contexts one may write to; without search, context or user there are none.

        ``context`` is like ``course_12``; ``types`` are ``user`` and ``context``. Canvas keeps it as an old
        name of ``search_recipients``.

        :calls: GET /api/v1/conversations/find_recipients
        """
        params = _recipient_params(search, context, exclude, types, user_id)
        return self._rows("/conversations/find_recipients", params, parse.recipient)

    def search_recipients(
        self,
        search: str | None = None,
        *,
        context: str | None = None,
        exclude: Sequence[str | int] = (),
        types: Sequence[str] = (),
        user_id: int | None = None,
    ) -> Iterator[Recipient]:
        """Yield people and contexts one may write to, as ``find_recipients`` does.

        :calls: GET /api/v1/search/recipients
        """
        params = _recipient_params(search, context, exclude, types, user_id)
        return self._rows("/search/recipients", params, parse.recipient)

    def progress(self, progress_id: int) -> Progress:
        """Return the state of a background job; ``completion`` is in percent.

        Raises NotFound and NotPermitted for another person's job.

        :calls: GET /api/v1/progress/:id
        """
        return parse.progress(self._read(f"/progress/{int(progress_id)}"))


def _recipient_params(
    search: str | None,
    context: str | None,
    exclude: Sequence[str | int],
    types: Sequence[str],
    user_id: int | None,
) -> Pairs:
    params = [("per_page", "100")]
    if search is not None:
        params.append(("search", search))
    if context is not None:
        params.append(("context", context))
    params += [("exclude[]", str(one)) for one in exclude]
    params += [("types[]", one) for one in types]
    if user_id is not None:
        params.append(("user_id", str(int(user_id))))
    return tuple(params)
