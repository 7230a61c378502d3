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
    document.cookie = `canvas_archive_zone=${zone}; path=/; max-age=31536000; samesite=strict`;
    if (told() && document.documentElement.dataset.offset !== String(-new Date().getTimezoneOffset())) {
      location.reload();
      return;
    }
  }

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
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
    if (!answer.ok) { location.reload(); return; }
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const row = document.activeElement?.closest?.('.row');
    const place = row ? $$('.row').indexOf(row) : -1;
    const what = row && (document.activeElement.matches('.star') ? '.star' : document.activeElement.matches('input') ? 'input' : '.open');
    const button = !row && document.activeElement?.closest?.('.acts button')?.className.match(/star|arch|mark/)?.[0];
    const scroll = $('#side').scrollTop;
    $('#main').replaceWith(fresh.querySelector('#main'));
    $('#side').replaceWith(fresh.querySelector('#side'));
    $('#side').scrollTop = scroll;
    if (place >= 0) {
      const rows = $$('.row');
      const target = $(`.row[data-id="${row.dataset.id}"]`) || rows[Math.min(place, rows.length - 1)];
      (target && ($(what, target) || $('.open', target)) || $('#main')).focus({ preventScroll: true });
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
    const picked = $$('.pick :checked').length, words = $('.picked');
    if (words) words.textContent = picked ? `${picked} selected` : '';
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

  /* Keys. Focus is the cursor: there is no second one to keep in step. */
  const current = () => document.activeElement?.closest?.('.row, .hits > li');
  const move = step => {
    const rows = $$('.row, .hits > li');
    if (!rows.length) { $(step > 0 ? '[rel=next]' : '[rel=prev]')?.click(); return; }
    const next = rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(current()) + step))];
    $('a', next).focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
  };
  const act = verb => {
    const row = current(), ticked = $$('.pick :checked');
    if (row || ticked.length) {
      const fields = new URLSearchParams();
      const rows = ticked.length ? ticked.map(box => box.closest('.row')) : [row];
      rows.filter(one => one.dataset.id).forEach(one => fields.append('id', one.dataset.id));
      if (!fields.has('id') || !$('.list .bulk')) return;
      const on = verb === 'star' ? rows.every(one => $('.star[aria-pressed=true]', one))
        : verb === 'read' ? !rows.some(one => one.classList.contains('unread')) : !!$('.bulk [value=unarchive]');
      fields.set('do', on ? { star: 'unstar', read: 'unread', archive: 'unarchive' }[verb] : verb);
      send('edit', fields);
    } else {
      $({ star: '.btn.star', read: '.btn.mark', archive: '.btn.arch' }[verb])?.click();
    }
  };
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || $('dialog[open]')) return;
    if (event.target.matches('input:not([type=checkbox]), textarea, select')) {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    const row = current();
    switch (event.key) {
      case 'j': move(1); break;
      case 'k': move(-1); break;
      case 'o': row && $('a', row).click(); break;
      case 'Enter':
        if (!event.target.matches('.pick input')) return;
        $('.open', row).click();
        break;
      case 'x': row && $('.pick input', row)?.click(); break;
      case 'u': $('.up')?.click(); break;
      case 's': act('star'); break;
      case 'e': act('archive'); break;
      case 'm': act('read'); break;
      case 'r': if ($('.answer')) { $('.answer').open = true; $('.answer textarea').focus(); } break;
      case 'c': $('.side .new')?.click(); break;
      case 'z': last && send('undo', new URLSearchParams({ undo: last })); break;
      case '/': (narrow.matches ? $('#q') : $('#bq') || $('#q')).focus(); break;
      case '?': $('#keys').showModal(); break;
      case 'Escape': $('.bulk .none')?.click(); $('.burger')?.removeAttribute('open'); return;
      default: return;
    }
    event.preventDefault();
  });

  const settle = () => {
    count();
    if (narrow.matches) $$('.fac details').forEach(fold => { fold.open = false; });
  };
  settle();
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
