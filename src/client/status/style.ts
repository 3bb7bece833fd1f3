/** Of the element's inside. From outside: the parts `box`, `dot`, `text`, `button`, and the custom properties below. */
export const style = `
:host {
  --holdfast-ink: #1c2127; --holdfast-paper: #fff; --holdfast-line: #d5dae1; --holdfast-accent: #1558c0; --holdfast-on-accent: #fff;
  --holdfast-good: #1a7f37; --holdfast-busy: #b26a00; --holdfast-bad: #c62828; --holdfast-off: #6a737d;
  display: inline-block; max-width: 100%; font: 14px/1.4 system-ui, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :host {
    --holdfast-ink: #e8ebef; --holdfast-paper: #1b1f24; --holdfast-line: #3d444d; --holdfast-accent: #7ab0ff; --holdfast-on-accent: #0d1420;
    --holdfast-good: #4ac26b; --holdfast-busy: #f0a742; --holdfast-bad: #ff7b72; --holdfast-off: #9aa4af;
  }
}
:host([hidden]), :host([quiet][state=open]) { display: none; }
[part=box] {
  display: flex; flex-wrap: wrap; align-items: center; gap: 8px 14px; box-sizing: border-box; min-height: 44px; padding: 7px 14px;
  color: var(--holdfast-ink); background: var(--holdfast-paper); border: 1px solid var(--holdfast-line); border-radius: 10px;
}
[part=box]:focus { outline: none; }
.line { flex: 0 1 auto; display: flex; align-items: baseline; gap: 10px; margin-right: auto; }
[part=dot] { flex: none; width: 10px; height: 10px; border-radius: 50%; background: var(--holdfast-tone); }
[part=text] { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; text-wrap: pretty; }
[part=button] {
  flex: none; margin: 0; padding: 5px 12px; font: inherit; font-weight: 600; cursor: pointer;
  color: var(--holdfast-on-accent); background: var(--holdfast-accent); border: 1px solid var(--holdfast-accent); border-radius: 7px;
}
[part=button]:hover { filter: brightness(1.1); }
[part=button]:focus-visible { outline: 3px solid var(--holdfast-accent); outline-offset: 2px; }
[part=button][aria-disabled=true] { color: var(--holdfast-off); background: none; border-color: var(--holdfast-line); cursor: default; filter: none; }
[hidden] { display: none !important; }
.aloud { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion: no-preference) {
  [data-tone=busy] [part=dot] { animation: pulse 1.4s ease-in-out infinite; }
  @keyframes pulse { 50% { opacity: .3; } }
}
@media (forced-colors: active) {
  [part=dot] { forced-color-adjust: none; }
  [part=button] { color: ButtonText; background: ButtonFace; border-color: ButtonText; }
}
`;
