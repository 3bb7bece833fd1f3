/** As much of React's types as the example needs: React itself is not installed here. */
declare module 'react' {
  export function useEffect(effect: () => () => void, dependencies: readonly unknown[]): void;
  export function useRef<T>(initial: T): { current: T };
  export function useState<T>(initial: T): [T, (next: T) => void];
}
