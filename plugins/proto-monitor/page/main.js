/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Puts the page together: the verdict, the banner, the view that the address names, the keys.
 */
const VIEWS = { functions: functionsView, function: functionView, workers: workersView, dead: deadView, store: storeView, server: serverView };
const MOST_REASONS = 5;
/* Never by colour alone: a disc, a triangle, an octagon, a ring. */
const SHAPES = {
  good: ['M12 2a10 10 0 1 0 0 20a10 10 0 1 0 0-20z', 'M7 12.5l3.5 3.5l6.5-7.5', '#1a7f37'],
  warn: ['M12 2L23 21H1z', 'M12 9v6M12 17.5v1', '#9a6700'],
  bad: ['M7.5 2h9L22 7.5v9L16.5 22h-9L2 16.5v-9z', 'M8 8l8 8M16 8l-8 8', '#c93030'],
  unknown: ['M12 2a10 10 0 1 0 0 20a10 10 0 1 0 0-20z', 'M9 9.5a3 3 0 1 1 3.6 3v2M12 17v1', '#6e7781'],
};

let view = null, showAll = false;

/* ---- Verdict and banner -------------------------------------------------------------------------------- */

function showIcon(level) {
  if (showIcon.level === level) return;
  showIcon.level = level;
  const [shape, sign, colour] = SHAPES[level];
  $('verdict-shape').setAttribute('d', shape);
  $('verdict-sign').setAttribute('d', sign);
  $('icon').href = 'data:image/svg+xml,' + encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="' + colour + '" d="' + shape +
    '"/><path fill="none" stroke="#fff" stroke-width="2.6" d="' + sign + '"/></svg>');
}

function showVerdict() {
  const v = judge(), stale = isStale(), level = stale ? 'unknown' : v.level;
  const line = stale ? 'Not known: no word from the server for ' + age(silence()) + '. It was: ' + v.line : v.line;
  attr($('verdict'), 'data-level', level);
  showIcon(level);
  /* Read out when the verdict changes, not with each second of silence. */
  attr($('verdict-line'), 'aria-live', stale ? 'off' : 'polite');
  put($('verdict-line'), line);
  const title = (stale ? '? ' : v.reasons.length > 0 ? '(' + v.reasons.length + ') ' : '') + (stale ? 'no word' : v.line) + ' – gearmand ' + location.hostname;
  if (document.title !== title) document.title = title;
  const shown = v.reasons.slice(0, showAll ? 200 : MOST_REASONS), list = $('reasons');
  while (list.childElementCount > shown.length) list.lastChild.remove();
  while (list.childElementCount < shown.length) list.append(el('li', {}, el('a', {}, el('i', { 'aria-hidden': 'true' }), el('b', {}), el('span', {}))));
  shown.forEach((r, i) => {
    const a = list.children[i].firstChild;
    attr(a, 'href', r.href);
    attr(a, 'data-state', STATES[r.level][0]);
    put(a.children[0], STATES[r.level][1]);
    put(a.children[1], r.who);
    put(a.children[2], ': ' + r.text);
  });
  const more = v.reasons.length - MOST_REASONS;
  $('more-reasons').hidden = more <= 0;
  put($('more-reasons'), showAll ? 'Fewer' : count(more) + ' more');
}

function showLive() {
  const banner = $('lost'), stale = isStale(), s = model.status;
  const text = stale ? 'The connection is lost. What you see is ' + age(silence()) + ' old. Trying again…' : '';
  const was = !banner.hidden;
  banner.hidden = !stale && !(net.lost && s === null);
  if (!banner.hidden) put(banner, stale ? text : 'The server does not answer. Trying again…');
  /* Said once, not each second. */
  attr(banner, 'aria-live', was ? 'off' : 'assertive');
  document.body.classList.toggle('stale', stale);
  put($('live'), net.frozen ? 'frozen at ' + clock(model.at, true) : stale ? 'lost' : s === null ? 'connecting' : net.stream === null ? 'asking' : 'live ' + clock(model.at, true));
  attr($('live'), 'data-live', net.frozen ? 'frozen' : stale || s === null ? 'lost' : 'live');
  if (s === null) return;
  put($('server'), 'gearmand ' + (s.version || ''));
  let dead = 0;
  for (const f of model.functions.values()) dead += f.now.dead || 0;
  put($('dead-count'), dead > 0 ? ' ' + count(dead) : '');
}

/* ---- Views --------------------------------------------------------------------------------------------- */

