/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is known of the server, and how it changed while this page looked.
 *
 * A function has the numbers that came last (`now`), and marks: its counters some time ago, from which rates are taken.
 */
const RATE_S = 5, SPARK_S = 10, SPARKS = 60, WINDOW_S = 300, HOUR_S = 3600;

/* Of each function, every SPARK_S seconds. */
const SAMPLED = ['done', 'bad', 'queue', 'busy'];
const FLAT = new Float32Array(SPARKS); /* of functions of which there is nothing to draw: of ten thousand, most */

const model = {
  functions: new Map(), /* by name */
  status: null,
  values: {},           /* of the server, as in the command `metrics` */
  marks: [],            /* of these */
  history: null,        /* of the span that is shown */
  span: 600,
  at: 0,                /* the server's clock, seconds since 1970 ... */
  seen: 0,              /* ... when this browser's showed so many ms */
  changed: 0,
};

/* Where the server does not say what this browser may, it says so when it is asked. */
const mayManage = () => model.status !== null && [undefined, 'manage', 'admin'].includes(model.status.rights);

/* What TLS uses, and when the first of each ends. */
const certificates = () => [['certificate', 'certificate'], ['ca', 'certificate of an authority'], ['crl', 'revocation list']]
  .map(([name, text]) => [text, model.values['tls_expiry.' + name] || 0]).filter(([, end]) => end > 0);

const FAILED = ['ended_failed', 'ended_exception', 'ended_timeout', 'ended_dead', 'ended_dropped'];
const ENDED = FAILED.concat('ended_completed', 'ended_expired');
const LOST = ['lost_connection', 'lost_ability', 'lost_timeout'];

const sum = (row, names) => names.reduce((n, name) => n + (row[name] || 0), 0);

function markOf(f, at) {
  return { at, ended: f.ended, failed: f.failed, lost: f.lost, died: f.now.ended_dead || 0, assigned: f.now.assigned || 0 };
}

function takeRow(row, at) {
  let f = model.functions.get(row.name);
  const isNew = f === undefined;
  if (isNew) {
    f = { name: row.name, lower: row.name.toLowerCase(), path: row.id || encodeURIComponent(row.name), sparks: 0 };
    for (const name of SAMPLED) f[name] = FLAT;
    model.functions.set(row.name, f);
  }
  f.now = row;
  f.untold = false;
  f.waiting = 'waiting' in row ? row.waiting : row.jobs - row.running - row.delayed;
  f.ended = sum(row, ENDED);
  f.failed = sum(row, FAILED);
  f.lost = sum(row, LOST);
  f.oldest = row.oldest_waiting || 0;
  f.gate = row.gate || (row.paused ? 'held' : 'open');
  f.ageAt = at;
  if (isNew) {
    const mark = markOf(f, at);
    f.marks = { rate: [mark, mark], window: [mark, mark], hour: [mark, mark], spark: mark };
  }
}

/* The older of two marks is between one and two steps old; a clock that was set back begins anew. */
function rotate(f, which, step, at) {
  const pair = f.marks[which];
  if (Math.abs(at - pair[1].at) >= step) f.marks[which] = [pair[1], markOf(f, at)];
}

function takeSample(f, span) {
  const i = f.sparks++ % SPARKS, mark = f.marks.spark;
  const sample = [Math.max(0, (f.ended - mark.ended) / span), Math.max(0, (f.failed - mark.failed) / span), f.waiting, f.now.running];
  SAMPLED.forEach((name, k) => {
    if (f[name] === FLAT && sample[k] !== 0) f[name] = new Float32Array(SPARKS);
    if (f[name] !== FLAT) f[name][i] = sample[k];
  });
}

/* The samples of one function in the shape of a history. */
function historyOf(f) {
  const n = Math.min(f.sparks, SPARKS), series = {};
  for (const name of SAMPLED) series[name] = Array.from({ length: n }, (_, i) => f[name][(f.sparks - n + i) % SPARKS]);
  return { step: SPARK_S, span: SPARKS * SPARK_S, end: f.marks.spark.at, series };
}

/* Marks move for all functions, also for those that did not change, once for all events of a second. */
function advance(at) {
  if (at === model.advanced) return;
  model.advanced = at;
  for (const f of model.functions.values()) {
    if (f.untold) continue;
    rotate(f, 'rate', RATE_S, at);
    rotate(f, 'window', WINDOW_S, at);
    rotate(f, 'hour', HOUR_S, at);
    const span = at - f.marks.spark.at;
    if (Math.abs(span) >= SPARK_S) {
      takeSample(f, span);
      f.marks.spark = markOf(f, at);
    }
  }
  const last = model.marks[model.marks.length - 1];
  if (last === undefined || at - last.at >= WINDOW_S) {
    model.marks.push({ at, values: model.values });
    if (model.marks.length > 2) model.marks.shift();
  }
}

/* How much a counter of the server grew in the last minutes. */
function grown(name) {
  const mark = model.marks[0];
  return mark === undefined ? 0 : Math.max(0, (model.values[name] || 0) - (mark.values[name] || 0));
}

function perSecond(f) {
  const mark = f.marks.rate[0], span = model.at - mark.at;
  return span > 0 ? Math.max(0, f.ended - mark.ended) / span : 0;
}

/* Of what ended lately: the part that failed, and how many that are. */
function failures(f) {
  const mark = f.marks.window[0], ended = f.ended - mark.ended, failed = f.failed - mark.failed;
  return { part: ended > 0 ? failed / ended : 0, failed, span: model.at - mark.at };
}

/* Ages grow while nothing else changes. */
const aged = (f, s) => (s > 0 ? s + Math.max(0, model.at - f.ageAt) : 0);

/* A full list may go on in further events: what is not told in this one or them is no more, see takeStatus(). */
function takeFunctions(message) {
  if (message.full) for (const f of model.functions.values()) f.untold = true;
  for (const row of message.functions) if (row.number !== 0) takeRow(row, model.at);
  for (const name of message.gone || []) model.functions.delete(name);
  model.changed++;
}

/* The server's clock, from one reading and this browser's: finer than what it says, which is whole seconds. */
function setClock(now) {
  const here = Date.now() / 1000;
  if (!now) model.at = here;
  else if (model.offset === undefined || Math.abs(here + model.offset - now) > 1.5) model.offset = now - here;
  if (now) model.at = here + model.offset;
}

/* The first word of a second. */
function takeStatus(status) {
  for (const f of model.functions.values()) if (f.untold) model.functions.delete(f.name);
  model.values = status.values || {};
  model.status = status;
  setClock(status.now);
  model.seen = performance.now();
}

/* One more second of history; what lies before the span goes.  A second or two that are missing are as the next one. */
function takePoint(point) {
  const h = model.history;
  if (h === null || h.step !== 1 || point.at <= h.end) return;
  for (const [name, list] of Object.entries(h.series)) {
    const gap = Math.min(model.span, Math.round(point.at - h.end)), value = name in point ? point[name] : null;
    for (let i = 1; i < gap; i++) list.push(gap > 3 ? null : value);
    list.push(value);
    if (list.length > model.span) list.splice(0, list.length - model.span);
  }
  h.end = point.at;
}
