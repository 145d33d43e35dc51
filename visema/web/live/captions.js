// Captions that follow the word: two lines of a sentence at a time, the word that is being said marked.

/** Characters that two lines hold; a longer sentence is shown part by part, cut after a comma where there is one. */
const LONGEST = 84;
const SHORTEST = 34;
/** Width of a character of the widest usual fonts, in ems, and the share of a line that whole words fill. */
const WIDE_EM = 0.6;
const FILLED = 0.85;
/** The last words stay for so long. */
const STAY_MS = 1600;

export class Captions {
  /** @param {HTMLElement} place where they are written. */
  constructor(place) {
    this.place = place;
    this.words = new Map(); // `utterance:from` -> its element
    this.parts = [];
    this.shown = null;
    this.marked = null;
    this.ahead = []; // words whose sentence has not begun yet
  }

  /** Words that will be said, before their time. */
  expect(events) {
    this.ahead.push(...events.filter((event) => event.kind === 'word'));
  }

  /** A sentence begins. */
  sentence(event) {
    const inside = (word) => word.utterance === event.utterance && word.from >= event.from && word.to <= event.to;
    const words = this.ahead.filter(inside);
    this.ahead = this.ahead.filter((word) => !inside(word) && word.t > event.t);
    this.words.clear();
    this.parts = parts(event, words, this.room()).map((part) => this.line(event, part));
    this.show(this.parts[0] ?? null);
  }

  /** Characters that two lines hold here. */
  room() {
    const { fontSize, paddingLeft } = getComputedStyle(this.place);
    const width = this.place.clientWidth - 2 * parseFloat(paddingLeft);
    const held = Math.floor((2 * FILLED * width) / (WIDE_EM * parseFloat(fontSize)));
    return held > 0 ? Math.min(LONGEST, held) : LONGEST; // switched off, it has no width
  }

  line(event, words) {
    const line = document.createElement('p');
    let at = words[0].from;
    for (const word of words) {
      line.append(event.text.slice(at - event.from, word.from - event.from));
      const span = document.createElement('span');
      span.textContent = event.text.slice(word.from - event.from, word.to - event.from);
      line.append(span);
      this.words.set(`${word.utterance}:${word.from}`, { span, line });
      at = word.to;
    }
    line.append(event.text.slice(at - event.from, words.end - event.from).trimEnd());
    return line;
  }

  /** A word is being said. */
  word(event) {
    const found = this.words.get(`${event.utterance}:${event.from}`);
    if (!found) return;
    if (found.line !== this.shown) this.show(found.line);
    this.marked?.classList.replace('now', 'said');
    found.span.classList.add('now');
    this.marked = found.span;
  }

  show(line) {
    clearTimeout(this.timer);
    this.shown = line;
    this.place.replaceChildren(...(line ? [line] : []));
    this.place.classList.remove('over');
    this.place.classList.toggle('open', Boolean(line));
  }

  /** Nothing more is said of an utterance. */
  end(utterance, at = STAY_MS) {
    this.marked?.classList.replace('now', 'said');
    this.ahead = this.ahead.filter((word) => word.utterance > utterance);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.place.classList.add('over');
      this.timer = setTimeout(() => this.show(null), 300);
    }, at);
  }
}

/** The words of a sentence in parts that two lines hold; each part knows where its text ends. */
function parts(event, words, longest) {
  const out = [];
  let part = [];
  words.forEach((word, i) => {
    part.push(word);
    const next = words[i + 1];
    const length = word.to - part[0].from;
    const end = next ? next.from : event.to;
    const pauses = /[,;:–—]/.test(event.text.slice(word.to - 1 - event.from, end - event.from));
    const left = event.to - word.to;
    if (!next || next.to - part[0].from > longest || (pauses && length > SHORTEST && length + left > longest)) {
      part.end = end;
      out.push(part);
      part = [];
    }
  });
  return out;
}
