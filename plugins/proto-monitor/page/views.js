/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The views: functions, one function, workers, the dead, the store, the server.
 *
 * A view is {node, refresh(), scroll(), grid}: made anew each time that it is gone to; `refresh` comes with each change.
 */

function filterBox(label, changed) {
  const box = el('input', { type: 'search', id: 'filter', 'aria-label': label, placeholder: label + ', e.g. mail.*', autocomplete: 'off', spellcheck: 'false', value: place.args.get('filter') || '' });
  box.addEventListener('input', () => { keepArg('filter', box.value); changed(); });
  return box;
}

const cardNumber = (key, label, title, value, text, more) => Object.assign({ key, label, title, kind: 'n', value, fill(td, row) { const shown = text(row); put(td, shown); attr(td, 'data-zero', /^(0|0 %|–)$/.test(shown) ? '' : null); } }, more);

/* A number that leads to the list of what it counts; none is a plain nought. */
function linkedNumber(key, label, title, value, jobs) {
  return { key, label, title, kind: 'n', value,
    make(td) { td.link = el('a', {}); td.append(td.link); },
    fill(td, f) {
      const n = value(f);
      put(td.link, count(n));
      attr(td.link, 'href', functionPlace(f.name, jobs));
      attr(td, 'data-zero', n === 0 ? '' : null);
    } };
}

/* ---- Functions ----------------------------------------------------------------------------------------- */

const STATES = { [BAD]: ['bad', '◆'], [WARN]: ['warn', '▲'], [NOTE]: ['warn', '△'] };

function stateOf(f) {
  if (f.gate !== 'open') return ['held', '‖', f.gate];
  if (f.waiting > 0 && f.now.workers === 0) return [...(STATES[f.level] || STATES[NOTE]), 'no worker'];
  if (f.level >= WARN) return [...STATES[f.level], 'look'];
  if (f.now.running > 0 || f.waiting > 0) return ['busy', '●', 'busy'];
  return f.now.workers > 0 ? ['idle', '○', 'idle'] : ['idle', '·', 'nothing'];
}

const sparkColour = () => lineColours()[0];

function drawSpark(canvas, f) {
  const w = 90, h = 20, n = Math.min(f.sparks, SPARKS), g = canvas.getContext('2d');
  if (canvas.drawn === f.sparks && canvas.of === f && canvas.colour === sparkColour()) return;
  canvas.drawn = f.sparks;
  canvas.of = f;
  canvas.colour = sparkColour();
  const most = Math.max(...f.done), isFlat = n < 2 || most <= 0;
  g.setTransform(2, 0, 0, 2, 0, 0);
  if (!canvas.isFlat) g.clearRect(0, 0, w, h);
  canvas.isFlat = isFlat;
  if (isFlat) return;
  g.strokeStyle = sparkColour();
  g.lineWidth = 1.3;
  g.beginPath();
  for (let i = 0; i < n; i++) g.lineTo(w - 1 - (n - 1 - i) * (w - 2) / (SPARKS - 1), h - 2 - (h - 4) * f.done[(f.sparks - n + i) % SPARKS] / most);
  g.stroke();
}

/* How far a job is that runs, as a bar and in words; most workers do not say. */
function progressColumn(of) {
  const shown = j => (j.denominator > 0 ? percent(Math.min(1, j.numerator / j.denominator)) + ' (' + count(j.numerator) + ' of ' + count(j.denominator) + ')' : NONE);
  return { key: 'progress', label: 'How far', title: 'As its worker says', kind: 't', value: r => { const j = of(r); return j && j.denominator > 0 ? j.numerator / j.denominator : -1; },
    make(td) { td.bar = el('progress', {}); td.words = el('span', {}); td.append(td.bar, td.words); },
    fill(td, r) {
      const j = of(r) || {}, words = shown(j);
      td.bar.hidden = words === NONE;
      td.bar.max = j.denominator || 1;
      td.bar.value = Math.min(j.numerator || 0, td.bar.max);
      attr(td.bar, 'aria-label', 'Job ' + j.handle);
      put(td.words, words);
      attr(td, 'data-zero', words === NONE ? '' : null);
    } };
}

