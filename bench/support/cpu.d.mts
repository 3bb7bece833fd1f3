export function cpuMsOf(pid: number): number;
export function treeOf(pid: number): number[];
export function residentBytesOf(pid: number): number;
