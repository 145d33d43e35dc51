// The idle loop: fetched once, kept as JPEGs, decoded a few pictures ahead and closed after use.

/** Pictures decoded ahead, and how many at a time. */
const AHEAD = 7;
const AT_ONCE = 3;
const RETRY_MS = 1500;

export const DECODING = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' };

export class Loop {
  /**
   * @param {string} url of the loop file.
   * @param {object} headers of the request.
   * @param {(error: string) => void} failed called when it cannot be had at all.
   */
  constructor(url, headers, failed) {
    this.url = url;
    this.headers = headers;
    this.failed = failed;
    this.count = 0;
    this.have = 0; // pictures that have arrived
    this.loaded = 0; // bytes
    this.ring = new Map(); // index -> ImageBitmap, or null while it is being decoded
    this.decoding = 0;
    this.closed = false;
    this.wanted = 0;
    this.abort = new AbortController();
    this.fetch();
  }

  get whole() { return this.count > 0 && this.have === this.count; }

  async fetch() {
    while (!this.closed && !this.whole) {
      try {
        const answer = await fetch(this.url, { headers: this.headers, signal: this.abort.signal });
        if (!answer.ok) {
          if (answer.status === 404) this.failed(answer.statusText);
          throw new Error(`${answer.status}`);
        }
        await this.read(answer);
      } catch {
        if (this.closed) return;
        await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
      }
    }
  }

  async read(answer) {
    const reader = answer.body.getReader();
    let bytes = new Uint8Array(Number(answer.headers.get('content-length')) || 1 << 16);
    let length = 0;
    let offsets = null;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (length + value.length > bytes.length) {
        const larger = new Uint8Array(2 * (length + value.length));
        larger.set(bytes.subarray(0, length));
        bytes = larger;
      }
      bytes.set(value, length);
      length += value.length;
      offsets ??= table(bytes, length);
      if (!offsets) continue;
      this.bytes = bytes;
      this.offsets = offsets;
      this.loaded = length;
      this.count = offsets.length - 1;
      while (this.have < this.count && offsets[this.have + 1] <= length) this.have += 1;
      this.decode();
    }
    if (!this.whole) throw new Error('the loop broke off');
  }

  /** From now on the pictures from `frame` on are needed; older ones are let go. */
  want(frame) {
    if (!this.count) return;
    this.wanted = frame;
    for (const [index, bitmap] of this.ring) {
      const ahead = (((index - frame) % this.count) + this.count) % this.count;
      if (ahead > AHEAD && bitmap) {
        bitmap.close();
        this.ring.delete(index);
      }
    }
    this.decode();
  }

  /** The picture of a frame; while the loop is still coming, the first one for those that are not there. */
  picture(frame) {
    if (!this.count) return null;
    return this.ring.get(this.index(frame)) ?? null;
  }

  index(frame) {
    const index = frame % this.count;
    return index < this.have ? index : 0;
  }

  decode() {
    if (this.closed || !this.have) return;
    for (let i = 0; i < AHEAD && this.decoding < AT_ONCE; i += 1) {
      const index = this.index(this.wanted + i);
      if (this.ring.has(index)) continue;
      this.decodeOne(index);
    }
  }

  async decodeOne(index) {
    this.ring.set(index, null);
    this.decoding += 1;
    try {
      const data = this.bytes.subarray(this.offsets[index], this.offsets[index + 1]);
      const bitmap = await createImageBitmap(new Blob([data], { type: 'image/jpeg' }), DECODING);
      if (this.closed) bitmap.close();
      else this.ring.set(index, bitmap);
    } catch (error) {
      this.ring.delete(index);
      console.warn('visema: a picture of the loop could not be decoded', error);
      await new Promise((resolve) => { setTimeout(resolve, 200); });
    } finally {
      this.decoding -= 1;
    }
    this.decode();
  }

  close() {
    this.closed = true;
    this.abort.abort();
    for (const bitmap of this.ring.values()) bitmap?.close();
    this.ring.clear();
  }
}

/** Where each JPEG begins, and the end of the last; null while the table has not arrived. */
function table(bytes, length) {
  if (length < 24) return null;
  const view = new DataView(bytes.buffer);
  if (view.getUint32(0, false) !== 0x564c5031) throw new Error('this is no loop'); // VLP1
  const count = view.getUint32(4, true);
  if (length < 24 + 4 * (count + 1)) return null;
  return Array.from({ length: count + 1 }, (_, i) => view.getUint32(24 + 4 * i, true));
}
