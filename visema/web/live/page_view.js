// The live view inside the Gradio page: which view is shown, and what the page's buttons and lines have to do with it.
//
// page.js tells who is on stage by data attributes of #stage and the event `visema-state`; this tells it by
// `data-view` (coming, live, plain) and the event `visema-view` which picture is seen.

import { missing } from './element.js';
import { languageOf, text } from './words.js';

/** Making the loop of an avatar that nobody has watched yet takes a while. */
const PATIENCE_MS = 60000;
const KEY = 'visema-view';

export function begin(place) {
  return new PageView(place, document.querySelector('#stage'));
}

class PageView {
  constructor(place, stage) {
    this.place = place;
    this.stage = stage;
    this.switcher = Object.assign(document.createElement('button'), { type: 'button', className: 'view-switch' });
    this.switcher.onclick = () => this.choose(stage.dataset.view === 'plain' ? 'live' : 'plain');
    stage.append(this.switcher);
    stage.addEventListener('visema-state', () => this.follow());
    stage.addEventListener('visema-say', (event) => this.say(event));
    addEventListener('click', (event) => {
      if (event.target.closest?.('#stop')) this.avatar?.interrupt();
    }, true);
    const asked = new URLSearchParams(location.search).get('view');
    const lacking = missing();
    this.show((asked ?? stored()) === 'plain' || lacking ? 'plain' : 'coming');
    if (lacking) this.explain('unsupported', { what: lacking });
    this.follow();
  }

  get language() { return languageOf(this.stage.dataset.language); }

  say(event) {
    const { words, voice, rate, pitch, volume } = event.detail;
    // What cannot be said is explained by the page itself.
    if (this.stage.dataset.view !== 'live' || !/[\p{L}\p{N}]/u.test(words) || words.length > 5000) return;
    this.line('status_preparing');
    if (this.avatar.say(words, { voice, rate, pitch, volume })) event.preventDefault();
    else this.line('lost', {}, 'bad');
  }

  /** Somebody else may be on stage now. */
  follow() {
    const { avatar, view, language } = this.stage.dataset;
    if (!avatar) return;
    this.switcher.textContent = text(this.language, view === 'plain' ? 'live_view' : 'plain_view');
    if (view === 'plain') return;
    if (!this.avatar) this.create(avatar, language);
    else if (this.avatar.getAttribute('avatar') !== avatar) this.avatar.setAttribute('avatar', avatar);
  }

  create(avatar, language) {
    const element = document.createElement('visema-avatar');
    element.setAttribute('avatar', avatar);
    element.setAttribute('quiet', '');
    element.lang = language;
    if (new URLSearchParams(location.search).has('stats')) element.setAttribute('stats', '');
    this.avatar = element;
    this.patience = setTimeout(() => this.giveUp('unreachable'), PATIENCE_MS);
    const on = (type, handler) => element.addEventListener(type, ({ detail }) => {
      if (this.avatar === element) handler(detail);
    });
    on('shown', () => {
      clearTimeout(this.patience);
      this.show('live');
    });
    on('open', () => {
      // Whether this server still knows the page is told by page.js's own state; an old one is loaded anew.
      if (this.stage.dataset.view === 'live') this.tell();
    });
    on('state', ({ state, place }) => {
      if (this.stage.dataset.view !== 'live') return;
      if (state === 'speaking') this.stage.dispatchEvent(new CustomEvent('visema-speaks'));
      this.stage.dataset.state = state;
      if (state === 'waiting') this.line('status_waiting', { place });
      else if (state === 'lost') this.line('lost', {}, 'bad');
    });
    on('started', ({ notes }) => {
      this.began = performance.now();
      this.line('status_speaking');
      this.notes(notes ?? []);
    });
    on('finished', () => {
      const t = ((performance.now() - this.began) / 1000).toFixed(1);
      this.line('status_spoken', { t }, 'good');
    });
    on('interrupted', () => this.line('status_stopped'));
    on('failed', ({ detail, hint }) => this.line('plainly', { words: `${detail} ${hint}` }, 'bad'));
    on('ended', ({ detail }) => this.line('plainly', { words: detail || text(this.language, 'ended') }, 'bad'));
    on('refused', ({ reason, detail, hint }) => {
      if (reason) this.giveUp(reason);
      else this.line('plainly', { words: `${detail} ${hint}` }, 'bad');
    });
    this.place.replaceChildren(element);
  }

  /** The visitor chooses a view. */
  choose(view) {
    store(view);
    const speaking = ['preparing', 'waiting', 'speaking'].includes(this.stage.dataset.state);
    if (view === 'plain') {
      this.remove();
      // What it was saying ends with it.
      this.stage.dataset.state = 'listening';
      if (speaking) this.line('status_stopped');
    } else if (speaking) {
      document.querySelector('#stop')?.click(); // two voices at once are one too many
    }
    this.show(view === 'plain' ? 'plain' : 'coming');
    this.follow();
  }

  /** The live view cannot be had (a proxy that passes no sockets on): the plain one is shown, and it is said. */
  giveUp(reason) {
    if (this.stage.dataset.view === 'live') return; // it will be back
    this.remove();
    this.show('plain');
    this.explain(reason, { what: missing() });
  }

  explain(reason, values) {
    this.notes([text(this.language, reason === 'unsupported' ? 'unsupported' : 'no_live', values)]);
  }

  remove() {
    clearTimeout(this.patience);
    this.avatar?.remove();
    this.avatar = null;
  }

  show(view) {
    const before = this.stage.dataset.view;
    this.stage.dataset.view = view;
    this.switcher.textContent = text(this.language, view === 'plain' ? 'live_view' : 'plain_view');
    this.stage.dispatchEvent(new CustomEvent('visema-view'));
    if (view === 'live' || before === 'live') this.tell();
  }

  /** The server sends the plain view's pictures only to those who see them. */
  async tell() {
    const { token, view } = this.stage.dataset;
    if (!token) return;
    const body = view === 'live' ? 'live' : 'plain';
    const answer = await fetch(`../stage/${token}/view`, { method: 'POST', body }).catch(() => null);
    if (answer?.status !== 404) return;
    // The server was restarted: it knows the avatar's socket again, but not this page.
    const typed = document.querySelector('#text textarea');
    if (typed) sessionStorage.setItem('visema-text', typed.value);
    location.reload();
  }

  line(key, values = {}, tone = 'plain') {
    const place = document.querySelector('#status');
    if (!place) return;
    place.dataset.tone = tone;
    place.querySelector('.line').textContent = text(this.language, key, values);
  }

  notes(sentences) {
    const place = document.querySelector('#status .notes');
    if (!place) return;
    place.dataset.shown = sentences.join('\n');
    place.replaceChildren(...sentences.map((words) => Object.assign(document.createElement('p'), { textContent: words })));
  }
}

function stored() {
  try { return localStorage.getItem(KEY); } catch { return null; } // a browser without storage forgets
}

function store(view) {
  try { localStorage.setItem(KEY, view); } catch { /* the same */ }
}
