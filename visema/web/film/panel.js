// The tab: a photo on the left, what it shall say on the right, and the video in the photo's place.

import { choice, el, explain, fill, labelled } from './dom.js';
import { Job, remember, remembered } from './job.js';
import { PictureField } from './picture.js';
import { SoundField } from './sound.js';

export async function begin(place) {
  const answer = await fetch('../film/words.json');
  if (!answer.ok) throw new Error(answer.statusText);
  const panel = new Panel(await answer.json());
  place.replaceChildren(panel.place);
  panel.resume();
  return panel;
}

class Panel {
  constructor(words) {
    this.words = words;
    const { texts } = words;
    this.picture = new PictureField(words, () => this.showPhoto());
    this.sound = new SoundField(words);
    this.film = el('video', { controls: true, playsInline: true, hidden: true });
    this.again = el('button', { type: 'button', className: 'film-other', textContent: texts.again, hidden: true, onclick: () => this.showPhoto() });
    this.stage = el('div', { className: 'film-stage' }, this.picture.place, this.film, this.again);
    this.makeWords();
    this.makeOptions();
    this.make = el('button', { type: 'button', className: 'film-make', textContent: texts.make, onclick: () => this.send() });
    this.stop = el('button', { type: 'button', className: 'film-cancel', textContent: texts.cancel, hidden: true, onclick: () => this.job?.cancel() });
    this.bar = el('span');
    this.meter = el('div', { className: 'progress', role: 'progressbar', 'aria-valuemin': '0', 'aria-valuemax': '100', hidden: true }, this.bar);
    this.line = el('p', { className: 'film-line', role: 'status' });
    this.result = el('div', { className: 'film-result' });
    this.place = el(
      'div', { className: 'film' },
      el('div', { className: 'film-left' }, this.stage, this.picture.said),
      el('div', { className: 'film-right' }, this.saying, this.options,
        el('div', { className: 'film-buttons' }, this.make, this.stop), this.meter, this.line, this.result),
    );
  }

  makeWords() {
    const { texts } = this.words;
    this.text = el('textarea', { rows: 5, placeholder: texts.text_placeholder, ariaLabel: texts.text, className: 'film-text' });
    this.language = choice(this.words.languages.map(([name, code]) => [code, name]), '');
    this.voice = choice([], '');
    this.notice = el('p', { className: 'film-notice' });
    const first = this.words.voices.find(({ name }) => name === this.words.voice);
    this.language.value = first?.language ?? 'en';
    this.language.onchange = () => this.listVoices(this.words.first[this.language.value]);
    this.voice.onchange = () => this.tellVoice();
    this.listVoices(this.words.voice);
    this.byText = el(
      'div', { className: 'film-pane' }, this.text,
      el('div', { className: 'film-pair' }, labelled(texts.language, this.language), labelled(texts.voice, this.voice)), this.notice,
    );
    this.bySound = el('div', { className: 'film-pane', hidden: true }, this.sound.place);
    const tab = (key, kind) => {
      const input = el('input', { type: 'radio', name: 'film-kind', value: kind, checked: kind === 'text' });
      input.onchange = () => this.choose(kind);
      return el('label', { className: 'film-kind' }, input, el('span', { textContent: texts[key] }));
    };
    this.saying = el(
      'fieldset', { className: 'film-card' }, el('legend', { className: 'film-label', textContent: texts.said_by }),
      el('div', { className: 'film-kinds' }, tab('by_text', 'text'), tab('by_sound', 'sound')), this.byText, this.bySound,
    );
    this.kind = 'text';
  }

  makeOptions() {
    const { texts, styles } = this.words;
    this.style = choice(styles.map((name) => [name, texts[`style_${name}`]]), 'calm');
    this.expression = choice(['neutral', 'smile', 'serious'].map((name) => [name, texts[`expression_${name}`]]), 'neutral');
    this.degree = el('input', { type: 'range', min: 0.1, max: 1, step: 0.1, value: 0.6, disabled: true });
    this.expression.onchange = () => { this.degree.disabled = this.expression.value === 'neutral'; };
    this.crop = choice([['', texts.crop_none], ['1:1', '1:1'], ['9:16', '9:16'], ['16:9', '16:9']], '');
    this.options = el(
      'details', { className: 'film-card' }, el('summary', { textContent: texts.more }),
      el('div', { className: 'film-pair' }, labelled(texts.style, this.style), labelled(texts.crop, this.crop),
        labelled(texts.expression, this.expression), labelled(texts.degree, this.degree)),
    );
  }

  listVoices(chosen) {
    const code = this.language.value;
    const fitting = this.words.voices.filter(({ language }) => language === code);
    this.voice.replaceChildren(...fitting.map(({ name, label }) => el('option', { value: name, textContent: label })));
    this.voice.value = fitting.some(({ name }) => name === chosen) ? chosen : (fitting[0]?.name ?? '');
    this.tellVoice();
  }

