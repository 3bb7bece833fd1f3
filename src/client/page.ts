/** What may mean that a page was away, or is now: a lost network, a hidden or frozen tab, the cache of pages to go back to. */
const events = ['offline', 'online', 'pageshow', 'visibilitychange', 'resume'] as const;
export type PageEvent = (typeof events)[number];

/** Some of a browser's global object; none of it in Node. */
interface Page {
  readonly document?: { readonly visibilityState: string };
  readonly navigator?: { readonly onLine?: boolean };
  addEventListener?(type: string, listener: () => void, options: { signal: AbortSignal }): void;
}
const page = globalThis as unknown as Page;

/** Does the browser say that there is no network? (That there is one it cannot know.) */
export const isOffline = (): boolean => page.navigator?.onLine === false;

/** Calls `changed` when the network may have gone, and whenever it or the page may be back; not while the page is hidden. Gives a function that ends it. */
export function watchPage(changed: (event: PageEvent) => void): () => void {
  const end = new AbortController();
  for (const event of events) {
    page.addEventListener?.(
      event,
      () => {
        if (page.document?.visibilityState !== 'hidden') changed(event);
      },
      { signal: end.signal },
    );
  }
  return () => end.abort();
}
