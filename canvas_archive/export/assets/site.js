"use strict";
/* Search without a server. The index is cut into small scripts, because a page opened from a disk may not
   read files; each one hands its part to canvasArchive.put(). Text only ever becomes text nodes. */
(() => {
  const parts = new Map();
  const waiting = new Map();
  window.canvasArchive = {
    put(name, data) {
      parts.set(name, data);
    },
  };

  const load = (name) => {
    if (parts.has(name)) return Promise.resolve(parts.get(name));
    if (!waiting.has(name)) {
      waiting.set(name, new Promise((resolve) => {
        const script = document.createElement("script");
        script.src = "search/" + name + ".js";
        script.onload = () => resolve(parts.get(name));
        script.onerror = () => resolve(undefined); // no word begins like that
        document.head.append(script);
      }));
    }
    return waiting.get(name);
  };

  /* A query is taken apart as canvas_archive.search does it; the tables come from there. */
  const analyser = (tables) => {
    const special = new Map(Object.entries(tables.special));
    const casefold = new Map(Object.entries(tables.casefold));
    const dropped = new RegExp("[" + tables.dropped + "]", "gu");
    const zeros = Array.from(tables.zeros, (zero) => zero.codePointAt(0));
    const spaceless = new RegExp("^[" + tables.spaceless + "]", "u");
    const money = new RegExp("^[" + tables.currency + "]$", "u");
    const letter = "(?:(?![" + tables.spaceless + "])[\\p{L}\\p{Nl}\\p{No}]|[\u0900-\u0963\u0971-\u0dff])";
    const run = new RegExp(letter + "{1,40}(?:'" + letter + "{1,40})*|[0-9]{1,40}|[" + tables.spaceless +
      "]{1,40}|[" + tables.emoji + "]", "gu");
    const isWord = (char) => /[\p{L}\p{N}]/u.test(char || "");
    const isNumber = (term) => /^[0-9]+$/.test(term);

    const digit = (char) => {
      const code = char.codePointAt(0);
      return String(code - zeros.filter((zero) => zero <= code).pop());
    };
    const folded = (char) => Array.from(
      Array.from(char.normalize("NFKC"), (part) => casefold.get(part) || part.toLowerCase()).join("").normalize("NFD"),
      (part) => special.get(part) || part,
    ).join("").replace(dropped, "").normalize("NFC").replace(/\p{Nd}/gu, digit);
    const fold = (text) => Array.from(text.normalize("NFC"), folded).join("");

    const apostrophes = (word, start) => {
      const parts = word.split("'");
      let end = start + word.length;
      const found = [];
      if (parts.length > 1 && parts[parts.length - 1] === "s") {
        parts.pop();
        end -= 2;
      }
      if (parts.length > 1 && tables.elided.includes(parts[0]) && Array.from(parts[1]).length > 1) {
        found.push([start, start + parts[0].length, parts[0]]);
        start += parts.shift().length + 1;
      }
      return [...found, [start, end, parts.join("")]];
    };

    /* The terms of a folded text: [start, end, term]. */
    const places = (text) => {
      const found = [];
      let last = null;
      for (const match of text.matchAll(run)) {
        const start = match.index;
        const end = start + match[0].length;
        if (spaceless.test(match[0])) {
          const chars = Array.from(match[0]);
          if (last) last[1] = start + chars[0].length, last[2] += chars[0];
          let at = start;
          chars.forEach((char, number) => {
            const next = chars[number + 1] || "";
            last = [at, at + char.length + next.length, char + next];
            found.push(last);
            at += char.length;
          });
          continue;
        }
        last = null;
        if (match[0].includes("'")) found.push(...apostrophes(match[0], start));
        else found.push([start, end, match[0]]);
      }
      return found;
    };

    /* The terms with a sign that stand for the one at a place. */
    const signed = (text, listed, at) => {
      const [start, end, term] = listed[at];
      const found = [];
      if (spaceless.test(term) || text.slice(start, end).includes("'") || Array.from(term).length >= 40) return found;
      const number = isNumber(term);
      if (!number && !/^\p{L}/u.test(term)) return found;
      const [before, after, following] = [text[start - 1], text[end], text[end + 1]];
      if (number) {
        const left = /\s/.test(before || "") ? text[start - 2] : before;
        if (left && (left === "\u00a7" || money.test(left))) found.push(left + term);
        const right = /\s/.test(after || "") ? following : after;
        if (right && "%\u2030".includes(right)) found.push(term + right);
        else if (right && money.test(right)) found.push(right + term);
        const next = listed[at + 1];
        if ((after === "." || after === ",") && next && next[0] === end + 1 && isNumber(next[2]) && next[2].length < 40)
          found.push(term + "." + next[2]);
      }
      if (after !== "'") {
        if (before === "#") found.push("#" + term);
        else if (before === "." && !number && !isWord(text[start - 2])) found.push("." + term);
      }
      if (before === "'") return found;
      if (after === "#") found.push(term + "#");
      else if (after === "+" && following === "+") found.push(term + "++");
      else if (after === "+" && !isWord(following)) found.push(term + "+");
      else if (after === "-" && !number && following !== "-" && Array.from(term).length === 1 && !isWord(before) && !isWord(following))
        found.push(term + "-");
      return found;
    };

    /* The terms of a query's word or phrase: [offset, term]. */
    const terms = (query) => {
      const text = fold(query);
      const listed = places(text);
      const found = [];
      let half = false; // the term before holds this one as its second number
      listed.forEach(([, end, term], at) => {
        const whole = signed(text, listed, at);
        found.push(...whole.map((each) => [at, each]));
        const held = at > 0 && Array.from(term).length === 1 && spaceless.test(term) && listed[at - 1][1] === end;
        if (!whole.length && !half && !held) found.push([at, term]);
        half = whole.some((each) => /^[0-9]+\./.test(each));
      });
      return found.map(([at, term]) => [at - found[0][0], term]);
    };
    return { terms, isSpaceless: (term) => spaceless.test(term) && Array.from(term).length === 1, stem: stemmer(tables) };
  };

  /* English stems: Porter 2. */
  const stemmer = ({ irregular, stemming: { second, third, fourth, exceptions, final } }) => {
    const region = (word, from) => {
      const match = /^[^aeiouy]*[aeiouy]+[^aeiouy]/.exec(word.slice(from));
      return match ? from + match[0].length : word.length;
    };
    const firstRegion = (word) => /^(gener|arsen)/.test(word) ? 5 : word.startsWith("commun") ? 6 : region(word, 0);
    const isShort = (word) => /^[aeiouy][^aeiouy]$/.test(word) || /[^aeiouy][aeiouy][^aeiouywxY]$/.test(word);
    const ending = (word, endings) => endings.find((each) => word.endsWith(each));
    const cut = (word, count) => word.slice(0, word.length - count);

    const plural = (word) => {
      if (word.endsWith("sses")) return cut(word, 2);
      if (/ie[ds]$/.test(word)) return cut(word, word.length > 4 ? 2 : 1);
      if (/[us]s$/.test(word) || !word.endsWith("s")) return word;
      return /[aeiouy]./.test(cut(word, 1)) ? cut(word, 1) : word;
    };
    const past = (word, r1) => {
      const eed = ending(word, ["eedly", "eed"]);
      if (eed) return word.length - eed.length >= r1 ? cut(word, eed.length - 2) : word;
      const found = ending(word, ["ed", "edly", "ing", "ingly"]);
      const left = found ? cut(word, found.length) : "";
      if (!/[aeiouy]/.test(left)) return word;
      if (/(at|bl|iz)$/.test(left)) return left + "e";
      if (/(bb|dd|ff|gg|mm|nn|pp|rr|tt)$/.test(left)) return cut(left, 1);
      return isShort(left) && firstRegion(left) === left.length ? left + "e" : left;
    };
    const replaced = (word, rules, fits) => {
      const rule = rules.find(([end]) => word.endsWith(end));
      if (!rule) return word;
      const left = cut(word, rule[0].length);
      return fits(left, rule[2]) ? left + rule[1] : word;
    };
    const noun = (word, r2) => {
      const found = ending(word, fourth);
      if (found) return word.length - found.length >= r2 ? cut(word, found.length) : word;
      return /[st]ion$/.test(word) && word.length - 3 >= r2 ? cut(word, 3) : word;
    };
    const last = (word, r1, r2) => {
      const left = cut(word, 1);
      if (word.endsWith("l")) return left.length >= r2 && left.endsWith("l") ? left : word;
      if (!word.endsWith("e")) return word;
      return left.length >= r2 || (left.length >= r1 && !isShort(left)) ? left : word;
    };

    return (form) => {
      if (!/^[a-z]{3,30}$/.test(form)) return form;
      let word = Object.hasOwn(irregular, form) ? irregular[form] : form;
      if (Object.hasOwn(exceptions, word)) return exceptions[word];
      word = word.replace(/^y/, "Y").replace(/([aeiouy])y/g, "$1Y");
      const r1 = firstRegion(word);
      const r2 = region(word, r1);
      word = plural(word);
      if (final.includes(word)) return word;
      word = past(word, r1);
      if (word.length > 2 && /[^aeiouy][yY]$/.test(word)) word = cut(word, 1) + "i";
      word = replaced(word, second, (left, before) =>
        left.length >= r1 && (!before.length || before.some((each) => left.endsWith(each))));
      word = replaced(word, third, (left, late) => left.length >= r1 && (!late || left.length >= r2));
      return last(noun(word, r2), r1, r2).replace(/Y/g, "y");
    };
  };

  /* The query language, without the operators: a tree of {and|or|not: parts} and {kind, text}. */
  const parse = (text, operators) => {
    const refused = (sentence) => { throw new RangeError(sentence); };
    const operator = new RegExp("^(?:" + operators.join("|") + "):", "i");
    const quotes = { "\"": "\"", "\u201c": "\u201c\u201d\u00bb\"", "\u201d": "\u201d\u00bb\"", "\u201e": "\u201c\u201d\u00bb\"", "\u00ab": "\u201c\u201d\u00bb\"" };
    const tokens = [];
    for (let at = 0; at < text.length;) {
      const char = text[at];
      if (/\s/.test(char)) at += 1;
      else if ("()|".includes(char)) tokens.push({ kind: char === "|" ? "or" : char }), at += 1;
      else if (quotes[char]) {
        let end = at + 1;
        while (end < text.length && !quotes[char].includes(text[end])) end += 1;
        if (end === text.length) refused("The quote that opens before \u201c" + text.slice(at + 1) + "\u201d is not closed. Nothing was searched.");
        tokens.push({ kind: "phrase", text: text.slice(at + 1, end) });
        at = end + 1;
      } else if (char === "-" && /^[^- \t\r\n)|]/.test(text.slice(at + 1))) tokens.push({ kind: "not" }), at += 1;
      else if (operator.test(text.slice(at))) {
        refused("\u201c" + operator.exec(text.slice(at))[0] + "\u201d works in the program only. Nothing was searched.");
      } else {
        const word = /^[^\s()"\u201c\u201d\u201e\u00ab\u00bb|]*/.exec(text.slice(at))[0];
        at += word.length || 1;
        const kind = { OR: "or", NOT: "not", AND: "and" }[word] || (word.endsWith("*") ? "prefix" : "word");
        let end = word.length;
        while (end && word[end - 1] === "*") end -= 1;
        if (word) tokens.push({ kind, text: word.slice(0, end) });
      }
    }

    let at = 0;
    let depth = 0;
    const peek = () => at < tokens.length ? tokens[at].kind : "";
    const group = () => {
      if (++depth > 40) refused("The query has parentheses more than 40 deep. Nothing was searched.");
      const parts = [];
      while (!["", ")"].includes(peek())) parts.push(either());
      if (peek() !== ")") refused("A parenthesis is not closed. Nothing was searched.");
      at += 1;
      depth -= 1;
      return { and: parts.filter(Boolean) };
    };
    const single = () => {
      let negated = false;
      for (; ["not", "and"].includes(peek()); at += 1) negated = negated !== (peek() === "not");
      if (["", ")", "or"].includes(peek())) return null;
      const token = tokens[at++];
      const node = token.kind === "(" ? group() : token;
      return negated ? { not: node } : node;
    };
    const either = () => {
      const options = [single()];
      while (peek() === "or") {
        at += 1;
        if (!["", ")"].includes(peek())) options.push(single());
      }
      const present = options.filter(Boolean);
      return present.length > 1 ? { or: present } : present[0] || null;
    };
    const parts = [];
    while (at < tokens.length) {
      if (peek() === ")") at += 1;
      else parts.push(either());
    }
    const found = parts.filter(Boolean);
    return { and: found.length ? found : tokens.filter((token) => token.text).map(({ text: word }) => ({ kind: "word", text: word })) };
  };

  const fileOf = (start) => Array.from(start, (char) =>
    /[a-z0-9]/.test(char) ? char : "_" + char.codePointAt(0).toString(16)).join("");

  const opened = async () => {
    const [about, tables] = [await load("about"), await load("query")];
    const digits = new Map(Array.from(tables.digits, (char, value) => [char, value]));
    const base = tables.digits.length / 2;

    const unpack = (text) => {
      const numbers = [];
      let [number, step] = [0, 0];
      for (const char of text) {
        const value = digits.get(char);
        step = step * base + value % base;
        if (value < base) {
          numbers.push(number += step);
          step = 0;
        }
      }
      return numbers;
    };
    const starts = unpack(about.starts);
    const words = new Set(about.words);
    const forms = new Set(about.forms);
    const analysis = analyser(tables);

    const conversationOf = (place) => {
      let [low, high] = [0, starts.length];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (starts[middle] <= place) low = middle; else high = middle;
      }
      return low;
    };

    /* The longest beginning of a term under which something is filed. */
    const beginning = (term, known) => {
      const chars = Array.from(term);
      return [3, 2, 1].map((count) => chars.slice(0, count).join("")).find((start) => known.has(start));
    };
    const part = async (kind, start) => start === undefined ? {} : await load(kind + fileOf(start)) || {};
    const own = (shard, term) => Object.hasOwn(shard, term) ? shard[term] : "";

    const placesOf = async (term) => unpack(own(await part("w-", beginning(term, words)), term));
    const startingWith = async (prefix) => {
      const found = [];
      for (const start of about.words.filter((each) => each.startsWith(prefix) || prefix.startsWith(each))) {
        const shard = await part("w-", start);
        for (const term of Object.keys(shard)) if (term.startsWith(prefix)) found.push(unpack(shard[term]));
      }
      return found.flat();
    };
    const relatives = async (term) => {
      const stem = analysis.stem(term);
      const others = own(await part("f-", beginning(stem, forms)), stem);
      return new Set([term, stem, ...others.split(" ").filter(Boolean)]);
    };

    const union = (sets) => new Set(sets.flatMap((each) => [...each]));
    const common = (sets) => sets.reduce((left, right) => new Set([...left].filter((each) => right.has(each))));

    /* The conversations with a word, words side by side or a beginning; null for a text without any term. */
    const textMatches = async ({ kind, text }) => {
      const terms = analysis.terms(text);
      const slots = [];
      for (const [at, [offset, term]] of terms.entries()) {
        let found;
        if ((kind === "prefix" && at === terms.length - 1) || analysis.isSpaceless(term)) found = await startingWith(term);
        else if (kind === "word") found = union(await Promise.all([...await relatives(term)].map(placesOf)));
        else found = await placesOf(term);
        slots.push(new Set(Array.from(found, (place) => place - offset)));
      }
      return slots.length ? new Set(Array.from(common(slots), conversationOf)) : null;
    };

    const matches = async (node) => {
      if (node.kind) return textMatches(node);
      if (node.not) {
        const without = await matches(node.not);
        return without && new Set([...starts.keys()].filter((each) => !without.has(each)));
      }
      const parts = [];
      for (const each of node.and || node.or) parts.push(await matches(each));
      const present = parts.filter(Boolean);
      return present.length ? (node.and ? common(present) : union(present)) : null;
    };

    const search = async (query) => {
      const found = await matches(parse(query, tables.operators));
      return { about, numbers: [...found || []].sort((a, b) => a - b) };
    };
    return { search, ...analysis };
  };
  window.canvasArchive.opened = opened;

  const element = (name, text, more) => Object.assign(document.createElement(name), { textContent: text || "" }, more);

  const row = ([path, subject, people, date, shown, preview]) => {
    const item = document.createElement("li");
    const who = element("div", "", { className: "who" });
    who.append(element("a", subject || "(no subject)", { href: path }));
    const what = element("div", people + (preview ? " \u2014 " + preview : ""), { className: "what", dir: "auto" });
    item.append(who, what, element("time", shown, { dateTime: date }));
    return item;
  };

  const PAGE = 50;
  const show = async (result, list, more) => {
    const from = list.children.length;
    for (const number of result.numbers.slice(from, from + PAGE)) {
      const docs = await load("docs-" + Math.floor(number / result.about.per_file));
      if (docs) list.append(row(docs[number % result.about.per_file]));
    }
    more.hidden = list.children.length >= result.numbers.length;
  };

  document.addEventListener("DOMContentLoaded", async () => {
    const list = document.getElementById("results");
    if (!list) return;
    const query = new URLSearchParams(location.search).get("q") || "";
    for (const field of document.querySelectorAll("input[name=q]")) field.value = query;
    const status = document.getElementById("status");
    if (!query.trim()) {
      status.textContent = "Type words, a \"phrase\" or a beginning*. A conversation is found when it holds all of them. -word, OR and parentheses work; from: and the like work in the program only.";
      return;
    }
    status.textContent = "Searching\u2026";
    let result;
    try {
      result = await (await opened()).search(query);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      status.textContent = error.message;
      document.body.dataset.ready = "true";
      return;
    }
    const count = result.numbers.length;
    status.textContent = count === 0 ? "Nothing found for \u201c" + query + "\u201d."
      : count.toLocaleString() + (count === 1 ? " conversation" : " conversations") + " for \u201c" + query + "\u201d";
    const more = document.getElementById("more");
    more.addEventListener("click", () => show(result, list, more));
    await show(result, list, more);
    document.body.dataset.ready = "true";
  });
})();
