// The tab of jobs: what waits, is being made and was made, what it cost, and what the month has used.

import { el, explain, fill } from './dom.js';

const BUSY_MS = 1500;
const QUIET_MS = 8000;
const PAGE = 20;
const API = '../api/v1';

export async function begin(place) {
  const answer = await fetch('../film/jobs_words.json');
  if (!answer.ok) throw new Error(answer.statusText);
  const panel = new Jobs(await answer.json());
  place.replaceChildren(panel.place);
  panel.watch();
  return panel;
}

class Jobs {
  constructor(words) {
    this.words = words;
    const { texts } = words;
    this.shown = '';
    this.rows = new Map();
    this.older = [];
    this.next = null;
    this.tiles = el('div', { className: 'jobs-tiles' });
    this.chips = el('div', { className: 'jobs-chips', role: 'group', ariaLabel: texts.filter });
    for (const state of ['', 'queued', 'running', 'done', 'failed']) {
      const chip = el('button', { type: 'button', textContent: texts[`state_${state || 'all'}`], onclick: () => this.choose(state) });
      chip.dataset.state = state;
      this.chips.append(chip);
    }
    this.list = el('ul', { className: 'jobs-list' });
    this.line = el('p', { className: 'jobs-line', role: 'status', textContent: texts.looking });
    this.more = el('button', { type: 'button', className: 'jobs-more', textContent: texts.more, hidden: true, onclick: () => this.page() });
    this.place = el('div', { className: 'jobs' }, this.tiles, this.chips, this.line, this.list, this.more);
    this.mark();
  }

  choose(state) {
    this.shown = state;
    this.older = [];
    this.mark();
    this.refresh();
  }

  mark() {
    for (const chip of this.chips.children) chip.setAttribute('aria-pressed', String(chip.dataset.state === this.shown));
  }

  /** Look again for as long as the page is there; only while the tab is seen. */
  async watch() {
    if (this.place.isConnected && this.place.offsetParent !== null && !document.hidden) await this.refresh();
    setTimeout(() => this.watch(), this.soon ? BUSY_MS : QUIET_MS);
  }

  async ask(path) {
    const answer = await fetch(`${API}${path}`, { cache: 'no-store', headers: { Accept: 'application/json' } });
    if (!answer.ok) throw new Error(explain(await answer.json().catch(() => null), this.words));
    return answer.json();
  }

  async refresh() {
    const wanted = this.shown;
    try {
      const query = new URLSearchParams({ limit: PAGE, ...(wanted && { state: wanted }) });
      const [page, usage, health] = await Promise.all([
        this.ask(`/jobs?${query}`),
        this.ask('/usage').catch(() => null),
        fetch('../health', { cache: 'no-store' }).then((answer) => answer.json()).catch(() => null),
      ]);
      if (wanted !== this.shown) return;
      if (!this.older.length) this.next = page.next;
      this.soon = page.jobs.some(({ state }) => state === 'queued' || state === 'running');
      const fresh = new Set(page.jobs.map(({ job_id: id }) => id));
      this.draw([...page.jobs, ...this.older.filter(({ job_id: id }) => !fresh.has(id))]);
      this.drawTiles(usage, health);
      this.line.textContent = '';
      delete this.line.dataset.tone;
    } catch (error) {
      this.soon = true; // a server that is starting again will be back
      this.say(error instanceof TypeError ? this.words.texts.lost : error.message);
    }
  }

  async page() {
    const query = new URLSearchParams({ limit: PAGE, cursor: this.next, ...(this.shown && { state: this.shown }) });
    try {
      const page = await this.ask(`/jobs?${query}`);
      this.older.push(...page.jobs);
      this.next = page.next;
      await this.refresh();
    } catch (error) {
      this.say(error.message);
    }
  }

  say(words) {
    this.line.textContent = words;
    this.line.dataset.tone = 'bad';
  }

  drawTiles(usage, health) {
    const { texts } = this.words;
    const number = (value, options) => new Intl.NumberFormat(this.words.language, options).format(value);
    const tiles = [];
    if (health) {
      tiles.push([texts.queue, number(health.queued ?? 0), fill(texts.being_made, { count: number(health.running ?? 0) })]);
    }
    if (usage) {
      const limit = usage.limits?.video_seconds_per_month;
      tiles.push([texts.film_month, this.seconds(usage.video_seconds), limit ? fill(texts.of_limit, { limit: this.seconds(limit) }) : '']);
      tiles.push([texts.spent, number(usage.money, { style: 'currency', currency: 'USD' }), fill(texts.characters, { count: number(usage.characters) })]);
      tiles.push([texts.storage, `${number(usage.storage_bytes / 1e6, { maximumFractionDigits: 1 })} ${texts.megabytes}`, '']);
    }
    this.tiles.replaceChildren(...tiles.map(([about, value, more]) => el(
      'div', { className: 'jobs-tile' }, el('span', { textContent: about }), el('strong', { textContent: value }), el('small', { textContent: more }),
    )));
  }

