/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dialogs: what is about to be done, with the function and the number; help; the plots as a table.
 *
 * What a dialog says does not change while it is open.  The server counts again and tells how many it really were.
 */
function openDialog(title, body, buttons, wide) {
  const d = $('dialog');
  if (d.open) d.close();
  d.className = wide ? 'wide' : '';
  d.replaceChildren(el('h2', { id: 'dialog-title', text: title }), ...body, el('div', { class: 'buttons' }, ...buttons));
  d.showModal();
}

const closeButton = text => el('button', { type: 'button', text, autofocus: true, onclick: () => $('dialog').close() });

/* Asks, and does it.  `work` answers with a sentence. */
function confirmAction(title, body, verb, work) {
  const go = el('button', { type: 'button', class: 'danger', id: 'dialog-go', text: verb });
  const problem = el('p', { class: 'problem', role: 'alert' });
  go.addEventListener('click', async () => {
    go.disabled = true;
    try {
      const told = await work();
      $('dialog').close();
      tell(told);
    } catch (e) {
      problem.textContent = 'Not done: ' + e.message + '.';
      go.disabled = false;
    }
  });
  openDialog(title, [...body, problem], [closeButton('Keep as it is'), go]);
}

const sentence = text => el('p', { text });

/* ---- What can be done with a function ------------------------------------------------------------------ */

const post = (f, what, query) => ask('api/functions/' + f.path + '/' + what + (query ? '?' + query : ''), 'POST');

function pauseDialog(f) {
  const choice = el('div', { class: 'choice', role: 'radiogroup', 'aria-label': 'For how long' });
  for (const [seconds, text] of [[900, '15 minutes'], [3600, '1 hour'], [0, 'until it is resumed']])
    choice.append(el('label', {}, el('input', { type: 'radio', name: 'pause', value: seconds, checked: seconds === 900 }), ' ' + text));
  confirmAction('Pause “' + f.name + '”?',
    [sentence('No worker is given a job of it meanwhile. ' + many(f.waiting, 'job') + ' wait now; what runs goes on; new jobs are taken.'), choice],
    'Pause ' + f.name, async () => {
      const s = Number(choice.querySelector('input:checked').value);
      await post(f, 'pause', s > 0 ? 'seconds=' + s : '');
      return f.name + ' is paused' + (s > 0 ? ' for ' + age(s) : ' until it is resumed');
    });
}

async function resume(f) {
  try {
    await post(f, 'resume');
    tell(f.name + ' goes on');
  } catch (e) {
    tell('Not resumed: ' + e.message);
  }
}

function purgeDialog(f, state) {
  const n = { ready: f.waiting, delayed: f.now.delayed, dead: f.now.dead }[state];
  confirmAction('Purge ' + many(n, state + ' job') + ' of “' + f.name + '”?',
    [sentence('They are removed for good, from the store too.' + (state === 'dead' ? '' : ' Clients that wait for them are told that they failed.') + ' Jobs that come meanwhile may stay.')],
    'Purge ' + many(n, 'job'), async () => 'Purged ' + many((await post(f, 'purge', 'state=' + state)).count, 'job') + ' of ' + f.name);
}

function kickDialog(f) {
  const n = f.now.dead;
  confirmAction('Send ' + many(n, 'dead job') + ' of “' + f.name + '” again?',
    [sentence('Each begins anew, with all its attempts. ' + (f.now.workers === 0 ? 'No worker can do them now.' : many(f.now.workers, 'worker') + ' can do them.'))],
    'Send ' + many(n, 'job'), async () => 'Sent ' + many((await post(f, 'kick')).count, 'job') + ' of ' + f.name + ' again');
}

/* ---- Jobs, one by one ---------------------------------------------------------------------------------- */

const JOB_VERBS = {
  cancel: ['Cancel', 'It ends as failed. What a worker is doing is not stopped, but its result is thrown away.'],
  bury: ['Bury', 'It goes to the dead list, from where it can be sent again.'],
  retry: ['Try again', 'When this attempt ends without a result it does not count, and the job is tried again.'],
  kick: ['Send again', 'It begins anew, with all its attempts.'],
};

async function eachJob(jobs, what) {
  let done = 0, trouble = '';
  for (const job of jobs) {
    try {
      await ask('api/jobs/' + encodeURIComponent(job.handle) + '/' + what, 'POST');
      done++;
    } catch (e) {
      trouble = e.message;
    }
  }
  if (done === 0 && trouble) throw new Error(trouble);
  return many(done, 'job') + ' done' + (trouble ? ', ' + count(jobs.length - done) + ' not: ' + trouble : '');
}

function jobsDialog(jobs, what, of, then) {
  const [verb, meaning] = JOB_VERBS[what];
  const which = jobs.length === 1 ? 'job ' + jobs[0].handle : many(jobs.length, 'job');
  confirmAction(verb + ': ' + which + ' of “' + of + '”?', [sentence(meaning)], verb + ' ' + many(jobs.length, 'job'), async () => {
    const told = await eachJob(jobs, what);
    if (then) then();
    return told;
  });
}

