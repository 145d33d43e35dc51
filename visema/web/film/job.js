// One video on its way: sent, watched until it is over, cancelled. It survives a reload of the page.

import { explain } from './dom.js';

const KEY = 'visema-film';
const POLL_MS = 250;

export class Job {
  /** `told` gets what happens: sending, checking, status, failed, lost. */
  constructor(words, told) {
    this.words = words;
    this.told = told;
    this.session = '';
    this.ended = false;
  }

  /** Send the form; the browser tells how much of it is gone. */
  send(form) {
    const request = new XMLHttpRequest();
    this.request = request;
    request.open('POST', '../generate');
    request.responseType = 'json';
    request.upload.onprogress = ({ loaded, total }) => this.told('sending', { share: total ? loaded / total : 0 });
    request.upload.onload = () => this.told('checking', {});
    request.onload = () => {
      if (request.status === 202) this.watch(request.response.session_id);
      else this.fail(explain(request.response, this.words));
    };
    request.onerror = () => this.fail(this.words.texts.lost);
    request.send(form);
  }

  /** Follow a video that the server has. */
  watch(session) {
    this.session = session;
    remember(session);
    this.poll();
  }

  async poll() {
    if (this.ended) return;
    try {
      const answer = await fetch(`../status/${this.session}`, { cache: 'no-store' });
      const status = await answer.json();
      if (this.ended) return;
      if (answer.status === 404) {
        this.fail(explain(status, this.words));
        return;
      }
      this.told('status', status);
      if (status.status !== 'processing') {
        this.end();
        return;
      }
    } catch {
      this.told('lost', {}); // the server may be starting again: the video is kept
    }
    this.timer = setTimeout(() => this.poll(), POLL_MS);
  }

  async cancel() {
    this.request?.abort();
    if (!this.session) {
      this.end();
      this.told('status', { status: 'cancelled' });
      return;
    }
    await fetch(`../status/${this.session}`, { method: 'DELETE' }).catch(() => this.told('lost', {}));
  }

  fail(why) {
    this.end();
    this.told('failed', { why });
  }

  end() {
    this.ended = true;
    clearTimeout(this.timer);
  }
}

export function remember(session) {
  try { sessionStorage.setItem(KEY, session); } catch { /* a browser without storage forgets */ }
}

export function remembered() {
  try { return sessionStorage.getItem(KEY) ?? ''; } catch { return ''; }
}
