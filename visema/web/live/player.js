// The live player: one conversation with the server, drawn on one canvas. Knows nothing of pages; see element.js.

import { Clock } from './clock.js';
import { Events } from './events.js';
import { Loop } from './loop.js';
import { Pictures } from './pictures.js';
import { LiveSocket } from './socket.js';
import { decodesOpus, Sound } from './sound.js';
import { Stats } from './stats.js';

/** When the clock is set back by no more than this, the picture stays rather than one before it is shown again. */
const HELD_S = 0.12;
/** A picture is drawn so long before its time, as the screen shows it a little later; at most one refresh. */
const SCREEN_S = 0.012;
/** What stays of the way to the browser when everything goes well; less of it asks for more lead. */
const TIGHT_S = 0.005;
const LEAD_STEP_S = 0.03;
const LARGEST_LEAD_S = 1.0;
const HIDDEN_TICK_MS = 250;

let opus = null; // asked once per page

export class LivePlayer extends EventTarget {
  /**
   * @param {HTMLCanvasElement} canvas to draw on.
   * @param {{root: URL|string, avatar?: string, key?: string}} options `root` is the server's address, with a slash
   *   at its end; `key` is one that is made for this site, where the server asks for one.
   */
  constructor(canvas, { root, avatar = '', key = '' }) {
    super();
    this.canvas = canvas;
    this.pen = canvas.getContext('2d', { alpha: false });
    this.root = new URL(root);
    this.avatar = avatar;
    this.key = key;
    this.hello = null;
    this.state = 'connecting';
    this.place = 0;
    this.stats = new Stats();
    this.clock = new Clock();
    this.events = new Events((event) => this.happened(event));
    this.pictures = new Pictures({
      skipped: (count) => { this.stats.total.skipped += count; },
      decoded: (ms) => { this.stats.last.decode = ms; },
    });
    this.loop = null;
    this.painted = -1;
    this.mouth = false; // the canvas shows a drawn mouth
    this.asked = null; // performance time of the last `say`, until it is heard and seen
    this.stopped = null;
    this.lead = null;
    this.closed = false;
    this.connected = false;
    this.sound = new Sound(this.clock, {
      state: () => this.emit('audio', { running: this.sound.running }),
      first: (take, t) => this.firstSound(t),
      dropout: () => { this.stats.total.dropouts += 1; },
      slack: (seconds) => this.slack(seconds),
    });
    this.hidden = () => this.visibility();
    document.addEventListener('visibilitychange', this.hidden);
    this.tick = this.tick.bind(this);
    this.start();
  }

  get headers() { return this.key ? { 'X-API-Key': this.key } : {}; }

  async start() {
    opus ??= decodesOpus(new URL('live/opus-probe.ogg', this.root), this.headers);
    this.audio = (await opus) ? ['opus', 'pcm'] : ['pcm'];
    if (this.closed) return;
    const url = new URL('live/ws', this.root);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const protocols = this.key ? ['visema', `visema.key.${this.key}`] : []; // a browser's socket sets no headers
    this.socket = new LiveSocket(url.href, protocols, () => this.greeting(), {
      open: (hello) => this.open(hello),
      message: (message) => this.message(message),
      picture: (view) => this.picture(view),
      sound: (view) => {
        this.stats.received(view.byteLength, performance.now() / 1000);
        this.stats.total.sounds += 1;
        this.sound.receive(view);
      },
      lost: (wasReady, opened) => this.lost(wasReady, opened),
      ended: (code, detail) => this.ended(code, detail),
      time: (t, now, trip) => this.clock.heardOfServer(t, now, trip),
    });
    this.tick();
  }

  // -- what others ask of it --------------------------------------------------------------------------------------

  /** Speak in place of what is being said. `manner`: voice, rate, pitch, volume, interrupt, id, stream. */
  say(text, manner = {}) {
    this.sound.resume();
    this.asked = { at: performance.now() / 1000, heard: false, seen: false };
    return this.socket?.send({ ...manner, type: 'say', text }) ?? false;
  }

