// What time it is on the stage, by the sound that is being heard.
//
// Three clocks: `performance.now()`, which the screen goes by; the server's media time, known by ping and pong; and
// the audio context's, which is the master: sound of media time t begins at t + offset of the context's time, and is
// heard when that time, less the output's latency, has come. `offset` stands still while something is sounding.

/** Round trips that are remembered; the shortest is believed. */
const TRIPS = 12;
/** In silence the pictures may run this much faster or slower, to come back to the server's time. */
const EASE = 0.1;
/** Beyond this (a laptop was asleep) they jump. */
const JUMP_S = 1.0;
/** Time constants of the audio clock's smoothing: its readings come in steps of up to a few hundredths. */
const SMOOTH_S = 0.4;
const RESET_S = 0.08;
/** How far behind the server a player without sound is: what its pictures need on their way. */
const SILENT_LAG_S = 0.04;

export class Clock {
  constructor() {
    this.trips = [];
    this.server = null; // server's time minus performance time
    this.context = null;
    this.audio = null; // context's time minus performance time, smoothed
    this.latency = 0;
    this.offset = null;
    this.silent = 0; // media time minus performance time, while there is no sound
    this.sounding = () => false;
    this.lastTick = null;
  }

  /** The server's time was `media` at performance time `now` (seconds), give or take half of `trip`. */
  heardOfServer(media, now, trip) {
    const anew = trip === null;
    const difference = media + (anew ? 0 : trip / 2) - now;
    // A laptop was asleep and one of the clocks with it: what was known is of no use any more.
    const strange = !anew && Math.abs(difference - this.server) > trip + JUMP_S;
    if (anew || strange) this.trips = [];
    // A hello says only that its time is past: the first pong replaces it.
    this.trips = this.trips.filter((entry) => entry.trip !== Infinity);
    this.trips.push({ difference, trip: anew ? Infinity : trip });
    if (this.trips.length > TRIPS) this.trips.shift();
    this.server = this.trips.reduce((a, b) => (b.trip <= a.trip ? b : a)).difference;
    if (anew || strange) this.jump();
  }

  /** A new time has begun, or the old one is of no use: take up the server's at once. */
  jump() {
    this.offset = null;
    this.silent = this.server - SILENT_LAG_S;
  }

  use(context) {
    this.context = context;
    context.addEventListener('statechange', () => { this.audio = null; this.offset = null; });
  }

  get running() {
    return this.context !== null && this.context.state === 'running';
  }

  /** Once per picture of the screen, and whenever sound arrives. `now` is performance time in seconds. */
  tick(now) {
    const elapsed = this.lastTick === null ? 0 : Math.max(0, now - this.lastTick);
    this.lastTick = now;
    if (this.server === null) return;
    if (!this.running) {
      const wanted = this.server - SILENT_LAG_S;
      this.silent = eased(this.silent, wanted, elapsed);
      return;
    }
    const read = this.context.currentTime - performance.now() / 1000;
    const latency = this.context.outputLatency || this.context.baseLatency || 0;
    if (this.audio === null || Math.abs(read - this.audio) > RESET_S) {
      this.audio = read;
      this.latency = latency;
    } else {
      const share = Math.min(1, elapsed / SMOOTH_S);
      this.audio += share * (read - this.audio);
      this.latency += share * (latency - this.latency);
    }
    const wanted = this.audio - this.server;
    if (this.offset === null) this.offset = wanted;
    else if (!this.sounding()) this.offset = eased(this.offset, wanted, elapsed);
    this.silent = this.media(now) - now; // goes on from here if the sound is taken away
  }

  /** Media time that is heard at performance time `now`. */
  media(now) {
    if (!this.running || this.offset === null || this.audio === null) return now + this.silent;
    return now + this.audio - this.latency - this.offset;
  }

  /** Performance time at which media time `t` is heard. */
  heardAt(t, now) {
    return now + t - this.media(now);
  }

  /** The server's media time; what is sent now is of about this time. */
  serverNow(now) {
    return now + this.server;
  }

  /** Time of the audio context at which sound of media time `t` begins. */
  contextTime(t) {
    if (this.offset === null) this.tick(performance.now() / 1000);
    return t + (this.offset ?? 0);
  }

  /** Everything later by so many seconds, so that nothing of a take that has just come is lost. */
  postpone(seconds) {
    this.offset += seconds;
  }
}

/** `value`, some of the way to `wanted`. */
function eased(value, wanted, elapsed) {
  const missing = wanted - value;
  if (Math.abs(missing) > JUMP_S) return wanted;
  const step = EASE * elapsed;
  return value + Math.max(-step, Math.min(step, missing));
}
