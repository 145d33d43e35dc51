// The player's looks, inside its shadow. Colours can be set from outside by the --visema-… variables.

export const STYLE = `
:host {
  --accent: var(--visema-accent, #17696f);
  display: block; position: relative; overflow: hidden; border-radius: var(--visema-radius, 16px);
  background: var(--visema-ground, #20201f); color: #fff; contain: content;
  font: 15px/1.45 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
}
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
/* Pages colour everything that they hold: what is white here says so itself. */
.picture, .captions { color: #fff; }
.picture { position: relative; line-height: 0; min-height: 120px; }
canvas {
  display: block; width: 100%; height: var(--visema-height, auto); object-fit: cover;
  object-position: var(--visema-focus, 50% 20%); opacity: 0; transition: opacity 0.25s;
}
:host([data-shown]) canvas { opacity: 1; }
.state {
  position: absolute; left: 14px; bottom: 14px; display: inline-flex; align-items: center; gap: 9px; max-width: calc(100% - 120px);
  padding: 8px 15px 8px 12px; border-radius: 999px; background: rgb(20 19 18 / 62%); font-size: 14px; font-weight: 600;
  line-height: 1.15; pointer-events: none;
}
.dot { width: 9px; height: 9px; border-radius: 50%; background: #b9c4c0; flex: none; transition: background 0.2s; }
:host([data-state='preparing']) .dot, :host([data-state='waiting']) .dot { background: #f0b95a; animation: breathe 0.9s ease-in-out infinite; }
:host([data-state='speaking']) .dot { background: #5fe0b8; animation: breathe 0.6s ease-in-out infinite; }
:host([data-state='lost']) .dot, :host([data-state='ended']) .dot { background: #ff9d8f; }
@keyframes breathe { 50% { transform: scale(0.6); opacity: 0.6; } }
.tools { position: absolute; right: 12px; bottom: 12px; display: flex; gap: 8px; }
.tools button {
  width: 38px; height: 38px; padding: 0; border: 0; border-radius: 50%; background: rgb(20 19 18 / 62%); color: #fff;
  cursor: pointer; display: grid; place-items: center;
}
.tools button:hover { background: rgb(20 19 18 / 82%); }
.tools button[aria-pressed='false'] { color: #ffffff8c; }
.tools svg { width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.tap {
  position: absolute; left: 50%; bottom: 62px; transform: translateX(-50%); display: none; align-items: center; gap: 10px;
  padding: 13px 22px 13px 18px; border: 0; border-radius: 999px; background: #fff; color: #1d1c1a; font: inherit; font-size: 16px;
  font-weight: 650; line-height: 1.2; cursor: pointer; box-shadow: 0 6px 24px rgb(0 0 0 / 30%); white-space: nowrap;
}
.tap svg { width: 22px; height: 22px; fill: none; stroke: var(--accent); stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
:host([data-silent]) .tap { display: flex; }
/* Two lines below the picture. Where controls follow, their place is kept, so that no button moves under a finger;
   elsewhere nothing is there until something is said. */
.captions {
  display: flex; align-items: center; justify-content: center; height: 0; padding: 0 18px; text-align: center;
  font-size: 16.5px; line-height: 1.4; overflow: hidden; overflow-wrap: anywhere; text-wrap: balance;
  transition: height 0.25s ease 0.8s;
}
.captions.open { height: calc(2.8em + 16px); transition-delay: 0s; }
.captions p { margin: 0; color: #ffffffb8; transition: opacity 0.3s; }
.captions.over p { opacity: 0; }
.captions span { border-radius: 5px; }
.captions .said { color: #fff; }
.captions .now { color: #12211f; background: #8fe6cb; box-shadow: 0 0 0 3px #8fe6cb; }
:host([controls]) .captions { height: calc(2.8em + 16px); margin-bottom: -8px; background: #fff; }
:host([controls]) .captions p { color: #6b6862; }
:host([controls]) .captions .said { color: #1d1c1a; }
:host([captions='off']) .captions { display: none; }
.note { margin: 0; padding: 10px 16px; background: #33291f; color: #f6e3bb; font-size: 13.5px; line-height: 1.45; }
.note:empty, :host([quiet]) .note { display: none; }
.bar { display: none; gap: 10px; padding: 14px; background: #fff; color: #1d1c1a; align-items: flex-end; flex-wrap: wrap; }
:host([controls]) .bar { display: flex; }
.bar textarea {
  flex: 1 1 220px; min-width: 0; resize: none; height: 48px; padding: 12px 14px; border: 1px solid #dedad3; border-radius: 11px;
  font: inherit; font-size: 16px; line-height: 1.4; color: inherit; background: #fbfaf8;
}
.bar button {
  height: 48px; padding: 0 20px; border: 1px solid #d8d4cc; border-radius: 11px; background: #fff; color: inherit; font: inherit;
  font-weight: 600; cursor: pointer;
}
.bar button:hover { background: #f2f0ec; }
.bar button.speak { background: var(--accent); border-color: transparent; color: #fff; }
.bar button.speak:hover { background: var(--accent); filter: brightness(0.88); }
:is(button, textarea):focus-visible { outline: 3px solid #48a3a3; outline-offset: 2px; }
/* Over the hair, not the face: as many columns as there is room for. */
.stats {
  position: absolute; inset: 8px 8px auto; margin: 0; padding: 8px 12px; border-radius: 10px; background: rgb(16 16 15 / 72%);
  font: 10.5px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; pointer-events: none;
  column-width: 168px; column-gap: 18px;
}
/* The page that has it without sentences has a button of its own in the corner. */
:host([quiet]) .stats { top: 48px; }
.stats div { display: flex; justify-content: space-between; gap: 10px; break-inside: avoid; }
.stats dt { color: #ffffffb0; white-space: nowrap; }
.stats dd { margin: 0; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
@media (prefers-color-scheme: dark) {
  .bar, :host([controls]) .captions { background: #1e1d1b; color: #f1efea; }
  :host([controls]) .captions p { color: #a8a49c; }
  :host([controls]) .captions .said { color: #f1efea; }
  .bar textarea { background: #161514; border-color: #3a3834; }
  .bar button { background: #2a2826; border-color: #45423d; }
  .bar button:hover { background: #34322f; }
}
@media (max-width: 480px) {
  .captions { font-size: 15px; padding: 0 12px; }
  .bar textarea { flex-basis: 100%; height: 74px; }
  .bar button { flex: 1 1 auto; }
  .stats { left: 6px; right: 6px; padding: 6px 5px; font-size: 9px; column-width: 132px; column-gap: 8px; }
  .stats div { gap: 4px; }
}
/* A phone on its side: the picture leaves room for the words and the buttons, and nothing lies over its mouth. */
@media (max-height: 480px) {
  :host([controls]) canvas { height: var(--visema-height, max(150px, 100dvh - 170px)); }
  :host([controls]) :is(.state, .tools) { top: 10px; bottom: auto; }
  :host([controls]) .tap { bottom: 14px; }
  :host([controls]) .bar { padding: 8px 14px; }
  .bar textarea { flex-basis: 90px; height: 48px; }
}
@media (prefers-reduced-motion: reduce) {
  .dot { animation: none !important; }
  canvas, .captions, .captions p { transition: none; }
}
`;