const FUNCTION_COLUMNS = [
  { key: 'name', label: 'Function', kind: 't', head: true, value: f => f.lower,
    make(td) { td.link = el('a', {}); td.append(td.link); },
    fill(td, f) { put(td.link, f.name); attr(td.link, 'href', functionPlace(f.name)); attr(td.link, 'title', f.name); } },
  { key: 'state', label: 'State', title: 'What needs you first', kind: 't', value: f => f.level * 1e9 + Math.min(1e9 - 1, aged(f, f.oldest) + (f.gate !== 'open' ? 0.5 : 0) + (f.waiting > 0 ? 0.1 : 0)),
    fill(td, f) { const [cls, sign, word] = stateOf(f); put(td, sign + ' ' + word); attr(td, 'data-state', cls); attr(td, 'title', f.reasons && f.reasons.length ? f.reasons.map(r => r[1]).join('; ') : null); } },
  { key: 'spark', label: 'Done, 10 min', kind: 't',
    make(td) { td.canvas = el('canvas', { width: 180, height: 40, 'aria-hidden': 'true' }); td.append(td.canvas); },
    fill(td, f) { drawSpark(td.canvas, f); } },
  linkedNumber('waiting', 'Waiting', 'Ready for a worker', f => f.waiting, 'ready'),
  cardNumber('oldest', 'Oldest', 'How long the oldest of them waits', f => aged(f, f.oldest), f => (f.waiting > 0 ? age(aged(f, f.oldest)) : NONE)),
  { key: 'running', label: 'Running / workers', title: 'With a worker; connections that can do it', kind: 'n', value: f => f.now.running,
    make(td) { td.link = el('a', {}); td.bar = el('i', { class: 'bar-of', 'aria-hidden': 'true' }, el('i')); td.append(td.bar, td.link); },
    fill(td, f) {
      put(td.link, count(f.now.running) + ' / ' + count(f.now.workers));
      attr(td.link, 'href', functionPlace(f.name, 'running'));
      td.bar.firstChild.style.width = (f.now.workers > 0 ? Math.min(100, 100 * f.now.running / f.now.workers) : 0) + '%';
    } },
  cardNumber('rate', 'Per s', 'Ended in a second, of the last 5 to 10', perSecond, f => rate(perSecond(f))),
  cardNumber('failed', 'Failed', 'Of what ended in the last minutes', f => failures(f).part, f => percent(failures(f).part)),
  linkedNumber('delayed', 'Delayed', 'Due later', f => f.now.delayed, 'delayed'),
  cardNumber('retrying', 'Retrying', 'Delayed after a failed attempt', f => f.now.retrying, f => count(f.now.retrying)),
  linkedNumber('dead', 'Dead', 'On the dead list', f => f.now.dead, 'dead'),
];
const isEmpty = f => f.now.jobs === 0 && f.now.workers === 0 && f.now.dead === 0;

function firstSteps() {
  return el('div', {}, sentence('No function yet. A function is there when a worker can do it or a job wants it:'),
    el('pre', { text: 'gearman -w -f wc -- wc -l            # a worker\ngearman -f wc < /etc/services        # a job, and its answer\ngearman -b -f wc < /etc/services     # a job in the background' }));
}

function functionsView() {
  const [key, order] = (place.args.get('sort') || 'state-down').split('-');
  const known = FUNCTION_COLUMNS.some(c => c.key === key && c.value);
  const grid = new Grid({ cls: 'functions', stable: true, caption: 'Functions', columns: FUNCTION_COLUMNS, cardHeight: 84,
    sort: { key: known ? key : 'state', down: !known || order === 'down' },
    onSort: s => keepArg('sort', s.key === 'state' && s.down ? '' : s.key + (s.down ? '-down' : '-up')),
    mark: (tr, f) => attr(tr, 'data-level', f.level >= WARN ? STATES[f.level][0] : null),
    empty: () => (model.functions.size === 0 ? firstSteps() : sentence('No function matches. ' + (hide.checked ? 'Those without jobs and workers are hidden.' : ''))) });
  const told = el('span', { class: 'told' });
  const rows = now => {
    const fits = matcher(place.args.get('filter') || ''), found = [];
    for (const f of model.functions.values()) if (fits(f.name) && !(hide.checked && isEmpty(f))) { f.id = f.name; found.push(f); }
    put(told, found.length === model.functions.size ? many(found.length, 'function') : count(found.length) + ' of ' + many(model.functions.size, 'function'));
    grid.set(found, now);
  };
  const hide = el('input', { type: 'checkbox', id: 'hide', checked: place.args.get('empty') === 'hide', onchange: () => { keepArg('empty', hide.checked ? 'hide' : ''); rows(true); } });
  return {
    node: [el('div', { class: 'view-head' }, el('h2', { text: 'Functions' }), filterBox('Filter functions', () => rows(true)), el('label', {}, hide, ' hide empty'), told), grid.node],
    refresh: () => rows(false), scroll: () => grid.draw(), grid,
  };
}

