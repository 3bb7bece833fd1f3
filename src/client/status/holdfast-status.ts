import type { DetailEvent, SocketState } from '../types.ts';
import { type Description, describe } from './describe.ts';
import { style } from './style.ts';
import { english, type StatusTexts } from './texts.ts';

/** What the element needs of a HoldfastSocket. */
export interface StatusSource {
  readonly state: SocketState;
  reconnect(): void;
  addEventListener(type: 'state', listener: (event: DetailEvent<SocketState>) => void): void;
  removeEventListener(type: 'state', listener: (event: DetailEvent<SocketState>) => void): void;
}

/** Where there is no page (rendering on a server) the class can be imported, not used. */
const Base =
  (globalThis as { HTMLElement?: typeof HTMLElement }).HTMLElement ?? (class {} as unknown as typeof HTMLElement);

const markup = `<style>${style}</style>
<div part="box" tabindex="-1"><span class="line"><span part="dot"></span><span part="text" aria-hidden="true"></span></span>
<button part="button" type="button" hidden></button></div><div class="aloud" role="status" aria-live="polite"></div>`;

/**
 * `<holdfast-status>`: the state of a HoldfastSocket in words, and a button to try now. Set `socket`. Attribute `quiet`: not shown while all is
 * well. Attribute `state` (read only) is the state's name, for styles.
 */
export class HoldfastStatus extends Base {
  #socket: StatusSource | null = null;
  #texts: StatusTexts = english;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #topic = '';
  #box: HTMLElement | null = null;
  #text: HTMLElement | null = null;
  #button: HTMLElement | null = null;
  #aloud: HTMLElement | null = null;
  readonly #changed = (): void => this.#render();

  get socket(): StatusSource | null {
    return this.#socket;
  }

  set socket(socket: StatusSource | null) {
    this.#socket?.removeEventListener('state', this.#changed);
    this.#socket = socket;
    if (this.isConnected) this.#watch();
  }

  get texts(): StatusTexts {
    return this.#texts;
  }

  /** Some or all of the texts, in another language or other words. */
  set texts(texts: Partial<StatusTexts>) {
    this.#texts = { ...english, ...texts };
    this.#topic = '';
    this.#render();
  }

  connectedCallback(): void {
    if (!this.#box) this.#build();
    // Set before the element was defined.
    for (const name of ['texts', 'socket'] as const) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      Reflect.deleteProperty(this, name);
      Object.assign(this, { [name]: value });
    }
    this.#watch();
  }

  disconnectedCallback(): void {
    clearTimeout(this.#timer);
    this.#socket?.removeEventListener('state', this.#changed);
  }

  #build(): void {
    const root = this.attachShadow({ mode: 'open' });
    root.innerHTML = markup;
    const find = (selector: string): HTMLElement => root.querySelector(selector) as HTMLElement;
    this.#box = find('[part=box]');
    this.#text = find('[part=text]');
    this.#button = find('[part=button]');
    this.#aloud = find('.aloud');
    this.#button.addEventListener('click', () => {
      if (this.#button?.ariaDisabled !== 'true') this.#socket?.reconnect();
    });
  }

  #watch(): void {
    this.#socket?.addEventListener('state', this.#changed);
    this.#render();
  }

  #render(): void {
    clearTimeout(this.#timer);
    if (!this.#box || !this.isConnected) return;
    if (!this.#socket) {
      this.#clear();
      return;
    }
    const { state } = this.#socket;
    const now = Date.now();
    const description = describe(state, this.#texts, now);
    if (this.getAttribute('state') !== state.state) this.setAttribute('state', state.state);
    this.#show(description);
    // The next change of the seconds.
    const leftMs = (state.nextTryAt ?? 0) - now;
    if (leftMs > 0) this.#timer = setTimeout(this.#changed, leftMs % 1000 || 1000);
  }

  /** As before there was a socket. */
  #clear(): void {
    this.removeAttribute('state');
    this.#show({ text: '', tone: 'off', button: null, topic: '' });
  }

  #show({ text, tone, button, topic }: Description): void {
    const box = this.#box as HTMLElement;
    const control = this.#button as HTMLElement;
    box.dataset['tone'] = tone;
    box.style.setProperty('--holdfast-tone', `var(--holdfast-${tone})`);
    (this.#text as HTMLElement).textContent = text;
    // A focus must not fall back to the top of the page when the button goes.
    if (!button && this.shadowRoot?.activeElement === control) box.focus();
    control.textContent = this.#texts.button;
    control.hidden = !button;
    control.ariaDisabled = String(button === 'busy');
    if (topic === this.#topic) return;
    this.#topic = topic;
    (this.#aloud as HTMLElement).textContent = text;
  }
}
