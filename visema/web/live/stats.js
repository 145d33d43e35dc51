// What the player measures: kept for the panel, and reported to the server for its metrics.

const REPORT_MS = 5000;
const KEPT = 600;
const LATE_S = 0.05;

const median = (values) => quantile(values, 0.5);

function quantile(values, share) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

export class Stats {
  constructor() {
    this.skews = []; // ms, of talking pictures; positive: the picture came after its sound
    this.total = { painted: 0, late: 0, skipped: 0, dropouts: 0, bytes: 0, pictures: 0, sounds: 0 };
    this.last = { firstSound: null, firstPicture: null, silence: null, closed: null, decode: null, slack: null };
    this.reported = { ...this.total };
    this.fresh = {}; // measured since the last report
    this.window = []; // times of painted pictures
    this.rates = []; // bytes by second
    this.nextReport = 0;
    this.skewCount = 0;
  }

  painted(skew, now, talking) {
    this.total.painted += 1;
    this.window.push(now);
    while (this.window[0] < now - 2) this.window.shift();
    if (!talking) return;
    this.skewCount += 1;
    this.skews.push(1000 * skew);
    if (this.skews.length > KEPT) this.skews.splice(0, KEPT / 2);
    if (skew > LATE_S) this.total.late += 1;
  }

  received(bytes, now) {
    this.total.bytes += bytes;
    this.rates.push([now, bytes]);
    while (this.rates.length > 1 && this.rates[0][0] < now - 4) this.rates.shift();
  }

  measured(name, milliseconds) {
    this.last[name] = milliseconds;
    this.fresh[name] = milliseconds;
  }

  /** Pictures a second, of late. */
  fps(now) {
    const times = this.window.filter((time) => time >= now - 2);
    return times.length < 2 ? 0 : (times.length - 1) / (times[times.length - 1] - times[0]);
  }

  kilobytes(now) {
    const recent = this.rates.filter(([time]) => time >= now - 4);
    return recent.reduce((sum, [, bytes]) => sum + bytes, 0) / 4 / 1024;
  }

  get skew() { return median(this.skews); }

  get skewP95() { return quantile(this.skews.map(Math.abs), 0.95); }

  /** A `report` for the server, or null when there is nothing new. */
  report(now) {
    if (now * 1000 < this.nextReport) return null;
    const fresh = this.skewCount > 0 || Object.keys(this.fresh).length > 0;
    if (!fresh) return null;
    this.nextReport = now * 1000 + REPORT_MS;
    const out = { type: 'report', fps: this.fps(now) };
    for (const name of ['painted', 'late', 'skipped', 'dropouts']) {
      out[name] = this.total[name] - this.reported[name];
    }
    this.reported = { ...this.total };
    if (this.skewCount) {
      out.skew_ms = this.skew;
      out.skew_p95_ms = this.skewP95;
    }
    const names = {
      firstSound: 'first_sound_ms', firstPicture: 'first_picture_ms', silence: 'silence_ms', closed: 'closed_ms',
      slack: 'buffer_ms',
    };
    for (const [name, key] of Object.entries(names)) if (name in this.fresh) out[key] = this.fresh[name];
    this.fresh = {};
    this.skewCount = 0;
    return out;
  }
}
