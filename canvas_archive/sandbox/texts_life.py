"""Everything around the courses: the house, the library, offices, friends, and notes to oneself."""

from __future__ import annotations

# ruff: noqa: E501 - each paragraph of a message is one line, as it was typed

LIFE_TEXTS = r"""
## library-hold
as: none
when: any
cast: O=902 ME
subject: Your hold is ready: {book}
subject: Hold available at Aldous Library
--- O
Dear Jules Marchetti,

the item that you placed on hold is now waiting for you at the circulation desk:

    {book}

We will keep it until {date+7}. Please bring your card.

Aldous Library
--- ME
Thank you. May my flatmate collect it for me with my card?
--- O
Yes, if you send us the flatmate's name beforehand. A reply to this message is enough.

## library-overdue
as: none
when: any
cast: O=902 ME
subject: Overdue: {book}
subject: Recall notice
--- O
Dear Jules Marchetti,

{book} was due {few} days ago, and another reader is waiting for it. The fine so far is {money}. Please return it as soon as you can.
--- ME
I am sorry! It was under the bed, behind the suitcase. I brought it back this morning. Is the fine still going up?
--- O
It stopped this morning. Because it is your first this year, we have waived it. The other reader sends thanks.

## housing-water
as: none
when: any
cast: O=901 ME
subject: Water will be off on {date+2}, 9:00 to 13:00
subject: Alder House: no hot water on {day+2}
--- O
Dear residents of Alder House,

because of work on the main pipe there will be no water on floors 2 to 5 on {date+2} between 9:00 and 13:00. Please make sure that all taps are closed before you leave. The showers in the sports hall are open to you that morning.

Residence Life
--- ME
Does this include flat {flat}? We are on the landing between two floors, and last time nobody knew.
--- O
It does. We have now written "landing" on the plan.

## housing-inspection
as: none
when: any
cast: O=901 ME
subject: Room inspection, flat {flat}
subject: Fire safety inspection
--- O
Dear Jules,

the yearly fire safety inspection of flat {flat} is on {date+5}, between {time} and 17:30. You do not have to be there. Please leave the smoke detector uncovered and the corridor free. Candles and toasters in bedrooms will be taken to the office.
--- ME
We will clear the corridor. The bicycle belongs to {flat}'s neighbours, though, who are away until {day+8}. May it stay on the balcony?
--- O
On the balcony it may stay. Thank you for asking.

## laundry
as: none
when: any
cast: P ME
subject: laundry room
subject: your socks
--- P
did you leave a load in dryer 3? it's been done since noon, I put everything on top, folded(ish)
--- ME +35m
Mine, sorry!! I fell asleep over my reading. Thank you for the folding(ish).
--- P +4m
one sock has no partner. I kept it as a hostage
--- ME +2m
Name your price.
--- P +1m
popcorn

## dinner
as: none
when: any
cast: P Q ME
subject: Dinner at ours on {day+2}?
subject: {dish} on {day+2}
subject: Cooking on {day+2}
--- P
We're making {dish} on {day+2}, around seven. Come! Bring a plate, we only own four
--- Q
👋 yes, bringing a plate and a salad
--- ME
I'd love to. Is there anything nobody eats? I could make the lemon thing.
--- P
no nuts because of {Q}, otherwise everything. THE LEMON THING 🍋
--- ME
Lemon thing it is, nut-free.
--- Q +2d
Still thinking about the lemon thing. Whose plate do I have?

## it-ticket
as: none
when: any
cast: ME O=906
subject: [{ticket}] Cannot connect to campus Wi-Fi
subject: Wi-Fi in Alder House, third floor
subject: [{ticket}] Password reset
--- ME
Hello,

since [[yesterday|the update on Monday]] my laptop does not connect to the campus network any more. It says "authentication failed", although the same password works on the web. Model: ThinkPad, Linux, MAC address 3c:7c:3f:1a:0b:{page2}.
--- O
Hi Jules,

your ticket is {ticket}. The certificate of the network changed this week. Please delete the saved network, connect again, and accept the certificate whose name ends in example.edu. Never accept one that does not.

Marta, IT Help Desk
--- ME
That was it, I am writing this over Wi-Fi. Thank you!
--- O
Glad to hear it. I am closing {ticket}.

## phishing
as: none
when: any
cast: O=906 ME
subject: Warning: fake message about your mailbox quota
subject: Please do not click: "Your account will be deactivated"
--- O
Dear all,

a message with the subject "Your mailbox is 99 % full" is going round. It is not from us. It links to http://example-edu.accounts.invalid/login and collects passwords. If you have entered yours there, change it now and write to helpdesk@example.edu.

We never ask for a password by e-mail.

Marta Kowalczyk, IT Help Desk
--- ME
Thank you, I had it this morning and nearly believed it, because my mailbox really is full.
--- O
That is how they work. You can ask for more space, by the way; I have doubled yours.

## career-fair
as: none
when: any
cast: O=905 ME
subject: Career fair on {date+8}
subject: Ten minutes with an employer
--- O
Dear Jules,

the career fair takes place on {date+8} in the Student Union, from 10:00 to 16:00. The county survey office and two mapping companies will be there. You can book a ten-minute talk at https://careers.example.edu/fair.
@file pdf Exhibitors.pdf :: Exhibitors|Hall A: county survey office, Northern Hydrography, Blackwater Aerial.|Hall B: teachers' college, three museums, a lighthouse authority.|Portfolio reviews by appointment; bring printed work.
--- ME
Booked for {time}, with the survey office. Is there somebody who could look at my CV before?
--- O
Yes: walk in any weekday between 12 and 13. Bring it on paper, we write on it.
--- ME +4d
Thank you for the help with the CV. They asked me about the toads first.

## job-shift
as: none
when: any
cast: P ME
subject: Swap shifts on {day+3}?
subject: Shelving shift on {day+3}
--- P
hey, could you take my shelving shift on {day+3}, {time} to {time2}? I have a rehearsal. I can do any of yours next week
--- ME
I can. Would you take Thursday morning? I always fall asleep in the law section.
--- P
deal!! the law section has no effect on me
--- ME
You are a machine. I've told the desk.

## bike
as: none
when: any
cast: P ME
subject: Is your old bike still for sale?
subject: Bike
subject: The green bicycle
--- P
Hi Jules, {Qn} told me that you are selling a bicycle. Is it still there, and is it the green one?
--- ME
It's still there and it's very green. New chain, old saddle, brakes that work. 60, or 50 and a jar of your {relative}'s jam.
--- P
60 minus jam it is. Can I try it on {day+1}?
--- ME
Any time after {time}. It lives behind Hollis, next to the bins, where nobody looks.
--- P
I love it. The jam is strawberry, hope that's ok 🍓

## train-home
as: none
when: any
cast: P ME
subject: Train to {town} on {day+5}
subject: Same train?
--- P
Are you on the {time} to {town} on {day+5}? I'd rather not do five hours with only my thoughts
--- ME
I am, coach 7, seat {page}. I have a chess set with one missing knight; we use a cork.
--- P
I'll be the cork's champion. See you on the platform!

## lost-card
as: none
when: any
cast: ME O=904
subject: Enrolment certificate
subject: Proof of enrolment for my residence permit
--- ME
Dear Registrar's Office,

I need a certificate of enrolment, stamped, for [[the residence permit office|my health insurance]]. Student number 20240417. Could I collect it on {day+2}?
--- O
Dear Jules Marchetti,

the certificate is ready at window 2. Our hours are 9:30 to 12:00 and 13:30 to 15:30, except Wednesdays. A digital version with a verification code is attached.
@file pdf Certificate of enrolment.pdf :: Certificate of enrolment|This is to certify that the person named below is enrolled as a full-time student.|Matriculation number 20240417. Verification code QX7-41B.|Valid without a seal if the code is confirmed online.
--- ME
The digital one was accepted. Thank you, that saved me a morning.

## registration
as: none
when: any
cast: O=904 ME
subject: Registration opens on {date+6}
subject: Your registration time
subject: Hold on your account
--- O
Dear student,

your registration time for next term is {date+6} at {time}. Please make sure that there is no hold on your account. You currently have one: LIBRARY FINE ({money}).
--- ME
The fine was waived last week, and the library confirmed it. Could you remove the hold?
--- O
The hold has been removed. We apologise.

## survey-office
as: none
when: any
cast: P ME
subject: Interview at the survey office
subject: How was your interview?
--- P
How did it go?? I thought of you at ten
--- ME
I think well. They put a map on the table and asked what was wrong with it. I said the north arrow, and then the legend, and then I could not stop.
--- P
😂 did you stop eventually
--- ME
They stopped me, and laughed. I hear by {day+10}.
--- ME +8d
I GOT IT. Ten weeks in summer, boots provided 🥾
--- P
BOOTS PROVIDED!!! we're celebrating on Friday

## poem-tr
as: none
when: any
cast: P ME
subject: Une petite question de français
subject: Traduction
--- P
Salut Jules, tu pourrais relire cette phrase ? « Bien que la carte soit fausse, elle dit vrai. » Je ne suis jamais sûr du subjonctif après « bien que ».
--- ME
C'est juste : « soit », toujours. And the sentence is too good for a worksheet, where is it from?
--- P
De moi ! À l'instant, dans le bus.
--- ME
Then write the rest of it.

## german-note
as: none
when: any
cast: P ME
subject: Schlüssel vergessen
subject: Paket für dich
--- P
Hallo Jules, bei mir steht ein Paket für dich, es war niemand zu Hause. Es ist ziemlich groß und klappert. Holst du es heute Abend ab?
--- ME +15m
Danke!! Ich komme um acht. It should not rattle. Please don't shake it.
--- P +3m
Zu spät 😬 Nein, Scherz. Bis gleich.

## turkish-recipe
as: none
when: any
cast: P ME
subject: The recipe you asked for
subject: Recipe for {dish}
--- P
Here's my {relative}'s recipe for {dish}. There are no amounts, because she measures with her hands:

- onions, "enough"
- a pan that is older than you
- patience

Fry slowly until the neighbours ask. Then add everything else.
--- ME
I made it and the neighbours did ask. One of them stayed for dinner. Please tell her that it worked 💛
--- P
I told her, she said "of course it did"

## concert
as: none
when: any
cast: P ME Q
subject: Concert on {day+6}
subject: Two spare tickets
--- P
I'm playing in the {few}-cello concert on {day+6}, {time2} in the chapel. There are free tickets for friends. You two?
--- ME
Of course! Row one or row last?
--- P
row last. if you sit in front I will laugh
--- Q
Row last, promised. We will clap in the wrong place.
--- P +6d
You DID clap in the wrong place, there is proof
@media video The clapping.mp4
--- ME
It was the most beautiful part. We stand by it.

## volunteering
as: none
when: any
cast: P ME Q
extra: 0-0
subject: Toad patrol, spring dates
subject: Toad patrol needs two more people
--- P
The amphibian crossing on Fen Road needs volunteers again: evenings with rain, from dusk to eleven. Torch, bucket, reflective vest. Last year we carried 1,240 toads across.
--- Q
do they get names
--- ME
The first hundred did. Put me down for {day+2} and {day+3}.
--- P
🐸🐸 thank you! I have vests in every size except "toad"

## sick-friend
as: none
when: any
cast: P ME
subject: Soup?
subject: Are you all right?
--- P
You weren't at breakfast. Are you ill or just asleep?
--- ME +12m
Ill. Throat, head, self-pity.
--- P +20m
Soup is outside your door. Knock on the wall if you need anything, once for tea, twice for the doctor.
--- ME +6m
(knocks once)

## note-reading
as: none
when: any
cast: ME
subject: To read over the break
subject: Note to self
--- ME
{book}: chapter {ch}, the part about edges. Compare with page {page} of my notes. Ask whether the library in {city} has the first edition.

## note-packing
as: none
when: any
cast: ME
subject: Packing list
subject: Don't forget
--- ME
passport, charger, the blue notebook, rain jacket
gift for {relative}
print the ticket ({city}, {time})
water the plant!!!
--- ME +1d
the plant has been watered by me, for me. well done me.

## password-share
as: none
when: any
cast: P ME
subject: Kitchen rota
subject: Rota for flat {flat}
--- P
New kitchen rota for {flat}, starting on {day+0}: bins, floor, fridge, surfaces, one week each, then we rotate. Objections by tonight, please.
--- ME
None, except that whoever has the fridge must be allowed to throw away things that talk.
--- P
So ordered. You start with the fridge.
--- ME
I walked into that.
"""
