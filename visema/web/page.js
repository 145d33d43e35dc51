// Runs inside the page's hidden `bridge` component: plays the sound, shows the state, and tells the server where the
// sound really is, since the picture follows what is heard. `props.value` is the whole state as JSON, never a change
// to it, so that a value which the page skips loses nothing.
const REPORT_MS = 400;
const LOST_MS = 8000;

const audio = new Audio();
audio.id = 'visema-sound';
audio.preload = 'auto';
document.body.appendChild(audio);

const one = (selector) => document.querySelector(selector);
const stats = { pictures: 0, skews: [], skew: null };
window.visemaStats = stats;

let state = { token: '', sound: null, status: '', texts: {} };
let playing = 0; // number of the sound that plays or is about to
let heard = 0; // number of the newest sound that was begun
let lastPicture = performance.now();
let reporter = 0;
let fetched = ''; // the idle loop that is in the browser's cache, or on its way there

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

function report(event) {
  if (!state.token || !playing) return;
  const recent = stats.skews.splice(0);
  const body = { sound: playing, event, position: audio.currentTime };
  if (recent.length) body.skew = stats.skew = median(recent);
  fetch(`../stage/${state.token}/clock`, {
    method: 'POST', keepalive: true, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  }).catch(() => {}); // the watch below notices a server that is gone
}

function silence() {
  clearInterval(reporter);
  audio.pause();
  playing = 0;
}

function play(sound) {
  clearInterval(reporter);
  playing = heard = sound.id;
  stats.skews.length = 0;
  audio.src = sound.url;
  audio.play().catch((error) => {
    if (error.name !== 'NotAllowedError') return; // a newer sound took its place
    report('blocked');
    state.status = state.texts.muted || '';
    write();
  });
}

audio.addEventListener('playing', () => {
  report('playing');
  clearInterval(reporter);
  reporter = setInterval(() => report('time'), REPORT_MS);
});
audio.addEventListener('waiting', () => report('waiting'));
audio.addEventListener('ended', () => { clearInterval(reporter); report('ended'); playing = 0; });
audio.addEventListener('error', () => report('error'));

// Safari lets a sound element speak later only when it has spoken inside a gesture.
const SILENCE = 'data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=';
addEventListener('pointerdown', unlock, { once: true, capture: true });
addEventListener('keydown', unlock, { once: true, capture: true });
function unlock() {
  if (playing) return;
  audio.src = SILENCE;
  audio.play().catch(() => {});
}

function write() {
  const status = one('#status .line');
  if (!status) return;
  const line = state.status.replace('{t}', Math.min(audio.currentTime, state.sound?.duration ?? 0).toFixed(1));
  if (status.textContent !== line) status.textContent = line;
}

function show() {
  const stage = one('#stage');
  if (!stage) return;
  Object.assign(stage.dataset, { token: state.token, avatar: state.avatar, language: state.language });
  if (stage.dataset.view !== 'live') stage.dataset.state = state.state;
  stage.dispatchEvent(new CustomEvent('visema-state')); // page_view.js shows the live view by it
  stage.style.setProperty('--focus', (state.focus || [50, 50]).map((part) => `${part}%`).join(' '));
  const label = one('#state .label');
  if (label && label.textContent !== state.label) label.textContent = state.label;
  const status = one('#status');
  if (status) {
    status.dataset.tone = state.tone;
    const notes = status.querySelector('.notes');
    const wanted = state.notes || [];
    if (notes && notes.dataset.shown !== wanted.join('\n')) {
      notes.dataset.shown = wanted.join('\n');
      notes.replaceChildren(...wanted.map((note) => Object.assign(document.createElement('p'), { textContent: note })));
    }
  }
  const picture = one('#view img');
  if (picture && state.texts.alt) picture.alt = state.texts.alt;
  write();
}

function apply() {
  if (!props.value) return;
  const before = state;
  state = JSON.parse(props.value);
  if (state.state === 'speaking' && before.state !== 'speaking') bringIntoView();
  if (!state.sound) { if (playing) silence(); } else if (state.sound.id > heard) play(state.sound);
  show();
  fetchLoop();
}

// In a narrow window the avatar is above the text box: who speaks shall be seen.
function bringIntoView() {
  const place = one('#stage').getBoundingClientRect();
  if (place.top + place.height / 2 > 0 || document.activeElement?.closest('#text')) return;
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  scrollTo({ top: scrollY + place.top - 8, behavior: calm ? 'auto' : 'smooth' });
}

// Which picture is seen is settled by live/page_view.js; until then this one is, without fetching its loop.
const plain = () => one('#stage')?.dataset.view === 'plain';
one('#stage').addEventListener('visema-view', () => {
  lastPicture = performance.now();
  fetchLoop();
});
one('#stage').addEventListener('visema-speaks', bringIntoView);

watch('value', apply);
apply();
setInterval(() => { if (playing) write(); }, 100);

// The idle loop goes into the browser's cache once; from then on the server only names its pictures.
async function fetchLoop() {
  const { loop, indices } = state.idle ?? {};
  if (!plain() || !loop || loop === fetched || !indices.length) return;
  fetched = loop;
  const left = [...indices];
  const token = state.token;
  const fetchSome = async () => {
    while (left.length && fetched === loop) {
      const answer = await fetch(`${loop}${left.shift()}.jpg`);
      if (!answer.ok) throw new Error(answer.statusText);
      await answer.arrayBuffer();
    }
  };
  try {
    await Promise.all([fetchSome(), fetchSome()]);
    if (fetched === loop) await fetch(`../stage/${token}/cached`, { method: 'POST', body: loop });
  } catch { /* pictures go on coming with their data */ }
}

// The picture: when it came, and how far it is from the sound.
document.addEventListener('load', (event) => { // does not bubble: caught on its way down
  if (!(event.target instanceof HTMLImageElement) || !event.target.closest('#view')) return;
  lastPicture = performance.now();
  stats.pictures += 1;
  const at = event.target.src.split('#t=')[1];
  if (at && playing && !audio.paused) stats.skews.push(1000 * (audio.currentTime - Number(at)));
}, true);

// A stream that has ended (server restarted, laptop asleep): the page is loaded anew once the server answers. What was
// typed is kept; `begin` on the server gets it from here.
setInterval(async () => {
  if (document.hidden || !plain()) lastPicture = performance.now();
  if (performance.now() - lastPicture < LOST_MS) return;
  state.status = state.texts.lost || '';
  write();
  try {
    await fetch('../health', { cache: 'no-store' });
  } catch { return; } // the server is still away
  sessionStorage.setItem('visema-text', one('#text textarea').value);
  location.reload();
}, 2000);

addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  if (!event.target.closest?.('#text')) return;
  event.preventDefault();
  event.stopPropagation();
  // The box hands its text over on the next turn of the page's own loop.
  setTimeout(() => one('#speak').click(), 50);
}, true);

addEventListener('click', (event) => {
  if (event.target.closest?.('#stop')) silence(); // at once; the server follows
}, true);
