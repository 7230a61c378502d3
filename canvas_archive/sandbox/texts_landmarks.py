"""Threads that every sample mailbox has, with fixed ids, dates and words: what tests and pictures name.

``LANDMARKS`` says what each is there to show. Dates count from the sample's own "today", 20 November
2026; another ``now`` moves them, but neither their ids nor their words.
"""

from __future__ import annotations

# ruff: noqa: E501 - each paragraph of a message is one line, as it was typed
from dataclasses import dataclass

from canvas_archive.sandbox.texts_long import LONG_NOTES

LONG_SUBJECT = (
    "The map essay: who brings the base maps, who books the light table in Hollis 204, who writes to the "
    "county archive about the 1887 survey sheets, and do we still want to meet on Saturday although the "
    "library closes at noon? (answer all four, please!!)"
)

BODIES = {
    "LONG": LONG_NOTES,
    "LONG_SUBJECT": LONG_SUBJECT,
    "LONG_SUBJECT_BODY": (
        "Sorry about the subject line, I wrote the whole message into it. So: base maps, light table, "
        "archive, Saturday. One line each is plenty."
    ),
    "WHITESPACE": (
        "    four spaces before this line, kept as they are\r\n"
        "site\tdepth\ttemperature\r\n"
        "north\t12\t8.4\r\n"
        "south\t9\t9.1\r\n"
        "\r\n"
        "  two spaces here, and a trailing space at the end of this line \r\n"
        "The tabs paste straight into a spreadsheet."
    ),
    "EQUALS": (
        "=SUM(B2:B14)/COUNT(B2:B14) is what I typed into cell B15 and it says #NAME?. "
        "Is the average function called something else in the lab's version?"
    ),
    "FROM_LINE": (
        "Here is the passage for the source analysis, typed out:\n"
        "\n"
        "From Bukhara we travelled eleven days through the desert, and the wells were bitter.\n"
        "From the walls of Samarkand one sees the mountains, white in May.\n"
        ">From this point the manuscript is damaged.\n"
        "\n"
        "The third line really begins with an angle bracket in the edition."
    ),
    "HTML": (
        'Your page shows <b>not bold</b> & "quotes" because the template escapes them twice: the source says '
        "&amp;lt;b&amp;gt;. Try removing one escape() call. And please don't put "
        "<script>alert('hello')</script> into the guest book again 🙃\n"
        "\n"
        "if a < b && b > c: it is still just text."
    ),
}