  /** Speak after what is being said. */
  queue(text, manner = {}) {
    this.sound.resume();
    return this.socket?.send({ ...manner, type: 'queue', text }) ?? false;
  }

  /** Be silent now; the server follows. */
  interrupt() {
    const now = performance.now() / 1000;
    if (this.sound.sounding || this.pictures.talking) this.stopped = now;
    if (this.sound.sounding) {
      this.stats.measured('silence', 1000 * (0.008 + this.clock.latency));
      this.sound.silence();
    }
    return this.socket?.send({ type: 'interrupt' }) ?? false;
  }

  /** Drop what waits to be said. */
  clear() {
    return this.socket?.send({ type: 'clear' }) ?? false;
  }

  /** Speak a text that is still being written: `write` any pieces of it, then `end`. */
  stream(manner = {}) {
    const id = `s${Math.random().toString(36).slice(2)}`;
    this.say('', { ...manner, id, stream: true });
    return {
      write: (text) => this.socket.send({ type: 'text', id, text }),
      end: () => this.socket.send({ type: 'end', id }),
    };
  }

  /** To be called inside a gesture of the user, so that sound is allowed. */
  unlock() {
    this.sound.resume();
  }

  /** Free everything. */
  close() {
    if (this.closed) return;
    this.closed = true;
    document.removeEventListener('visibilitychange', this.hidden);
    cancelAnimationFrame(this.frameRequest);
    clearTimeout(this.timer);
    this.socket?.close();
    this.loop?.close();
    this.pictures.clear(0);
    this.sound.close();
  }

  // -- the conversation -------------------------------------------------------------------------------------------

  greeting() {
    const now = performance.now() / 1000;
    const fields = { audio: this.audio, pictures: !document.hidden };
    if (this.avatar) fields.avatar = this.avatar;
    if (this.lead) fields.lead = this.lead;
    if (this.hello) {
      fields.session = this.hello.session;
      const heard = this.heardAtLoss ?? this.sound.heard(this.clock.media(now));
      if (heard !== null && heard !== undefined) fields.heard = heard;
    }
    return fields;
  }

  open(hello) {
    this.hello = hello;
    this.connected = true;
    this.heardAtLoss = null;
    this.lead ??= hello.lead;
    this.sound.begin(hello.epoch);
    this.pictures.clear(hello.epoch);
    this.events.clear();
    this.painted = -1;
    const address = new URL(hello.loop.url, new URL('live/', this.root)).href;
    if (this.loop?.url !== address) {
      this.loop?.close();
      this.loop = new Loop(address, this.headers, () => this.socket.drop());
    }
    const [width, height] = hello.size;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.emit('open', hello);
    this.setState(hello.state, 0);
  }

  lost(wasReady, opened) {
    this.connected = false;
    if (wasReady) {
      // What is not heard now comes again from the server.
      this.heardAtLoss = this.sound.heard(this.clock.media(performance.now() / 1000));
      this.sound.silence();
      this.events.clear();
    }
    this.emit('lost', { wasReady, opened });
    this.setState('lost', 0);
  }

  ended(code, detail) {
    this.connected = false;
    this.sound.silence();
    this.events.clear();
    this.emit('ended', { code, detail });
    this.setState('ended', 0);
  }

  message(message) {
    switch (message.type) {
      case 'state':
        this.setState(message.state, message.place ?? 0);
        break;
      case 'events':
        this.events.add(message.events);
        this.emit('coming', message.events);
        break;
      case 'cut':
        this.sound.cut(message.epoch);
        this.pictures.cut(message.epoch, message.frame);
        this.events.cut(message.t);
        this.cutFrame = message.frame;
        break;
      case 'error':
        this.asked = null;
        this.emit('error', message);
        break;
      case 'accepted':
        this.emit('accepted', message);
        break;
      default: // of a later version
    }
  }

