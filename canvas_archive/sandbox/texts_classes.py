"""More of what goes on around any class: welcomes, corrections, corridors, worries, good news."""

from __future__ import annotations

# ruff: noqa: E501 - each paragraph of a message is one line, as it was typed

CLASS_TEXTS = r"""
## welcome
as: any
when: 0-2
cast: T ME
extra: 7-11
subject: Welcome to {code}
subject: Welcome to the course
subject: {code}: before our first class
--- T
Dear all,

welcome to {title}. We begin on {day+3} at {time} in {room}. You need nothing but paper, a pencil and [[a question about the world|some patience with yourselves]]. Please read {reading} by the second week, and do not worry if you understand half of it. I will explain the other half, and you will then find that you disagree with the first.

{T1}
--- ME
Dear {T}, I am looking forward to it! Is {reading} in the library, or should we buy it?
--- T
There are two copies on reserve. Please share them kindly.

## waitlist
as: student
when: 0-2
cast: ME T
subject: Number {few} on the waiting list for {code}
subject: Waiting list
--- ME
Dear {T},

I am number {few} on the waiting list for {code} and would very much like to take it, because of {topic}. May I come to the first classes in the meantime?
--- T
Dear Jules,

please do. In eleven years nobody on the waiting list who came to the first two classes has had to leave. I do not know where the others go.

{T1}
--- ME +7d
I am in! You were right, the others have vanished.

## slide-error
as: student
when: 2-14
cast: ME T
subject: Slide {page}: a sign error?
subject: A small mistake in the slides on {topic}?
--- ME
Dear {T},

on slide {page} of the part about {topic}, should it not be the other way round? I compared it with {reading}, and either the slide is wrong or I have misunderstood everything since.
--- T
Dear Jules,

the slide is wrong, and has been since 2019. You are the first to say so, which tells me something about slides. Corrected, with your name in the notes.

{T1}
--- ME
An honour! And a relief.

## midterm-result
as: student
when: 7-12
cast: T ME
subject: Your midterm
subject: About your midterm in {code}
--- T
Dear Jules,

I wanted to write to you before the marks appear. Yours is {pct}, and it is made of two halves: the first is among the best in the class, the second looks as if somebody had called you away. Did you run out of time?

{T1}
--- ME
Dear {T},

I did. I spent forty minutes on question {q} because I wanted to see where it went. It went nowhere, but it was a good walk.
--- T
I thought so, and I followed you with pleasure. Next time, leave the walk for the end. In the final, the questions that I like best are always the last.

## exam-rooms
as: any
when: 6-8
cast: T ME
extra: 8-11
subject: {code}: where and when the midterm takes place
subject: Midterm: seats and rules
--- T
Dear all,

the midterm is on {date+7} at {time} in {room_other}, not in {room}. Ninety minutes. Bring a pen, your card, and one sheet of notes in your own handwriting. It covers everything up to and including {topic}; {topic2} is not on it.

Please eat breakfast.

{T1}
--- ME
Thank you. May the sheet have two sides?
--- T
All sheets have two sides. Yes.

## dropping
as: any
when: 3-9
cast: P ME
subject: I'm dropping {code}
subject: Leaving {code}
--- P
Just so that you hear it from me: I'm dropping {code}. It's not you, it's [[four courses and a job|{topic}]]. You can have my notes.
--- ME
I'm sorry, I'll miss your questions! But it sounds right. Sleep for a week.
--- P
that's literally the plan. lunch sometimes?
--- ME
Mondays, {place}.

## survey
as: student
when: 12-16
cast: T ME
extra: 6-11
subject: Course evaluation: open until {date+7}
subject: Please tell me what to change
--- T
Dear all,

the course evaluation is open until {date+7}: https://surveys.example.edu/{glued}. I read every line of it, in one evening, with one glass of wine. Two years ago somebody wrote "less {topic}, more windows", and I have opened a window every week since.

{T1}

## reserve
as: student
when: 1-6
cast: ME T
subject: {Reading}: the scan is cut off
subject: Broken link: {reading}
--- ME
Dear {T},

the scan of {reading} ends in the middle of page {page}, and the link below it leads to a page that says "410 Gone". Could you upload it again?
--- T
Thank you, Jules. The new scan is complete, although my thumb appears on page {page2}. The second link pointed to a server that was switched off in the summer; I have replaced it.

{T1}
--- ME
Found both, and the thumb. Thanks!

## bibliography
as: student
when: 4-14
cast: P ME
subject: Shared bibliography
subject: Which reference manager do you use?
--- P
Do you use a reference manager? I have {page} PDFs called "download (3)" and {task} is due next week
--- ME
I use a free one and a rule: nothing gets saved without a name. Send me the titles and I'll make you a shared library for {code}.
--- P
you're an angel of the footnotes
@file txt titles.txt :: Titles, unsorted|download (1): something on guilds, very good|download (2): same as 1|download (3): the one with the frontispiece|download (9): not mine, found in the printer
--- ME
Done: 23 sources, of which seven were the same one. It's in the shared folder.

## good-news
as: any
when: 6-17
cast: P ME
subject: I PASSED
subject: guess what
subject: Good news!!
--- P
I PASSED {code}'s midterm!!! {pct}!!!! Me!!!!!
--- ME
!!!!!!!! I knew it when you explained {topic} to the vending machine.
--- P
the vending machine understood it before I did

## corridor
as: any
when: 2-15
cast: T ME
subject: What you said in the corridor
subject: A book for you
--- T
Dear Jules,

I have been thinking about what you said in the corridor about {topic}. There is a book that goes in the same direction, {book}. I have put my copy into your pigeonhole. The pencil marks are mine; the coffee is my predecessor's.

{T1}
--- ME
Dear {T},

thank you! I will add neither pencil nor coffee. I read the first chapter on the bus and missed my stop.
--- T
Then it is the right book.

## ta-anxious
as: ta
when: 4-15
cast: P ME
subject: (private) not doing well
subject: I don't know whom to ask
--- P
Hi Jules, I don't know whether this is the right place. I haven't been to class for two weeks. Nothing terrible happened, I just couldn't. And now it's so much that I don't know where to start.
--- ME
Dear {P}, I'm glad that you wrote, and this is a right place. Nothing about {code} is urgent today. Two things, when you can: the counselling service has open hours at {time} every day, without an appointment, and people I know speak very well of it. And come to me on {day+3}, and we'll look only at what comes next, one thing.
--- P
ok. {day+3}. thank you for not making it big
--- P +3d
I went to both. I have a list with one thing on it.
--- ME
One is the right number. I'm proud of you.

## ta-typo
as: ta
when: 3-14
cast: ME T
subject: A typo in question {q}
subject: {Task}: question {q} can't be solved
--- ME
Dear {T},

question {q} of {task} can't be solved as it stands: the second figure should be {page2}, not {page}, I think. Three people have asked me since this morning, and one has solved it anyway, which worries me.
--- T
You are right, it is {page2}. I will write to everybody. And please give the one who solved it full marks: impossible things deserve them.

## ta-hours-moved
as: ta
when: 2-14
cast: ME P
extra: 5-10
subject: My office hours move to {day+2} this week
subject: Office hours: {day+2} instead of {day+1}
--- ME
Hi everyone,

this week my office hours are on {day+2} at {time} in {room_other}, because of [[a dentist|the train strike]]. If you can't come then, write to me and we'll find another time. {Task} is due on {day+5}, and I answer questions about it until the evening before.

Jules
--- P
Is it ok to come just to work quietly? My room is so loud
--- ME
More than ok, half of office hours is that.

## ta-planning
as: ta
when: 0-3
cast: A ME T
subject: Sections: who takes which?
subject: Planning the term
--- T
Dear both,

four sections, two of you: who would like the early ones? I would start in week two, and have you both sit in on my first class, so that you hear what I promise.

{T1}
--- A
I'm awake at eight anyway. Jules can have the afternoons.
--- ME
{A}, I'll be grateful every single Monday. For the first week, shall we both do the exercise on {topic}? It gets them talking.
--- A
Yes, and then we can compare what they got wrong. It's always something new.

## ta-museum
as: ta
courses: GEOG 118
when: 4-13
cast: ME P Q
extra: 3-8
subject: Who comes to the museum on {day+4}?
subject: Museum visit: a few places left
--- ME
On {day+4} at {time} I go to the museum's depot with whoever wants to come: no marks, no worksheet. They'll open the drawers with the big globe gores for us. Ten places.
--- P
me!
--- Q
me too please, what are globe gores
--- ME
The strips that you glue onto a ball to make a globe. They look like the peel of an orange that has read a lot.
--- P +5d
I can't stop thinking about the drawer with the mistakes

## ta-extra-credit
as: ta
when: 9-15
cast: P ME
subject: Is there extra credit?
subject: extra credit??
--- P
Hi, is there any extra credit in this class? I'm at {pct} and I need two points
--- ME
There isn't, but {task} may be revised once, until {date+6}, and most people gain three or four points that way. Start with my comment on page {few}.
--- P
I didn't know one could revise it!! On it

## ta-group-trouble
as: ta
when: 5-14
cast: P ME
subject: Problem in our group
subject: Someone in our group isn't answering
--- P
Hi Jules, one person in our group hasn't answered for a week, and {task} is due on {day+5}. I don't want to get anyone into trouble but we're doing their part now.
--- ME
Thank you for trying first. Write down who does what from today, and carry on without that part; I won't count the gap against you. I'll write to the person myself, kindly. There is usually a reason.
--- P +3d
They answered! Their {relative} died. We feel terrible. We've told them to leave it to us
--- ME
You've done it right, all of you. I'll move your deadline by a week.

## ta-scan
as: ta
when: 3-14
cast: P ME
subject: My scan is unreadable, sorry
subject: {Task}, better scan
--- P
Sorry, my scan of {task} came out all grey. Here's a better one, I put it on the windowsill this time.
@file pdf {bare} scan.pdf :: {Task}|Handwritten, seven pages, photographed in daylight.|Margin note: the arrow on sheet two should point downhill.
--- ME
Perfectly readable. The windowsill is the best scanner in the building.

## git-conflict
as: student
courses: CS 240
when: 4-14
context: group
cast: P Q ME
subject: merge conflict in the main file
subject: who force-pushed?
--- P
Did anybody force-push? My commits from {day+0} are gone
--- Q
ehm. possibly me. what does "non-fast-forward" mean
--- ME
It means "please ask". Nothing is lost: git reflog on {P}'s laptop still has them. Look for the line that says "{task}" and make a branch from it:

    git reflog
    git branch rescue HEAD@{2}
    git push origin rescue
--- P
everything is back. I need to lie down
--- Q
I have written "please ask" on a note on my screen. I'm very sorry and I'm bringing cake

## complexity
as: student
courses: CS 240
when: 3-14
cast: P ME
subject: Is it O(n log n) or O(n)?
subject: Building a heap in linear time
--- P
How can building a heap be O(n) if every insert is O(log n)?? I keep getting n log n
--- ME
Because you don't insert, you sift down from the middle. Half of the nodes are leaves and don't move at all, a quarter move one step, an eighth two: n/4·1 + n/8·2 + n/16·3 + … and that sum is at most n.
--- P
ohhh. the leaves are lazy and the tree is mostly leaves
--- ME
That's the whole proof, and nicer than mine.

## archive-visit
as: student
courses: HIST 214
when: 4-13
cast: P ME
subject: Visit to the county archive
subject: What we found in box 17
--- P
The archive has a box of merchants' letters, nobody has asked for it since 1974. Shall we go on {day+4}? One needs two people, because of the lid.
--- ME
I'm in, for the letters and for the lid.
--- P +5d
I can't get over the one with the pressed apricot blossom. Photos of the list attached; the handwriting is worse than yours.
@file csv box 17.csv :: item,year,place,remark|letter,1612,Bukhara,wax seal|letter,1613,Kashgar,blossom|bill of lading,1613,Yarkand,torn|~18
--- ME
That blossom travelled four thousand kilometres and we sneezed.

## gel
as: student
courses: BIO 130
when: 4-14
cast: A ME
subject: Your gel from {day+0}
subject: Lane {few} is empty
--- A
Hi Jules, I developed your gel. Lanes 1 to 3 are beautiful, lane 4 is empty, and lane 5 has your thumbprint. Do you want to repeat it on {day+4}?
@file png gel lanes.png :: Band intensity by lane|88,91,85,0,12
--- ME
Yes please! I think that I forgot the loading dye in 4. The thumb I can't explain.
--- A
Gloves, {ME}. Gloves.

## torque
as: student
courses: PHYS 121
when: 3-14
cast: P ME
subject: The ladder problem
subject: Why does the ladder not slip?
--- P
Do you take torques about the top or the bottom of the ladder? I get different friction coefficients, which cannot be
--- ME
About the bottom: then two unknown forces drop out. If you get something different about the top, you've forgotten the normal force of the wall. I did, twice.
--- P
0.29 both ways now. physics is restored
--- ME
The ladder thanks you.

## critique-day
as: student
courses: ART 156
when: 4-15
cast: P ME
subject: Thank you for what you said at the critique
subject: About my drawing
--- P
I wanted to thank you for what you said at the critique. Everybody looked at the hands, and you looked at the chair. I'd worked on the chair for eleven hours.
--- ME
I know that chair now. I could pick it out of a line-up. The hands are good because the chair is true.
--- P
I'm writing that inside my sketchbook

## exam-math-trick
as: student
courses: MATH 221
when: 4-14
cast: T ME
subject: Your solution of problem {q}
subject: A second proof
--- T
Jules, your solution of problem {q} is not the one I had in mind. It is shorter. May I show it in class on {day+3}? Anonymously or by name, as you prefer.

M.M.
--- ME
With pleasure, and by name, if the name may be misspelt, since my flatmate will be there.
--- T
It will be attributed to J. Marquetti, of whom nothing further is known.
--- ME
My flatmate is looking for J. Marquetti in the library catalogue.
"""
