/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Four plots on one axis of time, and one line through all of them where the mouse or the arrow keys are.
 *
 * A series is told by its dashes and its place in the legend, not by its colour alone.
 */
const LEFT = 46, RIGHT = 10, TOP = 8, FOOT = 20;
const DASHES = [[], [5, 3], [2, 2]];

/* Powers of ten from 0.1 ms on: waiting may take a millisecond or an hour. */
const logTo = v => Math.max(0, Math.log10(Math.max(v, 1e-4)) + 4);
const LOG_TICKS = [[0.001, '1 ms'], [0.01, '10 ms'], [0.1, '0.1 s'], [1, '1 s'], [10, '10 s'], [60, '1 min'], [600, '10 min'], [3600, '1 h'], [36000, '10 h'], [360000, '4 d']];

const PLOTS = [
  { id: 'rate', title: 'Jobs per second', text: rate,
    series: [['submitted', 'submitted', 0], ['completed', 'completed', 1], ['failed', 'failed', 2]] },
  { id: 'wait', title: 'Time that jobs wait', text: age, log: true,
    series: [['wait_p50', 'half', 0], ['wait_p95', '95 %', 1], ['oldest_waiting', 'oldest now', 2]] },
  { id: 'jobs', title: 'Jobs', text: count,
    series: [['waiting', 'waiting', 0], ['running', 'running', 1], ['delayed', 'delayed', 2]] },
  { id: 'store', title: 'Store: a commit', text: age, log: true,
    series: [['commit_p99', '99 % within', 0]], also: [['batch', 'changes in one', 1]],
    none: () => model.status !== null && model.status.store === 'none' && 'Jobs in the background are in memory only. Start with -q sqlite, postgres or mysql to keep them.' },
];

const FUNCTION_PLOTS = [
  { id: 'own-rate', title: 'Jobs per second, while this page is open', text: rate, series: [['done', 'ended', 1], ['bad', 'failed', 2]] },
  { id: 'own-jobs', title: 'Jobs, while this page is open', text: count, series: [['queue', 'waiting', 0], ['busy', 'running', 1]] },
];

const cross = { at: null }; /* 0 = left end, 1 = right end */

