const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/** The number of a Kubernetes quantity (`500m`, `1Gi`, `-2`); null for any other text. */
export function parseQuantity(text: string): number | null {
  const match = /^([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]?|[eE][+-]?[0-9]+)$/.exec(text)
  if (!match) return null
  const [, sign, number = '', suffix = ''] = match
  return (sign === '-' ? -1 : 1) * Number(number) * (suffixes[suffix] ?? Number(`1${suffix}`))
}

/**
 * Bytes of a Kubernetes quantity (`1Gi`, `512M`, `1.5e9`); fractions of a byte are rounded up, as Kubernetes does. null for any other
 * text and for negative amounts.
 */
export function parseQuantityBytes(text: string): number | null {
  const match = /^\+?([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]?|[eE][+-]?[0-9]+)$/.exec(text)
  if (!match) return null
  const [, number = '', suffix = ''] = match
  const factor = suffixes[suffix] ?? Number(`1${suffix}`)
  return Math.ceil(Number(number) * factor)
}
