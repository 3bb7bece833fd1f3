/** Defines `<holdfast-status>`. */
import { HoldfastStatus } from './holdfast-status.ts';

declare global {
  interface HTMLElementTagNameMap {
    'holdfast-status': HoldfastStatus;
  }
}

const registry = (globalThis as { customElements?: CustomElementRegistry }).customElements;
if (registry && !registry.get('holdfast-status')) registry.define('holdfast-status', HoldfastStatus);

export { HoldfastStatus, type StatusSource } from './holdfast-status.ts';
export { english, type StatusTexts } from './texts.ts';
