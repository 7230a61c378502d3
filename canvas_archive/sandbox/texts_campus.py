"""More of everyday campus life: short notes without a subject, clubs, neighbours, many languages."""

from __future__ import annotations

# ruff: noqa: E501 - each paragraph of a message is one line, as it was typed

CAMPUS_TEXTS = r"""
## dm-running-late
as: none
when: any
cast: P ME
--- P
running [[ten|fifteen]] minutes late, [[bus|bike]] trouble, don't wait with the food
--- ME +1m
We'll wait with the good part.
--- P +2m
❤️

## dm-which-room
as: none
when: any
cast: P ME
--- P
which floor are you on
--- ME +2m
[[Third|Second]], by the window with the dead fern.
--- P +1m
the fern is alive, I water it
--- ME +3m
Then it is pretending. I'm next to it.

## dm-photo
as: none
when: any
cast: P ME
--- P
guess who found the {few}-leaf clover you said didn't exist
@file png clover.png :: Clovers by number of leaves|312,41,2,1
--- ME +6m
Is that a chart of clovers?
--- P +2m
I counted all of them, Jules. ALL of them.

## dm-voice
as: none
when: any
cast: P ME
--- P
(too cold to type)
@media audio Voice note.m4a
--- ME +9m
I could hear your teeth. Yes to soup, {time2}, my place.

## film-night
as: none
when: any
cast: P ME Q R
subject: Film night: {film}
subject: {film} on {day+2}?
--- P
Common room, {day+2}, half past eight: {film}. Projector from the library, blankets from you.
--- Q
I have never seen it, don't tell me anything
--- R
It's about
--- Q
NO
--- ME
I'll bring two blankets and a roll of tape for {R}.
--- P
Perfect. Popcorn is organised 🍿

## running-club
as: none
when: any
cast: P ME
extra: 0-0
subject: Run along the canal
subject: {day+1}, 7 am, running shoes
--- P
Are you still up for running? {day+1}, seven, at the lock. Slowly, I promise, I have the lungs of a tea bag.
--- ME
At the lock at seven. If I am not there at ten past, I'm asleep and not dead.
--- P +1d
You were neither there nor dead?
--- ME
Asleep. I'm so sorry. {day+3}, and breakfast is on me.
--- P
two breakfasts

## house-council
as: none
when: any
cast: P ME Q R
subject: House council: agenda for {day+3}
subject: House council minutes
--- P
Agenda for {day+3}, {time2}, common room:

1. minutes of the last meeting
2. bicycles in the corridor (again)
3. budget: {money} left
4. the smell
--- ME
Could we take 4 before 2? I think that they are related.
--- Q
Seconded
--- R
It's the compost under the bicycles, I'll deal with it today and spare us both items
--- P
Then we have a budget of {money} and nothing to discuss. Cake?

## council-minutes
as: none
when: any
cast: P ME Q
subject: Minutes, please correct
--- P
Minutes of the house council attached. {Q}, did you say "never again" or "not again"? It matters.
@file md minutes.md :: House council minutes|Present: four members and a guest with a drill.|Resolved: the noticeboard by the stairs belongs to everybody and may not be laminated.|Carried unanimously, with one abstention by the drill.
--- Q +2h
"not again". I'm a moderate.
--- ME
I'm listed as absent, but I was the one serving the tea.
--- P
Corrected, with thanks to the tea.

## keys
as: none
when: any
cast: ME O=901
subject: Locked out of flat {flat}
subject: Spare key for flat {flat}
--- ME
Dear Residence Life,

I have locked myself out of flat {flat} and my flatmates are away until tonight. Is there somebody with a spare key? I am sitting on the stairs with a melting ice cream.
--- O +7m
Dear Jules,

the porter is on the way. Please have your student card at hand. The first time is free, the second costs {money}.
--- ME +26m
Thank you, I am in. The ice cream did not make it.
--- O +4m
Our condolences.

## parcel
as: none
when: any
cast: O=901 ME
subject: Parcel for you at the porter's lodge
--- O
Dear Jules,

a parcel has arrived for you. It is [[marked "this side up" on all sides|heavy, and the porter would like to know what is in it]]. The lodge is open until 19:00.
--- ME
It's [[an atlas from 1911|a second-hand globe|forty metres of surveyor's tape]]. I'll come at {time2}, please thank the porter.

## library-room
as: none
when: any
cast: ME O=902
subject: Booking a group room
subject: Group room B on {date+2}
--- ME
Hello, could I book group room B on {date+2} from {time} for {few} people? The online form says that it is free, and then that it is not.
--- O
Dear Jules,

it is free, and now it is yours until 18:00. The form is wrong on days with a 2 in them; we have reported it.

Aldous Library
--- ME
Days with a 2 in them! Thank you.

## library-map-room
as: none
when: any
cast: ME O=902
subject: Visiting the map room
subject: The 1887 survey sheets
--- ME
Dear librarians,

I would like to see the 1887 survey sheets of the county, if possible in the original, because the scans stop before the margin and I am interested in the pencil notes there. Would {date+3} suit you?
--- O
Dear Jules,

how nice that somebody asks about the margins. {date+3} at {time} is fine. Pencils only, please, and no bags. Sheet 14 is with the conservator, but you may look over her shoulder.
--- ME
I would love to look over her shoulder. Thank you!
--- O +4d
You left a very good question on the reading slip. We have asked the county, and the initials are those of the surveyor's daughter.
--- ME
His daughter! That changes everything I wrote.

## disability-exam
as: none
when: any
cast: P ME
subject: Would you read to me?
subject: Reader for the exam on {day+4}?
--- P
Hi Jules, my screen reader and the exam software are not on speaking terms. Would you be my reader on {day+4}? The office pays by the hour and you must not raise your eyebrows at my answers.
--- ME
With pleasure. I have practised a face like a wardrobe.
--- P +5d
You were an excellent wardrobe. [[It went well, I think.|Passed!]]

## blood
as: none
when: any
cast: P ME
subject: Blood donation on {day+3}
--- P
There is a blood drive in the Student Union on {day+3}. I'm terrified of needles and would go if you held my hand
--- ME
I'll hold your hand and look away at the same time, since I'm terrified too. {time}?
--- P
{time}. there are free biscuits, think of the biscuits

## tandem-italian
as: none
when: any
cast: P ME
subject: Tandem italiano
subject: Una domanda sul congiuntivo
--- P
Ciao Jules! Mi sono iscritt* al corso d'italiano. Come si dice "I wish I had known": "vorrei aver saputo" o "magari l'avessi saputo"?
--- ME
Tutti e due, ma mia nonna direbbe sempre « magari ». È la parola più utile della lingua: vuol dire sì, no, forse, e speriamo.
--- P
Magari! Ci vediamo giovedì per un caffè?
--- ME
Volentieri ☕

## tandem-portuguese
as: none
when: any
cast: P=139 ME
subject: Festa junina!
subject: Pão de queijo
--- P
Oi Jules! No sábado vou fazer pão de queijo para todo mundo. Você traz a manteiga? Não consigo achar polvilho nesta cidade, então vou improvisar.
--- ME
Trago! There is polvilho in the shop behind the station, next to the lentils. Até sábado.
--- P
Você salvou a festa 🧀

## polish-note
as: none
when: any
cast: P=123 ME
subject: Zażółć gęślą jaźń
--- P
Cześć Jules! Testuję, czy Canvas wyświetla polskie znaki: zażółć gęślą jaźń. Widzisz wszystkie ogonki?
--- ME
All of them! Ż, ó, ł, ć, ę, ś, ą, ź, ń. What does the sentence mean?
--- P
Nothing, it just wears every hat we have.

## korean-note
as: none
when: any
cast: P=108 ME
subject: 김치 만드는 날
--- P
줄스, 이번 주말에 기숙사 부엌에서 김치를 만들 거예요. 같이 할래요? 배추는 내가 살게요.
--- ME
네! I can bring the big pot and two pairs of gloves. Is ten o'clock too early for cabbage?
--- P
배추는 일찍 일어나요 😄 열 시에 만나요.

## russian-note
as: none
when: any
cast: P=116 ME
subject: Чайник
--- P
Привет, Жюль! Ты не знаешь, кто взял чайник с кухни на третьем этаже? Экзамен завтра, а чая нет.
--- ME +12m
Привет! The kettle is with us in 2A, sorry. It's on its way, with biscuits as an apology.
--- P +5m
Спасибо, извинения приняты.

## vietnamese-note
as: none
when: any
cast: P=112 ME
subject: Chúc mừng năm mới 🧧
subject: Phở tối nay?
--- P
Jules ơi, tối nay mình nấu phở, bạn qua ăn nhé! Nước dùng đã ninh từ hôm qua rồi.
--- ME
Cảm ơn bạn! A broth that has been cooking since yesterday, of course I'm coming. Eight?
--- P
Tám giờ. Mang theo cái bụng đói nhé!

## greek-letters
as: none
when: any
cast: P=134 ME
subject: Kütüphane saatleri
--- P
Merhaba Jules, kütüphane hafta sonu kaça kadar açık? Işık açıktı ama kapı kapalıydı. İçeride biri vardı, sanırım sendin 😄
--- ME
It was me! I was locked in with the atlases for twenty minutes. On Sundays it closes at six, not at eight.
--- P
Çok güldüm. Geçmiş olsun!

## second-hand
as: none
when: any
cast: P ME
subject: Light table, free to a good home
subject: Giving away: drawing board
--- P
I'm moving out of the studio and have a [[light table|drawing board]] that nobody wants. You drew those maps for the magazine, right? It's yours if you carry it.
--- ME
I want it very much. I can carry it on {day+2}, with {Q} and a wheelbarrow.
--- P
a wheelbarrow 😂 bring a blanket as well, it scratches
--- ME +3d
It has a place by the window now, and a name. Thank you!

## magazine
as: none
when: any
cast: P ME
subject: Map for the student magazine?
subject: Your map, our next issue
subject: Proofs of the magazine page
--- P
Hi Jules, we have a double page free in the next issue and the theme is "short cuts". Would you draw us a map of all the short cuts on campus, including the ones through hedges?
--- ME
I would. How honest may it be about the hedge behind the president's house?
--- P
We'd call it "a scenic alternative".
--- ME +5d
Draft attached. I walked every one of them. Number nine took a button.
@file pdf short cuts draft.pdf :: Short cuts|A map of thirty-one ways to be late more slowly.|9: through the hornbeam hedge. Allow for thorns.|14: the coal cellar, weekdays only.|Drawn after walking. Scale approximate, buttons at your own risk.
--- P
This is the best thing that we have ever printed. The button goes into the legend.

## press-correction
as: none
when: any
cast: ME P
subject: A small correction
--- ME
Dear {P}, lovely article about the toads! One small thing: I said 1,240, not 12,400. Otherwise the county will send a bigger bucket.
--- P
Corrected online, and sorry! "Ten times too many toads" will be our erratum of the year.

## apology
as: none
when: any
cast: P ME
subject: Sorry about yesterday
subject: I was wrong
--- P
I've been thinking about yesterday. I was tired, and I said that your map was "fine" in a voice. It isn't fine, it's good. I was envious. Sorry.
--- ME
Thank you for saying so. I noticed the voice, and then I changed the legend, and it's better now. So thank you for the voice, too.
--- P
coffee?
--- ME
Coffee.

## moving
as: none
when: any
cast: P ME Q
subject: Moving day: {date+5}
subject: Help with a sofa?
--- P
I'm moving on {date+5} and have one sofa, {few} floors, and no lift. Lunch for everybody who survives.
--- Q
in
--- ME
In. Have you measured the turn on the second landing? Ours ate a wardrobe.
--- P
measured: 2 cm to spare
--- ME +6d
It was 2 cm in the other direction, but the balcony route will be told for generations.

## choir
as: none
when: any
cast: P ME
subject: Choir: can you read alto?
subject: Voice parts
--- P
We're short of altos. You sang next to me at the {sport} thing and you were in tune, which I have not forgotten. Tuesdays at {time2}?
--- ME
I'm flattered and slightly afraid. One rehearsal, to see?
--- P
One rehearsal (nobody has ever left after one rehearsal). Here is your line, sung by me, forgive the cold.
@media audio Alto line.m4a

## sublet
as: none
when: any
cast: ME P
subject: Subletting my room in summer
subject: Summer in flat {flat}?
--- ME
Hi {P}, {Q} said that you need a room over the summer. Mine is free for ten weeks: 11 m², north light, one plant that needs talking to. {money} a day would cover it.
--- P
I'm interested! Is there a desk? And which language does the plant speak?
--- ME
There's a desk, and it listens to anything with vowels. Come and see it on {day+2}?
--- P
{day+2}, after {time}. Thank you!!

## exam-nerves
as: none
when: any
cast: P ME
subject: can't sleep
subject: 3 am thoughts
--- P
exam tomorrow, can't sleep, every fact has left my head
--- ME +5m
They're only hiding, they come back when they see the paper. Put your feet in warm water, I mean it. My {relative} swears by it.
--- P +11m
feet in the sink. it's absurd. I'm calmer
--- P +18h
They came back!! All but two. THE SINK WORKS

## note-ideas
as: none
when: any
cast: ME
subject: Ideas, unsorted
subject: Thesis, thoughts at night
--- ME
1. what maps leave out on purpose / by accident / out of love
2. the pencil notes in the margins: who wrote them?
3. ask about {city}
--- ME +2d
4. all three are the same question

## note-code
as: none
when: any
cast: ME
subject: The one-liner I always forget
--- ME
find . -name '*.tif' -newer last_run -print0 | xargs -0 -n1 gdalinfo | grep -c 'EPSG:27700'

and then: touch last_run
"""
