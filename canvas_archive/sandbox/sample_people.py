"""The sample school: its people, its courses, and the words each course talks about.

Everyone here is made up. Ids of people named in this module never depend on the size of the mailbox.
"""

from __future__ import annotations

from dataclasses import dataclass

from canvas_archive.sandbox.mailbox import SandboxPerson

OWNER_ID = 1047
CROSS_SHARD_PERSON_ID = 10000000000123
DOMAIN = "example.edu"


@dataclass(frozen=True, slots=True)
class Character:
    """A person of the sample and how the texts call them: first name and formal address."""

    id: int
    name: str
    called: str
    full_name: str = ""
    pronouns: str | None = None
    role: str = "student"
    formal: str = ""
    login: str = ""

    def person(self) -> SandboxPerson:
        """Return the plain person the sandbox serves."""
        login = self.login or f"u{self.id}"
        return SandboxPerson(
            id=self.id,
            name=self.name,
            full_name=self.full_name or self.name,
            pronouns=self.pronouns,
            role=self.role,
            email=f"{login}@{DOMAIN}",
        )


def _c(
    id: int,
    name: str,
    called: str,
    pronouns: str | None = None,
    *,
    full: str = "",
    role: str = "student",
    formal: str = "",
    login: str = "",
) -> Character:
    return Character(id, name, called, full, pronouns, role, formal or called, login)


