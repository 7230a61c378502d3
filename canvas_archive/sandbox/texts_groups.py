"""What goes on in project groups and among classmates."""

from __future__ import annotations

# ruff: noqa: E501 - each paragraph of a message is one line, as it was typed

GROUP_TEXTS = r"""
## group-kickoff
as: student
when: 2-9
context: group
cast: P Q R ME
subject: {group}: first meeting
subject: {group}: when can everybody meet?
subject: First steps for {task}
--- P
Hi all! We're {group} now. When can everyone meet this week? I can do {day+2} after {time} and {day+4} all day.
--- Q
{day+4} works for me
--- ME
{day+4} too, but not before {time2}, I have section.
--- R
ok {day+4} {time2}, where?
--- P
{place}? I'll book a table if one can book tables there.
--- R
one can't but nobody is ever there
--- ME
Perfect. I made a shared document with the tasks for {task}. Please put your name next to what you would enjoy.

## group-split
as: student
when: 4-13
context: group
cast: P Q ME
subject: {Task}: dividing the work
subject: Who takes which part?
subject: Plan for {task}
--- ME
For the group project I can take the [[maps|figures]] and the bibliography, if one of you takes the introduction and somebody who likes tables takes the tables.
--- P
I like tables!! Nobody ever believes me but I do
--- Q
Then I write the introduction. By {day+5}?
--- ME
By {day+5}, and on {day+7} we put it together. I'd rather have a bad complete draft than a good half.
--- P
Tables are done already, I told you. [[There are twelve of them, we can choose.|I may have got carried away.]]
@file csv tables.csv :: item,before,after,source|rope walks,14,3,survey|mills,9,2,survey|kilns,6,0,interview|~30
--- Q
Introduction attached. It begins with a question and I'm not sorry.
@file docx Introduction.docx :: Introduction|What does a place remember when nobody is left to ask?|We propose to read the inventory as an itinerary.|The remainder of this paper is organised as a walk.

## group-late
as: student
when: 5-15
context: group
cast: P Q R ME
subject: {day+1}!!
subject: {Task} is due tomorrow
subject: Final push
--- P
{task} is due tomorrow at noon and I can't see the conclusion anywhere 👀
--- Q +9m
I thought R had it? sorry, I mean {R}
--- R +14m
I thought {Q} had it...
--- ME +40m
I'll write it, tonight, under one condition: somebody proofreads at eight in the morning and is kind.
--- P +6m
me. I'm always kind before coffee
--- ME +3h
Here. It's one page and says only what we have shown.
@file docx Conclusion.docx :: Conclusion|We set out to count and ended by listening.|Three limitations remain: the sample was small, the winter was mild, and we were tired.|Further work should begin where the towpath ends.
--- P
[[It's good! Two commas and a "whom".|Really good. I moved one comma and felt like a vandal.]]
--- Q
Submitted, with time to spare. Receipt saved. Never again (until next time)

## group-disagree
as: student
when: 4-13
context: group
cast: P Q ME
subject: Should we change the topic?
subject: I'm not sure about our question
--- P
Hi both, I've read three papers on {topic} now, and I think that our question has already been answered. In 1987.
--- ME
Hm. Fully answered, or answered for one place and one year?
--- P
One place. But very thoroughly.
--- Q
Then we do another place and see if it holds? That's a replication, people get published for that nowadays
--- ME
I like it. Same method, our data, and if it comes out differently, we have a paper.
--- P
and if it comes out the same?
--- Q
then we have a short paper

## group-peer-eval
as: student
when: 9-15
context: group
cast: ME P Q R
subject: Peer evaluation forms
subject: Please fill in the form by {day+3}
--- ME
A reminder for all of us: the peer evaluation form for {task} closes on {day+3}. It takes five minutes, and without it nobody gets a mark.
--- P
done, I gave you all five stars like a taxi
--- Q
done
--- R
Where is the link again?
--- ME
https://forms.example.edu/peer/{glued}-w{week}
--- R
done, thanks

## group-data
as: student
courses: BIO 130, CHEM 110, PHYS 121
when: 4-14
context: group
cast: P Q ME
subject: Raw data from {day+0}
subject: Our measurements, cleaned
--- P
Raw data from {day+0} attached. {sample} rows. Row 17 is nonsense, the cuvette was upside down.
@file csv raw data week {week}.csv :: time_s,absorbance,replicate|0,112,1|30,148,1|60,201,2|90,266,2|~60
--- Q
Should we leave row 17 out or keep it with a flag?
--- ME
Keep it with a flag. If we throw away what we don't like, we will like everything.
--- P
wise. Flag column added: ok / repeat / upside down
--- Q
I love that "upside down" is an official category now

## class-thread
as: any
when: 2-15
cast: P Q ME
extra: 1-6
subject: Does anyone understand the reading for {day+2}?
subject: {Reading}: help
subject: reading for {day+2}
--- P
Did anyone understand {reading}? I've read page {page} four times and it gets less clear each time
--- Q
The trick is to read the last section first. It says there what they wanted to say.
--- ME
Agreed. And one can skip the part about {topic2}, {Tn} said that it will not come up.
--- P
"will not come up" are my favourite words in English

## class-thread-exam
as: student
when: 6-15
cast: P ME Q
extra: 1-5
subject: Does the exam cover {topic}?
subject: What's on the {code} exam?
subject: exam: calculators allowed?
--- P
Does anyone know whether the exam covers {topic}? It is in the book but not on the slides
--- ME
I asked in office hours: yes, but only the idea, no details. And one sheet of notes, both sides, handwritten.
--- Q
can confirm. also the room is {room_other}, not the usual one
--- P
you just saved me from sitting in an empty room with a sheet full of {topic}

## added-late
as: student
when: 3-12
cast: P Q ME R
subject: Study group for {code}
subject: {code} study group, Sundays
--- P
Who's in for a weekly study group? Sundays at {time}, {place}, whoever brings cake chooses the topic.
--- ME
In. I'd choose {topic} and bring lemon cake.
--- added R by P
--- P
Added {R}, who asked in class
--- R
hi! I can only bring shop cake but I understand {topic2} if that helps
--- Q
Shop cake and {topic2}: welcome

## slides-share
as: any
when: 3-14
cast: P ME
subject: Slides from our talk
subject: Notes from {day+0}'s seminar
--- P
Here are the slides from [[our|my]] talk on {topic}, in case you want to reuse the figure. The numbers on slide {few} are corrected.
@file pdf Slides {code}.pdf :: {Topic}|Outline: why it matters, what was known, what we tried.|Result: the effect survives a change of threshold, but not a change of season.|Thanks to everyone who held the tape measure.
--- ME
Thank you! May I use the figure in section, with your name on it?
--- P
with my name in a very small font, please
--- ME
It will be legible from the first row only.
"""
