/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Talks to the server: one stream of changes, requests beside it, and what is told when the connection is lost.
 *
 * All addresses are relative, so the page works under any prefix.  The stream rests while nobody sees the page, and while
 * it is frozen.
 */
const RETRY_MS = 2000, STALE_MS = 4000;

const net = { stream: null, poll: 0, frozen: false, lost: false, retry: 0, refresh: null };

async function ask(path, method) {
  let answer;
  try {
    answer = await fetch(path, { method: method || 'GET', cache: 'no-store' });
  } catch (e) {
    throw new Error('the server does not answer');
  }
  const is_json = (answer.headers.get('content-type') || '').includes('json');
  const body = is_json ? await answer.json() : {};
  if (!answer.ok) throw Object.assign(new Error(body.detail || 'the server answers ' + answer.status), { status: answer.status });
  return body;
}

function streamEvent(name, take) {
  net.stream.addEventListener(name, event => {
    if (net.frozen) return;
    take(JSON.parse(event.data));
    net.lost = false;
  });
}

function openStream() {
  closeStream();
  if (net.frozen || document.hidden) return;
  loadHistory();
  net.stream = new EventSource('api/events');
  streamEvent('status', takeStatus);
  streamEvent('point', takePoint);
  streamEvent('functions', message => {
    takeFunctions(message);
    advance(model.at);
    net.refresh();
  });
  net.stream.onerror = () => {
    closeStream();
    pollOnce();
  };
}

function closeStream() {
  clearTimeout(net.retry);
  if (net.stream !== null) net.stream.close();
  net.stream = null;
}

/* Where streams do not come through, asking does; where nothing does, this waits for the server. */
async function pollOnce() {
  if (net.frozen || document.hidden) return;
  try {
    const [status, list] = await Promise.all([ask('api/status'), ask('api/functions')]);
    takeStatus(status);
    takeFunctions({ full: true, functions: list.functions });
    advance(model.at);
    /* The server is back, or streams do not come through: they are tried again now and then. */
    const again = net.lost || ++net.poll % 30 === 0;
    net.lost = false;
    if (again) { openStream(); net.refresh(); return; }
  } catch (e) {
    net.lost = true;
  }
  net.retry = setTimeout(pollOnce, RETRY_MS);
  net.refresh();
}

async function loadHistory() {
  const span = model.span;
  try {
    const got = await ask('api/history?span=' + span);
    if (span === model.span) model.history = got;
  } catch (e) { /* the banner tells */ }
  clearTimeout(net.historyTimer);
  const step = model.history === null ? 10 : model.history.step;
  if (step > 1) net.historyTimer = setTimeout(() => { if (net.stream !== null) loadHistory(); }, step * 1000);
  net.refresh();
}

/* Seconds since the last word of the server. */
const silence = () => (performance.now() - model.seen) / 1000;
const isStale = () => model.status !== null && (net.lost || (!net.frozen && silence() * 1000 > STALE_MS));

function freeze(on) {
  net.frozen = on;
  if (on) { closeStream(); net.refresh(); } else openStream();
}