CHARACTERS: tuple[Character, ...] = (
    _c(OWNER_ID, "Jules Marchetti", "Jules", "they/he", role="ta", login="jules.marchetti"),
    # Teachers
    _c(11, "Astrid Chen", "Astrid", "she/her", full="Dr. Astrid Chen", role="teacher",
       formal="Professor Chen", login="achen"),
    _c(12, "Prof. Emeka Mensah", "Emeka", "he/him", full="Chukwuemeka Mensah", role="teacher",
       formal="Professor Mensah", login="emensah"),
    _c(13, "Prof. Marcus Mori", "Marcus", role="teacher", formal="Professor Mori", login="mmori"),
    _c(14, "Prof. Siobhán O'Brien", "Siobhán", "she/her", role="teacher", formal="Professor O'Brien",
       login="sobrien"),
    _c(15, "Dr. Leïla Benhaddou", "Leïla", "she/her", role="teacher", formal="Dr. Benhaddou",
       login="lbenhaddou"),
    _c(16, "Anneliese Fernández", "Anneliese", full="Prof. Anneliese Fernández Krüger", role="teacher",
       formal="Professor Fernández", login="afernandez"),
    _c(17, "Prof. Ingrid Þórsdóttir", "Ingrid", "she/her", role="teacher",
       formal="Professor Þórsdóttir", login="ithorsdottir"),
    _c(18, "Rafael Quiñones", "Rafael", "él", full="Prof. Rafael Quiñones Ibáñez", role="teacher",
       formal="Profesor Quiñones", login="rquinones"),
    _c(19, "Dr. Thandiwe Nkosi", "Thandiwe", "she/her", role="teacher", formal="Dr. Nkosi",
       login="tnkosi"),
    _c(20, "Hélène Vasseur", "Hélène", "elle", role="teacher", formal="Hélène", login="hvasseur"),
    _c(21, "Dr. Gábor Szőke", "Gábor", "he/him", role="teacher", formal="Dr. Szőke", login="gszoke"),
    # Teaching assistants
    _c(31, "Hana Mensah", "Hana", "she/her", role="ta", login="hana.mensah"),
    _c(32, "Felix Haddad", "Felix", "he/him", role="ta", login="felix.haddad"),
    _c(33, "Farah Raman", "Farah", role="ta", login="farah.raman"),
    _c(34, "Yusuf Nilsen", "Yusuf", "he/him", role="ta", login="yusuf.nilsen"),
    _c(35, "Chloé Demir", "Chloé", "she/they", role="ta", login="chloe.demir"),
    # Students
    _c(101, "Imani Dubois", "Imani", "she/her", login="imani.dubois"),
    _c(102, "Jonas Karimi", "Jonas", "he/him", login="jonas.karimi"),
    _c(103, "Diego Raman", "Diego", login="diego.raman"),
    _c(104, "王小明", "小明", full="Wang Xiaoming (王小明)", login="xiaoming.wang"),
    _c(105, "Yuki 春", "Yuki", "she/her", full="Haruno Yuki 春野 雪", login="yuki.haruno"),
    _c(106, "سارة الخطيب", "سارة", full="Sara Al-Khatib", pronouns="she/her", login="sara.alkhatib"),
    _c(107, "נועה לוי", "נועה", full="Noa Levi", login="noa.levi"),
    _c(108, "김하늘", "하늘", full="Kim Ha-neul", login="haneul.kim"),
    _c(109, "Zoë van der Meer", "Zoë", "she/her", login="zoe.vandermeer"),
    _c(110, "Łukasz Wójcik", "Łukasz", login="lukasz.wojcik"),
    _c(111, "Søren Østergaard", "Søren", "he/him", login="soren.ostergaard"),
    _c(112, "Nguyễn Thị Minh Anh", "Minh Anh", login="minhanh.nguyen"),
    _c(113, "Priya Raghunathan", "Priya", "she/her", login="priya.raghunathan"),
    _c(114, "Seun Adébáyò", "Seun", "he/him", full="Oluwaseun Adébáyò", login="seun.adebayo"),
    _c(115, "Aoife Ní Bhriain", "Aoife", "she/her", login="aoife.nibhriain"),
    _c(116, "Дмитрий Волков", "Дима", full="Dmitri Volkov", login="dmitri.volkov"),
    _c(117, "María José Núñez", "Majo", "ella", full="María José Núñez Arriaga", login="majo.nunez"),
    _c(118, "Sam Lee", "Sam", "they/them", full="Samantha Lee", login="sam.lee"),
    _c(119, "Sam Lee", "Sam", "he/him", full="Samuel Lee", login="sam.lee2"),
    _c(120, "Kaʻiulani Kealoha", "Kaʻiu", "she/her", login="kaiulani.kealoha"),
    _c(121, "Tuğçe Yılmaz", "Tuğçe", login="tugce.yilmaz"),
    _c(122, "Ana-Maria Țepeș", "Ana-Maria", login="anamaria.tepes"),
    _c(123, "Ewa Zając", "Ewa", "she/her", login="ewa.zajac"),
    _c(124, "Kwame Boateng", "Kwame", "he/him", login="kwame.boateng"),
    _c(125, "Tan Mei-Ling", "Mei-Ling", login="meiling.tan"),
    _c(126, "Arjun Patel", "Arjun", "he/him", login="arjun.patel"),
    _c(127, "Fatima Zahra El Amrani", "Fatima Zahra", "she/her", login="fatima.elamrani"),
    _c(128, "Liam O'Connor", "Liam", login="liam.oconnor"),
    _c(129, "Grace Okafor", "Grace", "she/her", login="grace.okafor"),
    _c(130, "Theo Lindqvist", "Theo", "he/they", login="theo.lindqvist"),
    _c(131, "Nia Campbell", "Nia", "she/her", login="nia.campbell"),
    _c(132, "Milo Hart 🌱", "Milo", "they/them", full="Milo Hart", login="milo.hart"),
    _c(133, "Teuila Faleolo", "Teuila", login="teuila.faleolo"),
    _c(134, "Elif Şahin", "Elif", "she/her", login="elif.sahin"),
    _c(135, "Jean-Luc Moreau", "Jean-Luc", login="jeanluc.moreau"),
    _c(136, "Hamza Siddiqui", "Hamza", "he/him", login="hamza.siddiqui"),
    _c(137, "Rosalind Achebe", "Rosalind", "she/her", login="rosalind.achebe"),
    _c(138, "Tomáš Dvořák", "Tomáš", login="tomas.dvorak"),
    _c(139, "Isabela Rocha", "Isabela", "ela/dela", login="isabela.rocha"),
    _c(140, "Amara Diallo", "Amara", login="amara.diallo"),
    _c(141, "Vikram Iyer", "Vikram", "he/him", login="vikram.iyer"),
    _c(142, "Lena Fischer", "Lena", "sie/ihr", login="lena.fischer"),
    _c(143, "Daniel Cohen", "Daniel", login="daniel.cohen"),
    _c(144, "Ivy Thompson", "Ivy", "she/her", login="ivy.thompson"),
    _c(145, "Maria Aurelia Concepción de la Santísima Trinidad Villanueva-Hohenberg y Castellanos",
       "Aurelia", login="aurelia.villanueva"),
    _c(146, "Keanu Silva", "Keanu", login="keanu.silva"),
    _c(CROSS_SHARD_PERSON_ID, "Björn Ångström", "Björn", "he/him", full="Björn Ångström (exchange)",
       login="bjorn.angstrom"),
    # Offices
    _c(901, "Residence Life Office", "Residence Life", role="staff", login="reslife"),
    _c(902, "Aldous Library", "Aldous Library", role="staff", login="library"),
    _c(903, "Ruth Ferreira", "Ruth", "she/her", full="Ruth Ferreira (Accessibility Services)",
       role="staff", login="accessibility"),
    _c(904, "Registrar's Office", "Registrar", role="staff", login="registrar"),
    _c(905, "Career Centre", "Career Centre", role="staff", login="careers"),
    _c(906, "Marta Kowalczyk", "Marta", "she/her", full="Marta Kowalczyk (IT Help Desk)", role="staff",
       login="helpdesk"),
)  # fmt: skip

