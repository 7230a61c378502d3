"""Words for the slots that do not depend on a course."""

from __future__ import annotations

_ROOMS = (
    "Hollis 118", "Merton 3.12", "Curie 110", "Noether 210", "Turing 1.20", "the Aldous Library, room B",
    "Hollis 204", "the seminar room in Franklin", "Studio 2", "Merton 2.04", "the Wharf building, room 9",
)  # fmt: skip
_TIMES = ("9:00", "9:30", "10:15", "11:00", "12:30", "13:15", "14:00", "15:00", "15:30", "16:15", "17:00")
_SMALL = ("two", "three", "four", "five", "six")
_PLACES = (
    "the café on Mill Lane", "the Aldous Library", "the Student Union", "the bench outside Hollis",
    "the Alder House common room", "the foyer of Franklin", "the courtyard behind Merton",
)  # fmt: skip

SLOT_WORDS: dict[str, tuple[str, ...]] = {
    "room_other": _ROOMS,
    "time": _TIMES,
    "time2": _TIMES,
    "few": _SMALL,
    "few2": _SMALL,
    "place": _PLACES,
    "ch": ("2", "3", "4", "5", "6", "7", "8", "9", "11"),
    "page": ("14", "37", "52", "68", "91", "112", "140", "203"),
    "page2": ("18", "41", "57", "74", "96", "119", "151", "211"),
    "q": ("1b", "2", "3", "3c", "4", "5a", "6", "7"),
    "q2": ("1a", "2b", "3d", "4c", "5", "6b", "8"),
    "pct": ("72", "76", "78", "81", "84", "87", "91"),
    "pct2": ("70", "74", "79", "83", "86", "88", "93"),
    "sample": ("thirty-nine", "forty-one", "twenty-eight", "fifty-two", "sixty-four"),
    "sample2": ("thirty-eight", "forty-three", "thirty", "fifty", "sixty-one"),
    "city": ("Lisbon", "Turin", "Kraków", "Oaxaca", "Montréal", "Accra", "Hamburg", "Kyoto"),
    "relative": ("grandmother", "grandfather", "aunt", "uncle", "great-aunt"),
    "sport": ("rowing", "volleyball", "fencing", "cross-country", "orchestra", "debate"),
    "flat": ("2A", "3C", "4B", "5D", "6A"),
    "book": (
        "The Map That Changed the World", "Invisible Cities", "The Gene", "A Field Guide to Getting Lost",
        "The Periodic Table", "Gödel, Escher, Bach", "The Mushroom at the End of the World",
    ),
    "town": ("Leeds", "York", "Carlisle", "Bristol", "Norwich", "Inverness"),
    "lost": ("grey scarf", "calculator", "blue umbrella"),
    "film": ("Paris, Texas", "Spirited Away", "The Third Man", "Playtime", "Yi Yi", "Moonlight"),
    "ticket": ("INC-20417", "INC-20733", "INC-21102", "INC-21488", "INC-22015", "INC-22391"),
    "money": ("4.60", "7.20", "11.50", "14.00", "18.75"),
    "dish": ("lentil soup", "dumplings", "a tray of baklava", "jollof rice", "flatbread", "a bean stew"),
}  # fmt: skip
