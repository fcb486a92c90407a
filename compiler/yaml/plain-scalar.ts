export type ScalarValue = string | number | boolean | null

/** What the two readers make of one plain scalar. `kubernetes` is null where Kubernetes refuses it. */
export type Disagreement = { readonly ours: ScalarValue; readonly yaml12: string; readonly kubernetes: string | null }

/**
 * A plain scalar as YAML 1.2 (core schema) and the reader of kubectl and the API machinery (sigs.k8s.io/yaml over go-yaml v2) both
 * understand it; undefined where they differ. Integers beyond ±(2^53-1) count as differing: only one side keeps all digits.
 */
export function readPlain(text: string): ScalarValue | undefined {
  if (text.length === 0) return null
  const first = text.charCodeAt(0)
  if (first > 0x7f || hints[first] === 0) return text
  if (hints[first] === WORD) return text.length > 5 ? text : words.has(text) ? words.get(text) : text
  return readNumber(text)
}

/** How the two readers differ on a scalar for which `readPlain` gives undefined. */
export function disagreementOn(text: string): Disagreement {
  if (words.has(text))
    return { ours: text, yaml12: `the text "${text}"`, kubernetes: String(/^(?:y|yes|on)$/i.test(text)) }
  if (/^[-+]?\.(?:inf|nan)$/i.test(text)) return { ours: text, yaml12: 'a number', kubernetes: null }
  const bare = text.replaceAll('_', '')
  const integer = kubernetesInteger(bare)
  if (decimalInteger.test(text) || octalOrHex.test(text)) {
    const number = Number(text)
    if (isBeyondExact(text)) {
      return {
        ours: text,
        yaml12: `the number ${number}`,
        kubernetes: integer === null ? 'a rounded number or text' : `the number ${integer}`,
      }
    }
    return { ours: number, yaml12: `the number ${number}`, kubernetes: `the number ${integer}` }
  }
  if (float.test(text)) return { ours: text, yaml12: 'infinity', kubernetes: `the text "${text}"` }
  return { ours: text, yaml12: `the text "${text}"`, kubernetes: `the number ${integer ?? Number(bare)}` }
}

/** Whether a scalar is a whole number that a double no longer holds exactly. */
export function isBeyondExact(text: string): boolean {
  return (decimalInteger.test(text) || octalOrHex.test(text)) && !Number.isSafeInteger(Number(text))
}

/** Whether a plain key is ambiguous: Kubernetes turns keys into text, which must be the text as written; floats lose digits on the way. */
export function isAmbiguousKey(text: string): boolean {
  const value = readPlain(text)
  return (
    typeof value !== 'string' &&
    !(String(value) === text && value !== null && (typeof value === 'boolean' || Number.isInteger(value)))
  )
}

const WORD = 1
const NUMBER = 2

/** What each first character can begin; 0: only text. */
const hints = new Uint8Array(128)
for (const char of 'yYnNtTfFoO~') hints[char.charCodeAt(0)] = WORD
for (const char of '0123456789+-.') hints[char.charCodeAt(0)] = NUMBER

const words: ReadonlyMap<string, ScalarValue | undefined> = new Map<string, ScalarValue | undefined>([
  ...['true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['false', 'False', 'FALSE'].map((word) => [word, false] as const),
  ...['~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON'].map((word) => [word, undefined] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'off', 'Off', 'OFF'].map((word) => [word, undefined] as const),
])

const decimalInteger = /^[-+]?[0-9]+$/
const octalOrHex = /^0(?:o[0-7]+|x[0-9a-fA-F]+)$/
const float = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/
const notFinite = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/

/** Behind a leading point go-yaml leaves underscores to Go's ParseFloat, which accepts them only between digits. */
const underscoredFraction = /^\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?$/

function readNumber(text: string): ScalarValue | undefined {
  if (decimalInteger.test(text)) {
    const number = Number(text)
    if (!Number.isSafeInteger(number)) return undefined
    const isOctalToKubernetes = /^[-+]?0[0-7]+$/.test(text)
    return isOctalToKubernetes && kubernetesInteger(text) !== BigInt(number) ? undefined : number + 0
  }
  if (octalOrHex.test(text)) {
    const number = Number(text)
    return Number.isSafeInteger(number) ? number : undefined
  }
  if (float.test(text)) {
    const number = Number(text)
    return Number.isFinite(number) ? number : undefined
  }
  if (notFinite.test(text)) return undefined
  const bare = text.replaceAll('_', '')
  if (text.startsWith('.')) return underscoredFraction.test(text) && Number.isFinite(Number(bare)) ? undefined : text
  if (kubernetesInteger(bare) !== null || (float.test(bare) && Number.isFinite(Number(bare)))) return undefined
  return text
}

/**
 * go-yaml v2's integer (Go's strconv.ParseInt and ParseUint with base 0, then its own `0b`), underscores already removed; null if it is
 * none.
 */
function kubernetesInteger(bare: string): bigint | null {
  const oddBinary = /^0b([-+])([01]+)$/.exec(bare)
  if (oddBinary) return within64Bits(oddBinary[1] === '-' ? -BigInt(`0b${oddBinary[2]}`) : BigInt(`0b${oddBinary[2]}`))
  const match = /^([-+]?)(?:(0[xX][0-9a-fA-F]+)|(0[bB][01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))$/.exec(bare)
  if (!match) return null
  const [, sign, hex, binary, octal, decimal] = match
  const magnitude = BigInt(octal === undefined ? (hex ?? binary ?? decimal ?? '0') : `0o${octal}`)
  if (sign === '+' && magnitude >= 2n ** 63n) return null
  return within64Bits(sign === '-' ? -magnitude : magnitude)
}

function within64Bits(value: bigint): bigint | null {
  return value >= -(2n ** 63n) && value < 2n ** 64n ? value : null
}