function factList(facts) {
  const list = el('dl', { class: 'facts' });
  for (const [name, value] of facts) list.append(el('dt', { text: name }), el('dd', { text: String(value) }));
  return list;
}

/* ---- What a job is about ------------------------------------------------------------------------------- */

/* The text that these bytes are, or null; what was cut off may begin in the middle of a character. */
function textOf(raw, isCut) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(raw, { stream: isCut });
    return /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text) ? null : text;
  } catch (e) {
    return null;
  }
}

/* A line: where it is, its bytes, and those of them that print. */
function hexLines(raw) {
  const per = matchMedia('(max-width: 640px)').matches ? 8 : 16, lines = [];
  for (let at = 0; at < raw.length; at += per) {
    const part = [...raw.slice(at, at + per)];
    lines.push(at.toString(16).padStart(4, '0') + '  ' + part.map(b => b.toString(16).padStart(2, '0')).join(' ').padEnd(3 * per) +
      ' ' + part.map(b => (b >= 32 && b < 127 ? String.fromCharCode(b) : '.')).join(''));
  }
  return lines.join('\n');
}

async function dataDialog(handle, of) {
  try {
    const got = await ask('api/jobs/' + encodeURIComponent(handle) + '/data');
    const raw = Uint8Array.from(got.hex.match(/../g) || [], h => parseInt(h, 16)), isCut = raw.length < got.bytes, text = textOf(raw, isCut);
    const shown = el('pre', { class: 'data', tabindex: '0', role: 'region', 'aria-label': 'Data' });
    const how = el('button', { type: 'button', onclick: () => show(!shown.isHex) });
    const show = isHex => { shown.isHex = isHex; shown.textContent = isHex ? hexLines(raw) : text; how.textContent = isHex ? 'As text' : 'As bytes'; };
    show(text === null);
    how.hidden = text === null || got.bytes === 0;
    shown.hidden = got.bytes === 0;
    openDialog('Data of job ' + handle + ' of “' + of + '”',
      [sentence(got.bytes === 0 ? 'It has none.' : many(got.bytes, 'byte') + (isCut ? ', of which these are the first ' + count(raw.length) : '') + (text === null ? '. It is not text.' : '.')), shown],
      [how, closeButton('Close')], true);
  } catch (e) {
    tell('Job ' + handle + ': ' + (e.status === 404 ? 'it has ended, and its data are no longer here' : e.message));
  }
}

const dataButton = (handle, of) => el('button', { type: 'button', text: 'Show its data', disabled: !mayManage(), onclick: () => dataDialog(handle, of) });

/* ---- All that is known of a job ------------------------------------------------------------------------ */

const TIMES = ['due', 'ready_since', 'expires', 'started', 'ended', 'dead_since', 'submitted'];

async function jobDialog(handle, of) {
  try {
    const job = await ask('api/jobs/' + encodeURIComponent(handle));
    const verbs = { running: ['cancel', 'retry', 'bury'], ready: ['cancel', 'bury'], delayed: ['cancel', 'bury'], dead: ['kick', 'cancel'] }[job.state] || [];
    const facts = Object.entries(job).filter(([, v]) => v !== null && typeof v !== 'object' && v !== '')
      .map(([k, v]) => [k.replace(/_/g, ' '), TIMES.includes(k) ? (v > 0 ? moment(v) : NONE) : v]);
    openDialog('Job ' + handle, [factList(facts)], [closeButton('Close'), job.bytes > 0 && verbs.length > 0 ? dataButton(handle, job.function) : '', ...verbs.map(v =>
      el('button', { type: 'button', text: JOB_VERBS[v][0] + '…', disabled: !mayManage(), onclick: () => jobsDialog([{ handle }], v, of) }))]);
  } catch (e) {
    tell('Job ' + handle + ': ' + e.message);
  }
}

/* ---- Help ---------------------------------------------------------------------------------------------- */

const KEYS = [
  ['/', 'filter'], ['↓ ↑ Page Home End', 'walk in a table'], ['Enter', 'open'], ['Esc', 'close; clear the filter; back to the functions'],
  ['g f', 'functions'], ['g w', 'workers'], ['g d', 'dead'], ['g s', 'store'], ['g v', 'server'],
  ['p', 'freeze, and go on'], ['t', 'theme'], ['?', 'this help'],
];

function helpDialog() {
  const keys = el('dl', { class: 'facts' });
  for (const [key, what] of KEYS) keys.append(el('dt', {}, el('kbd', { text: key })), el('dd', { text: what }));
  const on = el('input', { type: 'checkbox', id: 'keys-on', checked: keysOn(), onchange: event => kept.set('keys', event.target.checked ? 'on' : 'off') });
  openDialog('Keys and help', [keys, el('label', {}, on, ' Single letters are keys'),
    sentence('A filter is a word, or a pattern with * and ?. It is in the address, so a view can be kept as a bookmark. Times are those of this machine.'),
    sentence('Failed is of what ended in the last 5 to 10 minutes, and no longer than this page has been open.')], [closeButton('Close')]);
}

const keysOn = () => kept.get('keys') !== 'off';
