// Making elements, and files that are dropped or chosen.

/** An element with properties (or attributes, where there is no such property) and children. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made && name !== 'role') made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A label with its field below it. */
export function labelled(words, field) {
  return el('label', { className: 'film-field' }, el('span', { className: 'film-label', textContent: words }), field);
}

/** A drop-down list of `[value, words]`. */
export function choice(entries, value) {
  const made = el('select', {}, ...entries.map(([key, words]) => el('option', { value: key, textContent: words })));
  made.value = value;
  return made;
}

/** Let files be dropped on `place`, or chosen by `input`; `take` gets the first. */
export function takesFiles(place, input, take) {
  const over = (is) => (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes('Files')) return;
    event.preventDefault();
    place.classList.toggle('over', is);
  };
  place.addEventListener('dragenter', over(true));
  place.addEventListener('dragover', over(true));
  place.addEventListener('dragleave', over(false));
  place.addEventListener('drop', (event) => {
    over(false)(event);
    const file = event.dataTransfer?.files?.[0];
    if (file) take(file);
  });
  input.addEventListener('change', () => {
    const file = input.files[0];
    input.value = ''; // the same file may be chosen again
    if (file) take(file);
  });
}

/** Fill in the braces of a text. */
export function fill(words, values) {
  return Object.entries(values).reduce((text, [key, value]) => text.replaceAll(`{${key}}`, value), words);
}

/** What an answer of the server says went wrong: its own words, and ours before them where those are English only. */
export async function trouble(answer, words) {
  const found = await answer.json().catch(() => null);
  return explain(found, words);
}

export function explain(found, words) {
  if (!found?.error) return words.texts.unreadable;
  const own = words.texts[`error_${found.error}`];
  const theirs = `${found.detail} ${found.hint}`;
  const understood = words.language === 'en' || /[а-яё]/i.test(theirs);
  return understood || !own ? theirs : `${own} (${theirs})`;
}
