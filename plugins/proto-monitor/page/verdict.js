/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What needs somebody: the rules of the alerts, one sentence each, the worst first.
 */
const BAD = 3, WARN = 2, NOTE = 1;

const LIMITS = {
  noWorker: 300, stuck: 120, oldest: 300, backlog: 30000, backlogBad: 100000, failed: 0.05, failedBad: 0.5, least: 10,
  unwell: 60, files: 0.9, certificateDays: 14, lag: 0.1,
};

const REFUSALS = [
  ['refused_full', 'submission', 'a limit is reached'],
  ['store_refused', 'submission', 'by the store'],
  ['connections_refused', 'connection', 'too many, or no descriptors left'],
];

const jobsWait = n => (n === 1 ? '1 job waits' : count(n) + ' jobs wait');
const HELD = { paused: 'paused', held: 'held back (paused, at its cap or its rate)' };

/* The reasons of one function: [level, sentence]; none = []. */
function functionReasons(f) {
  const now = f.now, oldest = aged(f, f.oldest), got = [];
  const hour = f.marks.hour[0], died = (now.ended_dead || 0) - hour.died;
  if (f.waiting > 0 && f.gate in HELD && oldest >= LIMITS.oldest)
    got.push([WARN, HELD[f.gate] + ' while ' + jobsWait(f.waiting) + ', oldest ' + age(oldest)]);
  else if (f.waiting > 0 && now.workers === 0 && oldest >= LIMITS.noWorker)
    got.push([BAD, jobsWait(f.waiting) + ', no worker can do it, oldest ' + age(oldest)]);
  else if (f.waiting > 0 && now.sleeping > 0 && f.gate === 'open' && oldest >= LIMITS.stuck)
    got.push([BAD, 'no worker took a job for ' + age(oldest) + ' though ' + count(now.sleeping) + ' sleep']);
  else if (f.waiting > 0 && oldest >= LIMITS.oldest)
    got.push([WARN, jobsWait(f.waiting) + ', oldest ' + age(oldest)]);
  else if (f.waiting >= LIMITS.backlog)
    got.push([f.waiting >= LIMITS.backlogBad ? BAD : WARN, jobsWait(f.waiting)]);
  const bad = failures(f), lost = f.lost - f.marks.window[0].lost;
  if (bad.failed >= LIMITS.least && bad.part > LIMITS.failed)
    got.push([bad.part >= LIMITS.failedBad ? BAD : WARN, percent(bad.part) + ' failed in ' + age(bad.span)]);
  if (lost >= LIMITS.least && lost > LIMITS.failed * (f.ended - f.marks.window[0].ended))
    got.push([WARN, 'workers lost ' + many(lost, 'attempt') + ' in ' + age(bad.span)]);
  if (died > 0)
    got.push([WARN, many(died, 'job') + ' died in ' + age(model.at - hour.at)]);
  return got;
}

function storeReasons(got) {
  const s = model.status, since = s.store_since > 0 ? model.at - s.store_since : 0;
  const why = s.store_error ? ': ' + s.store_error : '';
  if ((s.store === 'unwell' || s.store === 'full') && (since === 0 || since >= LIMITS.unwell))
    got.push([BAD, 'store', (s.store === 'full' ? 'full, new jobs are refused' : 'unwell') + (since > 0 ? ' for ' + age(since) : '') + why, '#/store']);
  else if (s.store === 'slow')
    got.push([WARN, 'store', 'a commit takes ' + age((model.values.commit_ns || 0) / 1e9), '#/store']);
}

function serverReasons(got) {
  const s = model.status, p = s.process || {};
  if (s.state === 'draining')
    got.push([WARN, 'server', 'it shuts down, and waits for what runs', '#/server']);
  for (const [name, what, why] of REFUSALS) if (grown(name) > 0)
    got.push([BAD, 'server', many(grown(name), what) + ' refused in ' + age(model.at - model.marks[0].at) + ': ' + why, '#/server']);
  if (p.max_fds > 0 && p.open_fds > LIMITS.files * p.max_fds)
    got.push([BAD, 'server', count(p.open_fds) + ' of ' + count(p.max_fds) + ' descriptors are in use', '#/server']);
  for (const [file, end] of certificates()) {
    const days = (end - model.at) / 86400;
    if (days < LIMITS.certificateDays)
      got.push([days < 2 ? BAD : WARN, file, days < 0 ? 'has ended' : 'ends in ' + age(days * 86400), '#/server']);
  }
  const lag = model.history === null || !model.history.series.lag_p99 ? [] : model.history.series.lag_p99.slice(-60);
  if (lag.length > 0 && lag.filter(l => l > LIMITS.lag).length > lag.length / 2)
    got.push([WARN, 'server', 'messages wait ' + age(Math.max(...lag)) + ' for the processing thread', '#/server']);
  if (grown('log_lost') > 0)
    got.push([WARN, 'log', many(grown('log_lost'), 'line') + ' lost', '#/server']);
}

/* {level, line, reasons: [{level, who, text, href}]} */
function judge() {
  const found = [];
  if (model.status === null) return { level: 'unknown', line: 'Asking the server…', reasons: [] };
  storeReasons(found);
  serverReasons(found);
  for (const f of model.functions.values()) {
    f.level = f.waiting > 0 && f.now.workers === 0 && f.gate === 'open' ? NOTE : 0;
    f.reasons = functionReasons(f);
    for (const [level, text] of f.reasons) {
      f.level = Math.max(f.level, level);
      found.push([level, f.name, text, functionPlace(f.name, /died/.test(text) ? 'dead' : ''), f.waiting]);
    }
  }
  found.sort((a, b) => b[0] - a[0] || (b[4] || 1e12) - (a[4] || 1e12));
  const reasons = found.map(([level, who, text, href]) => ({ level, who, text, href }));
  const state = model.status.state;
  const needs = reasons.length === 1 ? '1 thing needs you' : count(reasons.length) + ' things need you';
  if (reasons.length > 0) return { level: reasons[0].level === BAD ? 'bad' : 'warn', line: needs, reasons };
  if (state === 'standby') return { level: 'good', line: 'Standing by: another server has the store', reasons };
  if (state === 'store') return { level: 'warn', line: 'Starting: it waits for the store', reasons };
  if (state === 'starting' || state === 'replaying') return { level: 'warn', line: 'Starting: the store is being read', reasons };
  return { level: 'good', line: 'All well', reasons };
}
