// The photo: dropped or chosen, shown with the faces that the server finds in it, one of them chosen to speak.

import { el, fill, takesFiles, trouble } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';

export class PictureField {
  constructor(words, changed) {
    this.words = words;
    this.changed = changed;
    this.file = null;
    this.face = 1;
    const { texts } = words;
    this.input = el('input', { type: 'file', accept: 'image/jpeg,image/png,image/webp', id: 'film-image' });
    this.picture = el('img', { alt: '', hidden: true });
    this.lines = document.createElementNS(SVG, 'svg');
    this.lines.setAttribute('viewBox', '0 0 1 1');
    this.lines.setAttribute('preserveAspectRatio', 'none');
    this.frame = el('div', { className: 'film-frame', hidden: true }, this.picture, this.lines);
    this.invitation = el(
      'label', { className: 'film-drop', htmlFor: 'film-image' },
      el('span', { className: 'film-drop-icon', ariaHidden: 'true', textContent: '☺' }),
      el('strong', { textContent: texts.picture_drop }),
      el('span', { textContent: texts.picture_kinds }),
    );
    this.other = el('label', { className: 'film-other', htmlFor: 'film-image', textContent: texts.picture_other, hidden: true });
    this.said = el('p', { className: 'film-said', role: 'status' });
    this.place = el('div', { className: 'film-picture' }, this.input, this.invitation, this.frame, this.other);
    takesFiles(this.place, this.input, (file) => this.take(file));
  }

  async take(file) {
    const { texts, limits } = this.words;
    if (file.size > limits.bytes) {
      this.say(fill(texts.too_large, { size: megabytes(file.size), limit: megabytes(limits.bytes) }), 'bad');
      return;
    }
    this.file = file;
    this.face = 1;
    this.lines.replaceChildren();
    URL.revokeObjectURL(this.picture.src);
    this.picture.src = URL.createObjectURL(file);
    this.picture.alt = texts.picture;
    this.picture.hidden = this.frame.hidden = this.other.hidden = false;
    this.invitation.hidden = true;
    this.say(texts.looking);
    this.changed();
    const form = new FormData();
    form.append('image', file);
    try {
      const answer = await fetch('../preview', { method: 'POST', body: form });
      if (this.file !== file) return; // another one was chosen meanwhile
      if (answer.ok) this.show(await answer.json());
      else this.refuse(await trouble(answer, this.words));
    } catch {
      if (this.file === file) this.refuse(texts.lost);
    }
  }

  /** The photo cannot be used: it stays to be seen, and nothing is sent. */
  refuse(why) {
    this.file = null;
    this.say(why, 'bad');
    this.changed();
  }

  show({ faces }) {
    const { texts } = this.words;
    const usable = faces.filter((face) => !face.problem);
    if (!usable.length) {
      this.draw(faces);
      this.refuse(faces[0].problem);
      return;
    }
    this.face = usable[0].number;
    this.draw(faces);
    this.say(usable.length === 1 ? texts.face_one : fill(texts.face_many, { count: usable.length }), 'good');
  }

  draw(faces) {
    const marks = faces.map((face) => {
      const group = document.createElementNS(SVG, 'g');
      for (const points of [face.outline, ...face.lines]) {
        const line = document.createElementNS(SVG, 'polygon');
        line.setAttribute('points', points.map((point) => point.join(',')).join(' '));
        group.append(line);
      }
      group.classList.toggle('unusable', Boolean(face.problem));
      if (!face.problem && faces.length > 1) {
        const choose = () => {
          this.face = face.number;
          for (const mark of marks) mark.setAttribute('aria-pressed', String(mark === group));
        };
        group.setAttribute('role', 'button');
        group.setAttribute('tabindex', '0');
        group.setAttribute('aria-label', fill(this.words.texts.face, { number: face.number }));
        group.addEventListener('click', choose);
        group.addEventListener('keydown', (event) => {
          if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); choose(); }
        });
      }
      group.setAttribute('aria-pressed', String(face.number === this.face));
      return group;
    });
    this.lines.replaceChildren(...marks);
  }

  say(text, tone = 'plain') {
    this.said.textContent = text;
    this.said.dataset.tone = tone;
  }
}

export const megabytes = (bytes) => (bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0);