  seconds(value) {
    const { texts } = this.words;
    if (value < 90) return fill(texts.seconds, { count: new Intl.NumberFormat(this.words.language, { maximumFractionDigits: 1 }).format(value) });
    return fill(texts.minutes, { count: new Intl.NumberFormat(this.words.language, { maximumFractionDigits: 1 }).format(value / 60) });
  }

  draw(jobs) {
    const { texts } = this.words;
    const rows = new Map();
    for (const job of jobs) {
      const told = JSON.stringify([job.state, job.percent, job.place, job.message, job.seconds_left]);
      const before = this.rows.get(job.job_id);
      rows.set(job.job_id, before?.told === told ? before : { told, place: this.row(job) });
    }
    this.rows = rows;
    const places = [...rows.values()].map(({ place }) => place);
    // What has not changed stays where it is, so that nothing under the pointer or the focus is made anew.
    if (places.length !== this.list.children.length || places.some((place, at) => this.list.children[at] !== place)) this.list.replaceChildren(...places);
    if (!places.length) this.list.replaceChildren(el('li', { className: 'jobs-none', textContent: texts.none }));
    this.more.hidden = !this.next;
  }

  row(job) {
    const { texts } = this.words;
    const over = !['queued', 'running'].includes(job.state);
    const when = new Date(job.ended ?? job.created).toLocaleString(this.words.language, { dateStyle: 'short', timeStyle: 'short' });
    const facts = [when, job.avatar, job.voice, job.duration ? this.seconds(job.duration) : '', job.cost?.money ? `$${job.cost.money.toFixed(4)}` : '', job.attempts > 1 ? fill(texts.attempts, { count: job.attempts }) : ''];
    const name = el('strong', { textContent: texts[`kind_${job.kind}`] ?? job.kind });
    const badge = el('span', { className: 'jobs-state', textContent: texts[`state_${job.state}`] ?? job.state });
    const bar = el('span');
    bar.style.width = `${job.percent}%`;
    const meter = el('div', { className: 'progress', role: 'progressbar', ariaValueNow: String(Math.round(job.percent)), hidden: job.state !== 'running' }, bar);
    const where = job.place ? fill(texts.place, { place: job.place }) : fill(texts.percent, { percent: Math.round(job.percent) });
    const left = job.seconds_left ? fill(texts.left, { left: this.seconds(job.seconds_left) }) : '';
    const words = job.error ? explain(job.error, this.words) : over ? job.notes.join(' ') : [where, left].filter(Boolean).join(' · ');
    const buttons = el('div', { className: 'jobs-buttons' });
    if (job.links.video) {
      buttons.append(
        el('a', { href: `..${job.links.video}?inline=true`, target: '_blank', rel: 'noopener', textContent: texts.watch }),
        el('a', { href: `..${job.links.video}`, download: '', textContent: texts.download }),
      );
    }
    if (job.links.captions_srt) buttons.append(el('a', { href: `..${job.links.captions_srt}`, download: `${job.job_id.slice(0, 8)}.srt`, textContent: texts.captions }));
    if (job.state !== 'expired' && job.state !== 'cancelled') {
      buttons.append(el('button', { type: 'button', textContent: over ? texts.remove : texts.cancel, onclick: (event) => this.remove(job, event.target) }));
    }
    const made = el(
      'li', { className: 'jobs-row' }, el('div', { className: 'jobs-head' }, name, badge),
      el('p', { className: 'jobs-facts', textContent: facts.filter(Boolean).join(' · ') }), meter,
      el('p', { className: 'jobs-words', textContent: words, hidden: !words }), buttons,
    );
    made.dataset.state = job.state;
    made.dataset.job = job.job_id;
    return made;
  }

  /** Removing what is finished is asked for twice. */
  async remove(job, button) {
    const { texts } = this.words;
    if (job.state === 'done' && button.dataset.sure !== 'yes') {
      button.dataset.sure = 'yes';
      button.textContent = texts.sure;
      setTimeout(() => { delete button.dataset.sure; button.textContent = texts.remove; }, 4000);
      return;
    }
    button.disabled = true;
    const answer = await fetch(`${API}/jobs/${job.job_id}`, { method: 'DELETE' }).catch(() => null);
    if (!answer?.ok) this.say(answer ? explain(await answer.json().catch(() => null), this.words) : texts.lost);
    this.older = this.older.filter(({ job_id: id }) => id !== job.job_id);
    await this.refresh();
    button.disabled = false;
  }
}
