"""The base of all groups of endpoints: reading a document, pagination, writing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

from canvas_archive.canvas.links import PageTrail, next_page
from canvas_archive.canvas.transport import Pairs, Transport
from canvas_archive.canvas.values import as_list
from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import Json

T = TypeVar("T")
logger = logging.getLogger("canvas_archive.canvas")


class Endpoints:
    """The base of the endpoint groups that make up ``CanvasClient``."""

    _transport: Transport

    @property
    def base_url(self) -> str:
        """The Canvas this client talks to, as ``https://host[:port]``."""
        return str(self._transport.home)

    @property
    def renewal(self) -> str:
        """The sentence that says how to replace this client's token."""
        return self._transport.renewal

    def _read(self, path: str, params: Pairs = ()) -> Json:
        return self._transport.request(self._transport.call("GET", path, params))[1]

    def _write(self, method: str, path: str, form: Pairs = (), *, idempotent: bool = False) -> Json:
        call = self._transport.call(method, path, form=form, idempotent=idempotent)
        return self._transport.request(call)[1]

    def _written(self, read: Callable[[Json], T], document: Json) -> T:
        """Read the answer to a write; when that fails, the error says that the write itself did happen."""
        try:
            return read(document)
        except MalformedAnswer as error:
            raise MalformedAnswer(f"{error} Canvas took the request: look before you repeat it.") from None

    def _pages(self, path: str, params: Pairs, size: Callable[[Json], int]) -> Iterator[Json]:
        """Yield the documents of a list, page by page, for as long as there is a next link."""
        transport = self._transport
        call = transport.call("GET", path, params)
        trail = PageTrail(call.url)
        while True:
            answer, document = transport.request(call)
            following = next_page(
                answer.headers.get("Link"), answer.url, transport.home, transport.as_user_id
            )
            yield document
            if following is None:
                return
            trail.follow(following, size(document))
            call = transport.reading(following)

    def _rows(self, path: str, params: Pairs, read: Callable[[Json], T]) -> Iterator[T]:
        """Yield the rows of a paged list; a row that cannot be read is logged and left out."""
        for document in self._pages(path, params, lambda page: len(page) if isinstance(page, list) else 0):
            for row in as_list(document, f"The list at {path}"):
                try:
                    item = read(row)
                except MalformedAnswer as error:
                    logger.warning("left out of the list at %s: %s", path, error)
                    continue
                yield item
