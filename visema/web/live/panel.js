// The panel that `?stats` shows: what this player measures, and some of the server's counters.

const EVERY_MS = 500;
const SERVER_MS = 3000;

const number = (value, digits = 0, unit = '') => (value === null || value === undefined ? '–' : `${value.toFixed(digits)}${unit}`);

export class Panel {
  /**
   * @param {HTMLElement} place a `dl` to write in.
   * @param {import('./player.js').LivePlayer} player what is measured.
   */
  constructor(place, player) {
    this.place = place;
    this.player = player;
    this.server = {};
    this.timer = setInterval(() => this.show(), EVERY_MS);
    this.serverTimer = setInterval(() => this.ask(), SERVER_MS);
    player.addEventListener('open', () => this.ask()); // now it is one viewer more
    this.ask();
  }

  async ask() {
    if (document.hidden) return;
    try {
      const answer = await fetch(new URL('api/v1/live/stats', this.player.root));
      this.server = await answer.json();
    } catch {
      this.server = {}; // shown as unknown
    }
  }

  show() {
    const { stats, clock, loop } = this.player;
    const now = performance.now() / 1000;
    const { last, total } = stats;
    const ms = (histogram) => (histogram?.median == null ? '–' : `${(1000 * histogram.median).toFixed(1)} ms`);
    const rows = [
      ['first sound', number(last.firstSound, 0, ' ms')],
      ['first picture', number(last.firstPicture, 0, ' ms')],
      ['skew, median', number(stats.skew, 1, ' ms')],
      ['skew, 95 %', number(stats.skewP95, 1, ' ms')],
      ['pictures a second', number(stats.fps(now), 1)],
      ['late / skipped', `${total.late} / ${total.skipped}`],
      ['sound gaps', String(total.dropouts)],
      ['silence / closed', `${number(last.silence)} / ${number(last.closed, 0, ' ms')}`],
      ['sound latency', number(1000 * clock.latency, 0, ' ms')],
      ['lead / left', `${number(1000 * (this.player.lead ?? 0))} / ${number(last.slack, 0, ' ms')}`],
      ['received', `${number(stats.kilobytes(now), 1, ' KB/s')}`],
      ['loop', loop?.count ? `${loop.have}/${loop.count}, ${number(loop.loaded / 1e6, 1, ' MB')}` : '–'],
      ['server: draw', ms(this.server.draw_seconds)],
      ['server: first sound', ms(this.server.first_sound_seconds)],
      ['server: viewers', String(this.server.viewers ?? '–')],
      ['server: seats', `${this.server.seats_taken ?? '–'}/${this.server.seats ?? '–'}`],
      ['server: skipped', String(this.server.pictures_skipped_total ?? '–')],
    ];
    this.place.replaceChildren(...rows.map(([name, value]) => row(name, value)));
  }

  close() {
    clearInterval(this.timer);
    clearInterval(this.serverTimer);
  }
}

function row(name, value) {
  const element = document.createElement('div');
  element.append(cell('dt', name), cell('dd', value));
  return element;
}

function cell(tag, content) {
  const element = document.createElement(tag);
  element.textContent = content;
  return element;
}
