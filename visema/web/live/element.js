// <visema-avatar>: the live view as an element of any page.
//
// Attributes: `avatar` (id), `server` (address of the server; where this script came from), `captions="off"`,
// `controls` (a text box and buttons), `quiet` (no sentences below), `muted`,
// `stats`, `lang`. Methods: say, queue, stream, interrupt, clear.
// Events, with their details as in docs/live_protocol.md: open, state, audio, queued, started, sentence, word, viseme,
// finished, interrupted, failed, refused, lost, ended, shown.

import { Captions } from './captions.js';
import { Panel } from './panel.js';
import { LivePlayer } from './player.js';
import { STYLE } from './style.js';
import { languageOf, text } from './words.js';

const ROOT = new URL('../../', import.meta.url);
const FORWARDED = [
  'open', 'state', 'audio', 'accepted', 'queued', 'started', 'sentence', 'word', 'viseme', 'finished', 'interrupted',
  'failed', 'lost', 'ended', 'shown',
];
/** A socket that has been refused so often is refused for a reason. */
const REFUSALS = 3;
const NEEDS = ['WebSocket', 'AudioContext', 'OfflineAudioContext', 'createImageBitmap', 'ReadableStream'];

const ICONS = {
  captions: '<svg viewBox="0 0 24 24" aria-hidden="true"><rect x="3" y="5" width="18" height="14" rx="3"/>'
    + '<path d="M10.5 10.2a2.3 2.3 0 1 0 0 3.6M17.5 10.2a2.3 2.3 0 1 0 0 3.6"/></svg>',
  sound: '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z"/>'
    + '<path class="waves" d="M15.5 9a4 4 0 0 1 0 6M18 6.5a7.5 7.5 0 0 1 0 11"/></svg>',
  silence: '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z"/>'
    + '<path d="m16 9.5 5 5m0-5-5 5"/></svg>',
};

const BODY = `
<style>${STYLE}</style>
<div class="picture" part="picture">
  <canvas part="canvas" role="img"></canvas>
  <div class="state" part="state" role="status"><span class="dot"></span><span class="label"></span></div>
  <div class="tools" part="tools">
    <button type="button" class="cc">${ICONS.captions}</button>
    <button type="button" class="mute">${ICONS.sound}</button>
  </div>
  <button type="button" class="tap">${ICONS.sound}<span></span></button>
</div>
<div class="captions" part="captions" aria-live="off"></div>
<p class="note" part="note" role="alert"></p>
<form class="bar" part="bar">
  <textarea maxlength="5000" rows="1"></textarea>
  <button type="submit" class="speak"></button>
  <button type="button" class="stop"></button>
</form>`;

/** What of all that the live view needs is missing in this browser; empty where nothing is. */
export function missing() {
  return NEEDS.filter((name) => !(name in globalThis)).join(', ');
}

export class VisemaAvatar extends HTMLElement {
  static observedAttributes = ['avatar', 'server', 'captions', 'muted', 'stats', 'lang'];

  constructor() {
    super();
    const shadow = this.attachShadow({ mode: 'open' });
    shadow.innerHTML = BODY;
    this.one = (selector) => shadow.querySelector(selector);
    this.one('.cc').onclick = () => this.toggleCaptions();
    this.one('.mute').onclick = () => this.toggleAttribute('muted');
    this.one('.tap').onclick = () => this.player?.unlock();
    this.one('.bar').onsubmit = (event) => { event.preventDefault(); this.speakTyped(); };
    this.one('.stop').onclick = () => this.interrupt();
    this.one('textarea').onkeydown = (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.speakTyped();
    };
    this.unlock = () => this.player?.unlock();
    this.refusals = 0;
  }

  connectedCallback() {
    this.language = languageOf(this.lang || this.closest('[lang]')?.lang);
    if (!this.hasAttribute('captions')) {
      const kept = stored('visema-captions');
      if (kept) this.setAttribute('captions', kept);
    }
    this.begun = true;
    this.label();
    // Any gesture will do to let sound out, and the sooner the device is awake, the sooner the first word is heard.
    for (const type of ['pointerdown', 'keydown']) document.addEventListener(type, this.unlock, { capture: true });
    this.open();
  }

  disconnectedCallback() {
    for (const type of ['pointerdown', 'keydown']) document.removeEventListener(type, this.unlock, { capture: true });
    this.begun = false;
    this.shut();
  }

  attributeChangedCallback(name, before, now) {
    if (!this.begun || before === now) return; // the parser sets them before the element is connected
    if (name === 'avatar' || name === 'server') {
      this.shut();
      this.open();
    } else if (name === 'stats') {
      this.togglePanel();
    } else if (this.player) {
      this.player.sound.muted = this.hasAttribute('muted');
    }
    if (name === 'lang') this.language = languageOf(now);
    this.label();
  }

  // -- for the page ----------------------------------------------------------------------------------------------

  /** Speak in place of what is being said; `manner`: voice, rate, pitch, volume. False: not connected. */
  say(words, manner = {}) { return this.player?.say(words, manner) ?? false; }

  /** Speak after what is being said. */
  queue(words, manner = {}) { return this.player?.queue(words, manner) ?? false; }

  /** Speak a text that is still being written; gives { write(text), end() }. */
  stream(manner = {}) { return this.player.stream(manner); }

  /** Be silent now. */
  interrupt() { return this.player?.interrupt() ?? false; }

  /** Drop what waits to be said. */
  clear() { return this.player?.clear() ?? false; }

