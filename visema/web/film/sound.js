// The recording: dropped, chosen or spoken into the microphone; heard and seen before it is sent.

import { el, fill, takesFiles } from './dom.js';
import { megabytes } from './picture.js';

const BARS = 120;
/** Larger files are not taken apart for their picture: that takes the browser's memory. */
const DRAWN_BYTES = 40 * 2 ** 20;

export class SoundField {
  constructor(words) {
    this.words = words;
    this.file = null;
    this.recorder = null;
    const { texts } = words;
    this.input = el('input', { type: 'file', accept: 'audio/*,video/*', id: 'film-audio' });
    this.invitation = el(
      'label', { className: 'film-drop small', htmlFor: 'film-audio' },
      el('strong', { textContent: texts.sound_drop }), el('span', { textContent: texts.sound_kinds }),
    );
    this.button = el('button', { type: 'button', className: 'film-record', onclick: () => this.toggle() });
    this.wave = el('canvas', { className: 'film-wave', width: 2 * BARS * 3, height: 96, ariaHidden: 'true' });
    this.player = el('audio', { controls: true, preload: 'metadata' });
    this.remove = el('button', { type: 'button', className: 'film-quiet', textContent: texts.sound_remove, onclick: () => this.take(null) });
    this.name = el('span', { className: 'film-name' });
    this.heard = el('div', { className: 'film-heard', hidden: true }, this.wave, this.player,
      el('div', { className: 'film-row' }, this.name, this.remove));
    this.transcript = el('textarea', { rows: 2, className: 'film-transcript' });
    this.said = el('p', { className: 'film-said', role: 'status' });
    this.place = el(
      'div', { className: 'film-sound' }, this.input, this.invitation, this.button, this.heard, this.said,
      el('label', { className: 'film-field' },
        el('span', { className: 'film-label', textContent: texts.transcript }), this.transcript),
    );
    takesFiles(this.place, this.input, (file) => this.take(file));
    this.idle();
  }

  take(file) {
    const { texts, limits } = this.words;
    this.say('');
    if (file && file.size > limits.bytes) {
      this.say(fill(texts.too_large, { size: megabytes(file.size), limit: megabytes(limits.bytes) }), 'bad');
      return;
    }
    this.file = file;
    URL.revokeObjectURL(this.player.src);
    this.heard.hidden = !file;
    this.invitation.hidden = Boolean(file);
    if (!file) {
      this.player.removeAttribute('src');
      return;
    }
    this.player.src = URL.createObjectURL(file);
    this.name.textContent = file.name ?? '';
    this.draw(file);
  }

  /** The loudness over time; a recording that the browser cannot decode is sent all the same. */
  async draw(file) {
    const pen = this.wave.getContext('2d');
    pen.clearRect(0, 0, this.wave.width, this.wave.height);
    this.wave.hidden = true;
    if (file.size > DRAWN_BYTES) return;
    const context = new AudioContext();
    try {
      const sound = await context.decodeAudioData(await file.arrayBuffer());
      if (this.file !== file) return;
      const samples = sound.getChannelData(0);
      const step = Math.max(1, Math.floor(samples.length / BARS));
      pen.fillStyle = getComputedStyle(this.wave).color;
      const wide = this.wave.width / BARS;
      for (let bar = 0; bar < BARS; bar += 1) {
        let peak = 0;
        for (let i = bar * step; i < Math.min((bar + 1) * step, samples.length); i += 1) peak = Math.max(peak, Math.abs(samples[i]));
        const high = Math.max(2, peak * this.wave.height);
        pen.fillRect(bar * wide, (this.wave.height - high) / 2, wide * 0.6, high);
      }
      this.wave.hidden = false;
    } catch {
      this.wave.hidden = true; // a kind that this browser does not know
    } finally {
      context.close();
    }
  }

  idle() {
    clearInterval(this.clock);
    this.recorder = null;
    this.button.textContent = this.words.texts.record;
    this.button.classList.remove('on');
  }

  async toggle() {
    if (this.recorder) {
      this.recorder.stop();
      return;
    }
    const { texts, limits } = this.words;
    if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
      this.say(texts.insecure, 'bad');
      return;
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      this.say(texts.no_microphone, 'bad');
      return;
    }
    const parts = [];
    const recorder = new MediaRecorder(stream);
    this.recorder = recorder;
    this.say('');
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      stream.getTracks().forEach((track) => track.stop());
      this.idle();
      if (parts.length) this.take(new File(parts, texts.by_sound, { type: recorder.mimeType }));
    };
    recorder.start(500);
    const began = performance.now();
    this.button.classList.add('on');
    const tell = () => {
      const seconds = Math.floor((performance.now() - began) / 1000);
      this.button.textContent = fill(texts.record_stop, { seconds });
      if (seconds >= limits.seconds && recorder.state === 'recording') recorder.stop();
    };
    tell();
    this.clock = setInterval(tell, 250);
  }

  say(text, tone = 'plain') {
    this.said.textContent = text;
    this.said.dataset.tone = tone;
  }
}
