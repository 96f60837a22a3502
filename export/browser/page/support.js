// The browser's abilities that this page needs.

// (module (func (result v128) i32.const 0 i8x16.splat))
const SIMD_MODULE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11,
];

/** Names of what is missing; empty if all is there. */
export function missingAbilities() {
  const needed = {
    WebAssembly: typeof WebAssembly === "object",
    "SIMD in WebAssembly": typeof WebAssembly === "object" && WebAssembly.validate(new Uint8Array(SIMD_MODULE)),
    Worker: typeof Worker === "function",
    OffscreenCanvas: typeof OffscreenCanvas === "function",
    createImageBitmap: typeof createImageBitmap === "function",
  };
  return Object.entries(needed)
    .filter(([, there]) => !there)
    .map(([name]) => name);
}

/** Threads for the networks: several only where the page may share memory between them, which its server decides. */
export function threads() {
  return globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 4) : 1;
}