/* ---- One function -------------------------------------------------------------------------------------- */

const JOBS_MOST = 500;
const JOB_STATES = ['ready', 'running', 'delayed', 'dead'];

function jobColumns(of) {
  const text = (key, label) => ({ key, label, kind: 't', value: j => String(j[key] || ''), fill: (td, j) => { put(td, String(j[key] || '')); attr(td, 'title', String(j[key] || '') || null); } });
  return [
    { key: 'handle', label: 'Job', kind: 't', head: true, value: j => j.handle,
      make(td) { td.button = el('button', { type: 'button', class: 'link', onclick: () => jobDialog(td.button.textContent, of) }); td.append(td.button); },
      fill: (td, j) => put(td.button, j.handle) },
    { key: 'show', label: 'Data', kind: 't',
      make(td) { td.button = el('button', { type: 'button', text: 'Show', onclick: () => dataDialog(td.button.of, of) }); td.append(td.button); },
      fill(td, j) { td.button.of = j.handle; td.button.disabled = j.bytes === 0; attr(td.button, 'aria-label', 'Show the data of job ' + j.handle); } },
    text('unique', 'Unique'), text('priority', 'Priority'),
    cardNumber('age', 'Age', '', j => j.age || 0, j => (j.age >= 0 ? age(j.age) : NONE)),
    cardNumber('attempts', 'Attempts', '', j => j.attempts || 0, j => count(j.attempts || 0)),
    cardNumber('bytes', 'Size', '', j => j.bytes || 0, j => bytes(j.bytes || 0)),
    progressColumn(j => j), text('worker', 'Worker'),
    { key: 'data', label: 'What', kind: 't', fill: (td, j) => { const shown = j.error || j.data || ''; put(td, shown); attr(td, 'title', shown || null); } },
  ];
}

function functionActions(f) {
  const no = mayManage() ? null : 'Actions need the right “manage”; this browser’s address has “' + ((model.status && model.status.rights) || 'none') + '”.';
  const button = (text, n, work) => el('button', { type: 'button', text, disabled: no !== null || n === 0, onclick: work });
  return el('div', { class: 'actions', role: 'group', 'aria-label': 'Actions' },
    f.gate === 'paused' ? null : button('Pause…', 1, () => pauseDialog(f)), f.gate in HELD ? button('Resume', 1, () => resume(f)) : null,
    button('Purge ready…', f.waiting, () => purgeDialog(f, 'ready')), button('Purge delayed…', f.now.delayed, () => purgeDialog(f, 'delayed')),
    button('Send dead again…', f.now.dead, () => kickDialog(f)), button('Purge dead…', f.now.dead, () => purgeDialog(f, 'dead')),
    no === null ? null : el('p', { class: 'why', text: no }));
}

function functionNumbers(f) {
  const bad = failures(f), n = f.now;
  const mean = (s, of) => (of > 0 && s > 0 ? age(s / of) : NONE);
  return [['waiting', count(f.waiting)], ['oldest', f.waiting > 0 ? age(aged(f, f.oldest)) : NONE], ['running', count(n.running)], ['workers', count(n.workers)], ['asleep', count(n.sleeping)],
    ['per second', rate(perSecond(f))], ['failed', percent(bad.part)], ['delayed', count(n.delayed)], ['retrying', count(n.retrying)], ['dead', count(n.dead)],
    ['mean wait', mean(n.wait_seconds, n.assigned)], ['mean run', mean(n.run_seconds, f.ended + f.lost)], ['submitted', count((n.submitted_foreground || 0) + (n.submitted_background || 0))],
    ['completed', count(n.ended_completed || 0)], ['failed in all', count(f.failed)]];
}