function go() {
  const before = place.view + '/' + place.name;
  readPlace();
  if (!(place.view in VIEWS)) place.view = 'functions';
  for (const a of document.querySelectorAll('nav a')) attr(a, 'aria-current', a.getAttribute('href') === '#/' + (place.view === 'function' ? 'functions' : place.view) ? 'page' : null);
  $('plots').hidden = place.view !== 'functions';
  view = VIEWS[place.view]();
  $('view').replaceChildren(...view.node);
  view.refresh(true);
  if (before !== place.view + '/' + place.name && go.ran) {
    scrollTo(0, 0);
    drawPlots();
    if (document.activeElement === document.body || !document.activeElement.isConnected) $('view').focus({ preventScroll: true });
  }
  go.ran = true;
  view.scroll();
}

let drawing = false;

/* Many changes, one drawing. */
function refresh() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    showVerdict();
    showLive();
    drawPlots();
    view.refresh();
  });
}

/* ---- Keys and theme ------------------------------------------------------------------------------------ */

function setTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  kept.set('theme', theme);
  coloursNow = null;
  put($('theme'), 'Theme: ' + theme);
  drawPlots();
}

function nextTheme() {
  const now = kept.get('theme') || 'auto';
  setTheme({ auto: 'dark', dark: 'light', light: 'auto' }[now]);
}

function toggleFreeze() {
  freeze(!net.frozen);
  attr($('freeze'), 'aria-pressed', String(net.frozen));
}

function escape_() {
  const box = $('filter');
  if (box && box.value !== '') {
    box.value = '';
    box.dispatchEvent(new Event('input'));
  } else if (document.activeElement === box && box) {
    box.blur();
  } else if (place.view !== 'functions') {
    location.hash = '#/functions';
  }
}

const GO = { f: 'functions', w: 'workers', d: 'dead', s: 'store', v: 'server' };
const PRESSED = {
  '/': () => { const box = $('filter'); if (box) { box.focus(); box.select(); } },
  p: toggleFreeze, t: nextTheme, '?': helpDialog, Escape: escape_,
  ArrowDown: () => { if (view.grid && document.activeElement.matches('body, main, #filter')) view.grid.focusRow(0); },
};
let gone = 0;

addEventListener('keydown', event => {
  const inField = event.target.matches('input[type=search], textarea, select');
  if ($('dialog').open || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (inField && event.key !== 'Escape' && event.key !== 'ArrowDown') return;
  if (event.key.length === 1 && !keysOn()) return;
  if (performance.now() - gone < 1500 && GO[event.key]) {
    gone = 0;
    event.preventDefault();
    location.hash = '#/' + GO[event.key];
    return;
  }
  gone = event.key === 'g' ? performance.now() : 0;
  const work = PRESSED[event.key];
  if (!work) return;
  if (event.key !== 'ArrowDown' || inField) event.preventDefault();
  work();
});

/* ---- The beginning ------------------------------------------------------------------------------------- */

$('plots-grid').append(...plots.map(p => p.node));
$('spans').addEventListener('click', event => { if (event.target.dataset.span) setSpan(Number(event.target.dataset.span)); });
$('plot-table').addEventListener('click', () => openDialog('The plots as a table', [el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Values' }, plotTable())], [closeButton('Close')], true));
$('more-reasons').addEventListener('click', () => { showAll = !showAll; showVerdict(); });
$('freeze').addEventListener('click', toggleFreeze);
$('theme').addEventListener('click', nextTheme);
$('help').addEventListener('click', helpDialog);
$('skip').addEventListener('click', event => { event.preventDefault(); $('view').focus(); });
let scrolling = false;
addEventListener('scroll', () => {
  if (scrolling) return;
  scrolling = true;
  requestAnimationFrame(() => { scrolling = false; view.scroll(); });
}, { passive: true });
addEventListener('resize', refresh);
addEventListener('hashchange', go);
document.addEventListener('visibilitychange', () => { if (document.hidden) closeStream(); else openStream(); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { coloursNow = null; refresh(); });
/* Silence is told also when nothing comes. */
setInterval(() => { if (model.status !== null && silence() * 1000 > STALE_MS && !document.hidden && !net.frozen) refresh(); }, 1000);

/* The server answers while the page is put together. */
net.refresh = refresh;
setSpan([600, 10800, 604800].includes(Number(kept.get('span'))) ? Number(kept.get('span')) : 600);
openStream();
go();
setTheme(kept.get('theme') || 'auto');