  /** What is being measured. */
  get stats() { return this.player?.stats ?? null; }

  get state() { return this.player?.state ?? 'connecting'; }

  // -- inside ------------------------------------------------------------------------------------------------------

  open() {
    const lacking = missing();
    if (lacking) {
      this.note(text(this.language, 'unsupported', { what: lacking }));
      this.dispatchEvent(new CustomEvent('refused', { detail: { reason: 'unsupported' } }));
      return;
    }
    const server = this.getAttribute('server');
    const root = new URL(server ? `${server.replace(/\/+$/, '')}/` : ROOT, document.baseURI);
    const player = new LivePlayer(this.one('canvas'), { root, avatar: this.getAttribute('avatar') ?? '',
      key: this.getAttribute('key') ?? '' });
    this.player = player;
    this.captions = new Captions(this.one('.captions'));
    player.sound.muted = this.hasAttribute('muted');
    for (const type of FORWARDED) {
      player.addEventListener(type, ({ detail }) => {
        this[`on_${type}`]?.(detail);
        this.dispatchEvent(new CustomEvent(type, { detail }));
      });
    }
    player.addEventListener('coming', ({ detail }) => this.captions.expect(detail));
    player.addEventListener('error', ({ detail }) => {
      this.note([detail.detail, detail.hint].filter(Boolean).join(' '));
      this.dispatchEvent(new CustomEvent('refused', { detail }));
    });
    this.togglePanel();
    this.label();
  }

  shut() {
    this.panel?.close();
    this.panel = null;
    this.player?.close();
    this.player = null;
    this.captions?.end(Infinity, 0);
    this.removeAttribute('data-shown');
  }

  on_open(hello) {
    this.refusals = 0;
    this.note('');
    this.one('canvas').setAttribute('aria-label', text(this.language, 'picture', { name: hello.avatar.name }));
  }

  on_shown() { this.setAttribute('data-shown', ''); }

  on_state() { this.label(); }

  on_audio() { this.label(); }

  on_queued() { this.note(''); }

  on_started(event) { this.note((event.notes ?? []).join(' ')); }

  on_sentence(event) { this.captions.sentence(event); }

  on_word(event) { this.captions.word(event); }

  on_finished({ utterance }) { this.captions.end(utterance); }

  on_interrupted({ utterance }) { this.captions.end(utterance, 0); }

  on_failed(event) {
    this.captions.end(event.utterance);
    this.note([event.detail, event.hint].filter(Boolean).join(' '));
  }

  on_lost({ opened }) {
    this.captions.end(Infinity, 0);
    this.refusals += opened ? 0 : 1;
    if (this.refusals === REFUSALS && crossOrigin(this.player.root)) this.note(text(this.language, 'refused'));
    if (this.refusals === REFUSALS) {
      this.dispatchEvent(new CustomEvent('refused', { detail: { reason: 'unreachable' } }));
    }
  }

  on_ended({ detail }) {
    this.captions.end(Infinity, 0);
    this.note(detail || '');
  }

  speakTyped() {
    const words = this.one('textarea').value.trim();
    if (words) this.say(words);
  }

  toggleCaptions() {
    const off = this.getAttribute('captions') !== 'off';
    this.setAttribute('captions', off ? 'off' : 'on');
    store('visema-captions', off ? 'off' : 'on');
  }

  togglePanel() {
    const wanted = this.hasAttribute('stats') && this.player;
    if (Boolean(wanted) === Boolean(this.panel)) return;
    this.panel?.close();
    this.panel = null;
    this.one('.stats')?.remove();
    if (!wanted) return;
    const place = document.createElement('dl');
    place.className = 'stats';
    place.setAttribute('aria-label', text(this.language, 'stats'));
    this.one('.picture').append(place);
    this.panel = new Panel(place, this.player);
  }

  note(words) { this.one('.note').textContent = words; }

  /** Bring every text and mark up to date. */
  label() {
    const say = (key, values) => text(this.language, key, values);
    const { state } = this;
    const place = this.player?.place ?? 0;
    this.dataset.state = state;
    // What was never there cannot be lost.
    this.one('.label').textContent = say(state === 'lost' && !this.player?.hello ? 'connecting' : state, { place });
    const silent = this.player && !this.player.sound.running && ['preparing', 'speaking'].includes(state);
    this.toggleAttribute('data-silent', Boolean(silent));
    this.one('.tap span').textContent = say('tap');
    const on = this.getAttribute('captions') !== 'off';
    mark(this.one('.cc'), on, say(on ? 'captionsOff' : 'captionsOn'));
    const muted = this.hasAttribute('muted');
    mark(this.one('.mute'), !muted, say(muted ? 'unmute' : 'mute'));
    this.one('.mute').innerHTML = muted ? ICONS.silence : ICONS.sound;
    this.one('textarea').placeholder = say('placeholder');
    this.one('textarea').setAttribute('aria-label', say('text'));
    this.one('.speak').textContent = say('speak');
    this.one('.stop').textContent = say('stop');
  }
}

function mark(button, pressed, title) {
  button.setAttribute('aria-pressed', String(pressed));
  button.setAttribute('aria-label', title);
  button.title = title;
}

function crossOrigin(root) { return root.origin !== location.origin; }

function stored(key) {
  try { return localStorage.getItem(key); } catch { return null; } // a page without storage forgets
}

function store(key, value) {
  try { localStorage.setItem(key, value); } catch { /* the same */ }
}

if (!customElements.get('visema-avatar')) customElements.define('visema-avatar', VisemaAvatar);
