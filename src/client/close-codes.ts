/** The library's own: `overflow: 'close'`. */
export const bufferFull = 4413;

/** A gateway's, where `start` came too late, or something else before it. */
export const startWrong = 4400;

/** Worth another try (PROTOCOL.md, "Close codes of the gateway"): going away, no Close at all, restart, full, a bad gateway, TLS. */
export const isRetryable = (code: number): boolean => [1001, 1006, 1012, 1013, 1014, 1015].includes(code);
