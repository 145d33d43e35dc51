// Events that wait for their time: each is fired when its media time is heard.

export class Events {
  /** @param {(event: object) => void} fire called with each event, in order of time. */
  constructor(fire) {
    this.fire = fire;
    this.waiting = [];
  }

  add(events) {
    this.waiting.push(...events);
    this.waiting.sort((a, b) => a.t - b.t); // stable: those of one time stay in order
  }

  /** What lies beyond a cut does not happen. */
  cut(t) {
    this.waiting = this.waiting.filter((event) => event.t <= t);
  }

  clear() {
    this.waiting = [];
  }

  tick(media) {
    let count = 0;
    while (count < this.waiting.length && this.waiting[count].t <= media) count += 1;
    for (const event of this.waiting.splice(0, count)) this.fire(event);
  }
}