# Only names on class rosters: they fill large courses and write now and then.
ROSTER_FIRST = (
    "Adaeze", "Aiden", "Alba", "Anders", "Anouk", "Asha", "Beatriz", "Ben", "Camille", "Carmen", "Dalia",
    "Emil", "Esther", "Farid", "Freya", "Gita", "Hugo", "Ines", "Jamal", "Jana", "Kofi", "Laila", "Leo",
    "Lucía", "Maeve", "Mahdi", "Malin", "Naomi", "Noor", "Olga", "Omar", "Paula", "Quentin", "Ruben",
    "Saanvi", "Selma", "Tariq", "Uma", "Viktor", "Wren", "Ximena", "Yara", "Zainab",
)  # fmt: skip
ROSTER_LAST = (
    "Abbott", "Almeida", "Bakker", "Bianchi", "Castillo", "Clarke", "Dlamini", "Eriksen", "Fontaine",
    "García", "Gupta", "Hassan", "Hoang", "Ibrahim", "Jansen", "Kamara", "Kaya", "Larsen", "Maalouf",
    "Marín", "Mwangi", "Nakamura", "Ndiaye", "Novák", "Osei", "Park", "Pereira", "Rossi", "Sato", "Shah",
    "Sokolova", "Tanaka", "Varga", "Weber", "Yamada", "Zheng", "Ziegler",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subject:
    """A course and its vocabulary: what its messages are about."""

    id: int
    code: str
    title: str
    term_id: int
    owner_role: str  # "student" or "ta"
    teacher: int
    assistants: tuple[int, ...]
    topics: tuple[str, ...]
    tasks: tuple[str, ...]
    readings: tuple[str, ...]
    room: str
    group_names: tuple[str, ...] = ()
    roster: int = 0


# Term id, name, first day and last day (the last one is still running).
TERMS: tuple[tuple[int, str, tuple[int, int, int], tuple[int, int, int]], ...] = (
    (61, "Autumn 2024", (2024, 8, 26), (2024, 12, 14)),
    (62, "Spring 2025", (2025, 1, 13), (2025, 5, 10)),
    (63, "Autumn 2025", (2025, 8, 25), (2025, 12, 13)),
    (64, "Spring 2026", (2026, 1, 12), (2026, 5, 9)),
    (65, "Autumn 2026", (2026, 8, 24), (2026, 12, 12)),
)

SUBJECTS: tuple[Subject, ...] = (
    Subject(3011, "CHEM 110", "Matter and Change", 61, "student", 19, (34,),
            ("limiting reagents", "titration curves", "electron configurations", "buffer solutions",
             "Hess's law"),
            ("lab report 2", "problem set 4", "the titration write-up", "the pre-lab quiz"),
            ("chapter 4 of the textbook", "the handout on significant figures", "section 7.3"),
            "Curie 110", ("Bench 4",)),
    Subject(3012, "SPAN 110", "Spanish in Conversation", 61, "student", 18, (),
            ("the preterite and the imperfect", "por and para", "the subjunctive", "relative pronouns"),
            ("the oral presentation", "the second composition", "the interview project",
             "the vocabulary journal"),
            ("the Rulfo story", "unit 5 of the workbook", "the Cortázar excerpt"),
            "Merton 3.12"),
    Subject(3021, "PHYS 121", "Mechanics", 62, "student", 17, (33,),
            ("rotational inertia", "conservation of momentum", "friction on an incline",
             "coupled oscillators", "work and kinetic energy"),
            ("problem set 5", "the pendulum lab", "lab report 3", "the take-home quiz"),
            ("chapter 9", "the section on torque", "the worked examples in chapter 6"),
            "Noether 021", ("Pendulum pair",)),
    Subject(3022, "ART 156", "Drawing from Observation", 62, "student", 20, (),
            ("negative space", "contour drawing", "tonal studies", "linear perspective"),
            ("the sketchbook", "the still life series", "the final portfolio", "the gallery response"),
            ("the Ruskin extract", "the Berger essay", "the article on silverpoint"),
            "Studio 2"),
    Subject(3031, "BIO 130", "Cell Biology", 63, "student", 15, (34, 35),
            ("membrane transport", "the Golgi apparatus", "mitosis", "signal transduction",
             "the electron transport chain"),
            ("lab report 4", "the microscopy lab", "the figure exercise", "the poster", "problem set 2"),
            ("chapter 12", "the review on membrane rafts", "the Mitchell paper"),
            "Franklin 305", ("Team Vacuole",)),
    Subject(3032, "HIST 214", "Cities of the Silk Road", 63, "student", 16, (35,),
            ("Samarkand under the Timurids", "caravanserais", "the paper trade", "the Sogdian letters",
             "plague and trade"),
            ("the source analysis", "the map essay", "the annotated bibliography", "the research paper",
             "the seminar presentation"),
            ("the Ibn Battuta excerpt", "the Hansen chapter", "the letters in translation"),
            "Hollis 118", ("Bukhara group",)),
    Subject(3041, "ENGL 305", "The Essay", 64, "student", 14, (),
            ("the lyric essay", "voice and persona", "Montaigne", "endings", "the braided form"),
            ("the second essay", "the imitation exercise", "the peer review", "the final portfolio"),
            ("the Didion essay", "the Baldwin piece", "the Woolf essay", "the Dillard excerpt"),
            "Merton 2.04"),
    Subject(3042, "MATH 221", "Linear Algebra", 64, "student", 13, (32,),
            ("eigenvalues", "change of basis", "orthogonal projections", "the rank theorem",
             "diagonalisation"),
            ("problem set 3", "problem set 6", "the take-home midterm", "the proof portfolio"),
            ("section 4.2", "chapter 6", "the notes on Gram-Schmidt"),
            "Noether 210", ("Tuesday proof group",)),
    Subject(3043, "BIO 101", "Living Systems", 64, "ta", 21, (35,),
            ("osmosis", "photosynthesis", "food webs", "natural selection", "plant tissues"),
            ("lab report 1", "the leaf lab", "the pond sampling sheet", "the concept map"),
            ("chapter 3", "the lab manual, pages 20 to 31", "the article on finches"),
            "Franklin 112", (), 30),
    Subject(3051, "GEOG 118", "Maps and Their Makers", 65, "ta", 11, (31,),
            ("map projections", "choropleth maps", "the Mercator debate", "georeferencing",
             "indigenous mapping", "land cover"),
            ("the map critique", "lab 4", "the projection exercise", "the field sketch",
             "the land cover table", "the atlas project"),
            ("the Monmonier chapter", "the Harley essay", "the article on the Selden map"),
            "Hollis 204", ("Atlas group B",), 40),
    Subject(3052, "CS 240", "Data Structures", 65, "student", 12, (32, 33),
            ("hash tables", "red-black trees", "amortised analysis", "graph traversal", "heaps"),
            ("problem set 3", "lab 5", "the B-tree project", "the profiling exercise", "problem set 6"),
            ("chapter 11", "the paper on skip lists", "the notes on big-O"),
            "Turing 1.20", ("Team Rotation",), 130),
)  # fmt: skip

BY_ID = {character.id: character for character in CHARACTERS}
STUDENT_IDS = tuple(c.id for c in CHARACTERS if c.role == "student" and c.id < 10**6)
