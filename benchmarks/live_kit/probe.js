// Runs in the page before anything of it: sees what the page shows and plays, whatever the page says about itself.
//
// Pictures: after every frame of the screen the stamp is read back from the canvas, and the pixels around the mouth
// are compared with those of the same loop frame at rest. Sound: every context's output is also led to a worklet that
// notes, on the audio clock, when bursts begin, when sound begins and ends, and every gap. Bytes: of all sockets.
(() => {
  const BLOCK = 16;
  const BITS = 9;
  const GRID = 16; // samples of the mouth, each way
  const MOVED = 14; // levels: what an eye may see
  const bench = window.bench = {
    paints: [], // [performance seconds, loop index, mouth differs]
    bursts: [], // context seconds
    begins: [],
    ends: [],
    gaps: [], // [context seconds, seconds]
    stamps: [], // [context seconds, performance seconds]: which of the first is heard when
    bytes: 0,
    rafs: 0,
    mouth: null, // [x, y, width, height]
    rest: new Map(),
    learning: false,
    words: [], // [media seconds]
    now: () => performance.now() / 1000,
  };

  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', ({ data }) => { bench.bytes += 4 + (data.byteLength ?? data.length); });
    }
  };

  const TAP = `registerProcessor('tap', class extends AudioWorkletProcessor {
    constructor() { super(); this.since = 1e9; this.quiet = 1e9; this.last = 0; this.on = false; }
    process([input]) {
      const x = input[0];
      for (let i = 0; i < 128; i += 1) {
        const t = currentTime + i / sampleRate;
        const v = x ? Math.abs(x[i]) : 0;
        if (v > 0.4) { if (this.since > 0.1 * sampleRate) this.port.postMessage(['burst', t]); this.since = 0; }
        else this.since += 1;
        if (v > 0.01) {
          if (!this.on) { this.on = true; this.port.postMessage(['begin', t]); }
          else if (this.quiet > 0.002 * sampleRate) this.port.postMessage(['gap', this.last, t - this.last]);
          this.quiet = 0;
          this.last = t;
        } else {
          this.quiet += 1;
          if (this.on && this.quiet > 0.15 * sampleRate) { this.on = false; this.port.postMessage(['end', this.last]); }
        }
      }
      return true;
    }
  });`;
  const connect = AudioNode.prototype.connect;
  const taps = new WeakMap();
  async function tap(context) {
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([TAP], { type: 'text/javascript' })));
    const node = new AudioWorkletNode(context, 'tap');
    const silent = context.createGain();
    silent.gain.value = 0;
    connect.call(node, silent);
    connect.call(silent, context.destination);
    node.port.onmessage = ({ data: [kind, t, length] }) => {
      if (kind === 'burst') bench.bursts.push(t);
      else if (kind === 'begin') bench.begins.push(t);
      else if (kind === 'end') bench.ends.push(t);
      else bench.gaps.push([t, length]);
    };
    bench.context = context;
    return node;
  }
  AudioNode.prototype.connect = function led(target, ...rest) {
    const { context } = this;
    if (target === context.destination && !(context instanceof OfflineAudioContext)) {
      if (!taps.has(context)) taps.set(context, tap(context));
      taps.get(context).then((node) => connect.call(this, node));
    }
    return connect.call(this, target, ...rest);
  };

  const canvas = () => document.querySelector('visema-avatar')?.shadowRoot?.querySelector('canvas') ?? bench.canvas;
  let pen = null;
  bench.read = (now) => {
    const shown = canvas();
    if (!shown || !shown.width) return;
    if (pen?.canvas !== shown) pen = shown.getContext('2d', { alpha: false });
    const row = pen.getImageData(0, BLOCK / 2, 2 * BITS * BLOCK, 1).data;
    let index = 0;
    for (let bit = 0; bit < BITS; bit += 1) {
      const on = row[4 * BLOCK * (bit + 0.5)] > 127;
      if (on === row[4 * BLOCK * (bit + BITS + 0.5)] > 127) return; // no stamp: nothing is shown yet
      if (on) index |= 1 << bit;
    }
    const before = bench.paints[bench.paints.length - 1];
    let differs = false;
    if (bench.mouth) {
      const [x, y, w, h] = bench.mouth;
      const part = pen.getImageData(x, y, w, h).data;
      const seen = new Uint8Array(GRID * GRID);
      for (let j = 0; j < GRID; j += 1) {
        for (let i = 0; i < GRID; i += 1) {
          seen[j * GRID + i] = part[4 * (Math.floor((j * h) / GRID) * w + Math.floor((i * w) / GRID)) + 1];
        }
      }
      if (bench.learning && !bench.rest.has(index)) bench.rest.set(index, seen);
      const rest = bench.rest.get(index);
      differs = rest ? seen.some((v, k) => Math.abs(v - rest[k]) > MOVED) : null;
    }
    if (!before || before[1] !== index || before[2] !== differs) bench.paints.push([now, index, differs]);
  };
  // After the page's own frame callbacks, so that what they painted is read in the same frame.
  const frame = () => {
    requestAnimationFrame(frame);
    const now = performance.now() / 1000;
    bench.rafs += 1;
    if (bench.context?.state === 'running') {
      const stamp = bench.context.getOutputTimestamp();
      if (stamp.contextTime > 0) bench.stamps.push([stamp.contextTime, stamp.performanceTime / 1000]);
    }
    const channel = new MessageChannel();
    channel.port1.onmessage = () => bench.read(now);
    channel.port2.postMessage(0);
  };
  requestAnimationFrame(frame);

  bench.forget = () => {
    for (const name of ['paints', 'bursts', 'begins', 'ends', 'gaps', 'words']) bench[name].length = 0;
    bench.stamps.splice(0, Math.max(0, bench.stamps.length - 60));
    bench.bytes = 0;
    bench.rafs = 0;
  };

  /** The floor: ready pictures drawn by the audio clock, with bursts from one buffer; nothing sent, nothing decoded. */
  bench.floor = async (url, seconds, fps, word) => {
    const bytes = await (await fetch(url)).arrayBuffer();
    const view = new DataView(bytes);
    const count = view.getUint32(4, true);
    const at = (i) => view.getUint32(24 + 4 * i, true);
    const used = Math.min(count, 60);
    const pictures = await Promise.all(Array.from({ length: used }, (_, i) => createImageBitmap(
      new Blob([bytes.slice(at(i), at(i + 1))], { type: 'image/jpeg' }),
    )));
    document.querySelector('visema-avatar').remove();
    const shown = document.createElement('canvas');
    shown.width = view.getUint16(8, true);
    shown.height = view.getUint16(10, true);
    document.body.append(shown);
    const draw = shown.getContext('2d', { alpha: false });
    const context = new AudioContext({ latencyHint: 'interactive', sampleRate: 48000 });
    await context.resume();
    const buffer = context.createBuffer(1, 48000 * seconds, 48000);
    const data = buffer.getChannelData(0);
    for (let i = 0; i < data.length; i += 1) {
      const loud = (i / 48000) % word < 0.03 ? 0.8 : 0.15;
      data[i] = loud * Math.sin((2 * Math.PI * 440 * i) / 48000);
    }
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    await new Promise((resolve) => { setTimeout(resolve, 500); });
    bench.forget();
    bench.canvas = shown;
    const start = context.currentTime + 0.2;
    source.start(start);
    await new Promise((resolve) => {
      const paint = () => {
        const media = context.currentTime - (context.outputLatency || 0) - start;
        if (media > seconds) { resolve(); return; }
        if (media >= 0) draw.drawImage(pictures[Math.floor((media + 0.012) * fps) % used], 0, 0);
        requestAnimationFrame(paint);
      };
      paint();
    });
    return { start, used };
  };
})();
