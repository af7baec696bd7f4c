/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The other views: workers, the dead, the store, the server.  Their lists are asked for every few seconds.
 */
const LIST_S = 5;

/* A view whose rows come from requests of its own: `read` answers with them. */
function listView(title, read, spec, more) {
  const told = el('span', { class: 'told' });
  let all = [], at = 0, problem = '';
  const rows = now => {
    const fits = matcher(place.args.get('filter') || ''), found = all.filter(r => fits(r.search) || spec.alsoFits(r, fits));
    put(told, found.length === all.length ? count(all.length) : count(found.length) + ' of ' + count(all.length));
    grid.set(found, now);
    if (more) more(found, all);
  };
  const grid = new Grid(Object.assign({ empty: () => (problem ? sentence(problem) : all.length === 0 ? spec.nothing() : sentence('Nothing matches.')) }, spec));
  async function load() {
    at = performance.now();
    try {
      all = await read();
      problem = '';
    } catch (e) {
      problem = 'This cannot be shown: ' + e.message + '.';
      all = [];
    }
    rows(false);
  }
  setTimeout(load);
  return { node: [el('div', { class: 'view-head' }, el('h2', { text: title }), filterBox('Filter ' + title.toLowerCase(), () => rows(true)), told), grid.node],
    refresh: () => { if (!net.frozen && !net.lost && performance.now() - at > LIST_S * 1000) load(); }, scroll: () => grid.draw(), grid, load, rows };
}

const textColumn = (key, label, value) => ({ key, label, kind: 't', value, fill: (td, r) => { put(td, value(r)); attr(td, 'title', value(r) || null); } });

/* ---- Workers ------------------------------------------------------------------------------------------- */

const idOf = w => (w.id && w.id !== '-' ? String(w.id) : 'connection ' + w.fd);

/* Those that can do something, each with its jobs, of which the one comes first that it has longest. */
async function readWorkers() {
  const [all, running] = await Promise.all([ask('api/workers'), ask('api/running')]), jobs = new Map();
  for (const j of running.running.sort((a, b) => b.age - a.age)) jobs.set(j.fd, (jobs.get(j.fd) || []).concat(j));
  return all.workers.map(w => ({ id: String(w.fd), source: w, jobs: jobs.get(w.fd) || [] })).filter(r => r.jobs.length > 0 || r.source.functions.length > 0)
    .map(r => Object.assign(r, { search: [idOf(r.source), r.source.address, r.source.functions.join(' '), ...r.jobs.map(j => j.handle)].join(' ') }));
}

function workersView() {
  const list = w => w.functions.join(' '), job = r => r.jobs[0];
  return listView('Workers', readWorkers,
    { cls: 'workers', caption: 'Workers', sort: { key: 'id', down: false }, cardHeight: 84, alsoFits: (r, fits) => r.source.functions.some(fits),
      nothing: () => el('div', {}, sentence('No worker is connected. One for the function wc:'), el('pre', { text: 'gearman -w -f wc -- wc -l' })),
      columns: [
        Object.assign(textColumn('id', 'Worker', r => String(idOf(r.source))), { head: true }),
        textColumn('address', 'Address', r => String(r.source.address || '')),
        { key: 'job', label: 'Works on', kind: 't', value: r => (job(r) ? job(r).function : ''),
          make(td) { td.button = el('button', { type: 'button', class: 'link', onclick: () => jobDialog(td.job.handle, td.job.function) }); td.words = el('span', {}); td.append(td.button, td.words); },
          fill(td, r) {
            td.job = job(r);
            td.button.hidden = !td.job;
            put(td.button, td.job ? td.job.function : '');
            attr(td.button, 'title', td.job ? 'Job ' + td.job.handle : null);
            put(td.words, !td.job ? 'nothing' : r.jobs.length > 1 ? ' and ' + count(r.jobs.length - 1) + ' more' : '');
            attr(td, 'data-zero', td.job ? null : '');
          } },
        cardNumber('since', 'For', 'How long it has had the job', r => (job(r) ? job(r).age : -1), r => (job(r) ? age(job(r).age) : NONE)),
        progressColumn(job),
        cardNumber('count', 'Functions', 'That it can do', r => r.source.functions.length, r => count(r.source.functions.length)),
        textColumn('functions', 'Can do', r => list(r.source)),
      ] });
}

/* ---- The dead ------------------------------------------------------------------------------------------ */

