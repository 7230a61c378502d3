"""Marking the words of a search in the texts of a conversation that was opened from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from canvas_archive.errors import ArchiveError

if TYPE_CHECKING:
    from canvas_archive.search import Marking
    from canvas_archive.web.page_request import PageRequest
    from canvas_archive.web.threads import MessageView


@dataclass(frozen=True, slots=True)
class SearchedWords:
    """The words of a search; without ``marking`` nothing is marked."""

    marking: Marking | None = None

    def __bool__(self) -> bool:
        return self.marking is not None and bool(self.marking.wanted)

    def marked(self, text: str) -> Markup:
        """Return a text escaped, with ``<mark>`` around the words."""
        if self.marking is None:
            return escape(text)
        from canvas_archive.search import marked_text

        return Markup("").join(
            Markup("<mark>{}</mark>").format(piece) if is_marked else escape(piece)
            for piece, is_marked in marked_text(text, self.marking)
        )

    def in_message(self, message: MessageView) -> bool:
        """Return whether a message, or one that it forwards, has any of the words."""
        if not self:
            return False
        return "<mark>" in self.marked(message.body) or any(map(self.in_message, message.forwarded))


NO_WORDS = SearchedWords()


def searched_words(page_request: PageRequest, context: str) -> SearchedWords:
    """Return the words of the search that a conversation was opened from (``search:QUERY``)."""
    kind, _, query = context.partition(":")
    if kind != "search" or not query:
        return NO_WORDS
    from canvas_archive.search import words_to_mark

    try:
        return SearchedWords(
            words_to_mark(
                page_request.archive.path,
                page_request.archive.search,
                query,
                tz=page_request.dates.zone,
                now=page_request.dates.now,
            )
        )
    except ArchiveError:
        return NO_WORDS  # the conversation is shown without marks
