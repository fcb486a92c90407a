import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { bytesOf } from './bytes.ts'

export { canonicalJson, digestOf } from '#crds'

/** Hex digest of text (as UTF-8) or bytes. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** Hex digest of a file, read as a stream. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of bytesOf(path, 0, 1 << 20)) hash.update(piece)
  return hash.digest('hex')
}

/** CRC-32 of a file in hex digits: four times as fast as a digest, and enough to tell damage. */
export async function crc32OfFile(path: string): Promise<string> {
  let sum = 0
  for await (const piece of bytesOf(path, 0, 1 << 20)) sum = crc32(piece, sum)
  return sum.toString(16).padStart(8, '0')
}
