/* Everything here works without this script, by plain links and forms. With it: no reloads, keys, undo. */
(() => {
  'use strict';
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const token = document.body.dataset.token;
  const narrow = matchMedia('(max-width: 760px)');

  /* The reader's time zone. The server knows its own; a browser elsewhere tells it once. */
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || '';
  const told = () => document.cookie.split('; ').includes(`canvas_archive_zone=${zone}`);
  if (/^[\w+\-/]+$/.test(zone) && !told()) {
    document.cookie = `canvas_archive_zone=${zone}; path=${document.body.dataset.base.replace(/mail(\/archive\/.*)?$/, '')}; max-age=31536000; samesite=strict`;
    if (told() && document.documentElement.dataset.offset !== String(-new Date().getTimezoneOffset())) {
      location.reload();
      return;
    }
  }

  /* My place in a list: the browser keeps where it was scrolled to, this keeps the row and the ticks. */
  const list = $('.list, .hits'), arrived = new URLSearchParams(location.search);
  const plain = () => {
    const parts = location.search.slice(1).split('&').filter(part => part && !/^(row|done|select)=/.test(part));
    return location.pathname + (parts.length ? `?${parts.join('&')}` : '');
  };
  const remembered = () => { try { return JSON.parse(sessionStorage.getItem('place')) || {}; } catch { return {}; } };
  const remember = place => { try { sessionStorage.setItem('place', JSON.stringify(place)); } catch { /* it is only a comfort */ } };
  const rowsOf = () => $$('.row, .hits > li');
  const focusRow = (row, how = { block: 'nearest' }) => {
    if (!row) return;
    $('a', row).focus({ preventScroll: true });
    row.scrollIntoView(how);
  };
  let edge = null;
  addEventListener('pagehide', () => {
    if (!list) return;
    if (edge) { remember({ edge }); return; }
    const row = current();
    remember({ at: plain(), row: row?.dataset.id, scroll: scrollY, ticks: $$('.pick :checked:not(:disabled)').map(box => box.value) });
  });
  const comeBack = () => {
    const place = remembered(), back = performance.getEntriesByType('navigation')[0]?.type === 'back_forward';
    if (place.edge) {
      remember({});
      focusRow(place.edge === 'first' ? rowsOf()[0] : rowsOf().at(-1));
      return;
    }
    const here = $('#here');
    if (place.at === plain() && (back || arrived.has('row'))) {
      $$('.pick input').forEach(box => { if (place.ticks.includes(box.value)) box.checked = true; });
      count();
      scrollTo(0, place.scroll);
      focusRow(here || $(`[data-id="${place.row}"]`));
    } else if (here) {
      focusRow(here, { block: 'center' });
    }
    if (arrived.has('row')) history.replaceState(null, '', plain());
  };

  /* Notices, said aloud once and seen for a while. */
  const toasts = $('#toasts');
  let fading;
  const say = (text, undo) => {
    clearTimeout(fading);
    toasts.replaceChildren();
    const toast = document.createElement('div');
    toast.className = 'toast';
    const words = document.createElement('span');
    words.textContent = text;
    toast.append(words);
    if (undo) {
      const button = document.createElement('button');
      button.textContent = 'Undo';
      button.addEventListener('click', () => send('undo', new URLSearchParams({ undo })));
      toast.append(button);
    }
    toasts.append(toast);
    fading = setTimeout(() => toasts.replaceChildren(), undo ? 12000 : 6000);
  };
  const fieldsOf = (form, button) => {
    const fields = new URLSearchParams(new FormData(form));
    if (button?.name) fields.set(button.name, button.value);
    return fields;
  };
  const post = (address, fields) => {
    fields.set('csrf', token);
    return fetch(address, { method: 'POST', body: fields, headers: { accept: 'application/json' } });
  };

  /* Take the page anew from the server, and keep scroll position, focus and ticks. */
  const refresh = async () => {
    if (arrived.has('select')) history.replaceState(null, '', plain());
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
    if (!answer.ok) { location.reload(); return; }
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const row = current(), place = row ? rowsOf().indexOf(row) : -1;
    const what = row && (document.activeElement.matches('.star') ? '.star' : document.activeElement.matches('input') ? 'input' : 'a');
    const button = !row && document.activeElement?.closest?.('.acts button')?.className.match(/star|arch|mark/)?.[0];
    const scroll = $('#side').scrollTop, unfolded = new Set($$('.old[open] .msg').map(one => one.id));
    $('#main').replaceWith(fresh.querySelector('#main'));
    $('#side').replaceWith(fresh.querySelector('#side'));
    $('#side').scrollTop = scroll;
    $$('.old').forEach(fold => { fold.open = unfolded.has($('.msg', fold).id); });
    if (place >= 0) {
      const rows = rowsOf();
      const target = rows.find(one => one.dataset.id === row.dataset.id) || rows[Math.min(place, rows.length - 1)];
      (target && ($(what, target) || $('a', target)) || $('#main')).focus({ preventScroll: true });
    } else if (button) {
      ($(`.acts .${button}`) || $('#main')).focus({ preventScroll: true });
    }
    settle();
  };
  let last = null;
  const send = async (address, fields) => {
    let answer;
    try {
      answer = await (await post(address.includes('/') ? address : `${document.body.dataset.base}/${address}`, fields)).json();
    } catch {
      say('The server did not answer. Nothing was changed.');
      await refresh().catch(() => {});
      return;
    }
    last = answer.undo || null;
    await refresh();
    say(answer.message, last);
  };

  /* Forms: the list's, a conversation's, a single change's. */
  document.addEventListener('submit', event => {
    const form = event.target, button = event.submitter;
    if (form.matches('[data-draft]')) { leaving = true; clearTimeout(saving); return; }
    if (form.dataset.confirm && !confirm(form.dataset.confirm)) { event.preventDefault(); return; }
    if (form.dataset.sure) form.append(Object.assign(document.createElement('input'), { type: 'hidden', name: 'sure', value: form.dataset.sure }));
    if (form.matches('.list, .acts')) {
      event.preventDefault();
      const fields = new URLSearchParams(new FormData(form));
      fields.set('do', button.value);
      if (button.hasAttribute('aria-pressed')) button.setAttribute('aria-pressed', button.value.startsWith('star'));
      send('edit', fields);
    } else if (form.matches('.once')) {
      event.preventDefault();
      send(form.action, fieldsOf(form, button));
    } else if (form.matches('.stream')) {
      event.preventDefault();
      stream(form, button);
    }
  });
  document.addEventListener('reset', () => setTimeout(count));
  document.addEventListener('change', event => { if (event.target.closest('.pick')) count(); });
  const count = () => {
    const boxes = $$('.pick input'), picked = boxes.filter(box => box.checked).length, words = $('.picked');
    if (words && !$('[name=scope]')) words.textContent = picked ? `${picked} selected` : '';
    if ($('.every')) $('.every').hidden = picked < boxes.length;
    if ($('.pick-all')) $('.pick-all').textContent = picked && picked === boxes.length ? 'Select none' : 'Select all';
  };
  let from = null;
  document.addEventListener('click', event => {
    const box = event.target.closest('.pick input');
    if (box) {
      const boxes = $$('.pick input');
      if (event.shiftKey && from && boxes.includes(from)) {
        const [a, b] = [boxes.indexOf(from), boxes.indexOf(box)].sort((x, y) => x - y);
        boxes.slice(a, b + 1).forEach(other => { other.checked = box.checked; });
        count();
      }
      from = box;
    }
    if (event.target.closest('.pick-all') && !$('[name=scope]')) {
      event.preventDefault();
      pickAll();
    }
    if (event.target.closest('.help-keys') && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      $('#keys').showModal();
    }
    if (event.target.closest('.unfold')) {
      event.preventDefault();
      $$('.old').forEach(fold => { fold.open = true; });
      $('.unfold').parentElement.hidden = true;
      $('.msg').focus({ preventScroll: true });
    }
    if (event.target.closest('.side a')) $('.burger')?.removeAttribute('open');
  });

  /* A message being written: saved as a draft a few seconds after each change, and when the page is left. */
  let saving, leaving = false;
  const keep = async (form, last) => {
    clearTimeout(saving);
    const fields = new FormData(form);
    fields.delete('file');
    fields.set('do', 'keep');
    form.dataset.changed = '';
    const words = $('.saved', form);
    try {
      const answer = await (await fetch(form.action, { method: 'POST', body: fields, headers: { accept: 'application/json' }, keepalive: !!last })).json();
      if (answer.draft && !leaving) {
        form.elements.draft.value = answer.draft;
        form.elements.version.value = answer.version;
      }
      words.textContent = answer.ok ? 'Draft saved.' : answer.message;
    } catch {
      form.dataset.changed = 'yes';
      words.textContent = 'The draft could not be saved.';
    }
  };
  document.addEventListener('input', event => {
    const form = event.target.closest('[data-draft]');
    if (!form || event.target.type === 'file') return;
    form.dataset.changed = 'yes';
    clearTimeout(saving);
    saving = setTimeout(() => keep(form), 2500);
  });
  document.addEventListener('change', event => {
    const form = event.target.closest('[data-draft]');
    if (form && event.target.type === 'file' && event.target.files.length) $('[value=attach]', form).click();
  });
  addEventListener('pagehide', () => {
    const form = $('[data-draft][data-changed=yes]');
    if (form && !leaving) keep(form, true);
  });

  /* "Sync now" and sending: lines appear as they come. */
  const stream = async (form, button) => {
    const log = $('.progress');
    log.hidden = false;
    log.textContent = '';
    $$('.stream button').forEach(other => { other.disabled = true; });
    const label = button.textContent;
    button.textContent = form.dataset.doing;
    const fields = fieldsOf(form, button);
    try {
      const answer = await fetch(form.action, { method: 'POST', body: fields, headers: { accept: 'text/plain' } });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        log.textContent += part.value;
        log.scrollTop = log.scrollHeight;
      }
      const told = log.textContent;
      await refresh();
      const after = $('.progress');
      if (after) { after.hidden = false; after.textContent = told; after.scrollTop = after.scrollHeight; }
      say(told.trim().split('\n').pop() || 'Done.');
    } catch {
      button.textContent = label;
      $$('.stream button').forEach(other => { other.disabled = false; });
      say('The connection was lost. What was begun goes on; reload the page to see how it went.');
    }
  };

  const pickAll = () => {
    const boxes = $$('.pick input:not(:disabled)'), on = !boxes.every(box => box.checked);
    boxes.forEach(box => { box.checked = on; });
    count();
  };

  /* Keys. Focus is the cursor: there is no second one to keep in step. */
  const current = () => document.activeElement?.closest?.('.row, .hits > li');
  const move = step => {
    const rows = rowsOf(), link = $(step > 0 ? '[rel=next]' : '[rel=prev]');
    if (!rows.length) { link?.click(); return; }
    const at = rows.indexOf(current()), next = at + step;
    if (at >= 0 && (next < 0 || next >= rows.length) && link) {
      edge = step > 0 ? 'first' : 'last';
      location.assign(link.href);
      return;
    }
    focusRow(rows[Math.max(0, Math.min(rows.length - 1, next))]);
  };
  const toMessage = step => {
    const all = $$('.msg:not(.waiting)');
    if (!all.length) return;
    const focused = document.activeElement, fold = focused?.closest?.('.old');
    const at = all.indexOf(focused?.closest?.('.msg') || (fold && $('.msg', fold)) || $('.msg:target'));
    const next = all[Math.max(0, Math.min(all.length - 1, at + step))];
    if (next.closest('.old')) next.closest('.old').open = true;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'start' });
  };
  const act = verb => {
    const row = current(), ticked = $$('.pick :checked'), form = $('.list'), whole = form && $('[name=scope]', form);
    if (row || ticked.length) {
      const fields = whole ? new URLSearchParams(new FormData(form)) : new URLSearchParams();
      const rows = ticked.length ? ticked.map(box => box.closest('[data-id]')) : [row];
      if (!whole) new Set(rows.map(one => one.dataset.id)).forEach(id => id && fields.append('id', id));
      if (!(whole || fields.has('id')) || !$('.list .bulk')) return;
      const every = selector => !whole && rows.every(one => one.matches(selector) || $(selector, one));
      const on = { star: () => every('.star[aria-pressed=true]'), toggle: () => every(':not(.unread)'), archive: () => !!$('.bulk [value=unarchive]') }[verb]?.();
      fields.set('do', { star: on ? 'unstar' : 'star', toggle: on ? 'unread' : 'read', archive: on ? 'unarchive' : 'archive' }[verb] || verb);
      send('edit', fields);
    } else if (verb === 'read' || verb === 'unread') {
      $(`.btn.mark[value^="${verb}:"]`)?.click();
    } else {
      $({ star: '.btn.star', toggle: '.btn.mark', archive: '.btn.arch' }[verb])?.click();
    }
  };
  const visit = tail => location.assign(document.body.dataset.base + tail);
  const answer = all => {
    const form = $('.answer');
    if (!form) return;
    form.open = true;
    if (all && $('[name=all]', form)) $('[name=all]', form).checked = true;
    $('textarea', form).focus();
  };
  const follow = (name, otherwise) => { const link = $(`[data-key="${name}"]`); if (link) link.click(); else otherwise?.(); };
  const SINGLE = {
    j: () => move(1), k: () => move(-1), n: () => toMessage(1), p: () => toMessage(-1),
    o: () => { const row = current(); if (row) $('a', row).click(); else { const fold = document.activeElement?.closest?.('.old'); if (fold) fold.open = !fold.open; } },
    x: () => { const row = current(); if (row) $('.pick input', row)?.click(); },
    u: () => $('.up')?.click(), s: () => act('star'), e: () => act('archive'), m: () => act('toggle'),
    I: () => act('read'), U: () => act('unread'),
    r: () => follow('r', () => answer(false)), a: () => follow('a', () => answer(true)), f: () => follow('f'),
    c: () => $('.side .new')?.click(),
    z: () => last && send('undo', new URLSearchParams({ undo: last })),
    '/': () => (narrow.matches ? $('#q') : $('#bq') || $('#q')).focus(),
    '?': () => $('#keys').showModal(),
    '#': () => say('Nothing is deleted here. Press e to archive.'),
  };
  const AFTER = {
    g: { i: () => visit(''), u: () => visit('/unread'), s: () => visit('/starred'), t: () => visit('/sent'), a: () => visit('/archived'), p: () => visit('/people'), c: () => visit('/edits') },
    '*': { a: pickAll, n: () => { $$('.pick input:not(:disabled)').forEach(box => { box.checked = false; }); count(); } },
  };
  let first = null, forgetting;
  document.addEventListener('keydown', event => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey || $('dialog[open]')) return;
    if (event.target.matches('input:not([type=checkbox]), textarea, select, [contenteditable]')) {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    if (event.key === 'Escape') { $('.bulk .none')?.click(); $('.burger')?.removeAttribute('open'); return; }
    if (event.key === 'Enter' && event.target.matches('.pick input')) { event.preventDefault(); $('a', current()).click(); return; }
    if (document.body.dataset.keys === 'off') return;
    clearTimeout(forgetting);
    const group = first;
    first = null;
    if (!group && AFTER[event.key]) {
      first = AFTER[event.key];
      forgetting = setTimeout(() => { first = null; }, 1500);
    } else {
      const action = group ? group[event.key] : SINGLE[event.key];
      if (!action) return;
      action();
    }
    event.preventDefault();
  });

  /* Names in the search field are completed: the datalist holds whole queries. */
  const field = $('#bq'), completions = $('#completions');
  let asking;
  field?.addEventListener('input', () => {
    clearTimeout(asking);
    if (!/(from|to|with|course):[^:]*$/.test(field.value)) return;
    asking = setTimeout(async () => {
      const text = field.value;
      const answer = await fetch(`${document.body.dataset.base}/search/suggest?${new URLSearchParams({ q: text })}`).catch(() => null);
      if (!answer?.ok || field.value !== text) return;
      completions.replaceChildren(...(await answer.json()).map(value => Object.assign(document.createElement('option'), { value })));
    }, 150);
  });

  const settle = () => {
    count();
    if (narrow.matches) $$('.fac details').forEach(fold => { fold.open = false; });
  };
  settle();
  if (list) comeBack();
  const target = document.getElementById(location.hash.slice(1));
  if (target?.closest('.old')) { target.closest('.old').open = true; target.scrollIntoView(); }
  addEventListener('beforeprint', () => $$('.old').forEach(fold => { fold.open = true; }));
  /* An address that names a message of a long conversation, but not its part of it: ask for that part. */
  const named = location.hash.match(/^#m(\d+)$/);
  if (named && $('[data-part]') && !document.getElementById(`m${named[1]}`)) {
    const query = new URLSearchParams(location.search);
    if (query.get('m') !== named[1]) {
      ['before', 'after'].forEach(key => query.delete(key));
      query.set('m', named[1]);
      location.replace(`?${query}${location.hash}`);
    }
  }
  if ($('.toast')) {
    last = $('.toast button')?.value || null;
    fading = setTimeout(() => toasts.replaceChildren(), 12000);
    history.replaceState(null, '', location.href.replace(/([?&])done=[^&#]*&?/, '$1').replace(/[?&]($|#)/, '$1'));
  }
})();
