/** `offset` counts bytes. */
export type DecodedText =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'fault'; readonly offset: number; readonly message: string; readonly help: string }

/** The bytes of a file as text; a byte order mark stays. */
export function decodeUtf8(bytes: Uint8Array): DecodedText {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    return { kind: 'fault', offset: 0, message: 'The file is in UTF-16', help: 'Save it as UTF-8.' }
  }
  try {
    return { kind: 'text', text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) }
  } catch {
    const offset = firstInvalid(bytes)
    const shown = `0x${(bytes[offset] ?? 0).toString(16).padStart(2, '0')}`
    return {
      kind: 'fault',
      offset,
      message: `Byte ${shown} at offset ${offset} is not UTF-8`,
      help: 'Save the file as UTF-8.',
    }
  }
}

/** The length of the longest prefix that decodes, by halving: a prefix with a cut character at its end still decodes as a stream. */
function firstInvalid(bytes: Uint8Array): number {
  let valid = 0
  let invalid = bytes.length
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >> 1
    if (decodes(bytes.subarray(0, middle))) valid = middle
    else invalid = middle
  }
  // The last bytes of the prefix may begin the faulty character.
  for (let back = 1; back <= 3 && back <= valid; back += 1) {
    const byte = bytes[valid - back]!
    if (byte < 0x80) break
    if (byte >= 0xc0) return lengthOf(byte) > back ? valid - back : valid
  }
  return valid
}

function lengthOf(lead: number): number {
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2
}

function decodes(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}
