// The talking pictures: patches that wait for their time, and what is to be drawn at a frame.

import { DECODING } from './loop.js';

const BARE = 0;
/** A mouth that nothing newer follows stays for so long. */
const STALE_S = 0.5;

export class Pictures {
  /** @param {object} on called with what happens: skipped(count), decoded(milliseconds). */
  constructor(on) {
    this.on = on;
    this.items = []; // by frame: { frame, t, bare, bitmap, place }
    this.epoch = 0;
  }

  /** A message of kind 1. */
  receive(view, dueFrame) {
    const epoch = view.getUint32(4, true);
    if (epoch < this.epoch) return;
    const frame = view.getUint32(16, true);
    const item = {
      frame, epoch, t: view.getFloat64(8, true), bare: view.getUint8(1) === BARE, bitmap: null, gone: false,
      x: view.getUint16(20, true), y: view.getUint16(22, true),
      w: view.getUint16(24, true), h: view.getUint16(26, true), sx: view.getUint8(28), sy: view.getUint8(29),
    };
    if (!item.bare && frame < dueFrame) {
      this.on.skipped(1);
      // It still says that the mouth is not at rest; the newest such one is kept for that.
      item.gone = true;
    }
    let at = this.items.length;
    while (at > 0 && this.items[at - 1].frame >= frame) at -= 1;
    while (this.items[at]?.frame === frame) release(this.items.splice(at, 1)[0]);
    this.items.splice(at, 0, item);
    if (!item.bare && !item.gone) this.decode(item, new Uint8Array(view.buffer, 32));
  }

  async decode(item, jpeg) {
    const began = performance.now();
    try {
      const bitmap = await createImageBitmap(new Blob([jpeg], { type: 'image/jpeg' }), DECODING);
      if (item.gone) bitmap.close();
      else item.bitmap = bitmap;
      this.on.decoded(performance.now() - began);
    } catch (error) {
      console.warn('visema: a picture could not be decoded', error);
    }
  }

  /**
   * What to draw at a frame.
   *
   * @param {number} frame that is due now.
   * @param {number} painted the frame that is on the canvas.
   * @param {number} fps of the loop.
   * @param {(frame: number) => boolean} ready tells whether the loop's picture of a frame is decoded.
   * @returns {{frame: number, patch: object|null}|null} null: leave the canvas as it is.
   */
  at(frame, painted, fps, ready) {
    let last = -1;
    while (last + 1 < this.items.length && this.items[last + 1].frame <= frame) last += 1;
    if (last < 0) return { frame, patch: null };
    const newest = this.items[last];
    if (newest.bare || (frame - newest.frame) / fps > STALE_S) {
      this.release(last);
      if (!newest.bare) { newest.bare = true; release(newest); }
      return { frame, patch: null };
    }
    for (let i = last; i >= 0; i -= 1) {
      const item = this.items[i];
      if (item.frame <= painted) break;
      if (item.bitmap && ready(item.frame)) {
        this.release(i);
        return { frame: item.frame, patch: item };
      }
    }
    return null;
  }

  /** A picture is on the canvas. */
  shown(item) {
    item.shown = true;
    release(item);
  }

  /** True while the mouth is moving, or about to. */
  get talking() { return this.items.some((item) => !item.bare); }

  /** Forget those before the `count`-th; those of them that were never shown were skipped. */
  release(count) {
    let skipped = 0;
    for (const item of this.items.splice(0, count)) {
      if (!item.bare && !item.gone && !item.shown) skipped += 1;
      release(item);
    }
    if (skipped) this.on.skipped(skipped);
  }

  /** Pictures from `frame` on are void. */
  cut(epoch, frame) {
    this.epoch = epoch;
    const kept = this.items.findIndex((item) => item.frame >= frame);
    if (kept >= 0) this.items.splice(kept).forEach(release);
  }

  clear(epoch) {
    this.items.splice(0).forEach(release);
    this.epoch = epoch;
  }
}

function release(item) {
  item.bitmap?.close();
  item.bitmap = null;
  item.gone = true;
}