  tellVoice() {
    const voice = this.words.voices.find(({ name }) => name === this.voice.value);
    this.notice.textContent = this.words.notices[voice?.cloud ? 'cloud' : 'local'];
  }

  choose(kind) {
    this.kind = kind;
    this.byText.hidden = kind !== 'text';
    this.bySound.hidden = kind === 'text';
  }

  /** The form, or null where something is missing, which is said. */
  form() {
    const { texts, limits } = this.words;
    const form = new FormData();
    const need = (words) => { this.say(words, 'bad'); return null; };
    if (!this.picture.file) return need(this.picture.said.dataset.tone === 'bad' ? this.picture.said.textContent : texts.need_picture);
    const text = (this.kind === 'text' ? this.text : this.sound.transcript).value.trim();
    if (this.kind === 'text' && !text) return need(texts.need_text);
    if (this.kind !== 'text' && !this.sound.file) return need(texts.need_sound);
    if (text.length > limits.text) return need(fill(texts.too_long, { length: text.length, limit: limits.text }));
    const fields = { text, style: this.style.value, crop: this.crop.value };
    if (this.picture.face > 1) fields.face = this.picture.face;
    if (this.expression.value !== 'neutral') fields.expression = `${this.expression.value}:${this.degree.value}`;
    if (this.kind === 'text') fields.voice = this.voice.value;
    for (const [name, value] of Object.entries(fields)) if (value !== '') form.append(name, value);
    form.append('image', this.picture.file);
    if (this.kind !== 'text') form.append('audio', this.sound.file);
    return form;
  }

  send() {
    const form = this.form();
    if (!form) return;
    this.start();
    this.job.send(form);
  }

  /** A video that was on its way when the page was loaded anew. */
  resume() {
    const session = remembered();
    if (!session) return;
    this.start();
    this.job.watch(session);
  }

  start() {
    this.result.replaceChildren();
    this.most = 0;
    this.busy(true);
    this.job = new Job(this.words, (kind, facts) => this.told(kind, facts));
    this.progress(0, this.words.texts.sending);
  }

  told(kind, facts) {
    const { texts } = this.words;
    if (kind === 'sending') this.progress(10 * facts.share, texts.sending);
    else if (kind === 'checking') this.progress(10, texts.checking);
    else if (kind === 'lost') this.say(texts.lost, 'bad');
    else if (kind === 'failed') this.over(facts.why, 'bad');
    else this.follow(facts);
  }

  follow(status) {
    const { texts } = this.words;
    if (status.status === 'processing') {
      const stage = fill(texts[`stage_${status.stage}`] ?? status.message, { place: status.place });
      const left = status.seconds_left === null ? '' : ` ${fill(texts.left, { seconds: Math.max(1, Math.round(status.seconds_left)) })}`;
      // What is sent is the first tenth of the bar.
      this.progress(10 + 0.9 * status.percent, stage + left);
    } else if (status.status === 'completed') this.showFilm(status);
    else if (status.status === 'cancelled') this.over(texts.cancelled);
    else if (status.status === 'expired') this.over(texts.error_gone, 'bad');
    else this.over(explain(status.error, this.words), 'bad');
  }

  showFilm({ session_id: session, duration, notes }) {
    const { texts } = this.words;
    this.over(fill(texts.ready, { duration: duration.toFixed(1) }), 'good');
    remember(session); // it is there after a reload too
    const address = `../download/${session}`;
    this.film.src = `${address}?inline`;
    this.film.hidden = this.again.hidden = false;
    this.picture.place.hidden = true;
    this.again.hidden = !this.picture.file;
    this.result.replaceChildren(
      el('p', { className: 'downloads' }, el('a', { className: 'download', href: address, download: `visema-${session.slice(0, 8)}.mp4`, textContent: texts.download })),
      ...notes.map((note) => el('p', { className: 'remark', textContent: note })),
    );
  }

  showPhoto() {
    this.film.pause();
    this.film.hidden = this.again.hidden = true;
    this.picture.place.hidden = false;
  }

  over(words, tone = 'plain') {
    remember('');
    this.busy(false);
    this.say(words, tone);
  }

  busy(is) {
    this.make.disabled = is;
    this.stop.hidden = this.meter.hidden = !is;
  }

  progress(percent, words) {
    this.most = Math.max(this.most, percent);
    this.bar.style.width = `${this.most.toFixed(1)}%`;
    this.meter.setAttribute('aria-valuenow', String(Math.round(this.most)));
    this.meter.setAttribute('aria-label', words);
    this.say(words);
  }

  say(words, tone = 'plain') {
    if (this.line.textContent !== words) this.line.textContent = words;
    this.line.dataset.tone = tone;
  }
}
