"""The sample's very long message: more than three thousand words by one pen."""

from __future__ import annotations

# ruff: noqa: E501 - each paragraph of a message is one line, as it was typed

LONG_NOTES = """Dear Jules,

You asked for a few lines. I am sorry. I sat in the third row with a full pen, and this is what happened. Skip whatever you like; I have put the best part at the end, so that you at least have to scroll.

NINE O'CLOCK: WELCOME

It began late, because the key to the Merton lecture theatre was in somebody's other coat. Professor O'Brien stood on the steps and used the time to explain the day. There would be four talks, a panel, and an open hour in which anybody could read one page of their own. She said that the essay is the only form named after the verb "to try", and that she therefore expected us to fail in interesting ways. Then the key arrived, by bicycle.

There were about ninety people. I counted eleven from our class, among them Grace, who had saved me a seat, and Tomáš, who had brought a cushion and was right to. The seats in Merton were built for people who had never heard of the spine.

FIRST TALK: THE COAT AND THE WEATHER

The first speaker was a small woman from a large university, whose subject was how essays begin. She had collected four hundred first sentences over twenty years, on index cards, and she had brought the box. She let the box go round. I held a card on which she had written, in pencil, in 1999: "begins with the weather, means the marriage".

Her argument, as far as I could follow it while the box was coming nearer, was this. A first sentence makes two promises. One is about the subject: this will be about moths, or kitchens, or the sea. The other is about the company: you will be spending the next half hour with somebody like this. Readers forgive a broken promise of the first kind almost at once, because they enjoy being led astray. They never forgive the second. If you begin as a friend and turn into a lecturer, they put on their coat.

She then put up six openings without the names and asked us to say what sort of company each was. It was astonishing how much we agreed. "An uncle who has read everything and wants you to know it is no trouble." "A nurse on a night shift." "Somebody who has been crying, but not today." She told us afterwards who they were, and the uncle was a woman of twenty-six.

Somebody asked whether one should write the beginning first. She said that she writes hers on the day before the deadline, when she finally knows who she has been. Before that she begins every draft with the words "What I am trying to say is", and she deletes them at the end. If you take only one practical thing from these notes, take that.

COFFEE

The coffee was bad and the biscuits were good. I spoke to a man who restores globes for the maritime museum. He does not write essays, but he reads one each morning on the ferry, and he had taken a day off to see what sort of people make them. I told him about you and about your bus stop, and he asked whether the timetable still existed. I said that I did not know. Does it?

SECOND TALK: LISTS

The second speaker had the unlucky slot after the biscuits and began by asking us to write down everything that was in our pockets. Mine: keys, a tram ticket, a conker that I have been carrying since October, a folded receipt for onions, lip balm, no money. We read some of them aloud. A boy in the first row had two left gloves. Nobody laughed when an old man at the back read, quite quietly, "her key, my key".

That was her whole point, and she hardly needed the forty minutes after it. A list is an essay that has not made up its mind yet. It puts things next to each other and trusts us to feel the draught between them. As soon as you add "because", you have shut the window. She was not against "because". She said that one should know that it is a window.

She showed pages from the oldest lists that she could find: a steward's inventory of a burnt house, a laundry book, a girl's record of every bird she had seen in one winter, which ended on the second of February without any explanation. She has looked for the girl for nine years. She knows the street. I think that everybody in the room wanted to go and look for her at once.

Then an exercise. Take a paragraph of yours that explains something, and turn it into a list of the things in it. Read the list. Ask whether the explanation is still missing. I tried it during the questions with the paragraph about my mother's sewing box, and it is not missing at all. I have lost two hundred words and gained a thimble.

The questions were mostly statements, as they always are. One was good. A woman asked whether lists are not a way of avoiding responsibility: you lay out the evidence and leave the room. The speaker thought about it for a long time, long enough that some people began to cough. Then she said: "Yes. That is why the order matters so much. The order is where I am standing." I wrote that down twice.

LUNCH

Soup, bread, apples. I ate with Grace and with Professor O'Brien's mother, who had come up from Galway for the day and who introduced herself as the only person present with no opinion about the comma. She told us that as a child Professor O'Brien wrote letters of complaint to the weather service, signed with the name of the dog. We have promised not to use this. I am telling you only because you have a fever and will think that you dreamt it.

A SMALL EXHIBITION

Between lunch and the third talk they had opened the reading room upstairs, where there were notebooks under glass. I liked best the ones in which hardly anything had survived. One page consisted of a date, a crossed-out sentence, and the word "no" with a box drawn round it; the essay that came of it is in every anthology. There was a notebook that had been through a washing machine. There was a shopping list on which, between the candles and the mustard, stood a sentence that you and I both had to learn by heart at school, and it looked quite at home there.

The librarian told me that visitors always ask which pen was used. Nobody has ever asked which chair. She thinks that the chair is the more important question, and she showed me a photograph of one with a board across its arms, and the board was worn through at the place where a wrist would lie.

THIRD TALK: ON NOT BEING ABLE TO ASK

This was the one that I had come for, and I find it the hardest to report. The speaker writes about her grandfather, who came from a village that is now under a reservoir. She has a photograph, a spoon, and four sentences that he said. He died before it occurred to her to ask for a fifth.

What do you do, she asked, when the archive is a spoon? There are three temptations. The first is to invent, and to call it imagination. The second is to give up, and to call it respect. The third, which she thinks is the most dangerous because it is the most elegant, is to write about the impossibility of knowing, and to become the subject oneself. She has done all three, and she read us a passage of each, without mercy. They were all beautiful. That was what made it so uncomfortable: you could hear that they were beautiful, and that she was right.

So what is left? She has started to do what she calls walking round it. She learns everything that he must have known and that she can still find out: how deep the well was, what the ferry cost, which saint's day fell in the week of the hay, how long it takes to walk from the church to the mill with a load. She does not say what he felt. She says what the path was like. After a hundred pages, she told us, there is a hole in the middle in the shape of a man, and people tell her that they have met him.

She has been to the reservoir in a dry summer. The top of the mill wall comes out of the water. She took the spoon along and did not know what to do with it, so she ate her lunch with it.

There was a silence after that, and then somebody clapped, and then everybody did, and somebody's cushion fell down the steps. I looked at Tomáš and he was studying the ceiling in the way one does.

In the questions I put up my hand, which as you know I never do. I asked how she decides what to look up, since one could go on for ever. She said: "I look up what I would be ashamed to get wrong in front of him." Then she asked me what I was working on, in front of ninety people, and I said "a sewing box", and she nodded as if that were an answer.

FOURTH TALK: AGAINST ENDINGS

The fourth speaker was very tall and very funny, and I am afraid that I remember the jokes better than the argument. He is against endings. He thinks that the last paragraph of most essays is there to apologise for the rest: it takes the reader by the elbow and says, in case you missed it. He proposed a law under which every last paragraph would be cut off by the printer, for a year, as an experiment. He read us five famous essays without their last paragraphs, and I have to say that four of them were better.

The fifth was not. He admitted it. The fifth was the one about the dying moth, and without its ending it was only an insect. So there are endings that are needed, and he tried to say how one knows. His rule of thumb: if the last paragraph says what the essay means, cut it. If it does something, if something happens in it that has not happened before, even something as small as a window being closed, keep it.

I thought of your letter, the one that now comes back on page six. It does something: it gets opened. So you are allowed to keep it, and I can tell you this on the authority of a very tall man.

He also said a thing about titles that I want to keep. A title should not be a label on a jar. It should be the spoon that is lying next to it. After the third talk nobody in the room could hear the word "spoon" without flinching, and he noticed, and stopped, and apologised, although he could not have known. It was the nicest moment of the afternoon.

THE PANEL

The panel was about truth, as it had to be. May an essayist change the colour of a car? There were four people at the table. One said never. One said always, provided that the car was hers. One said that it depends on whether the owner of the car is alive. The fourth, the globe restorer from the ferry, who had been pulled up from the audience because somebody's train had been cancelled, said that on old globes there are islands that do not exist, and that he is not allowed to remove them. They are part of the globe. But he is not allowed to add any, either. "You may keep your mistakes," he said. "You may not make new ones on purpose." Everybody wrote it down, and the one who had said "always" said that she would have to think about it.

There was then a heated exchange about dialogue. Nobody remembers word for word what was said at a table twenty years ago; everybody prints it with quotation marks. The one who had said "never" confessed that she leaves out the marks when she is not certain, and that her editor puts them back in. It turned out that all four had had the same editor. This relieved the tension considerably.

A student from the second row, very young, asked the only question that was about money. How does one live from this? They looked at one another. One teaches, one translates manuals for dishwashers, one has a husband with a garage. The globe restorer said that he could use an apprentice. I saw three people take down his address, and I was one of them.

THE OPEN HOUR

Twelve people read a page each. I will give you only the ones that I still hear.

A girl with a cast on her arm read about learning to write with the other hand, and how her left-handed sentences are shorter and more honest. She read from the cast, because she had written it there.

A retired postman read a page about dogs. It contained every dog on a route of two hundred and six houses, in order, without a verb. It took him four minutes, and at the end there was a house without a dog, and we all knew.

Grace read! She had not told anybody. It was the page about her aunt's radio, the one that we saw in the workshop, but she has taken out the whole middle, and now the radio simply goes on playing in the empty flat. When she had finished she walked straight past her seat and out of the door, and came back five minutes later with wet hair, because she had put her head under the tap.

Tomáš read a recipe for dumplings in which the measurements get less and less certain. "Two hundred grams of flour. Salt, as much as you would lend a neighbour. An egg, if there is an egg." People were hungry again by the end, which he took as a compliment.

And then there were two minutes left and Professor O'Brien looked at me. I had the sewing box in my bag. I had decided at nine, and again at eleven, and again after the soup, that I would not read it. I read it. I read the list, only the list, without the two hundred words. My voice shook up to the thimble, and after the thimble it was all right. The woman with the grandfather sat in front of me, and when I had sat down again she turned round and gave me a card. It was one of the index cards from the first talk, she must have kept it when the box came by; on the back she had written, in pencil: "begins with a thimble, means the mother".

It is on my desk. I cannot look at it for long.

AFTERWARDS

We put away the chairs. The key was lost again and found again. Professor O'Brien's mother said that in all her life she had never heard so many people speak for so long about themselves with so little harm done. Then she went to catch her train, and Professor O'Brien, who had been perfectly calm for nine hours, ran after her down the whole length of Merton Street with a forgotten umbrella, shouting a word in Irish that I do not think was a blessing.

Grace and I walked home along the canal. It had rained while we were inside, and the towpath was full of snails, and we had to walk in single file with a torch, so as not to step on anybody. She said that she will study law anyway. I said that I thought so. She said that she would like, all the same, to be a lawyer who has read a page about a radio aloud, once, and I said that this is already the case and cannot be undone.

SOME PRACTICAL THINGS, BEFORE I FORGET

- The first speaker's list of openings will be put on the course page. The one with the moths is not by the person everybody thinks.
- The tall man recommends writing three endings for every draft and using none of them.
- There is a prize for an essay of up to two thousand words. The deadline is in May. I have sent you the link, and before you say anything: the bus stop has one thousand nine hundred and forty.
- The globe restorer's workshop is open on the first Sunday of the month. He says that visitors may turn the large one, slowly, with both hands.
- The woman with the list of birds asked whether anybody knows somebody who grew up in Quarry Street. You once said that your grandmother did. It may be nothing. But the winter of the list is 1951, and the girl would be about the right age, and the last bird on it is a waxwing.

I know. I had to sit down as well.

Ask her. Ask her tonight, even if your head hurts. You heard what happens to people who wait for the fifth sentence.

THE BEST PART, AS PROMISED

When everything had been put away, Professor O'Brien came back with the umbrella, because her mother had got into the train without it after all. She opened it indoors, in the middle of the empty theatre, and looked at it. "Well," she said, "we tried." And then she saw that I was still there, and laughed, and said that this would have made a good last line and that I was on no account to use it.

So I have not ended with it. I am ending with the weather: it has stopped raining, there is one light on across the courtyard, and somebody over there is playing the same four notes on a piano, stopping, and playing them again.

Get well soon.

Rosalind"""