  setState(state, place) {
    if (state === this.state && place === this.place) return;
    this.state = state;
    this.place = place;
    if (this.socket) this.socket.busy = state !== 'listening';
    this.emit('state', { state, place });
  }

  /** An event whose time has come. */
  happened(event) {
    this.emit(event.kind, event);
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // -- sound ------------------------------------------------------------------------------------------------------

  firstSound(t) {
    const now = performance.now() / 1000;
    if (!this.asked || this.asked.heard || !this.sound.running) return;
    this.asked.heard = true;
    this.stats.measured('firstSound', 1000 * (now + t - this.clock.media(now) - this.asked.at));
  }

  /** What was left of the lead when a take began; negative: it came too late. */
  slack(seconds) {
    this.stats.measured('slack', 1000 * seconds);
    if (seconds >= TIGHT_S || this.lead >= LARGEST_LEAD_S) return;
    this.lead = Math.min(LARGEST_LEAD_S, this.lead - seconds + LEAD_STEP_S);
    this.socket.send({ type: 'lead', lead: this.lead });
  }

  // -- pictures ---------------------------------------------------------------------------------------------------

  picture(view) {
    this.stats.received(view.byteLength, performance.now() / 1000);
    this.stats.total.pictures += 1;
    this.pictures.receive(view, this.due(performance.now() / 1000));
  }

  /** The frame that is due now. */
  due(now) {
    return Math.max(0, Math.floor((this.clock.media(now) + SCREEN_S) * this.hello.fps));
  }

  visibility() {
    this.socket?.send({ type: 'watch', pictures: !document.hidden });
    cancelAnimationFrame(this.frameRequest);
    clearTimeout(this.timer);
    if (!document.hidden && this.hello) this.pictures.clear(this.pictures.epoch);
    this.tick();
  }

  tick() {
    if (this.closed) return;
    if (document.hidden) this.timer = setTimeout(this.tick, HIDDEN_TICK_MS);
    else this.frameRequest = requestAnimationFrame(this.tick);
    const now = performance.now() / 1000;
    this.clock.tick(now);
    if (!this.hello) return;
    const media = this.clock.media(now);
    this.sound.tick(media);
    this.events.tick(media);
    if (!document.hidden) this.paint(now);
    this.emit('tick', { now, media });
    const report = this.connected && this.stats.report(now);
    if (report) this.socket.send(report);
  }

  paint(now) {
    const { loop, pen } = this;
    if (!loop?.count) return;
    const frame = this.due(now);
    loop.want(Math.max(frame, 0));
    const back = this.painted - frame;
    if (back >= 0 && back <= HELD_S * this.hello.fps) return;
    const found = this.pictures.at(frame, this.painted, this.hello.fps, (n) => loop.picture(n) !== null);
    if (!found) return;
    const base = loop.picture(found.frame);
    if (!base) return; // still being decoded
    pen.drawImage(base, 0, 0);
    const { patch } = found;
    if (patch) {
      pen.drawImage(patch.bitmap, patch.sx, patch.sy, patch.w, patch.h, patch.x, patch.y, patch.w, patch.h);
      this.pictures.shown(patch);
    }
    const first = this.painted < 0 && !this.shownBefore;
    this.painted = found.frame;
    this.mouthShown(patch !== null, now);
    const heard = this.clock.heardAt(found.frame / this.hello.fps, now);
    this.stats.painted(now - heard, now, patch !== null);
    if (first) {
      this.shownBefore = true;
      this.emit('shown', {});
    }
  }

  mouthShown(drawn, now) {
    if (drawn && this.asked && !this.asked.seen) {
      this.asked.seen = true;
      this.stats.measured('firstPicture', 1000 * (now - this.asked.at));
    }
    if (!drawn && this.stopped !== null) {
      this.stats.measured('closed', 1000 * (now - this.stopped));
      this.stopped = null;
    }
    this.mouth = drawn;
  }
}
