"""What belongs to one subject: proofs, burettes, hash tables, essays, sketchbooks."""

from __future__ import annotations

# ruff: noqa: E501 - each paragraph of a message is one line, as it was typed

SUBJECT_TEXTS = r"""
## reading-response
as: student
when: 2-13
courses: HIST 214, ENGL 305, ART 156
cast: ME T
subject: {Reading}
subject: A question after {reading}
subject: Something in {reading} that puzzles me
--- ME
Dear {T},

I have now read {reading} twice and something puzzles me on page {page}. The author says that [[the silence of the sources is itself a source|nobody at the time would have noticed|the form does the thinking]], and then goes on as if that had been shown. Is it a claim or a provocation? I would like to write about it in {task} if it is not too small a question.
--- T
Dear Jules,

It is a provocation that has been repeated until it turned into a claim, which is exactly why it deserves a paper. It is not too small. Look at how the same sentence is used in the chapter after it, and ask yourself who is being argued with.

[[Five pages on that one sentence would make me very happy.|Start with the footnote. Footnotes are where authors hide.]]

{T1}
--- ME
The footnote! I had skipped it. Thank you, I know what I'll write now.

## figure-check
as: student
when: 3-14
courses: BIO 130, CHEM 110, PHYS 121
cast: P ME
subject: Figures for {task}
subject: Can you check my plot?
subject: Error bars in {task}
--- P
Hi Jules, could you check this plot before I put it into {task}? We have {sample} measurements, but I am not sure about the error bars. [[They look too good.|They are larger than the effect.]]
@file png figure {week}.png :: Mean with error bars, week {week}|12,18,17,25,31,30
--- ME
Looks good to me, but are those standard deviations or standard errors? The caption should say. And I counted {sample2} rows in the sheet, not {sample}.
--- P
Standard errors. And you are right, [[I forgot the repeat from Thursday|one row was empty]]. Fixed both.
--- ME
Then it's perfect. The colours even work in black and white.
--- P
That was an accident, but I'll take it 😄

## lab-partner
as: student
when: 1-5
courses: BIO 130, CHEM 110, PHYS 121, CS 240
cast: P ME
subject: Lab partners?
subject: Do you have a lab partner yet?
--- P
Hi Jules, we sat next to each other on {day+0}. Do you have a partner for the labs yet? Mine has [[dropped the course|changed sections]].
--- ME
I don't, and yes please. I should warn you that I label everything three times.
--- P
After what happened to me last {day+0} I find that very attractive in a lab partner. I'll write to {A} that we're a pair.
--- ME
👍 See you in {room} on {day+5}. I'll bring the labels.

## lab-safety
as: student
when: 1-4
courses: CHEM 110, BIO 130
cast: A ME
extra: 8-11
subject: Lab safety: please read before your first session
subject: Before you come to the lab
--- A
Dear all,

before your first session in {room} please read the safety sheet and bring it back signed. In short: closed shoes, long hair tied back, goggles on from the first minute to the last, no food, no headphones. [[Contact lenses are allowed, but tell me.|If you are allergic to latex, tell me and I will have other gloves ready.]]

The eyewash station is to the left of the door. I hope that you never need to know.

{A}
@file pdf Lab safety sheet.pdf :: Laboratory safety|Wear goggles at all times. Know where the fume hood, the extinguisher and the eyewash station are.|Acids are poured into water, never the reverse.|Broken glassware goes into the yellow bin, not the wastepaper basket.|Signature and date:
--- ME
Hi {A}, is it all right to bring the signed sheet on paper, or do you want it uploaded?
--- A
Paper is fine. I'll collect them at the door.

## proof-pushback
as: student
courses: MATH 221
when: 3-15
cast: A ME
subject: Your draft for the proof portfolio
subject: Comments on your proof
subject: One lemma out of order
--- A
Hi Jules,

I read your draft on {topic}. It is nearly there. One thing I would push back on: the proof assumes the matrix is invertible, and you only show that in the next lemma. Swap the order, and everything falls into place.

Also, "clearly" in line [[three|five|nine]] is doing a lot of work. Nothing is clear before it is proved.
--- ME
Ouch, but yes. If I move the lemma up, do I still need the case where the determinant is zero?
--- A
No, and that is the beauty of it: the case disappears. Your proof gets shorter by a third.
--- ME
New version attached, shorter by exactly a third. I removed every "clearly".
@file pdf Proof portfolio draft 2.pdf :: Proof portfolio, second draft|Lemma 1. If the columns are independent, the Gram determinant does not vanish.|Theorem. Every symmetric matrix has an orthonormal eigenbasis.|The induction is on the dimension; the base case is trivial, but not vacuous.
--- A
[[Clearly better.|Much better. Hand it in.]] 😉

## eigen-homework
as: student
courses: MATH 221
when: 3-14
cast: P ME
subject: Problem set: question {q}
subject: stuck on {q} :(
subject: How did you start question {q}?
--- P
Are you stuck on question {q} as well? I get a matrix that is not symmetric and I don't think I'm supposed to.
--- ME +7m
Same here until I noticed that the basis in the question is not orthonormal. Normalise first, then it comes out symmetric.
--- P +5m
of course it does. two hours!!
--- ME +9m
Three, in my case. Did you use the hint? I think that the hint is what led me astray.
--- P +4m
the hint is evil. Going to bed, thank you 🙏

## bug-hunt
as: student
courses: CS 240
when: 2-15
cast: ME P
subject: Segfault in {task}
subject: Have you got {task} running?
subject: Timeouts in {task}
--- ME
Hi {P}, does {task} run for you on the lab machines? Mine passes all tests on my laptop and then times out on the server after [[30|60]] seconds.
--- P
Same for me yesterday! I was rehashing on every insert instead of only when the load factor passes 0.75. On small inputs you don't notice.
--- ME
Mine is something else: I used a list and pop(0), which moves every element. With collections.deque it takes 0.4 seconds instead of 41.
--- P
wow. that's going into my notes in capital letters
--- ME
So is your load factor. Thanks for thinking along!

## regrade-code
as: student
courses: CS 240
when: 4-15
cast: ME A
subject: Autograder: test {q} fails only on the server
subject: Encoding problem in the autograder?
--- ME
Hi {A}, test {q} of {task} fails on the server with "UnicodeDecodeError: 'ascii' codec can't decode byte 0xc3", but only for the file with the Danish names. Locally everything passes with Python 3.11. Do you open the files with an encoding?
--- A
Good catch: the server runs with LANG=C and the handout does not name an encoding. Until I have fixed it, write open(path, encoding="utf-8") yourself. It is good style anyway.
--- ME
Works, 100/100. Should I post this in the forum for the others?
--- A
Please do, with my thanks. [[I have regraded everybody.|I will rerun the grader tonight.]]

## lab-code-review
as: student
courses: CS 240
when: 5-14
cast: A ME
subject: Code review for {task}
subject: Your submission for {task}
--- A
Hi Jules, this is your review for {task}.

What I like: small functions, names that tell the truth, tests for the empty case.
What I would change: rotate_left and rotate_right are the same function in a mirror. Pass the direction, or live with the repetition and say so in a comment.

One real bug: delete() on a tree with a single node leaves the root pointing at a freed node. Valgrind will show you.

8.5 of 10.
--- ME
Thank you! I found the bug, it was hiding behind the mirror image: I had fixed it in one and not in the other. Point taken in both senses.
--- A
That is the best argument for not having both. See you on {day+3}.

## poster-feedback
as: student
courses: BIO 130, HIST 214
when: 9-15
cast: T ME
subject: Feedback on your poster
subject: Poster draft
--- T
Dear Jules,

thank you for the draft. The argument is clear and the figure in the middle is excellent. Two suggestions: cut the text by half (nobody reads a poster for more than two minutes), and put the result into the title. "[[A study of|Remarks on]] {topic}" tells me what you looked at, but not what you found.

{T1}
--- ME
Dear {T},

I cut it from 740 words to 310 and the title is now a sentence with a verb in it. It hurts, but it is better. Is it all right to put the references on a sheet underneath?
@file pdf Poster final.pdf :: Poster|Vesicles travel further when the cytoskeleton is left intact.|We followed sixty particles for four minutes each. Kymographs are shown on the right.|Acknowledgements: the microscope, for its patience.
--- T
More than all right. Title approved, verb admired.

## essay-draft
as: student
courses: ENGL 305
when: 3-14
cast: T ME
subject: Your draft: the middle section
subject: On your second draft
subject: The ending of your essay
--- T
Dear Jules,

I have your draft in front of me. The opening at the bus stop is the best thing that you have written this term. Then, in the middle, you begin to explain, and the essay goes to sleep. What if you trusted the reader and left out the two paragraphs about what the bus stop means?

Bring it on {day+3}, with scissors. I mean it literally.

{T1}
--- ME
Dear {T},

I took them out and it felt like removing a wall and finding a window behind it. But now the ending comes from nowhere. Should I move the letter from my {relative} forward?
--- T
Yes. Plant it early, let us forget it, and bring it back. That is not a trick, it is how memory works.
--- ME
New draft attached. The letter is on page one now, and nobody opens it until page six.
@file docx Essay draft 3.docx :: At the stop|The bus that went to the quarry stopped running in the year my grandmother learned to drive.|She kept the timetable behind the kitchen clock, folded along the crease of a Sunday.|I have it now. The ink has gone the brown of weak tea, and the last departure is still at ten past six.
--- T
I read it standing up, in the corridor. Leave it alone now.

## workshop-order
as: student
courses: ENGL 305, ART 156
when: 2-14
cast: T ME
extra: 6-10
subject: Workshop order for {day+4}
subject: Who shows work on {day+4}
--- T
Dear all,

on {day+4} we look at the work of three people. Please post yours [[on the evening before|the day before]], and come with one question about each piece and no verdicts.

If you cannot make it, swap among yourselves and tell me afterwards.
--- ME
Could I swap with somebody? My {bare} needs another weekend.
--- T
Granted in advance. Find a volunteer and you are free.

## sketchbook
as: student
courses: ART 156
when: 2-15
cast: ME T
subject: Sketchbook pages from the station
subject: Charcoal and fixative
subject: Drawing at the market
--- ME
Dear Hélène,

I spent two hours drawing people at the [[station|market]] and they keep moving. By the time I have the shoulder, the person is on a train. Is it cheating to finish from memory?
--- T
Chère/cher Jules,

it is the opposite of cheating, it is the exercise! Draw for one minute, look away, finish. What you remember is what mattered. Do twenty of these and use one sheet for each, so that no drawing has to be a good one.

And buy the cheap paper. Good paper makes people careful.

Hélène
--- ME
Twenty done, on the back of printed e-mails. Three of them are almost alive.
@file? png sketch tally.png :: Minutes per sketch|5,3,2,1,1,1,2,1,1
--- T
Three of twenty is a very good rate. Mine is two.

## titration
as: student
courses: CHEM 110
when: 3-14
cast: ME P
subject: Our titration results
subject: Which burette did we use?
--- ME
Hi {P}, in my notes the first titration took 23.4 mL and in yours 24.3. One of us swapped the digits. Do you remember which burette we had, the one with the chipped tip?
--- P
The chipped one, and I'm fairly sure it was 23.4 because I said "my bus number backwards". The 43 goes to my flat 🚌
--- ME
I can't argue with public transport. 23.4 it is, then the acid is 0.117 mol/L and the whole report makes sense.
--- P
Write "confirmed independently" and don't say how.

## pendulum
as: student
courses: PHYS 121
when: 3-14
cast: T ME
subject: Your pendulum measurement
subject: A strange value in your lab report
--- T
Dear Jules,

in your report on the pendulum you find g = 9.2 m/s², with an uncertainty of 0.1. That would make our laboratory lighter than the Moon would like. Before you blame the string: did you measure its length to the hook or to the centre of the bob?

{T1}
--- ME
Dear {T},

to the hook. I see. The bob has a radius of 2.1 cm, and with that I get 9.79 ± 0.08. May I hand in a corrected version?
--- T
You may, and please leave the wrong value in, with a paragraph about how the error was found. That paragraph will be worth more than the digit.
--- ME
Here it is. I enjoyed writing that paragraph more than I should admit.
@file csv pendulum.csv :: length_cm,period_s,swings|62,158,20|74,172,20|86,186,20|~24

## oral-presentation
as: student
courses: SPAN 110
when: 4-15
cast: ME T
subject: Tema para la presentación oral
subject: Mi presentación del {day+5}
--- ME
Estimado profesor:

Para la presentación oral me gustaría hablar de los mapas de la ciudad de Oaxaca. ¿Le parece bien? No sé si cinco minutos son suficientes. Also, is it all right to use notes if I promise not to read them aloud?

Un saludo,
Jules
--- T
Jules:

Me parece un tema estupendo. Cinco minutos son muchos cuando uno los cuenta en silencio; ya verás. Una tarjeta con diez palabras, nada más. Y cuidado con el pretérito: "fui" y "era" no son primos hermanos.

R. Quiñones
--- ME
¡Gracias! Diez palabras. Ya he elegido ocho.

## conversation-partner
as: student
courses: SPAN 110
when: 2-14
cast: P ME
subject: ¿Café y conversación?
subject: Conversation practice
--- P
¿Practicamos un poco antes del examen? Yo hablo del fin de semana y tú me corriges los verbos, y después al revés.
--- ME
¡Sí! ¿El {day+2} a las cuatro, en la cafetería? My weekend was boring, so I will have to invent verbs.
--- P
Los verbos inventados también se conjugan 😂 Allí nos vemos. Te mando la lista en voz alta, para practicar.
@media audio Verbos.m4a

## lost-calculator
as: student
when: 2-15
courses: CHEM 110, PHYS 121, BIO 130, MATH 221
cast: ME A
subject: Did anyone find a {lost}?
subject: Lost in {room}: one {lost}
--- ME
Hi {A}, I think that I left my {lost} in {room} after section. Has anybody handed something in?
--- A
There is a box on the windowsill with two calculators, three umbrellas, a scarf and one shoe. I hope that you are missing only one of these.
--- ME
Only one. But now I would like to know about the shoe.
--- A
So would we all.

"""