function functionView() {
  const name = place.name, reasons = el('ul', { class: 'function-reasons' }), numbers = el('dl', { class: 'numbers' }), policy = el('p', { class: 'policy' });
  const actions = el('div', {}), box = el('div', {}), tabs = el('div', { class: 'tabs', role: 'group', 'aria-label': 'Jobs' });
  const own = FUNCTION_PLOTS.map(spec => new Plot(spec));
  const more = el('button', { type: 'button', text: 'Read again', onclick: () => load() });
  let state = place.args.get('jobs'), shape = '', readAt = 0;
  if (!JOB_STATES.includes(state)) state = 'ready';
  const grid = new Grid({ cls: 'jobs', caption: 'Jobs', columns: jobColumns(name), sort: { key: 'age', down: true }, cardHeight: 84, empty: () => sentence(grid.problem || grid.waitsFor || 'There is no ' + state + ' job of it.') });
  const find = () => model.functions.get(name), readText = el('span', { class: 'told' });
  async function load() {
    const f = find();
    if (!f) return;
    const want = state;
    readAt = performance.now();
    attr(grid.table, 'data-jobs', state);
    try {
      const got = await ask('api/functions/' + f.path + '/jobs?state=' + state + '&limit=' + JOBS_MOST);
      if (want !== state) return;
      grid.problem = '';
      grid.set(got.jobs.map(j => Object.assign({ id: j.handle }, j)), !grid.isHeld());
      put(readText, 'read at ' + clock(model.at, true) + (got.jobs.length < JOBS_MOST ? '' : ', the first ' + count(JOBS_MOST)));
    } catch (e) {
      grid.problem = 'The jobs cannot be shown: ' + e.message + '.';
      grid.set([], true);
    }
  }
  async function loadPolicy() {
    const f = find();
    try {
      const got = f ? await ask('api/functions/' + f.path) : {};
      put(policy, got.policy ? 'Policy: ' + got.policy : '');
    } catch (e) { /* the numbers are there all the same */ }
  }
  for (const s of JOB_STATES) tabs.append(el('button', { type: 'button', 'data-jobs': s, onclick: () => { state = s; keepArg('jobs', s); refresh(); load(); } }));
  function refresh() {
    const f = find();
    actions.hidden = tabs.hidden = more.hidden = !f;
    if (!f) { put(policy, model.status === null ? 'Asking the server…' : 'There is no function of this name.'); numbers.replaceChildren(); return; }
    const now = functionNumbers(f);
    if (numbers.childElementCount !== now.length) numbers.replaceChildren(...now.map(([label]) => el('div', {}, el('dt', { text: label }), el('dd', {}))));
    now.forEach(([, value], i) => put(numbers.children[i].lastChild, value));
    const history = historyOf(f);
    for (const p of own) p.draw(history);
    const told = (f.reasons || []).map(r => r[1]).join('\n');
    if (reasons.told !== told) { reasons.told = told; reasons.replaceChildren(...(f.reasons || []).map(([level, text]) => el('li', { 'data-state': STATES[level][0], text: STATES[level][1] + ' ' + text }))); }
    const counts = { ready: f.waiting, running: f.now.running, delayed: f.now.delayed, dead: f.now.dead };
    for (const b of tabs.children) { put(b, b.dataset.jobs + ' ' + count(counts[b.dataset.jobs])); attr(b, 'aria-pressed', String(b.dataset.jobs === state)); }
    /* Buttons are made anew only when they would differ: they may have the focus. */
    const is = [f.gate, f.waiting > 0, f.now.delayed > 0, f.now.dead > 0, mayManage()].join();
    /* A bookmark may come before the first word of the server. */
    if (readAt === 0) { load(); loadPolicy(); }
    else if (state === 'running' && !net.frozen && !net.lost && performance.now() - readAt > LIST_S * 1000) load();
    if (shape !== is) { shape = is; actions.replaceChildren(functionActions(f)); }
  }
  box.append(grid.node);
  return { node: [el('div', { class: 'view-head' }, el('a', { href: '#/functions', text: '← Functions' }), el('h2', { text: name })), reasons, policy, numbers, actions,
    el('section', { class: 'function-plots', 'aria-label': 'Plots of this function' }, el('div', { class: 'plots-grid' }, ...own.map(p => p.node))),
    el('div', { class: 'view-head' }, tabs, more, readText), box], refresh, scroll: () => grid.draw(), grid, load };
}
