
'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const query = byId('q'), place = byId('p'), shown = byId('shown');
  const signs = [...document.querySelectorAll('input[name=s]')];
  const groups = [...document.querySelectorAll('.group')].map((element) => ({
    element,
    rows: [...element.querySelectorAll('.row')].map((row) => ({
      row, sign: row.dataset.s, text: null,
    })),
  }));
  const total = groups.reduce((sum, group) => sum + group.rows.length, 0);
  const folded = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

  function filter() {
    const words = folded(query.value).split(/\s+/).filter(Boolean);
    const wanted = new Set(signs.filter((box) => box.checked).map((box) => box.value));
    let seen = 0;
    groups.forEach((group, number) => {
      const here = place.value === '' || place.value === String(number);
      const heading = words.length ? folded(group.element.querySelector('h2').textContent) : '';
      let some = false;
      for (const one of group.rows) {
        let fits = here && wanted.has(one.sign);
        if (fits && words.length) {
          one.text ??= folded(one.row.textContent);
          fits = words.every((word) => one.text.includes(word) || heading.includes(word));
        }
        one.row.hidden = !fits;
        if (fits) { some = true; seen += 1; }
      }
      group.element.hidden = !some;
    });
    shown.textContent = seen === total ? `${total} rows` : `${seen} of ${total} rows`;
  }

  function remember() {
    const state = new URLSearchParams();
    if (query.value) state.set('q', query.value);
    if (place.value) state.set('p', place.value);
    if (signs.some((box) => !box.checked)) {
      state.set('s', signs.filter((box) => box.checked).map((box) => box.value).join(''));
    }
    history.replaceState(null, '', '#' + state);
  }

  function recall() {
    const state = new URLSearchParams(location.hash.slice(1));
    query.value = state.get('q') ?? '';
    place.value = state.get('p') ?? '';
    const wanted = state.get('s');
    for (const box of signs) box.checked = wanted === null || wanted.includes(box.value);
    filter();
  }

  const changed = () => { filter(); remember(); };
  const rows = () => groups.flatMap((group) => group.rows).filter((one) => !one.row.hidden).map((one) => one.row);
  const focusable = (row) => row.querySelector('summary') ?? row;
  const openAll = (open) => { for (const row of rows()) if (row.tagName === 'DETAILS') row.open = open; };
  function everything() {
    query.value = ''; place.value = '';
    for (const box of signs) box.checked = true;
    changed();
  }
  function step(by) {
    const list = rows();
    const now = list.findIndex((row) => row.contains(document.activeElement));
    const next = list[now < 0 ? 0 : Math.min(Math.max(now + by, 0), list.length - 1)];
    if (!next) return;
    next.closest('.group').open = true;
    focusable(next).focus();
  }

  query.addEventListener('input', changed);
  place.addEventListener('change', changed);
  for (const box of signs) box.addEventListener('change', changed);
  byId('open').addEventListener('click', () => openAll(true));
  byId('close').addEventListener('click', () => openAll(false));
  byId('reset').addEventListener('click', everything);
  addEventListener('hashchange', recall);
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = document.activeElement === query;
    if (event.key === 'Escape') { everything(); query.blur(); return; }
    if (typing || document.activeElement === place) return;
    if (event.key === '/') { event.preventDefault(); query.focus(); query.select(); }
    if (event.key === 'j') step(1);
    if (event.key === 'k') step(-1);
  });
  recall();
})();
