export class Histogram {
  readonly count: number;
  record(ms: number, times?: number): void;
  at(share: number): number;
}
