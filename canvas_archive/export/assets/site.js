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

  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const words = (text) => fold(text).match(/[\p{L}\p{N}]+/gu) || [];
  const fileOf = (start) => "w-" + Array.from(start, (char) =>
    /[a-z0-9]/.test(char) ? char : "_" + char.codePointAt(0).toString(16)).join("");

  const unpack = (deltas) => {
    let number = 0;
    return deltas.map((delta) => (number += delta));
  };

  /* The conversations that hold a word, or a word beginning with it; null when nearly all do. */
  const find = async (word, isLast, about) => {
    const letters = Array.from(word).slice(0, 40);
    const two = letters.slice(0, 2).join("");
    const deeper = about.split.includes(two) && letters.length > 2;
    const shard = await load(fileOf(deeper ? letters.slice(0, 3).join("") : two)) || {};
    const text = letters.join("");
    const found = new Set();
    for (const entry of Object.keys(shard)) {
      if (entry === text || (isLast && letters.length > 1 && entry.startsWith(text))) {
        if (shard[entry] === 0) return null;
        for (const number of unpack(shard[entry])) found.add(number);
      }
    }
    return found;
  };

  const search = async (query) => {
    const about = await load("about");
    const wanted = words(query).filter((word) => Array.from(word).length > 1 || /[^\x00-\x7f]/.test(word));
    let found = null;
    for (let at = 0; at < wanted.length; at++) {
      const with_ = await find(wanted[at], at === wanted.length - 1, about);
      if (with_) found = found ? new Set([...found].filter((number) => with_.has(number))) : with_;
    }
    if (!found) found = wanted.length ? new Set(Array(about.count).keys()) : new Set();
    return { about, numbers: [...found].sort((a, b) => a - b) };
  };

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
      status.textContent = "Type a word or two. A conversation is found when it holds all of them.";
      return;
    }
    status.textContent = "Searching\u2026";
    const result = await search(query);
    const count = result.numbers.length;
    status.textContent = count === 0 ? "Nothing found for \u201c" + query + "\u201d."
      : count.toLocaleString() + (count === 1 ? " conversation" : " conversations") + " for \u201c" + query + "\u201d";
    const more = document.getElementById("more");
    more.addEventListener("click", () => show(result, list, more));
    await show(result, list, more);
    document.body.dataset.ready = "true";
  });
})();
