"""What the owner writes about as a teaching assistant: with students, fellow assistants and the teacher."""

from __future__ import annotations

# ruff: noqa: E501 - each paragraph of a message is one line, as it was typed

TEACHING_TEXTS = r"""
## ta-extension
as: ta
when: 2-15
cast: P ME
subject: Can I get an extension on {task}?
subject: {Task} due {day+1}
subject: late submission
--- P
Hi Jules, is it possible to get a short extension on {task}? I have [[two midterms this week|been at away games with the {sport} team since Friday|had a migraine for two days]] and I don't want to hand in something bad.
--- ME
Hi {P}, I can give two days without asking anyone, so until {day+3}. If you need more, write to {Tn} and put me in copy.

What have you got so far?
--- P
Two days is enough! I have the data and the first page, only the discussion is missing.
--- ME
Then you are further than you think. Leave the introduction for last.
--- P +2d
Submitted! Thank you so much Jules

## attendance
as: ta
when: 2-14
cast: P ME
subject: Attendance in section
subject: Missed section on {day+0}
subject: Marked absent, but I was there
--- P
Hi, the attendance sheet says that I was absent last week, but I was there, I sat at the back [[next to the radiator|behind the tall guy]]. I asked the question about {topic}.
--- ME
You did, and it was a good question. The sheet went round from the left and somebody kept it in their folder. I have corrected your line.
--- P
thank you!! I was worried because of the three absences rule
--- ME
You have none. Sit further to the front and I will even see you 🙂

## ta-grade
as: ta
when: 4-15
cast: P ME
subject: Grade for {task}
subject: Why {pct} on {task}?
subject: question about your comments
--- P
Hello Jules,

I got {pct} on {task} and I don't understand the comment "evidence?" on page {few}. I did give a source there.
--- ME
Hello {P},

you gave a source for the number, but not for the sentence after it, where you say that everybody at the time believed it. That is the claim that needs evidence, because it carries your argument.

If you can show me a source for it by {day+4}, I will look at it again.
--- P
I found something in {reading}, page {page}. Is that enough?
--- ME
That is precisely the right page. {pct} becomes [[88|90|92]]. Well argued.
--- P
🥳 thank you

## ta-question-topic
as: ta
when: 2-15
cast: P ME
subject: Question about {topic}
subject: I don't get {topic}
subject: {Topic} in the reading
--- P
Hi Jules, I read {reading}, but I still don't really understand {topic}. [[Is it always the same or does it depend on where you look?|In class it sounded simple and now it doesn't.]] Sorry if this is a stupid question.
--- ME
It is the question that the chapter is trying to answer, so no. Try this: take the smallest example that you can think of, do it by hand, and change one thing. What has to change with it, and what stays? The things that stay are what the definition is about.
--- P
ok so I tried it with an orange, and then with a balloon, and now I think I get it?
--- ME
An orange is how I understood it too. Bring it to section, I'll use it.
--- P
It has been eaten 😅 I'll bring another one

## ta-field-trip
as: ta
when: 3-13
cast: T ME
extra: 7-11
subject: Field trip on {day+4}: what to bring
subject: Field trip to the {few} mills
subject: {day+4}: meeting point for the field trip
--- T
Dear all,

we leave on {date+4} at {time} sharp from the car park behind Hollis. Please bring: boots that may get wet, a pencil (ink runs), something to eat, and the field sheet, printed. We are back by 17:30.

Jules has the list of phone numbers and the first-aid kit.
@file ics field trip.ics :: Field trip|{ics+4}T073000Z|{ics+4}T163000Z|Car park behind Hollis
--- ME
Two additions: the bus has {sample} seats, so please tell me if you come by bike. And last year's lesson: sun cream, even if it is cold.
--- T
And a hat. I forgot the hat. You will remember the photograph.

## ta-rain
as: ta
courses: GEOG 118
when: 3-13
cast: P ME
subject: What if it rains on {day+2}?
subject: Field sketch in the rain
--- P
hi jules, the forecast for {day+2} says heavy rain all day. is the fieldwork cancelled?
--- ME
Never cancelled, sometimes wetter. We go to the ridge only if there is no thunder; otherwise we do the fen from the boardwalk. Wrap your sketchbook in a bin bag and cut a hole for the hand, it works astonishingly well.
--- P
ok!! bin bag ready
--- P +2d
it worked. my drawing is the only dry thing I brought home

## ta-section-swap
as: ta
when: 1-5
cast: P ME
subject: Switching sections
subject: Can I come to your {day+2} section?
--- P
Hello! Could I switch from the Thursday section to yours on {day+2}? I work at the bakery on Thursdays and they won't change my shift.
--- ME
Hi {P}, I have one place left, and it's yours. You don't need to do anything in Canvas; I will tell {A} to strike you from the other list. We meet in {room_other} at {time}.
--- P
Yay thank you!

## ta-grading-split
as: ta
when: 4-15
cast: A ME
subject: Splitting the grading
subject: Grading {task}: who takes what?
subject: {sample} copies of {task}
--- A
Hi Jules, there are {sample} copies of {task}. Shall I take A to L and you M to Z? Or do we split by question, so that the marks are even?
--- ME
By question, please. If I read question {q} forty times, I at least make the same mistake forty times. I'll take {q} and {q2}, you take the rest?
--- A
Fine. Done by {day+5}? Then {T1} can look at the distribution before it goes out.
--- ME
{day+5} is good. One thing: several people write about {topic2} where the question asks for {topic}. I would give half, what do you think?
--- A
Half, and a kind word. The question could have been clearer.
--- ME +3d
Mine are done: average {pct}, which seems fair. Here is the table.
@file csv marks.csv :: candidate,q1,q2,q3|1041,7,8,5|1042,9,6,8|1043,5,7,7|~38

## ta-room-change
as: ta
when: 1-15
cast: T ME
subject: Room change for section
subject: {room} is double-booked on {day+2}
--- T
Jules, the Registrar has put a choir into {room} on {day+2}. You are in {room_other} instead, same time. Could you tell the section? And put a note on the door, because half of them never read messages.
--- ME
Told, and note written, with an arrow. What does a choir do in {room}? The acoustics are those of a cupboard.
--- T
Perhaps that is the attraction.

## ta-slides
as: ta
when: 2-14
cast: T ME
subject: Slides for week {week}
subject: Could you look over my slides?
--- T
Dear Jules,

the slides are at https://example.edu/courses/slides/week-{week}?view=print. Could you look through the part on {topic} before {day+2}? You know better than I do where they get lost.

{T1}
--- ME
I have read them. They will get lost between slides {page} and {page2}, because the example changes at the moment the definition arrives. If you keep the first example for both, it works. Otherwise very clear!
--- T
Of course. One never sees it oneself. Changed, and thank you.

## ta-sick
as: ta
when: 2-15
cast: ME A
subject: Could you take my section on {day+1}?
subject: Voice gone
--- ME
{A}, I have lost my voice completely. Could you take my section on {day+1} at {time}? The plan is simple: ten minutes on {task}, then they work in pairs on {topic}. Everything is in the folder.
--- A
Of course, get well. Tea with ginger, and no whispering, it is worse than talking.
--- ME
💛 I owe you one.
--- A +1d
Went well! They asked about you. I told them that you had been replaced for good.

## ta-makeup
as: ta
when: 5-14
cast: P ME T
subject: Make-up for the midterm
subject: I missed the midterm
--- P
Dear Professor, dear Jules,

I missed the midterm this morning because [[my train from {town} was cancelled; I have the confirmation from the railway|I was in the emergency room with my flatmate; I have a note from the hospital]]. Is there a make-up exam?
--- T
I am sorry to hear it. There is one, on {date+5} at {time}. Jules, could you supervise it in {room_other}? It should take seventy-five minutes.
--- ME
Yes, I can. {P}, bring your student card and two pens, one of which works.
--- P
Thank you both so much. I will be early this time, very early.

## ta-confused-email
as: ta
when: 1-15
cast: P ME
subject: hi
subject: (question)
--- P
is it due today or tomorrow
--- ME +13m
If you mean {task}: tomorrow, {day+1}, at 23:59. If you mean the reading: today.
--- P +4m
both actually. thx

## ta-citation
as: ta
when: 3-14
cast: P ME
subject: How do I cite a map?
subject: Citing a website in {task}
subject: footnotes or endnotes?
--- P
Hi Jules, how do I cite [[a map without an author|something {Tn} said in the lecture|a website that no longer exists]] in {task}? The guide has nothing about it.
--- ME
As you would cite anything else: enough for a stranger to find it again. Who made it (or "anonymous"), what it is called, when, where it is kept. If it can no longer be found, say when you saw it and link to a copy in the Internet Archive.

Better a clumsy citation than a missing one.
--- P
that's reassuring, mine are all clumsy. Thanks!

## ta-plagiarism
as: ta
when: 5-14
cast: ME T
subject: Two very similar answers
subject: Similar wording in {task}
--- ME
Dear {T},

two copies of {task} have the same wording in question {q}, down to a spelling mistake. I would like to ask you before I write to either of them. I don't attach them here.
--- T
Thank you for asking first. Please do not write to them; I will invite both for a conversation, separately. In my experience it is usually a shared set of notes and a bad night. Mark everything else as usual and leave that question open.
--- ME
Will do.
--- T +4d
Resolved, and as harmless as it could be: a study group that wrote its answers on one board. Both will redo the question. Full marks possible.

## ta-lab-leaf
as: ta
courses: BIO 101
when: 2-14
cast: P ME
subject: Our leaf is dying
subject: Seedlings in Franklin 112
subject: Number {q} has mould
--- P
Hi Jules, the bean seedlings from group {q} have gone yellow over the weekend. Does this ruin our data?
--- ME
Not at all, yellow is data. Measure them as they are, write down the date, and take a photo next to the scale. Was the lamp on? Somebody keeps unplugging it to charge a phone.
--- P
the lamp was off!! there was a phone cable
--- ME
Case closed. I'll put up a sign. Put them by the window and count the days lost.
--- P
They are green again 🌱 well, greenish

## ta-lab-report
as: ta
courses: BIO 101
when: 2-14
cast: P ME
subject: Format of {task}
subject: How long should {task} be?
--- P
Hello Jules, how long should {task} be? The sheet says "as long as necessary", and I don't know how long that is.
--- ME
Two pages and a figure. Introduction in five sentences, method so that I could repeat it, results without opinions, discussion with opinions. If you can leave a sentence out and nothing is missing, leave it out.
--- P
And do we use past tense?
--- ME
For what you did, yes. For what is true, the present.
--- P
I will write that on the wall. Thanks!

## ta-projection
as: ta
courses: GEOG 118
when: 2-12
cast: P ME
subject: Lab 4: my map is upside down
subject: Projection exercise: wrong country
subject: Coordinates in the sea
--- P
My points are all in the sea off West Africa?? I followed every step of lab 4
--- ME
Welcome to Null Island, population: everybody, once. Your latitude and longitude columns are text, so the program reads them as zero. Change the column type to decimal and check that the minus signs survived.
--- P
they did not survive! they were long dashes from the PDF
--- ME
A classic. Search and replace, and your points will come home.
--- P
They're in Lancashire now 🎉 which is where they should be

## ta-atlas
as: ta
courses: GEOG 118
when: 5-14
cast: P ME
subject: Atlas project: is our topic ok?
subject: Topic for the atlas page
--- P
Hi Jules, for our atlas page we want to map [[all the benches on campus and who sits on them|the sounds of Mill Lane at six in the morning|where people lose their gloves]]. Is that serious enough?
--- ME
It is exactly serious enough. Decide early what counts as one, because everything depends on that, and keep a list of what you left out. What you leave out is the best part of the text that goes with it.
--- P
we already have an argument about what counts as one haha
--- ME
Write the argument down. That's your methods section.

## ta-thanks
as: ta
when: 13-17
cast: P ME
subject: Thank you!
subject: thanks for this term
--- P
Hi Jules, I just wanted to say thank you for your section this term. I was going to drop {code} in week two, and now I'm thinking of [[the major|taking the next one]].
--- ME
{P}, this made my week. You asked the questions that half the room had and nobody dared to ask. Do take the next one, and tell me how it goes.

## ta-tech
as: ta
when: 1-14
cast: P ME
subject: Can't upload {task}
subject: Upload fails at 99 %
subject: file too large??
--- P
it says my file is too large (61 MB) and it's due in 40 minutes, help
--- ME +4m
Don't panic. Export the pictures at 150 dpi, or print to PDF with "smallest size". If that fails, put a note in the submission box before the deadline and send me the file by other means. I count the note.
--- P +21m
3.4 MB now and uploaded. my heart rate is 140
--- ME +3m
Mine as well. Well done.

## ta-accommodation
as: ta
when: 1-6
cast: O=903 ME
subject: Note-taker for one student in {code}
subject: Accessibility Services: request for {code}
--- O
Dear Jules,

a student in your section is entitled to a note-taker this term. Could you ask, without naming anyone, whether somebody who takes tidy notes would share them? We pay a small stipend.

Best wishes,
Ruth Ferreira
--- ME
Dear Ruth,

I asked today and had three volunteers before I had finished the sentence. I have given them your address. Would you also like my own section plans? They could go out a day early.
--- O
That would be wonderful, thank you. A day early makes all the difference with a screen reader.
"""