function deadView() {
  const chosen = new Set(), groups = el('ul', { class: 'groups' }), bar = el('div', { class: 'actions', role: 'group', 'aria-label': 'Actions' });
  let found = [];
  const act = what => {
    const jobs = found.filter(r => chosen.has(r.id)).map(r => r.source), of = [...new Set(jobs.map(j => j.function))];
    jobsDialog(jobs, what, of.length === 1 ? of[0] : many(of.length, 'function'), () => { chosen.clear(); view.load(); });
  };
  const send = el('button', { type: 'button', text: 'Send again…', onclick: () => act('kick') }), purge = el('button', { type: 'button', text: 'Purge…', onclick: () => act('cancel') });
  const every = el('button', { type: 'button', onclick: () => { if (chosen.size < found.length) found.forEach(r => chosen.add(r.id)); else chosen.clear(); view.rows(false); } });
  bar.append(every, send, purge);
  const showBar = () => {
    bar.hidden = found.length === 0;
    put(every, chosen.size < found.length || found.length === 0 ? 'Choose all ' + count(found.length) + ' that match' : 'Choose none');
    put(send, 'Send ' + count(chosen.size) + ' again…');
    put(purge, 'Purge ' + count(chosen.size) + '…');
    send.disabled = purge.disabled = chosen.size === 0 || !mayManage();
  };
  const showGroups = all => {
    const by = new Map();
    for (const r of all) {
      const key = r.source.function + '\n' + r.source.error;
      if (!by.has(key)) by.set(key, { f: r.source.function, error: r.source.error, n: 0, last: 0 });
      const g = by.get(key);
      g.n++;
      g.last = Math.max(g.last, r.source.since || 0);
    }
    const top = [...by.values()].sort((a, b) => b.n - a.n).slice(0, 8);
    groups.replaceChildren(...top.map(g => el('li', {}, el('a', { href: '#/dead?filter=' + encodeURIComponent(g.f), text: count(g.n) + ' × ' + g.f }),
      ' ' + (g.error || 'no error text') + (g.last > 0 ? ', last ' + age(model.at - g.last) + ' ago' : ''))));
  };
  const read = async () => (await ask('api/dead')).dead.map(d => ({ id: d.handle, search: [d.handle, d.unique, d.error].join(' '), source: d }));
  const view = listView('Dead', read,
    { cls: 'dead', caption: 'Dead jobs', sort: { key: 'since', down: true }, cardHeight: 100, alsoFits: (r, fits) => fits(r.source.function),
      nothing: () => sentence('Nothing has died.'),
      columns: [
        { key: 'choose', label: 'Choose', kind: 't',
          make(td) { td.box = el('input', { type: 'checkbox', onchange: () => { if (td.box.checked) chosen.add(td.of); else chosen.delete(td.of); showBar(); } }); td.append(td.box); },
          fill(td, r) { td.of = r.id; td.box.checked = chosen.has(r.id); attr(td.box, 'aria-label', 'Choose job ' + r.source.handle); } },
        { key: 'handle', label: 'Job', kind: 't', head: true, value: r => r.source.handle,
          make(td) { td.button = el('button', { type: 'button', class: 'link', onclick: () => jobDialog(td.button.textContent, td.of) }); td.append(td.button); },
          fill(td, r) { td.of = r.source.function; put(td.button, r.source.handle); } },
        textColumn('function', 'Function', r => r.source.function), textColumn('error', 'Error', r => r.source.error || ''),
        cardNumber('attempts', 'Attempts', '', r => r.source.attempts || 0, r => count(r.source.attempts || 0)),
        cardNumber('bytes', 'Size', '', r => r.source.bytes || 0, r => bytes(r.source.bytes || 0)),
        cardNumber('since', 'Died', '', r => r.source.since || 0, r => (r.source.since > 0 ? age(model.at - r.source.since) + ' ago' : NONE)),
      ] },
    (now, all) => {
      found = now;
      const there = new Set(now.map(r => r.id));
      for (const id of chosen) if (!there.has(id)) chosen.delete(id);
      showGroups(all);
      showBar();
    });
  view.node.splice(1, 0, groups, bar);
  return view;
}

/* ---- The store and the server: facts -------------------------------------------------------------------- */

function factsView(title, facts, empty) {
  const box = el('div', { class: 'fact-groups' }), note = el('p', { class: 'policy' });
  function refresh() {
    if (model.status === null) return;
    put(note, (empty && empty()) || '');
    const groups = facts(model.status, model.values).map(([name, list]) => [name, list.filter(([, v]) => v !== undefined && v !== null && v !== '')]).filter(([, list]) => list.length > 0);
    const shape = groups.map(([name, list]) => name + ':' + list.map(f => f[0]).join()).join(';');
    if (box.shape !== shape) {
      box.shape = shape;
      box.replaceChildren(...groups.map(([name, list]) => el('section', { class: list.length > 12 ? 'many' : null }, el('h3', { text: name }), factList(list.map(([label]) => [label, ''])))));
    }
    groups.forEach(([, list], g) => list.forEach(([, value], i) => put(box.children[g].lastChild.children[2 * i + 1], String(value))));
  }
  return { node: [el('div', { class: 'view-head' }, el('h2', { text: title })), note, box], refresh, scroll: () => {} };
}