function niceTop(most) {
  if (!(most > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 2.5, 5, 10].map(n => n * ten).find(n => n >= most);
}

/* Of the theme, as the browser computes them; asked for when the theme may have changed only. */
let coloursNow = null;
function lineColours() {
  if (coloursNow === null) coloursNow = ['s0', 's1', 's2', 'told'].map(cls => {
    const probe = el('i', { class: cls });
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  });
  return coloursNow;
}

class Plot {
  constructor(spec) {
    this.spec = spec;
    this.all = spec.series.concat(spec.also || []);
    this.canvas = el('canvas', { tabindex: '0', role: 'img', 'aria-label': spec.title });
    this.legend = el('ul', { class: 'legend' });
    this.items = this.all.map(([, label, look]) => {
      const value = el('b', { text: NONE }), swatch = el('i', { class: 'swatch s' + look, 'aria-hidden': 'true' });
      this.legend.append(el('li', {}, swatch, label + ' ', value));
      return { value, swatch };
    });
    this.note = el('p', { class: 'plot-note', hidden: true });
    this.node = el('figure', { id: 'plot-' + spec.id }, el('figcaption', {}, el('h2', { text: spec.title }), this.legend), this.canvas, this.note);
    this.canvas.addEventListener('pointermove', event => this.point((event.offsetX - LEFT) / (this.canvas.clientWidth - LEFT - RIGHT)));
    this.canvas.addEventListener('pointerleave', () => this.point(null));
    this.canvas.addEventListener('blur', () => this.point(null));
    this.canvas.addEventListener('keydown', event => {
      const step = { ArrowLeft: -0.01, ArrowRight: 0.01 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.point((cross.at === null ? 1 : cross.at) + step);
    });
  }

  point(at) {
    cross.at = at === null ? null : Math.max(0, Math.min(1, at));
    net.refresh();
  }

  draw(data) {
    const none = this.spec.none ? this.spec.none() : false, c = this.canvas;
    this.note.hidden = !none;
    if (none) put(this.note, none);
    c.hidden = this.legend.hidden = Boolean(none);
    if (none || c.clientWidth === 0) return;
    const ratio = devicePixelRatio || 1, w = c.clientWidth, h = c.clientHeight;
    if (c.width !== Math.round(w * ratio) || c.height !== Math.round(h * ratio)) {
      c.width = Math.round(w * ratio);
      c.height = Math.round(h * ratio);
    }
    const g = c.getContext('2d');
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, w, h);
    const size = { w: w - LEFT - RIGHT, h: h - TOP - FOOT };
    const colours = this.all.map(([, , look]) => lineColours()[look]), faint = lineColours()[3];
    g.font = '11px system-ui, sans-serif';
    const main = this.scaleOf(data, this.spec.series, this.spec.log), also = this.spec.also ? this.scaleOf(data, this.spec.also, false) : null;
    this.drawAxes(g, size, faint, main, also, data, colours[1]);
    this.all.forEach(([name, , look], i) =>
      drawLine(g, size, data, name, colours[i], DASHES[look], i < this.spec.series.length ? main : also));
    const at = cross.at === null ? 1 : cross.at;
    if (cross.at !== null) {
      g.setLineDash([]);
      g.strokeStyle = faint;
      g.beginPath();
      g.moveTo(LEFT + at * size.w, TOP);
      g.lineTo(LEFT + at * size.w, TOP + size.h);
      g.stroke();
    }
    this.drawLegend(data, at);
  }

  drawLegend(data, at) {
    const told = this.all.map(([name, label], i) => {
      const v = valueAt(data, name, at), text = v === null ? NONE : i < this.spec.series.length ? this.spec.text(v) : rate(v);
      put(this.items[i].value, text);
      return label + ' ' + text;
    });
    attr(this.canvas, 'aria-label', this.spec.title + ': ' + told.join(', '));
  }

  scaleOf(data, series, log) {
    let most = 0;
    if (data) for (const [name] of series) for (const v of data.series[name] || []) if (v > most) most = v;
    if (log) {
      const top = Math.max(3, Math.ceil(logTo(most) + 0.1));
      return { to: v => logTo(v) / top, ticks: LOG_TICKS.filter(([v]) => logTo(v) <= top).map(([v, t]) => [logTo(v) / top, t]) };
    }
    const top = niceTop(most), text = v => (v >= 1e6 ? +(v / 1e6).toFixed(1) + 'M' : v >= 1e4 ? +(v / 1e3).toFixed(1) + 'k' : String(+v.toPrecision(3)));
    return { to: v => v / top, ticks: [0, 0.5, 1].map(p => [p, text(top * p)]) };
  }

  drawAxes(g, size, faint, scale, also, data, second) {
    const y = p => TOP + size.h * (1 - p);
    g.fillStyle = g.strokeStyle = faint;
    g.lineWidth = 1;
    g.setLineDash([]);
    g.textBaseline = 'middle';
    g.textAlign = 'right';
    let last = Infinity;
    for (const [p, text] of scale.ticks) {
      if (Math.abs(last - y(p)) < 16) continue;
      last = y(p);
      g.globalAlpha = 0.25;
      g.fillRect(LEFT, Math.round(y(p)), size.w, 1);
      g.globalAlpha = 1;
      g.fillText(text, LEFT - 6, y(p));
    }
    if (also) {
      g.textAlign = 'right';
      g.fillStyle = second;
      g.fillText(also.ticks[2][1], LEFT + size.w, TOP + 8);
      g.fillStyle = faint;
    }
    g.textBaseline = 'alphabetic';
    g.textAlign = 'left';
    const span = spanOf(data), long = span > 86400, ago = { 600: '10 min ago', 10800: '3 h ago', 604800: '7 days ago' }[span];
    g.fillText(ago, LEFT, TOP + size.h + 14);
    g.textAlign = 'right';
    g.fillText(long ? 'now' : 'now ' + clock(model.at, false), LEFT + size.w, TOP + size.h + 14);
  }
}

const spanOf = data => (data && data.span) || model.span;

function indexAt(data, at) {
  const time = data.end - spanOf(data) * (1 - at);
  return { index: n => n - 1 - Math.round((data.end - time) / data.step), time };
}

function valueAt(data, name, at) {
  const list = data && data.series[name];
  if (!list || list.length === 0) return null;
  const v = at >= 1 ? list[list.length - 1] : list[indexAt(data, at).index(list.length)];
  return v === undefined ? null : v;
}

/* Of many values for one pixel the highest is drawn: a peak must not vanish. */
function drawLine(g, size, data, name, colour, dash, scale) {
  const list = data && data.series[name];
  if (!list) return;
  const n = spanOf(data) / data.step, per = Math.max(1, Math.floor(n / size.w));
  g.strokeStyle = colour;
  g.lineWidth = 1.6;
  g.lineJoin = g.lineCap = 'round';
  g.setLineDash(dash);
  g.beginPath();
  let down = false;
  for (let i = list.length % per; i < list.length; i += per) {
    let v = null;
    for (let j = i; j < i + per && j < list.length; j++) if (list[j] !== null && (v === null || list[j] > v)) v = list[j];
    if (v === null) { down = false; continue; }
    const x = LEFT + size.w * (1 - (list.length - per - i) / Math.max(1, n - per)), y = TOP + size.h * (1 - Math.min(1, scale.to(v)));
    if (x < LEFT - 1) continue;
    if (!down) g.moveTo(x, y);
    g.lineTo(x, y); /* one alone is a dot */
    down = true;
  }
  g.stroke();
}

const plots = PLOTS.map(spec => new Plot(spec));

function drawPlots() {
  if ($('plots').hidden) return;
  for (const p of plots) p.draw(model.history);
  if (cross.at === null || model.history === null) put($('cross-time'), '');
  else put($('cross-time'), moment(indexAt(model.history, cross.at).time));
}

function setSpan(span) {
  model.span = span;
  for (const b of $('spans').children) attr(b, 'aria-pressed', String(Number(b.dataset.span) === span));
  kept.set('span', String(span));
  if (net.stream !== null) loadHistory();
}

/* The same numbers in words, newest first. */
function plotTable() {
  const h = model.history, columns = PLOTS.flatMap(p => p.series.concat(p.also || []).map(s => [p, s]));
  const table = el('table', { class: 'plain' });
  table.append(el('caption', { text: 'The newest 60 of ' + { 1: 'each second', 10: '10 seconds each', 300: '5 minutes each' }[h ? h.step : 1] }));
  table.append(el('thead', {}, el('tr', {}, el('th', { scope: 'col', text: 'Time' }),
    ...columns.map(([p, s]) => el('th', { scope: 'col', class: 'n', text: p.id === 'store' ? 'commit: ' + s[1] : p.id === 'wait' ? 'wait: ' + s[1] : s[1] })))));
  const body = el('tbody', {});
  for (let i = 0; h && i < 60; i++) {
    const cells = columns.map(([p, s]) => {
      const list = h.series[s[0]] || [], v = list[list.length - 1 - i];
      return el('td', { class: 'n', text: v === null || v === undefined ? NONE : p.also && p.also.includes(s) ? rate(v) : p.text(v) });
    });
    body.append(el('tr', {}, el('th', { scope: 'row', text: moment(h.end - i * h.step) }), ...cells));
  }
  table.append(body);
  return table;
}
