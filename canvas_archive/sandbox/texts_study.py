"""What the owner writes about as a student: with teachers, assistants and classmates."""

from __future__ import annotations

# ruff: noqa: E501 - each paragraph of a message is one line, as it was typed

STUDY_TEXTS = r"""
## extension
as: student
when: 3-14
cast: ME T
subject: Extension on {task}?
subject: A few more days for {task}
subject: {Task}: may I hand in on {day+4}?
--- ME
Dear {T},

[[I have been in bed since Monday with a fever|My {relative} is in hospital and I am travelling home tonight|I caught whatever is going round Alder House]] and I will not manage {task} by the deadline. Could I hand it in on {date+4} instead? I have [[about half of it|everything but the last part]] and could send you that today.

[[Kind regards|With best wishes]],
Jules
--- T
Dear Jules,

[[I am sorry to hear it.|That sounds miserable.|Thank you for telling me before and not after the deadline.]] {day+4} is fine. [[Please don't send me half of it; get well and send me the whole.|No need to send anything today.]] I will make a note so that the system does not take marks off.

{T1}
--- ME
Thank you very much, that is a great relief.
--- ME +3d
{Task} is in the submission folder now. Thank you again for the extra days.
@file? pdf {code} {bare}.pdf :: {title}: {task}|Submitted late with permission.|The first section sets out the problem, the second the method, the third what I would do differently.

## grade-question
as: student
when: 4-15
cast: ME A
subject: Question about my mark for {task}
subject: {Task}, question {q}
subject: Marks for {task}
--- ME
Hi {A},

thanks for the comments on {task}. I lost [[three|four|five]] points on question {q} and I would like to understand why. I [[used the method from {reading}|followed the example from section]], and as far as I can see the result is the same as in the model answer. Is it the explanation that was missing?
--- A
Hi Jules,

the result is right. What was missing is the step where you say why the method applies: for {topic} that is half of the question. [[Two lines would have been enough.|One sentence would have done it.]]

[[I have given you one point back, though, because the sheet did not ask for it clearly.|I can't change the mark, but you will not make that mistake in the final.]]
--- ME
That makes sense, and now I see it in {reading} too. Thanks for looking again!
--- A
Any time. [[Come by on {day+3} if you want to go through the rest.|The rest of your answers were a pleasure to read, by the way.]]

## office-hours-clash
as: student
when: 2-14
cast: ME T
subject: Office hours this week
subject: Could I come at another time?
subject: Meeting about {topic}
--- ME
Dear {T},

your office hours are at the same time as my [[section in another course|shift at the library|lab]]. Would you have ten minutes on {day+2} or {day+3}? My question is about {topic}: I can follow every step in {reading}, but I could not have found any of them myself.
--- T
Dear Jules,

[[nobody could, the first time.|that is how it feels for everybody.]] Come on {day+3} at {time}, my door will be open. Bring [[one example that you tried|a page of your own attempts]], however wrong. We learn more from those.

{T1}
--- ME
{day+3} at {time} it is, thank you. I have plenty of wrong attempts to choose from.

## missed-class
as: student
when: 2-14
cast: ME P
subject: Notes from today's class?
subject: What did I miss in {code}?
subject: Notes on {topic}
--- ME
Hi {P}, I overslept and missed {code} this morning. [[Could I have a look at your notes?|Did anything important happen?]] You always write down the things that {T} only says.
--- P
[[Haha, sure.|Of course!]] We did {topic} and started {topic2}. The important bit: {task} is now due on {day+6}, and [[question {q} is optional|we may work in pairs]]. I typed up my notes for you, attached.
@file txt notes {code} week {week}.txt :: {title}, week {week}|{Topic}: definition, two examples, one counterexample.|Said but not on the slides: start from the special case.|{Topic2}: continued next time.
--- ME
You are the best. I owe you a coffee.
--- P
I'll hold you to that ☕

## study-before-exam
as: student
when: 5-14
cast: P ME
subject: Study session before the midterm?
subject: Revising {topic} together
subject: Library on {day+2}?
--- P
Hey Jules, do you want to go through {topic} together before the exam? I am fine with the reading but I freeze when I have to [[do it on paper|explain it]].
--- ME
Yes please! I am the other way round, so that should work. {day+2} at {time} in {place}?
--- P
{time} is a bit early for me, could we say {time2}?
--- ME
{time2} is good. I'll bring the old exam that {A} put online, and we can each do one question and swap.
--- P
Deal. I'll bring snacks 🥨
--- P +2d
That helped so much. I slept properly for the first time this week.

## old-exam
as: student
when: 5-14
cast: ME A
subject: Old exams for {code}
subject: Is there a practice exam?
--- ME
Hi {A}, is there an old exam that we could practise with? A few of us meet on {day+3} and have run out of exercises on {topic}.
--- A
There is one from two years ago, attached. Question {q} is no longer relevant, because we do not cover {topic2} in that form any more. [[Try it under exam conditions: ninety minutes, one sheet of notes.|Please do it with a clock running. It changes everything.]]
@file pdf {code} practice exam.pdf :: {code} practice exam|Time: ninety minutes. One handwritten sheet of notes is allowed, no calculators.|1. Explain in your own words, with one diagram.|2. Where does the argument fail? Mark the line and repair it.|3. Choose one of the three statements and refute it.
--- ME
Brilliant, thank you. Will there be a key?
--- A
I will post the key on {date+5}. Before that nobody gets it, not even for cake.

## absent-religious
as: student
when: 2-14
cast: ME T
subject: Absent on {day+6}
subject: Missing class on {date+6}
--- ME
Dear {T},

I will have to miss class on {date+6}: [[it is my sister's wedding, in {city}|I am singing in a concert with the university choir in {city}|my citizenship appointment is at ten that morning, and one does not move those]]. I will read {reading} and get the notes from somebody. Is there anything else that I should do?
--- T
Dear Jules,

[[How lovely, congratulations to your sister or to the choir, whichever applies.|Thank you for letting me know.]] There is nothing else, except that the groups for {task} will be formed that day. Tell me whom you would like to work with and I will put you down.

{T1}
--- ME
Thank you! {Pn} and I have already talked about it, so please put us together.
--- T
Done.

## recommendation
as: student
when: 6-16
cast: ME T
subject: A letter of recommendation?
subject: Would you write a reference for me?
subject: Reference for a summer placement
--- ME
Dear {T},

I am applying for a summer placement in {city} and need one academic reference. Your course is the one in which I have worked hardest and learned most, so I thought that I would ask you first. It would be due on {date+21}.

I attach my CV. If you would rather not, I will understand completely.

Jules Marchetti
@file pdf CV Jules Marchetti.pdf :: Curriculum vitae: Jules Marchetti|Education: B.A. in Geography and Environmental Data, expected 2027.|Experience: library shelver; cartography intern at the county conservancy; crossing guard for toads, two springs.|Languages: Italian, English, some Spanish.
--- T
Dear Jules,

I would be happy to. Tell me [[what the placement is looking for|a little more about what you would do there]], so that I do not praise the wrong virtues. I have the paper that you wrote on {topic} and will quote from it.

{T1}
--- ME
Thank you so much! They look for somebody who is patient with messy data and can write. The description is at https://placements.example.edu/{week}/summer.
--- T
Patient with messy data: I have evidence. The letter will be there in time.
--- ME +6d
They wrote that the reference has arrived. Thank you, {T}. I will tell you how it ends.

## textbook
as: student
when: 1-4
cast: P ME
subject: Anyone have {code} textbook?
subject: Sharing the textbook
subject: Old edition of the {code} book
--- P
hi! did you buy the book for {code}? it costs more than my bike
--- ME
I have the edition before this one, from the second-hand shop. [[Only the page numbers differ|The exercises have other numbers, the rest is the same]]. You can have it from {day+0} to {day+3} each week if you like.
--- P
really?? that would be amazing. I'll photograph the exercises and bring it back without crumbs
--- ME
Crumbs are how I know where I stopped reading, but thanks 😄

## thesis-idea
as: student
when: 8-16
cast: ME T
subject: An idea for an independent study
subject: Could {topic} become a thesis?
--- ME
Dear {T},

since we talked about {topic} in class, I have not been able to leave it alone. I wonder whether there is an independent study in it for next term, perhaps together with what I do in geography. I have written one page and attach it. It is all questions and no answers so far.
@file docx One page of questions.docx :: One page of questions|What would count as evidence? Who has already looked, and where did they stop?|I would like to begin with the cadastral registers, because nobody has digitised them.|What I do not know yet: how to tell a gap from an omission.
--- T
Dear Jules,

one page of questions is the right length and the right content. The [[second|third]] one is a thesis by itself. Let us talk on {day+4} at {time}, and until then read {reading} again, this time as somebody who wants to disagree with it.

{T1}
--- ME
I will be there, disagreeing.
--- T
Splendid.

## guest-lecture
as: student
when: 4-14
cast: T ME
extra: 5-9
subject: Guest lecture on {day+5}
subject: No class on {day+5}: go to the guest lecture instead
--- T
Dear all,

instead of our class on {date+5} we will go to a guest lecture on {topic} in {room_other}, at {time}. The speaker has changed my mind twice. Bring a question; I will call on the people who look away.

{T1}
--- ME
Will it be recorded? I have a dentist's appointment that I have moved three times already.
--- T
It will be, and your dentist has my sympathy. The recording goes up by {day+8}.

## peer-review-partner
as: student
when: 4-14
cast: P ME
subject: Peer review of your {bare}
subject: My comments on your draft
subject: Peer review pairings
--- P
Hi Jules, I'm your peer reviewer for {task}. I liked it a lot! My main comment: the part about {topic} comes too late. I only understood on page [[four|five]] why I had been reading the first three.
--- ME
Thank you, that is exactly the kind of comment that I hoped for. I wrote it in the order in which I found things out, which is not the order in which anybody should read them.
--- P
Ha, I do that too. I put small things in the margin of the file: commas mostly, and one place where you say "unique" about three things.
@file docx {bare} with comments.docx :: Comments on {task}|Page 2: lovely sentence, wrong paragraph.|Page 3: three things cannot each be the only one.|Page 6: I would end here. The remaining lines are an encore nobody requested.
--- ME
Moved, shortened, de-uniqued. Yours is next, I'll have it done by {day+4}.

## quiz-link
as: student
when: 2-14
cast: ME A
subject: Quiz link does not open
subject: "You are not authorised": quiz in week {week}
--- ME
Hi {A}, the quiz for week {week} says "This quiz is locked until {day+0} 00:00", but that was yesterday. I tried two browsers and the phone app.
--- A +20m
My mistake, I set it to the wrong [[week|month]]. Try again now?
--- ME +9m
Opens now, thanks for the quick fix!
--- A +15m
And thank you for telling me. The other hundred are apparently still asleep.

## final-thanks
as: student
when: 16-18
cast: ME T
subject: Thank you for {code}
subject: The end of term
--- ME
Dear {T},

now that the grades are in and this cannot be mistaken for anything else: thank you for {code}. I came for a requirement and leave with {topic} in my head at breakfast.

All the best for the break,
Jules
--- T
Dear Jules,

letters like yours are kept in a drawer and read in February, when it rains. It was a good class, and you were a good part of it. Come by next term and tell me what you are reading.

{T1}
"""
