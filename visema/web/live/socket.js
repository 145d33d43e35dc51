// The connection: says hello, keeps itself open, comes back by itself, and knows the server's time.
// What the messages are is in docs/live_protocol.md.

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5000;
const PONG_MS = 2500;
const IDLE_PING_MS = 15000;
const BUSY_PING_MS = 2000;
/** Codes after which nobody comes back by themselves. */
const FINAL = [1000, 1003, 1009, 4000, 4004];

export class LiveSocket {
  /**
   * @param {string} url of the WebSocket.
   * @param {string[]} protocols that are offered.
   * @param {() => object} greeting gives the fields of `hello`.
   * @param {object} on called with what happens: message(object), picture(DataView), sound(DataView),
   *   open(hello), lost(), ended(code, detail), time(serverSeconds, performanceSeconds, roundTripSeconds).
   */
  constructor(url, protocols, greeting, on) {
    this.url = url;
    this.protocols = protocols;
    this.greeting = greeting;
    this.on = on;
    this.closed = false;
    this.ready = false;
    this.busy = false;
    this.retryMs = FIRST_RETRY_MS;
    this.stopListening = new AbortController();
    const { signal } = this.stopListening;
    addEventListener('online', () => this.hurry(), { signal });
    addEventListener('pagehide', (event) => { if (!event.persisted) this.close(); }, { signal });
    addEventListener('pageshow', (event) => { if (event.persisted) this.hurry(); }, { signal });
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.hurry(); }, { signal });
    this.connect();
  }

  connect() {
    clearTimeout(this.retryTimer);
    if (this.closed) return;
    const socket = new WebSocket(this.url, this.protocols);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    this.opened = false;
    const mine = (handler) => (event) => { if (this.socket === socket) handler(event); };
    socket.onopen = mine(() => {
      this.opened = true;
      socket.send(JSON.stringify({ type: 'hello', version: 1, ...this.greeting() }));
      this.heardFrom = performance.now();
      this.expectSomething();
    });
    socket.onmessage = mine((event) => this.receive(event.data));
    socket.onclose = mine((event) => this.gone(event.code, event.reason));
  }

  receive(data) {
    this.heardFrom = performance.now();
    if (typeof data !== 'string') {
      const view = new DataView(data);
      if (view.byteLength < 32) return;
      const kind = view.getUint8(0);
      if (kind === 1) this.on.picture(view);
      else if (kind === 2) this.on.sound(view);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === 'pong') {
      clearTimeout(this.pongTimer);
      this.pongTimer = 0;
      const now = performance.now() / 1000;
      if (message.c) this.on.time(message.t, now, now - message.c / 1000);
    } else if (message.type === 'bye') {
      this.bye = message;
    } else if (message.type === 'hello') {
      clearTimeout(this.pongTimer);
      this.pongTimer = 0;
      this.ready = true;
      this.retryMs = FIRST_RETRY_MS;
      this.on.time(message.t, performance.now() / 1000, null);
      this.on.open(message);
      this.pingSeveral(6);
    } else {
      this.on.message(message);
    }
  }

  /** The best of several round trips tells the time. */
  pingSeveral(count) {
    this.ping();
    clearTimeout(this.pingTimer);
    if (count > 1) this.pingTimer = setTimeout(() => this.pingSeveral(count - 1), 120);
    else this.pingTimer = setTimeout(() => this.pingSeveral(1), this.busy ? BUSY_PING_MS : IDLE_PING_MS);
  }

  ping() {
    this.send({ type: 'ping', c: performance.now() });
    this.expectSomething();
  }

  /** A connection from which nothing comes back is none. */
  expectSomething() {
    if (this.pongTimer) return;
    this.pongTimer = setTimeout(() => {
      this.pongTimer = 0;
      if (performance.now() - this.heardFrom < PONG_MS) return;
      this.drop();
    }, PONG_MS + 50);
  }

  /** Give up this connection without waiting for it to say goodbye. */
  drop() {
    const socket = this.socket;
    if (!socket) return;
    this.socket = null;
    socket.close();
    this.gone(1006, '');
  }

  /** Something has changed: see at once whether the connection is there. */
  hurry() {
    if (this.closed) return;
    if (!this.socket) this.connect();
    else if (this.ready) this.pingSeveral(3);
  }

  gone(code, reason) {
    const bye = this.bye;
    const wasReady = this.ready;
    this.bye = null;
    this.socket = null;
    this.ready = false;
    clearTimeout(this.pingTimer);
    clearTimeout(this.pongTimer);
    this.pongTimer = 0;
    if (this.closed) return;
    const forGood = bye ? !bye.retry : FINAL.includes(code);
    if (forGood) {
      this.closed = true;
      this.on.ended(code, bye?.detail || reason);
      return;
    }
    this.on.lost(wasReady, this.opened);
    const wait = code === 1008 ? LAST_RETRY_MS : this.retryMs;
    this.retryTimer = setTimeout(() => this.connect(), wait * (0.8 + 0.4 * Math.random()));
    this.retryMs = Math.min(2 * this.retryMs, LAST_RETRY_MS);
  }

  /** Send a message; false when there is no connection. */
  send(message) {
    if (!this.ready || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    this.stopListening.abort();
    clearTimeout(this.retryTimer);
    clearTimeout(this.pingTimer);
    clearTimeout(this.pongTimer);
    this.socket?.close(1000);
    this.socket = null;
    this.ready = false;
  }
}
