// The sound: decodes the pieces and puts each on the audio clock, so that pieces of a take adjoin to the sample.
//
// AudioBufferSourceNode and decodeAudioData only: both work on plain HTTP.

const RATE = 48000;
const PCM = 1;
const FIRST = 1;
/** Sound falls silent within this, without a click. */
const RAMP_S = 0.008;
/** The context needs sound so long before it is due. */
const AHEAD_S = 0.004;
/** A piece that comes later than this leaves a gap that can be heard. */
const DROPOUT_S = 0.002;

/** True where the browser decodes Ogg Opus; the server has a sample of it. */
export async function decodesOpus(url, headers) {
  try {
    const answer = await fetch(url, { headers });
    if (!answer.ok) return false;
    const decoder = new OfflineAudioContext(1, RATE / 100, RATE);
    const buffer = await decoder.decodeAudioData(await answer.arrayBuffer());
    return buffer.length >= 4800;
  } catch {
    return false;
  }
}

export class Sound {
  /**
   * @param {import('./clock.js').Clock} clock places sound in time.
   * @param {object} on called with what happens: state(), first(take, t), dropout(seconds),
   *   slack(seconds).
   */
  constructor(clock, on) {
    this.clock = clock;
    this.on = on;
    this.context = new AudioContext({ latencyHint: 'interactive', sampleRate: RATE });
    clock.use(this.context); // first, so that it knows of a change before the sound does
    this.context.addEventListener('statechange', () => this.stateChanged());
    this.volume = this.context.createGain();
    this.volume.connect(this.context.destination);
    this.voice = this.newVoice();
    this.pieces = []; // decoded, not yet over: { start, end (media), buffer, skip, source }
    this.takes = new Map();
    this.deafTo = -1; // takes up to this one are void
    this.epoch = 0;
    this.newest = -1;
    this.queue = Promise.resolve();
    this.heardUntil = null;
    clock.sounding = () => this.sounding;
  }

  newVoice() {
    const gain = this.context.createGain();
    gain.connect(this.volume);
    return gain;
  }

  get running() { return this.context.state === 'running'; }

  /** True while something is heard, or is about to be. */
  get sounding() {
    return this.pieces.length > 0;
  }

  /** To be called inside a gesture of the user. */
  resume() {
    if (!this.running && this.context.state !== 'closed') this.context.resume().catch(() => {});
  }

  set muted(silent) {
    this.volume.gain.setTargetAtTime(silent ? 0 : 1, this.context.currentTime, 0.01);
  }

  /** A message of kind 2. Decoded side by side, placed in order. */
  receive(view) {
    const head = {
      codec: view.getUint8(1), flags: view.getUint16(2, true), epoch: view.getUint32(4, true),
      t: view.getFloat64(8, true), rate: view.getUint32(16, true), samples: view.getUint32(20, true),
      take: view.getUint32(24, true), first: view.getUint32(28, true),
    };
    this.newest = Math.max(this.newest, head.take);
    const decoded = this.decode(head, view);
    decoded.catch(() => {}); // looked at below, in its turn
    this.queue = this.queue.then(async () => {
      try {
        this.place(head, await decoded);
      } catch (error) {
        this.on.dropout(head.samples / head.rate);
        console.warn('visema: a piece of sound could not be decoded', error);
      }
    });
  }

  async decode(head, view) {
    if (head.codec !== PCM) return this.context.decodeAudioData(view.buffer.slice(32));
    const whole = new Int16Array(view.buffer, 32);
    const buffer = this.context.createBuffer(1, Math.max(1, whole.length), head.rate);
    const samples = buffer.getChannelData(0);
    for (let i = 0; i < whole.length; i += 1) samples[i] = whole[i] / 32768;
    return buffer;
  }

  place(head, buffer) {
    if (head.take <= this.deafTo || head.epoch < this.epoch) return;
    const now = performance.now() / 1000;
    this.clock.tick(now);
    this.tick(this.clock.media(now));
    const seconds = head.samples / head.rate;
    // More than asked for: the decoder has left the run-up in; what is to be played is its end.
    const skip = Math.max(0, buffer.duration - seconds);
    const start = head.t;
    const begins = (head.flags & FIRST) !== 0;
    if (begins && this.running) {
      const slack = this.clock.contextTime(start) - (this.context.currentTime + AHEAD_S);
      this.on.slack(slack);
      if (slack < 0) this.clock.postpone(-slack);
    }
    if (!this.takes.has(head.take)) {
      this.takes.set(head.take, start);
      for (const take of this.takes.keys()) if (take < head.take - 4) this.takes.delete(take);
      this.on.first(head.take, start);
    }
    const piece = { take: head.take, start, end: start + seconds, buffer, skip, source: null };
    this.pieces.push(piece);
    if (this.running) this.play(piece, begins);
  }

  play(piece, begins = true) {
    // The sample grid of the context, so that pieces meet without a fraction between them.
    const due = Math.round(this.clock.contextTime(piece.start) * RATE) / RATE;
    const late = Math.max(0, this.context.currentTime + AHEAD_S - due);
    const length = piece.end - piece.start;
    if (late >= length) {
      this.on.dropout(length);
      return;
    }
    if (late > DROPOUT_S && !begins) this.on.dropout(late);
    const source = this.context.createBufferSource();
    source.buffer = piece.buffer;
    source.connect(this.voice);
    source.onended = () => source.disconnect();
    if (late > 0) source.start(due + late, piece.skip + late, length - late);
    else source.start(due, piece.skip, length);
    piece.source = source;
  }

  /** Let go of what has been heard; `media` is what is heard now. */
  tick(media) {
    while (this.pieces.length && this.pieces[0].end <= media) {
      this.heardUntil = this.pieces.shift().end;
    }
  }

  /** Media time up to which the visitor has heard everything there was; null while nothing was. */
  heard(media) {
    const piece = this.pieces[0];
    return piece && piece.start <= media ? Math.min(media, piece.end) : this.heardUntil;
  }

  /** Silence at once. */
  silence() {
    const now = this.context.currentTime;
    const { voice } = this;
    voice.gain.setValueAtTime(1, now);
    voice.gain.linearRampToValueAtTime(0, now + RAMP_S);
    for (const piece of this.pieces) piece.source?.stop(now + RAMP_S + 0.002);
    setTimeout(() => voice.disconnect(), 100);
    this.voice = this.newVoice();
    this.pieces = [];
    this.deafTo = this.newest;
  }

  /** What was sent before a cut is void. */
  cut(epoch) {
    this.epoch = epoch;
    this.silence();
  }

  /** A new conversation: takes and epochs count from there. */
  begin(epoch) {
    this.silence();
    this.takes.clear();
    this.epoch = epoch;
    this.newest = this.deafTo = -1;
    this.heardUntil = null;
    this.queue = Promise.resolve();
  }

  stateChanged() {
    if (this.running) {
      // Sound that came while it could not be heard goes on from where it should be.
      const media = this.clock.media(performance.now() / 1000);
      this.tick(media);
      for (const piece of this.pieces) if (!piece.source) this.play(piece);
    } else {
      for (const piece of this.pieces) {
        piece.source?.stop();
        piece.source = null;
      }
    }
    this.on.state();
  }

  close() {
    this.pieces = [];
    if (this.context.state !== 'closed') this.context.close().catch(() => {});
  }
}
