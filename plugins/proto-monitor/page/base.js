/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Small things that all other scripts use: elements, numbers as text, what is kept in this browser.
 *
 * Text reaches the page by textContent only, whatever it is.  The scripts are put one behind the other, in the order of
 * Makefile.inc, so each knows the names of those before it.
 */
'use strict';

const $ = id => document.getElementById(id);

/* el('td', {class: 'n', text: '1'}, child, ...) */
function el(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (k === 'text') e.textContent = v;
    else if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (v === true) e.setAttribute(k, '');
    else if (v !== false && v !== null && v !== undefined) e.setAttribute(k, v);
  }
  e.append(...children.filter(c => c !== null && c !== undefined));
  return e;
}

/* What is written each second is mostly what is there already. */
function put(node, text) {
  if (node.shown !== text) node.textContent = node.shown = text;
}

function attr(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

const kept = {
  get(key) { try { return localStorage.getItem('gearmand-' + key); } catch (e) { return null; } },
  set(key, value) { try { localStorage.setItem('gearmand-' + key, value); } catch (e) { /* then it is not kept */ } },
};

/* ---- Numbers as text ---------------------------------------------------------------------------------- */

const whole = new Intl.NumberFormat('en');
const NONE = '–';

const count = n => whole.format(Math.round(n));
const many = (n, one, more) => count(n) + ' ' + (Math.round(n) === 1 ? one : more || one + 's');

function rate(n) {
  if (!(n > 0)) return '0';
  return n >= 100 ? count(n) : n >= 9.95 ? n.toFixed(0) : n >= 0.095 ? n.toFixed(1) : '<0.1';
}

function percent(part) {
  return part <= 0 ? '0 %' : part < 0.01 ? '<1 %' : Math.floor(part * 100) + ' %';
}

function age(s) {
  if (!(s > 0)) return '0 s';
  if (s < 0.001) return Math.round(s * 1e6) + ' µs';
  if (s < 1) return (s < 0.01 ? (s * 1e3).toFixed(1) : Math.round(s * 1e3)) + ' ms';
  if (s < 60) return (s < 9.95 ? s.toFixed(1) : Math.floor(s)) + ' s';
  if (s < 5400) return Math.floor(s / 60) + ' min';
  if (s < 172800) return Math.floor(s / 3600) + ' h' + (s < 36000 ? ' ' + Math.floor(s % 3600 / 60) + ' min' : '');
  return Math.floor(s / 86400) + ' days';
}

function bytes(n) {
  let unit = 0;
  for (; n >= 1024 && unit < 4; unit++) n /= 1024;
  return (unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)) + ' ' + ['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit];
}

const two = n => String(n).padStart(2, '0');

function clock(unix, withSeconds) {
  const d = new Date(unix * 1000);
  return two(d.getHours()) + ':' + two(d.getMinutes()) + (withSeconds ? ':' + two(d.getSeconds()) : '');
}

function moment(unix) {
  const d = new Date(unix * 1000);
  return d.getFullYear() + '-' + two(d.getMonth() + 1) + '-' + two(d.getDate()) + ' ' + clock(unix, true);
}

/* ---- Patterns: '*' any, '?' one; a plain word stands anywhere ------------------------------------------ */

function matcher(pattern) {
  const p = pattern.trim().toLowerCase();
  if (p === '') return () => true;
  if (!/[*?]/.test(p)) return text => text.toLowerCase().includes(p);
  const source = p.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.');
  const re = new RegExp('^' + source + '$', 's');
  return text => re.test(text.toLowerCase());
}

/* ---- Where we are: #/view/name?key=value --------------------------------------------------------------- */

const place = { view: 'functions', name: '', args: new URLSearchParams() };

function readPlace() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [view, name] = path.split(/\/(.*)/s);
  place.view = view || 'functions';
  try { place.name = decodeURIComponent(name || ''); } catch (e) { place.name = name; }
  place.args = new URLSearchParams(query || '');
}

/* The value goes into the address, without a step in the history of the browser. */
function keepArg(key, value) {
  if (value === '' || value === null) place.args.delete(key);
  else place.args.set(key, value);
  const query = place.args.toString(), path = '#/' + place.view + (place.name ? '/' + encodeURIComponent(place.name) : '');
  history.replaceState(null, '', query ? path + '?' + query : path);
}

const functionPlace = (name, jobs) => '#/function/' + encodeURIComponent(name) + (jobs ? '?jobs=' + jobs : '');

function tell(text) {
  $('told').textContent = text;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => { $('told').textContent = ''; }, 8000);
}