LANDMARK_TEXTS = r"""
## midterm-review
id: 700001
raw: yes
as: ta
courses: GEOG 118
cast: T ME
flags: starred
subject: Midterm review session
--- T @ 2026-11-09 17:40
Hi Jules,

The room for the midterm review session has changed: we are now in Hollis 204, on the second floor. The projector there is unreliable, so please bring a printed copy of the practice map.

Could you take the half hour on projections? I will do symbolisation and the ethics question, which always produces the best arguments.

Best,
Astrid
@file pdf Midterm review guide.pdf :: Midterm review guide|Know the difference between conformal and equal-area projections and be able to say which one a land cover table needs.|Tissot's indicatrix: sketch it for the Mercator, the Lambert cylindrical and the Mollweide projection.|Isarithmic and dasymetric maps are on the exam; cartograms are not.
--- ME @ 2026-11-11 00:10
Hello Astrid,

Gladly. I counted the samples for the land cover example again and we have forty-one, not thirty-nine. Two were filed under the wrong site. I have corrected the sheet and added a note about it.

I have attached the revised table. Please check the units in the third column, as I changed them from hectares to square kilometres.

See you next Wednesday,
Jules
@file csv samples.csv :: site,class,area_km2,visited|north fen,peatland,4,2026|mill lane,arable,9,2026|south fen,reedbed,2,2025|quarry,bare ground,1,2026|~41
--- T @ 2026-11-12 09:05
That is a relief: thirty-nine made the percentages add up to 95 and I had begun to doubt arithmetic.

One request for the review: somebody always asks whether the midterm covers the Mercator debate. It does, but only the Monmonier chapter, not the lecture by our guest.
--- ME @ 2026-11-12 21:47
Noted, Monmonier only. I made a one-page exercise: three maps of the same county, and they say which one lies and how. It took my flatmates twelve minutes, so it should fit.
@file pdf Three maps of one county.pdf :: Three maps of one county|Each map shows the same census figures. Which one would you print if you owned the quarry?|Look at the class breaks, then at the legend, then at what has been left out along the escarpment.
--- T @ 2026-11-14 10:22
This is lovely. Use it as the opener, before anybody has opened a notebook.

See you on Wednesday, and thank you,
Astrid

## recommendation-letter
id: 700002
raw: yes
as: student
courses: HIST 214
cast: T ME
flags: starred
subject: Recommendation letter for the Lisbon summer school
--- ME @ 2026-11-18 16:20
Dear Professor Fernández,

I am applying to the summer school on historical cartography in Lisbon and wanted to ask whether you would write a letter of recommendation for me. You supervised my paper on the paper trade last autumn, and it is the work I would like them to read.

The deadline is 4 December. I know that this is a busy time, so please feel free to say no.

With kind regards,
Jules Marchetti
--- T @ 2026-11-19 18:02
Dear Jules,

Lisbon! How very good. Is this the one at the Torre do Tombo, with the portolan charts? A former student of mine went two years ago and has been insufferable about rhumb lines ever since.

A.F.
--- ME @ 2026-11-19 19:31
The very one. I promise to be insufferable only in moderation.
--- T @ 2026-11-20 08:14
Yes, of course. I would be glad to write for you. Send me your transcript and a paragraph about what you want to do there, and I will have the letter in the portal before the end of the month.

Anneliese Fernández

## group-chat
id: 700003
raw: yes
as: student
courses: CS 240
context: group
cast: P=113 Q=130 R=120 ME S=117
subject: B-tree project: who does what
--- P @ 2026-10-26 12:02
Hi all 👋 the spec for the B-tree project is up. Four parts: node splitting, deletion, the disk format, the report. Shall we each take one?
--- Q @ 2026-10-26 12:09
I can do node splitting, I have half of it from lab 5 already
--- R @ 2026-10-26 12:31
Then I take the disk format. I like bytes.
--- ME @ 2026-10-26 13:15
Happy to write the report and the tests. Deletion is the hard one, shouldn't two people do that?
--- P @ 2026-10-26 13:17
Deletion is mine then, and Theo reviews it. ok?
--- Q @ 2026-10-26 13:17
ok!
--- R @ 2026-10-26 18:40
Repo: https://git.example.edu/cs240/team-rotation (ask me if you can't push)
--- ME @ 2026-10-28 09:12
Tests for insert are in. Theo, splitting loses the middle key when a node has an even number of keys. To see it:

    tree = BTree(order=4)
    for key in [10, 20, 5, 6, 12, 30]:
        tree.insert(key)
    assert 12 in tree   # fails
--- Q @ 2026-10-28 11:50
Found it, off by one in split_child. Pushed 🙏
--- added S by P @ 2026-10-29 10:00
--- P @ 2026-10-29 10:01
Majo's group dissolved, so Professor Mensah asked whether she could join us. Welcome!!
--- S @ 2026-10-29 10:20
¡Hola! Thanks for having me. I did most of a red-black tree in my old group, so deletion holds no terrors for me any more.
--- P @ 2026-10-29 10:22
You have no idea how happy that makes me 😅
--- R @ 2026-11-02 22:41
Disk format is done: 4096-byte pages, little-endian, the page number of the root in the header. Diagram attached.
@file png page-layout.png :: Page layout of the B-tree file|16,64,512,900,1400,1200
--- ME @ 2026-11-03 08:55
That diagram goes straight into the report.
--- S @ 2026-11-05 19:33
Deletion passes everything except borrowing from the left sibling. Can somebody look at it with me tomorrow? Turing 1.20 is free from 14:00.
--- Q @ 2026-11-05 19:40
I'll be there
--- P @ 2026-11-05 19:58
me too, with biscuits 🍪
--- S @ 2026-11-06 16:12
All green ✅ it was the parent key, we copied it before rotating instead of after
--- ME @ 2026-11-13 23:58
Report draft attached, six pages. Please read section 4 (measurements) most critically; I am not sure that the log scale is honest.
@file docx B-tree report draft.docx :: B-tree report, draft|We measured lookups in trees of order 4, 64 and 256 on files of up to two million keys.|Larger nodes win on disk because a lookup touches fewer pages; in memory the binary search within a node dominates.|Coalescing siblings lazily would have saved a third of the writes.
--- R @ 2026-11-14 09:30
Log scale is fine, but say so in the caption.
--- P @ 2026-11-19 20:14
Submitted! 🎉🎉 Receipt number 240-118-7. Thank you, best team.

## announcement
id: 700004
raw: yes
as: student
courses: CS 240
cast: T ME A=32
extra: 900-900
flags: unread
subject: Problem set 6: new deadline and a correction
--- T @ 2026-11-16 08:30
Dear all,

Two things about problem set 6.

1. Question 4 asks for a proof that the amortised cost of push is O(1). The potential function on the sheet was missing a factor of two. The corrected sheet is on the course page.

2. Because of the correction the deadline moves from Thursday to Monday 23 November, 23:59. There will be no further extension, so that I can return your work before the break.

Office hours this week are on Wednesday at 15:00 in Turing 1.20.

Emeka Mensah

## note-to-self
id: 700005
raw: yes
as: none
cast: ME
subject: Things to carry over
--- ME @ 2026-11-01 21:30
- return Invisible Cities to Aldous (due the 24th)
- locker code 31-07-19, change it!
- ask the Registrar about the double-counted elective
- buy graph paper, the 2 mm kind
--- ME @ 2026-11-08 10:04
Done: graph paper. Not done: everything else.

## forwarded-room
id: 700006
raw: yes
as: ta
courses: GEOG 118
cast: ME P=129
subject: Room for the midterm review
--- P @ 2026-11-10 14:31
Hi Jules, is the review next Wednesday still in the lecture hall? Somebody in section said that it had moved.
--- ME @ 2026-11-10 15:02
It has. I am forwarding you what Astrid wrote, so that you can pass it on.
@forward midterm-review 1
--- P @ 2026-11-10 15:10
Perfect, told everyone in the section chat. Thank you!

## outside-origin
id: 700007
raw: yes
as: none
cast: P=901 Q=905
subject: Room booking, Alder House
--- P @ 2026-11-02 09:00
The Alder House common room is confirmed for the careers evening on 26 November, 18:00 to 20:30. Please note that the piano may not be moved; the wheels went through the parquet in 1998 and nobody has forgotten.

## nested-forward
id: 700008
raw: yes
as: none
cast: P=905 ME Q=131
subject: Fwd: careers evening
--- P @ 2026-11-04 11:15
Dear Jules, dear Nia,

you offered to help with the careers evening. Residence Life has confirmed the room, see below.
@forward outside-origin 1
--- ME @ 2026-11-04 12:40
Thank you! Nia, can you do the chairs if I do the name badges?
--- Q @ 2026-11-05 09:08
Sure. My flatmate asked who may move what, so here is the whole chain again, with the piano.
@forward nested-forward 1

## cross-shard
id: 10000000000456
raw: yes
as: student
courses: CS 240
cast: B=10000000000123 ME
subject: Exchange semester: which lab did you mean?
--- B @ 2026-11-15 13:05
Hej Jules! I am the exchange student from the partner university, Professor Mensah said you could tell me which lab section still has places. My account lives on our server at home, so I hope that this message arrives.
--- ME @ 2026-11-15 14:20
It arrived! Lab section L3, Tuesdays at 10:15 in Turing 0.04, had four free places this morning. Tell Felix Haddad that you are coming.
--- B @ 2026-11-16 07:58
Tack så mycket, I have a place. See you on Tuesday!

## course-codes
id: 700009
raw: yes
as: ta
courses: BIO 101
cast: P=126 ME
subject: BIO-101 or BIO 130 first?
--- P @ 2026-04-02 11:24
Hi Jules, my advisor wrote "take bio101 before BIO-130", the catalogue says that BIO 130 has no prerequisite, and the form only knows BIO101L. Which one is right?
--- ME @ 2026-04-02 17:40
The catalogue is right: BIO 130 has no prerequisite. BIO101L is only the lab section of BIO-101, which you are in already. I took BIO-130 without it and survived, but osmosis would have been easier.

Ask registrar@example.edu to fix the form, or ring extension 4471.
--- P @ 2026-04-02 17:52
Thanks, that saved me a semester 😄

## code-snippet
id: 700010
raw: yes
as: student
courses: CS 240
cast: A=32 ME
subject: Lab 5: my hash table loses keys
--- ME @ 2026-10-06 22:14
Hi Felix, after a resize some keys are gone. This is my code:

```python
def resize(self):
    old = self.buckets
    self.buckets = [[] for _ in range(len(old) * 2)]
    for bucket in old:
        for key, value in bucket:
            self.buckets[hash(key) % len(old)].append((key, value))
```

I have stared at it for an hour.
--- A @ 2026-10-07 08:47
Look at what you take the remainder by. After the resize a lookup uses len(self.buckets), but you still file the entries under len(old).

It should read:

    self.buckets[hash(key) % len(self.buckets)].append((key, value))

Everybody writes this bug once.
--- ME @ 2026-10-07 09:01
> Look at what you take the remainder by.

Oh no. Thank you!

## formula
id: 700011
raw: yes
as: student
courses: MATH 221
cast: T ME
flags: archived
subject: A doubt about the Gram-Schmidt proof
--- ME @ 2026-03-05 20:31
Dear Professor Mori,

in the notes the projection is written as proj_u(v) = (⟨u,v⟩ / ⟨u,u⟩) · u. When u is already a unit vector the denominator is ‖u‖² = 1, so may I leave it out? And does the argument need that the matrix is invertible, or only that the columns are independent (det(AᵀA) ≠ 0)?

Jules
--- T @ 2026-03-06 09:12
Yes to the first. For the second: independence is enough, and that is exactly why the theorem holds for an m × n matrix with m > n, where "invertible" makes no sense. For a square matrix the two say the same.

The usual slip is to normalise too early; then e^(iπ) + 1 = 0 is easier to believe than your own arithmetic.

M.M.
--- ME @ 2026-03-06 10:40
That is clearer than the book. Thank you!

## csv-formula
id: 700012
raw: yes
as: ta
courses: BIO 101
cast: P=133 ME
subject: Spreadsheet trouble in the leaf lab
--- P =EQUALS @ 2026-02-11 15:20
--- ME @ 2026-02-11 16:05
+1 for trying before asking. It is AVERAGE(B2:B14), in capitals, without the equals sign in the middle. If it still says #NAME?, your decimal comma is to blame.
--- P @ 2026-02-11 16:09
-1 for the decimal comma. Works now.

## mbox-from
id: 700013
raw: yes
as: student
courses: HIST 214
cast: A=35 ME
flags: archived
subject: Source analysis: the damaged page
--- ME =FROM_LINE @ 2025-10-21 19:45
--- A @ 2025-10-22 10:10
Good transcription. Keep the bracket, put [sic] after it and cite the edition's page, then nobody can blame you.

## html-looking
id: 700014
raw: yes
as: student
courses: CS 240
cast: P=116 ME
subject: <b>why is this not bold?</b> & other questions
--- P @ 2026-09-29 18:22
Look at my page, it prints the tags. Is it the template or is it me?
--- ME =HTML @ 2026-09-29 19:03
--- P @ 2026-09-29 19:10
ok ok 😇 it was one escape() too many

## whitespace
id: 700015
raw: yes
as: student
courses: BIO 130
cast: P=112 ME
flags: archived
subject: Pond temperatures
--- P =WHITESPACE @ 2025-09-18 16:44
--- ME @ 2025-09-18 17:30
Pasted without a hitch, thanks.

## long-message
id: 700016
raw: yes
as: student
courses: ENGL 305
cast: P=137 ME
flags: starred
subject: My notes from the whole conference, as promised
--- ME @ 2026-03-20 08:15
Rosalind, I am stuck in bed with a fever. Could you write down for me what is said at the essay conference? A few lines are enough.
--- P =LONG @ 2026-03-21 22:48
--- ME @ 2026-03-22 09:20
"A few lines"!! You are a treasure. I have read all of it twice.

## very-short
id: 700017
raw: yes
as: student
courses: MATH 221
cast: P=141 ME
subject: tuesday?
--- P @ 2026-02-03 09:01
Library at 4?
--- ME @ 2026-02-03 09:02
ok!
--- P @ 2026-02-03 09:02
👍

## chinese
id: 700018
raw: yes
as: student
courses: CS 240
cast: P=104 ME
subject: 关于期中考试的复习
--- P @ 2026-10-12 20:17
你好 Jules！我整理了数据结构课的期中考试复习笔记,包括散列表和红黑树。你要不要一起在图书馆复习?我星期四下午三点以后有空。
@file txt 复习笔记.txt :: 期中考试复习笔记|一、散列表:冲突、负载因子、再散列|二、红黑树:旋转与重新着色|三、均摊分析:势能法
--- ME @ 2026-10-12 21:05
小明，谢谢你！我的中文还不太好 😅 but Thursday at three works. Shall we meet on the second floor of Aldous?
--- P @ 2026-10-12 21:11
好的,星期四见!My English notes are in the same file, at the end.

## japanese
id: 700019
raw: yes
as: student
courses: ART 156
cast: P=105 ME
flags: archived
subject: 展覧会のお知らせ (gallery visit)
--- P @ 2025-03-14 12:40
ジュールさん、こんにちは。土曜日の版画展に一緒に行きませんか。北斎の「富嶽三十六景」が来ています。美術館の前で十時に会いましょう。
--- ME @ 2025-03-14 13:22
行きます！ありがとう。I understood Hokusai, ten o'clock and "in front of the museum". Did I miss anything?
--- P @ 2025-03-14 13:25
Only that it is on Saturday 😄

## arabic
id: 700020
raw: yes
as: student
courses: HIST 214
cast: P=106 ME
subject: ترجمة رحلة ابن بطوطة
--- P @ 2025-11-03 17:50
مرحباً جولز، وجدت النص الأصلي لرحلة ابن بطوطة في مكتبة الجامعة. الفصل عن سمرقند أطول بكثير من الترجمة التي قرأناها في الصف. هل تريد أن نقارن النصين معاً يوم الأحد؟
--- ME @ 2025-11-03 18:31
شكراً سارة! Yes please. I can only read it slowly, but I would love to see what the translator left out about سمرقند.
--- P @ 2025-11-03 18:40
ممتاز، إلى اللقاء يوم الأحد. He left out the melons, which is unforgivable.

## hebrew
id: 700021
raw: yes
as: student
courses: PHYS 121
cast: P=107 ME
flags: archived
subject: שאלה על המעבדה
--- P @ 2025-04-08 11:05
היי ג'ולס, שכחתי את מחברת המעבדה בכיתה. ראית אותה במקרה? הכריכה כחולה ורשום עליה "תנע זוויתי".
--- ME @ 2025-04-08 11:19
Found it! כן, היא אצלי. I will bring it to the Thursday lab.
--- P @ 2025-04-08 11:20
תודה רבה!! 💙

## birthday
id: 700022
raw: yes
as: student
courses: SPAN 110
cast: P=117 Q=135 R=142 T ME
subject: ¡Feliz cumpleaños, Jules!
--- P @ 2024-11-19 08:00
¡Feliz cumpleaños, Jules! 🎂 Que cumplas muchos más. Mañana después de clase hay pastel en el patio, trae una cuchara.
--- Q @ 2024-11-19 08:41
Joyeux anniversaire ! J'ai hâte de goûter ce gâteau. Je t'ai gardé la plus grosse part, ne le dis pas à Lena.
--- R @ 2024-11-19 09:15
Alles Gute zum Geburtstag, lieber Jules! Ich hab's gelesen, Jean-Luc. Die größte Schüssel Schlagsahne bringe trotzdem ich mit.
--- T @ 2024-11-19 10:02
Muchas felicidades, Jules. Para celebrarlo, hoy no hay prueba de vocabulario. R. Quiñones
--- ME @ 2024-11-19 12:30
¡Mil gracias! Merci ! Danke! Best birthday so far, and not only because of the cancelled quiz.

## same-bytes
id: 700023
raw: yes
as: ta
courses: GEOG 118
cast: P=144 ME
subject: Which version did I hand in?
--- P @ 2026-10-15 21:40
Hi Jules, I uploaded two versions of my map critique and can no longer tell which one counts. Both are attached. Did I send you the same file twice?
@file docx Map critique FINAL.docx :: Map critique|The tourist map of the old harbour leaves out every street north of the railway. My argument is that this silence is deliberate.|Compare the hachures on the headland with those on the 1887 sheet.
@file docx Map critique FINAL (2) really.docx :: Map critique|The tourist map of the old harbour leaves out every street north of the railway. My argument is that this silence is deliberate.|Compare the hachures on the headland with those on the 1887 sheet.
--- ME @ 2026-10-16 08:20
They are the same, byte for byte. Whichever counts, you are safe. Good argument, by the way.

## attachment-words
id: 700024
raw: yes
as: student
courses: HIST 214
cast: A=35 ME
subject: Handout for the manuscripts session
--- A @ 2025-10-01 09:30
Hi everyone in the Wednesday seminar, here is the handout. Read the first page, skim the rest, and bring a question. The small table can be sorted by century.
@file pdf Handout 5.pdf :: Handout 5: manuscripts in the desert|A palimpsest is a parchment that has been scraped and written on again; under ultraviolet light the older layer returns.|The Sogdian letters were found folded in a watchtower west of Dunhuang, undelivered.|Vocabulary: colophon, folio, recto, verso, marginalia.
@file csv manuscripts.csv :: shelfmark,century,language,material|Or 8212,4,Sogdian,paper|Pelliot 2125,8,Chinese,silk|Tod 14,7,Khotanese,birch bark
@file docx Seminar questions.docx :: Seminar questions|Who paid for paper, and who could read it?|Is a lost letter evidence of a postal system or of its failure? Consider the codicology before you answer.
--- ME @ 2025-10-01 18:12
Thanks, Chloé. My question will be about the watchtower, so please don't answer it before Wednesday.

## voice-messages
id: 700025
raw: yes
as: student
courses: SPAN 110
cast: T ME
flags: starred
subject: Pronunciation practice
--- T @ 2024-10-09 14:10
Jules, escucha el audio y repite las tres frases. Fíjate en la erre de "ferrocarril".
@media audio Tres frases.m4a
--- ME @ 2024-10-09 20:33
Aquí está mi grabación. The third sentence took eleven attempts.
@media video Mi grabación.mp4
--- T @ 2024-10-10 09:01
¡Mucho mejor! La erre ya casi ruge.

## long-subject
id: 700026
raw: yes
as: student
courses: HIST 214
cast: P=138 ME Q=122
subject: =LONG_SUBJECT
--- P =LONG_SUBJECT_BODY @ 2025-11-12 10:30
--- ME @ 2025-11-12 11:02
Base maps: me. Light table: booked. Archive: Ana-Maria. Saturday: no.
--- Q @ 2025-11-12 12:45
Archive: written to, they answer within ten working days.

## no-subject
id: 700027
raw: yes
as: none
cast: P=132 ME
--- P @ 2026-11-17 22:10
did you leave your umbrella at ours? green, wooden handle, smells faintly of chips ☔
--- ME @ 2026-11-17 22:24
Guilty on all three counts. I'll fetch it tomorrow 🌂

## same-second
id: 700028
raw: yes
as: student
courses: MATH 221
cast: P=108 ME
subject: Problem set 3, question 2
--- P @ 2026-02-10 19:00:00
Did you get λ = 3 twice as well?
--- ME @ 2026-02-10 19:04:30
Did you get λ = 3 as a double eigenvalue?
--- P @ 2026-02-10 19:04:30
I mean a double eigenvalue, with a one-dimensional eigenspace
--- ME @ 2026-02-10 19:04:31
We wrote that in the same second 😂 Yes, so it is not diagonalisable.

## sent-only
id: 700029
raw: yes
as: none
cast: ME O=904
subject: Elective counted twice on my transcript
--- ME @ 2026-11-19 11:20
Dear Registrar's Office,

my unofficial transcript lists ART 156 both as an elective and under general education, so the total says 126 credits instead of 122. Could you correct it before the degree audit in December? My student number is 20240417.

Kind regards,
Jules Marchetti

## addressed-to-some
id: 700030
raw: yes
as: student
courses: BIO 130
cast: ME P=109 Q=127 R=103
subject: Poster: printing and money
--- P @ 2025-12-01 10:00
Printing the poster costs 36.00 in A0. Split by four that is 9.00 each, or we ask the department.
--- ME @ 2025-12-01 10:45
Let's ask first. I can write to Dr. Benhaddou.
--- Q > ME @ 2025-12-01 11:02
Just to you, Jules: Diego is a bit short this month. If the department says no, I can pay his part, but please don't make a thing of it.
--- ME > Q @ 2025-12-01 11:20
Understood, and that is kind of you. I'll put in half of it.
--- P > Q R @ 2025-12-01 11:30
Zahra, Diego: Jules's birthday was two weeks ago and we forgot. Cake on the day of the poster session?
--- R @ 2025-12-02 09:14
The department pays! I met her in the corridor. Print it.

## unsubscribed
id: 700031
raw: yes
as: none
cast: P=145 ME Q=146 R=124
flags: unsubscribed
subject: Carpool to the airport, winter edition
--- P @ 2026-10-30 09:00
Who flies on the 13th? My cousin has a van with seven seats.
--- Q @ 2026-10-30 09:20
Me, at 11:40. One suitcase, one ukulele.
--- R @ 2026-10-30 12:01
Me too, but at 18:05 😬
--- ME @ 2026-10-30 13:00
I take the train this year, so I am muting this. Safe travels!
--- P @ 2026-11-11 17:30
So far: Keanu, Kwame, me. Four seats left.
--- Q @ 2026-11-11 18:02
The ukulele counts as hand luggage.

## two-sams
id: 700032
raw: yes
as: student
courses: CS 240
cast: P=118 Q=119 ME
subject: The other Sam Lee
--- P @ 2026-09-08 15:00
Hi! I keep getting lab partner requests meant for the other Sam Lee. I am the Sam who plays the cello.
--- Q @ 2026-09-08 15:12
And I am the Sam who doesn't. We have matching e-mail addresses except for a 2: sam.lee2@example.edu is me.
--- ME @ 2026-09-08 15:40
Then I wanted the Sam without the cello. Sorry, cello Sam!
--- P @ 2026-09-08 15:41
Happens daily 🎻

## links
id: 700033
raw: yes
as: ta
courses: GEOG 118
cast: P=136 ME
subject: Broken link on the week 7 page
--- P @ 2026-10-08 10:12
The link to the projection tool on the week 7 page gives a 404: https://maps.example.edu/tools/projection-explorer?week=7&view=print#tissot

Is there another address?
--- ME @ 2026-10-08 10:40
They moved it over the summer. This one works: https://maps.example.edu/explorer/ (choose "Tissot" on the left). If it asks for a password, write to maps-help@example.edu; they answer within the hour.
--- P @ 2026-10-08 10:44
Works, thank you.

## accommodations
id: 700034
raw: yes
as: ta
courses: GEOG 118
cast: O=903 T ME
flags: unread
subject: Accommodations for the final
--- O @ 2026-11-18 10:30
Dear Astrid, dear Jules,

three students in GEOG 118 have extended time (1.5×) for the final on 14 December, and one needs a screen reader. I have booked Franklin 020 for them from 9:00 to 12:45. Please send me the exam as a tagged PDF by 7 December, so that we can test it.

Best wishes,
Ruth Ferreira
--- T @ 2026-11-18 12:05
Thank you, Ruth. Jules, could you check that every map in the exam has a text description? The choropleth of commuter flows will need some thought.
--- ME @ 2026-11-18 15:47
Will do. I would describe the pattern first and then give the figures as a table, which the screen reader handles well.
--- O @ 2026-11-20 09:52
A table is ideal. I will send you last year's example, which the students liked.
"""


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
        "first of five messages from Astrid Chen; `midterm from:chen` finds it; a PDF, a CSV and a second PDF",
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
    "group-report": Landmark(700003, 1151995203, "a docx attachment; coalescing is only in the file"),
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
        "three attachments; palimpsest only in the PDF, Khotanese only in the CSV, codicology only in the docx",
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
