/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A table of any length: a real <table> that holds the rows in sight and a bit more, sorted by any column, walked by keys.
 *
 * A column is {key, label, title, kind: 'n' for numbers, value(row) to sort by, fill(td, row)}.  Rows have a text `id`;
 * `stable`: they are the same objects each time.  The order
 * stays as it is while the mouse or the focus is in the table, so that nothing moves away from under a hand.
 */
const SPARE_ROWS = 8, ORDER_MS = 5000;

class Grid {
  constructor(spec) {
    this.spec = spec;
    this.rows = [];
    this.shown = [];
    this.pool = new Map();
    this.spare = []; /* rows that went out of sight, for those that come */
    this.sort = spec.sort;
    this.orderedAt = 0;
    this.current = 0;
    this.head = el('tr', {});
    this.above = el('tr', { 'aria-hidden': 'true', class: 'pad' }, el('td', { colspan: spec.columns.length }));
    this.below = this.above.cloneNode(true);
    this.body = el('tbody', {}, this.above, this.below);
    this.table = el('table', { class: 'grid ' + spec.cls }, el('caption', { class: 'unseen', text: spec.caption }),
      el('thead', {}, this.head), this.body);
    this.node = el('div', { class: 'grid-box' }, this.table);
    this.empty = el('div', { class: 'empty', hidden: true });
    this.node.append(this.empty);
    this.makeHead();
    this.table.addEventListener('keydown', event => this.onKey(event));
    this.table.addEventListener('pointerenter', () => { this.hovered = true; });
    this.table.addEventListener('pointerleave', () => { this.hovered = false; });
  }

  makeHead() {
    for (const c of this.spec.columns) {
      const button = c.value ? el('button', { type: 'button', text: c.label, title: c.title, onclick: () => this.sortBy(c) }) : null;
      c.th = el('th', { scope: 'col', class: c.kind + ' c-' + c.key }, button || el('span', { text: c.label, title: c.title }));
      this.head.append(c.th);
    }
    this.markSort();
  }

  markSort() {
    for (const c of this.spec.columns)
      attr(c.th, 'aria-sort', this.sort.key !== c.key ? (c.value ? 'none' : null) : this.sort.down ? 'descending' : 'ascending');
  }

  sortBy(c) {
    const down = this.sort.key === c.key ? !this.sort.down : c.kind === 'n';
    this.sort = { key: c.key, down };
    if (this.spec.onSort) this.spec.onSort(this.sort);
    this.markSort();
    this.order(true);
    this.draw();
  }

  /* New rows; `now` = also in a new order, whoever is in the table. */
  set(rows, now) {
    this.rows = rows;
    this.order(now);
    this.draw();
  }

  markAll(mark) {
    for (const r of this.rows) r.mark = mark;
    return true;
  }

  isHeld() {
    return this.hovered || (this.body.contains(document.activeElement) && document.activeElement !== document.body);
  }

  order(now) {
    const time = performance.now();
    const sameCount = this.rows.length === this.shown.length;
    if (!now && sameCount && (this.isHeld() || time - this.orderedAt < ORDER_MS)) {
      /* The same rows, as they are now, where they were. */
      if (this.spec.stable && this.markAll(time) && this.shown.every(r => r.mark === time)) return;
      const byId = new Map(this.rows.map(r => [r.id, r]));
      if (this.shown.every(r => byId.has(r.id))) {
        this.shown = this.shown.map(r => byId.get(r.id));
        return;
      }
    }
    const column = this.spec.columns.find(c => c.key === this.sort.key);
    const keyed = this.rows.map(r => [column.value(r), r]), sign = this.sort.down ? -1 : 1;
    const isText = keyed.length > 0 && typeof keyed[0][0] === 'string';
    keyed.sort((a, b) => sign * (isText ? (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) : a[0] - b[0]) || (a[1].id < b[1].id ? -1 : 1));
    this.shown = keyed.map(k => k[1]);
    this.orderedAt = time;
  }

  rowHeight() {
    return matchMedia('(max-width: 640px)').matches ? this.spec.cardHeight || 76 : 32;
  }

  /* Puts the rows in sight where they belong. */
  draw() {
    if (!this.node.isConnected) return;
    const height = this.rowHeight(), total = this.shown.length;
    const top = this.body.getBoundingClientRect().top;
    const from = Math.max(0, Math.min(total, Math.floor(-top / height) - SPARE_ROWS));
    const to = Math.min(total, Math.max(from, Math.ceil((innerHeight - top) / height) + SPARE_ROWS));
    for (const [i, tr] of [...this.pool].sort((a, b) => a[0] - b[0])) if (i < from || i >= to) {
      if (!tr.contains(document.activeElement)) { this.pool.delete(i); this.spare.push(tr); }
    }
    /* After a jump the rows that are there get new texts where they are: to take them out and in again costs much more. */
    if (this.pool.size > 0) for (const tr of this.spare) tr.remove();
    this.above.firstChild.style.height = from * height + 'px';
    this.below.firstChild.style.height = (total - to) * height + 'px';
    this.above.hidden = from === 0;
    this.below.hidden = to === total;
    let before = this.above;
    for (let i = from; i < to; i++) {
      let tr = this.pool.get(i);
      if (tr === undefined) this.pool.set(i, tr = this.spare.shift() || this.makeRow());
      if (before.nextSibling !== tr) before.after(tr);
      this.fillRow(tr, this.shown[i], i);
      before = tr;
    }
    for (const tr of this.spare) tr.remove();
    attr(this.table, 'aria-rowcount', String(total + 1));
    this.table.hidden = total === 0;
    this.empty.hidden = total > 0;
    if (total === 0 && this.spec.empty) {
      const now = this.spec.empty();
      if (this.emptyText !== now.textContent) { this.empty.replaceChildren(now); this.emptyText = now.textContent; }
    }
  }

  makeRow() {
    const tr = el('tr', {});
    tr.cells_ = this.spec.columns.map(c => {
      const td = c.head ? el('th', { scope: 'row', class: c.kind + ' c-' + c.key }) : el('td', { class: c.kind + ' c-' + c.key, 'data-label': c.label.split(' /')[0] });
      if (c.make) c.make(td);
      tr.append(td);
      return td;
    });
    return tr;
  }

  fillRow(tr, row, i) {
    tr.row = row;
    attr(tr, 'aria-rowindex', String(i + 2));
    if (this.spec.mark) this.spec.mark(tr, row);
    for (let c = 0; c < tr.cells_.length; c++) this.spec.columns[c].fill(tr.cells_[c], row);
  }

  /* The mouse of those who have none. */
  focusRow(i) {
    const at = Math.max(0, Math.min(this.shown.length - 1, i)), height = this.rowHeight();
    const y = this.body.getBoundingClientRect().top + at * height;
    if (y < 80) scrollBy(0, y - 80);
    else if (y > innerHeight - 2 * height) scrollBy(0, y - innerHeight + 2 * height);
    this.draw();
    const tr = this.pool.get(at), link = tr && tr.querySelector('a, button, input');
    if (link) link.focus({ preventScroll: true });
    this.draw();
  }

  onKey(event) {
    const tr = event.target.closest('tr');
    if (!tr || !tr.row) return;
    const i = Number(tr.getAttribute('aria-rowindex')) - 2, page = Math.floor(innerHeight / this.rowHeight()) - 4;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.focusRow(i + step);
  }
}
