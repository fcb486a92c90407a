import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'

/** A record's place in a text file: the line it begins on, counted from 1, and its byte offset in the uncompressed text. */
export type RecordPlace = { readonly line: number; readonly offset: number }

/**
 * Walks a text file's records in order, blank lines left out, until `visit` returns false. `quotes`: a line break inside a field in
 * double quotes belongs to the record (CSV).
 */
export async function visitRecords(
  path: string,
  quotes: boolean,
  visit: (place: RecordPlace) => boolean,
): Promise<void> {
  let line = 1
  let offset = 0
  let start: RecordPlace | null = null
  let quoted = false
  let before = newline
  for await (const chunk of bytesOf(path)) {
    for (const byte of chunk) {
      if (byte === newline) {
        if (!quoted && start !== null) {
          if (!visit(start)) return
          start = null
        }
        line++
      } else {
        // A quote opens a field only at its beginning; one right after a closing quote is an escaped quote.
        if (byte === quote && quotes) quoted = !quoted && (start === null || before === comma || before === quote)
        if (start === null && byte !== carriageReturn) start = { line, offset }
      }
      before = byte
      offset++
    }
  }
  if (start !== null) visit(start)
}

/** The first record's cells, without byte order mark; null where the file is empty or the record is longer than 1 MiB. */
export async function headerOf(path: string): Promise<readonly string[] | null> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of bytesOf(path)) {
    chunks.push(chunk)
    size += chunk.length
    const cells = firstRecord(
      Buffer.concat(chunks)
        .toString('utf8')
        .replace(/^\uFEFF/, ''),
      false,
    )
    if (cells !== null) return cells
    if (size > 1 << 20) return null
  }
  const text = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
  return text.trim() === '' ? null : firstRecord(text, true)
}

export async function beginsWithByteOrderMark(path: string): Promise<boolean> {
  for await (const chunk of bytesOf(path)) return chunk.subarray(0, 3).equals(byteOrderMark)
  return false
}

/** The uncompressed bytes of a file; one whose name ends in .gz is unpacked. */
export async function* bytesOf(path: string): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: 1 << 18 })
  if (!path.endsWith('.gz')) {
    yield* file as AsyncIterable<Buffer> // without an encoding a read stream gives buffers
    return
  }
  const gunzip = createGunzip()
  // Both ends of the pipe fail together; the error is thrown by whoever reads `gunzip`.
  pipeline(file, gunzip as unknown as NodeJS.WritableStream).catch(() => {})
  yield* gunzip as Readable as AsyncIterable<Buffer>
}

const newline = 0x0a
const comma = 0x2c
const carriageReturn = 0x0d
const quote = 0x22
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/** RFC 4180; null while the record's end has not been read yet. */
function firstRecord(text: string, atEnd: boolean): readonly string[] | null {
  const cells: string[] = []
  let cell = ''
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (quoted) {
      if (character !== '"') cell += character
      else if (text[at + 1] === '"') {
        cell += '"'
        at++
      } else if (at + 1 < text.length || atEnd) quoted = false
      else return null
    } else if (character === '"') quoted = true
    else if (character === ',') {
      cells.push(cell)
      cell = ''
    } else if (character === '\n' || (character === '\r' && text[at + 1] === '\n')) return [...cells, cell]
    else cell += character
  }
  return atEnd ? [...cells, cell] : null
}