function quantile(h, q) {
  if (!h || !h.counts) return undefined;
  const all = h.counts.reduce((a, b) => a + b, 0);
  let seen = 0;
  for (let i = 0; i < h.counts.length; i++) if ((seen += h.counts[i]) >= q * all && all > 0) return i < h.bounds.length ? h.bounds[i] : Infinity;
  return undefined;
}

const within = (h, q) => { const v = quantile(h, q); return v === undefined ? undefined : v === Infinity ? 'longer than all bounds' : 'within ' + age(v); };

function storeView() {
  return factsView('Store', (s, v) => [
    ['State', [['module', s.queue], ['state', s.store], ['since', s.store_since > 0 ? moment(s.store_since) + ', ' + age(model.at - s.store_since) : ''], ['last error', s.store_error]]],
    ['On their way', [['jobs to be stored', count(v.waiting_adds || 0)], ['jobs to be removed', count(v.waiting_removes || 0)], ['bytes', bytes(v.storing_bytes_now || 0)], ['longest silence', v.commit_ns > 0 ? age(v.commit_ns / 1e9) : '']]],
    ['Commits since the start', [['half', within(s.histograms.store_commit, 0.5)], ['99 %', within(s.histograms.store_commit, 0.99)]]],
    ['Counted since the start', Object.entries(v).filter(([n]) => /^(store_|jobs_stored|jobs_replayed|stored)/.test(n) && n !== 'store_since').map(([n, x]) => [n.replace(/_/g, ' '), count(x)])],
  ], () => model.status.store === 'none' && 'Background jobs are in memory only, and are lost when the server ends. Start it with -q sqlite, -q postgres or -q mysql to keep them.');
}

const SOURCES = { file: ' (file)', environment: ' (environment)', line: ' (command line)', default: '' };

/* Modules and options stay as they are while the server lives. */
function serverView() {
  const told = { modules: [], options: [], problem: '' };
  const read = async name => { try { told[name] = (await ask('api/' + name))[name]; } catch (e) { if (name === 'options') told.problem = e.message; } };
  const options = isGiven => told.options.filter(o => (o.source !== 'default') === isGiven).map(o => [o.name, (o.value === '(set)' ? 'set, and not shown' : o.value || 'empty') + SOURCES[o.source]]);
  setTimeout(() => Promise.all([read('modules'), read('options')]).then(() => net.refresh()));
  return factsView('Server', (s, v) => {
    const p = s.process || {}, up = s.started > 0 ? model.at - s.started : 0;
    return [
      ['Server', [['version', s.version], ['state', s.state], ['started', up > 0 ? moment(s.started) + ', ' + age(up) + ' ago' : ''], ['your right', s.rights]]],
      ['Modules', told.modules.map(m => [m.name, m.kind + ' ' + m.version + ', ' + (m.used === 'yes' ? 'in use' : 'not used')])],
      ['Memory and limits', [['jobs', count(v.jobs_now || 0)], ['bytes of jobs', bytes(v.job_bytes_now || 0) + (v.job_bytes_limit > 0 ? ' of ' + bytes(v.job_bytes_limit) : '')], ['functions', count(v.functions_now || 0)],
        ['connections', count(v.connections_now || 0)], ['resident memory', p.resident_bytes > 0 ? bytes(p.resident_bytes) : ''], ['descriptors', p.max_fds > 0 ? count(p.open_fds) + ' of ' + count(p.max_fds) : '']]],
      ['Processor time since the start', Object.entries(s.threads || {}).map(([n, x]) => [n, age(x) + (up > 0 ? ', ' + percent(x / up) + ' of a core' : '')])],
      ['Certificates', certificates().map(([n, x]) => [n, 'until ' + moment(x) + ', ' + age(x - model.at)])],
      ['Waits for the processing thread', [['half', within(s.histograms.proc_lag, 0.5)], ['99 %', within(s.histograms.proc_lag, 0.99)]]],
      ['Options that were given', told.problem ? [['not shown', told.problem]] : told.options.length > 0 && options(true).length === 0 ? [['none', 'all are as below']] : options(true)],
      ['Options as they are without being given', options(false)],
      ['Counted since the start', Object.entries(v).filter(([n]) => !/_now$|_limit$|_since$|^commit_ns$|^start|^tls_expiry/.test(n)).map(([n, x]) => [n.replace(/_/g, ' '), count(x)])],
    ];
  });
}
