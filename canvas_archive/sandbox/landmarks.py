"""Threads that every sample mailbox has, with fixed ids, dates and words: what tests and pictures name.

``LANDMARKS`` says what each is there to show; ``texts/landmarks.txt`` has their words. Dates count from the
sample's own "today", 20 November 2026; another ``now`` moves them, but neither their ids nor their words.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Landmark:
    """A fixed message of the sample and what it is there to show."""

    conversation_id: int
    message_id: int
    shows: str


LANDMARKS: dict[str, Landmark] = {
    "midterm-review": Landmark(
        700001,
        1157409603,
        "first of five messages from Astrid Chen; `midterm from:chen` finds it; two PDFs and a CSV",
    ),
    "midterm-reading": Landmark(700001, 1161062406, "the only message with midterm, Mercator and Monmonier"),
    "recommendation-letter": Landmark(
        700002, 1172072646, "today's message; starred; the word is in the subject and in message 1"
    ),
    "group-chat": Landmark(
        700003, 1137731526, "a long thread of five people in a project group (group context)"
    ),
    "generated": Landmark(
        700003, 1141761600, "a generated message: María José Núñez was added by Priya Raghunathan"
    ),
    "group-report": Landmark(700003, 1163302083, "a docx attachment; coalescing is only in the file"),
    "announcement": Landmark(700004, 1166558400, "more than 100 participants; unread"),
    "note-to-self": Landmark(700005, 1146571200, "the owner alone; in no scope but sent"),
    "forwarded-room": Landmark(700006, 1158640326, "forwards a message that lives in midterm-review"),
    "outside-origin": Landmark(
        700007, 1147233600, "a thread the owner is not in: known only because it was forwarded"
    ),
    "forward": Landmark(700008, 1150128000, "forwards outside-origin"),
    "nested-forward": Landmark(700008, 1151388486, "forwards a message that itself forwards"),
    "cross-shard": Landmark(
        10000000000456, 9007199254741993, "conversation and person of another shard; message id above 2**53"
    ),
    "course-codes": Landmark(
        700009, 851538240, "bio101, BIO-130, BIO 130 and BIO101L in one message; BIO-101 in the subject"
    ),
    "email-address": Landmark(700009, 851899203, "the address registrar@example.edu and the extension 4471"),
    "code-snippet": Landmark(700010, 1110671046, "a fenced code block with indentation"),
    "quoted-reply": Landmark(700010, 1111292163, "a reply that quotes with >"),
    "formula": Landmark(700011, 813356163, "mathematical signs and Greek"),
    "csv-formula": Landmark(700012, 782644806, "the body begins with ="),
    "mbox-from": Landmark(700013, 626688000, "lines that begin with From and >From"),
    "html-looking": Landmark(700014, 1100810880, "tags, entities and a script that are plain text"),
    "html-subject": Landmark(700014, 1100771523, "tags in the subject"),
    "whitespace": Landmark(700015, 580895046, "leading spaces, tabs, CRLF, trailing space"),
    "long-message": Landmark(700016, 835606080, "more than 3,000 words"),
    "very-short": Landmark(700017, 771222726, "ok!"),
    "emoji-only": Landmark(700017, 771222727, "a body of one emoji"),
    "chinese": Landmark(700018, 1118853126, "Chinese; a text attachment with a Chinese name"),
    "japanese": Landmark(700019, 320769603, "Japanese, three scripts"),
    "arabic": Landmark(700020, 644548806, "Arabic, right to left"),
    "hebrew": Landmark(700021, 355238406, "Hebrew, right to left"),
    "birthday-spanish": Landmark(700022, 161524800, "Spanish with accents"),
    "birthday-french": Landmark(700022, 161564166, "French with accents and elisions"),
    "birthday-german": Landmark(700022, 161596800, "German with umlauts and sharp s"),
    "same-bytes": Landmark(700023, 1123080003, "two attachments, two names, the same bytes"),
    "attachment-words": Landmark(
        700024,
        598449600,
        "palimpsest only in its PDF, Khotanese only in its CSV, codicology only in its docx",
    ),
    "audio": Landmark(700025, 105201603, "an audio comment"),
    "video": Landmark(700025, 105569280, "a video comment"),
    "long-subject": Landmark(700026, 656568000, "a subject of 250 characters"),
    "no-subject": Landmark(700027, 1168728003, "the subject is null"),
    "same-second": Landmark(
        700028, 781477920, "two messages of different authors in one second, a third one second later"
    ),
    "sent-only": Landmark(700029, 1170868806, "the owner wrote, nobody answered"),
    "addressed-to-some": Landmark(700030, 682864326, "addressed to the owner alone in a thread of four"),
    "hidden-from-owner": Landmark(700030, 682891200, "addressed to others only: the owner has no copy"),
    "unsubscribed": Landmark(700031, 1160164800, "a group thread the owner has unsubscribed from"),
    "two-sams": Landmark(700032, 1071547200, "two people called Sam Lee"),
    "links": Landmark(700033, 1112742720, "an address with query and fragment"),
    "accommodations": Landmark(700034, 1169438400, "unread, three people, newest message today"),
}
