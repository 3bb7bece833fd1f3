/** Hashes of a text and of a number, for places on the ring of hash-ring.ts. Pure. */

/** 32-bit hash of a text: FNV-1a with the finalizer of MurmurHash3, since plain FNV spreads short, similar ids badly. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mix32(hash);
}

/** Every bit of the input changes about half of the bits of the answer (MurmurHash3 fmix32); unsigned. */
export function mix32(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
