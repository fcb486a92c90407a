import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32, createGunzip, createZstdDecompress } from 'node:zlib'
import unbzip2 from 'unbzip2-stream'
import { type Entry, openPromise as openZip } from 'yauzl'
import { visible } from '#crds'
import { bytesOf } from '../bytes.ts'
import { JobError } from '../errors.ts'

export type Packing = 'gzip' | 'zstd' | 'bzip2' | 'zip'

/** The first bytes of a packed file, which no text has, as hexadecimal digits. */
const marks: Readonly<Record<Packing, RegExp>> = {
  gzip: /^1f8b08/,
  zstd: /^(28b52ffd|5.2a4d18)/,
  bzip2: /^425a68(3[1-9])(314159265359|177245385090)/,
  zip: /^504b(0304|0506)/,
}

const packings = Object.keys(marks) as readonly Packing[] // the literal above has no other keys

/** How a file is packed, whatever its name says; null where it is not. */
export async function packingOf(path: string): Promise<Packing | null> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(10), 0, 10, 0)
    const begin = buffer.subarray(0, bytesRead).toString('hex')
    return packings.find((packing) => marks[packing].test(begin)) ?? null
  } finally {
    await file.close()
  }
}

/** The unpacked bytes of a file. Throws JobError UnreadableFile, at the latest after the last byte, where it is damaged or cut off. */
export async function* unpacked(path: string, packing: Packing | null): AsyncGenerator<Buffer> {
  try {
    if (packing === null) yield* bytesOf(path)
    else yield* unpackers[packing](path)
  } catch (error) {
    if (packing === null || error instanceof JobError || isOfTheSystem(error)) throw error
    const said = error instanceof Error ? error.message : String(error)
    throw new JobError(
      'UnreadableFile',
      `its ${packing} is damaged or cut off (${visible(said.slice(0, 100))}). Deliver it again.`,
      error,
    )
  }
}

function isOfTheSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

const unpackers: Readonly<Record<Packing, (path: string) => AsyncIterable<Buffer>>> = {
  gzip: (path) => through(bytesOf(path), createGunzip()),
  zstd: zstdFrames,
  bzip2,
  zip: onlyEntry,
}

/** This library's stream is of an older kind, which does not pass errors on. */
function bzip2(path: string): AsyncIterable<Buffer> {
  const file = createReadStream(path, { highWaterMark: 1 << 18 })
  const unpacker = unbzip2()
  const text = new PassThrough()
  const fail = (error: Error) => text.destroy(error)
  file.on('error', fail)
  unpacker.on('error', fail)
  return file.pipe(unpacker).pipe(text) as AsyncIterable<Buffer>
}

async function* through(source: AsyncIterable<Buffer>, unpacker: NodeJS.ReadWriteStream): AsyncGenerator<Buffer> {
  // Both ends of the pipe fail together; the reader throws the error.
  pipeline(source, unpacker).catch(() => {})
  yield* unpacker as AsyncIterable<Buffer>
}

/** A file may be several frames, one after another; Node unpacks only the first. */
async function* zstdFrames(path: string): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    const file = await open(path)
    const { size } = await file.stat().finally(() => file.close())
    if (at >= size) return
    const frame = createZstdDecompress()
    yield* through(bytesOf(path, at), frame)
    if (frame.bytesWritten === 0) throw new Error('no frame where one should begin')
    at += frame.bytesWritten
  }
}

async function* onlyEntry(path: string): AsyncGenerator<Buffer> {
  const zip = await openZip(path, { lazyEntries: true, autoClose: false })
  try {
    const entries: Entry[] = []
    // Folders, and files that macOS adds.
    for await (const entry of zip.eachEntry())
      if (!/\/$|^__MACOSX\/|(^|\/)\.DS_Store$/.test(entry.fileName)) entries.push(entry)
    const [entry] = entries
    if (!entry || entries.length > 1)
      throw new JobError(
        'UnreadableFile',
        `it is an archive of ${entries.length} files, of which one is read. Deliver them one by one.`,
      )
    let sum = 0
    for await (const chunk of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) {
      sum = crc32(chunk, sum)
      yield chunk
    }
    if (sum !== entry.crc32) throw new Error('its checksum is another')
  } finally {
    zip.close()
  }
}
