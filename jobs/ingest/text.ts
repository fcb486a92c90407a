import { isUtf8 } from 'node:buffer'
import { createWriteStream, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import type { DatasetPlan } from '#crds'
import { bytesOf } from '../bytes.ts'
import { JobError } from '../errors.ts'
import {
  type CsvDialect,
  type CsvRecord,
  csvRecords,
  longestPlainRecord,
  PlainCsv,
  rfc4180,
  UnclosedQuote,
} from './csv.ts'
import { type JsonValue, jsonItems, jsonLines, lineFaultOf } from './json.ts'
import { packingOf, unpacked } from './unpack.ts'

/** A text file as the engine reads it: unpacked, in UTF-8, with nothing in it that could be read in two ways. */
export type TextFile = {
  /** The source itself where it is like that already, else a file in the scratch folder. */
  readonly path: string
  /** Whether this is a file of our own making: with commas, and only the wanted columns. */
  readonly isOwn: boolean
  /** For CSV: the names of the source's columns, and of this file's, in order. */
  readonly header: readonly string[]
  readonly columns: readonly string[]
  /** Names that occur twice in the header. */
  readonly repeated: readonly string[]
  /** How many records the engine will find. */
  readonly records: number
  readonly malformed: Malformed
  /** The lines on which these records begin; records are numbered from 1, as the engine counts them. */
  readonly linesOf: (records: ReadonlySet<number>) => Promise<ReadonlyMap<number, number>>
}

/** Text that is no record. `rows` counts every line of one that spans several: it may have swallowed other records. */
export type Malformed = {
  readonly rows: number
  /** The first ones. */
  readonly listed: readonly { readonly line: number; readonly reason: string; readonly text: string }[]
}

const listedMalformed = 1000

export type CsvOptions = NonNullable<DatasetPlan['csv']>

/**
 * `wanted`: the columns that are read. `isDoubted`: the engine found another number of records than was counted, so all are written anew.
 */
export type TextOptions = {
  readonly scratch: string
  readonly wanted: ReadonlySet<string>
  readonly isDoubted: boolean
}

let files = 0

/** Throws JobError UnreadableFile where the file is damaged or in another encoding, or where a quote in it never closes. */
export async function csvText(source: string, csv: CsvOptions, options: TextOptions): Promise<TextFile> {
  const dialect = dialectOf(csv)
  const isRfc4180 =
    dialect.delimiter.length === 1 && JSON.stringify({ ...dialect, delimiter: ',' }) === JSON.stringify(rfc4180)
  const plain = isRfc4180 ? new PlainCsv(dialect.delimiter) : null
  const text = await plainText(source, csv.encoding, options.scratch, (chunk) => plain?.feed(chunk))
  plain?.end()
  const isHeader = csv.header !== false
  const names = (isHeader && (await headerOf(text.path, dialect))) || csv.columns
  const header = (csv.columns ?? names ?? []).map((name) => name.trim())
  const repeated = [...new Set(header.filter((name, index) => header.indexOf(name) !== index))]
  const isGood = (record: CsvRecord) => recordFault(record, header.length, dialect.lenient) === null
  /** The records behind the header. */
  const dataOf = async function* () {
    let hasHeader = !isHeader
    for await (const some of read(text.path, dialect)) {
      yield hasHeader ? some : some.slice(1)
      hasHeader ||= some.length > 0
    }
  }
  const linesOf = async (wanted: ReadonlySet<number>) => {
    const lines = new Map<number, number>()
    let number = 0
    if (wanted.size === 0) return lines
    for await (const some of dataOf())
      for (const record of some) {
        if (isGood(record) && wanted.has(++number)) lines.set(number, record.line)
        if (lines.size === wanted.size) return lines
      }
    return lines
  }
  const same = { header, repeated, linesOf }
  if (names === undefined) return { ...same, path: text.path, isOwn: false, columns: [], records: 0, malformed: none }
  if (plain?.isPlain && text.isUtf8 && isHeader && csv.columns === undefined && !options.isDoubted)
    return { ...same, path: text.path, isOwn: false, columns: header, records: plain.records - 1, malformed: none }

  const kept = header.flatMap((name, index) =>
    options.wanted.has(name) && header.indexOf(name) === index ? [index] : [],
  )
  const malformed = collector()
  const path = join(options.scratch, `text-${++files}.csv`)
  const out = writerTo(path)
  await out.write(`${kept.map((_, index) => `c${index}`).join(',')}\n`)
  let records = 0
  for await (const some of dataOf()) {
    let lines = ''
    for (const record of some) {
      const fault = recordFault(record, header.length, dialect.lenient)
      if (fault !== null)
        malformed.add(
          { line: record.line, reason: fault, text: record.text || record.cells.join(dialect.delimiter) },
          record.lines,
        )
      else {
        records++
        lines += `${kept.map((index) => `"${(record.cells[index] ?? '').replaceAll('"', '""')}"`).join(',')}\n`
      }
    }
    await out.write(lines)
  }
  await out.end()
  const columns = kept.map((index) => header[index] ?? '')
  return { ...same, path, isOwn: true, columns, records, malformed: malformed.all }
}

const none: Malformed = { rows: 0, listed: [] }

function dialectOf({
  delimiter = ',',
  quote = '"',
  escape = quote,
  comment = '',
  skipLines = 0,
  lenient = false,
}: CsvOptions): CsvDialect {
  const binary = (text: string) => Buffer.from(text).toString('latin1')
  return { delimiter: binary(delimiter), quote, escape, comment: binary(comment), skipLines, lenient }
}

async function* read(path: string, dialect: CsvDialect): AsyncGenerator<readonly CsvRecord[]> {
  try {
    yield* csvRecords(bytesOf(path), dialect)
  } catch (error) {
    if (!(error instanceof UnclosedQuote)) throw error
    const lines = await linesFrom(path, error.line)
    throw new JobError(
      'UnreadableFile',
      `${error.message}: the ${lines} lines from there on cannot be told apart. Correct that line; if quotes mean nothing in this file, set csv.lenient.`,
    )
  }
}

async function headerOf(path: string, dialect: CsvDialect): Promise<readonly string[] | null> {
  for await (const [first] of read(path, dialect)) {
    if (!first) continue
    if (first.fault !== null)
      throw new JobError(
        'UnreadableFile',
        `its header, on line ${first.line}, ${first.fault}. ${looksLike(first.text)}`,
      )
    return first.cells.map((cell) => Buffer.from(cell, 'latin1').toString('utf8'))
  }
  return null
}

function looksLike(text: string): string {
  if (/^\s*[[{]/.test(text)) return 'It looks like JSON: correct the format.'
  return /^\s*</.test(text) ? 'It looks like HTML or XML, which is not read.' : 'Correct it.'
}

async function linesFrom(path: string, line: number): Promise<number> {
  let lines = 1
  let isEnded = true
  for await (const chunk of bytesOf(path)) {
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, at + 1)) lines++
    isEnded = chunk.at(-1) === 0x0a
  }
  return lines - (isEnded ? 1 : 0) - line + 1
}

function recordFault(record: CsvRecord, columns: number, lenient: boolean): string | null {
  const { cells, fault } = record
  if (fault !== null) return fault
  const isShort = cells.length < columns
  const more = cells.slice(columns)
  if (lenient ? more.some((cell) => cell !== '') : isShort || more.length > 0)
    return `has ${cells.length} cells, where the header has ${columns}`
  let length = 0
  for (const cell of cells) {
    length += cell.length
    if (cell.includes('\0')) return 'holds a NUL character'
    if (nonAscii.test(cell) && !isUtf8(Buffer.from(cell, 'latin1')))
      return 'is not UTF-8; csv.encoding says which other encoding a file has'
  }
  return length > longestPlainRecord ? 'is longer than 1 MiB' : null
}

const nonAscii = /[\x80-\xff]/

/** The text of NDJSON or JSON. Throws JobError UnreadableFile where the file is damaged or, for JSON, ends too early. */
export async function jsonText(
  source: string,
  format: 'NDJSON' | 'JSON',
  { scratch, isDoubted }: TextOptions,
): Promise<TextFile> {
  const lines = new PlainLines()
  const text = await plainText(source, undefined, scratch, (chunk) => lines.feed(chunk))
  lines.end()
  const values = () => (format === 'JSON' ? jsonItems : jsonLines)(bytesOf(text.path))
  const faultOfValue = (value: JsonValue) =>
    (format === 'JSON' && !isDoubted ? value.fault : (value.fault ?? lineFaultOf(value.text))) ??
    (nonAscii.test(value.text) && !isUtf8(Buffer.from(value.text, 'latin1')) ? 'is not UTF-8' : null)
  const isPlain = format === 'NDJSON' && lines.isPlain && text.isUtf8 && !isDoubted
  const linesOf = async (wanted: ReadonlySet<number>) => {
    const found = new Map<number, number>()
    let number = 0
    if (wanted.size === 0) return found
    for await (const some of values())
      for (const value of some) {
        if ((isPlain || faultOfValue(value) === null) && wanted.has(++number)) found.set(number, value.line)
        if (found.size === wanted.size) return found
      }
    return found
  }
  const same = { isOwn: !isPlain, header: [], columns: [], repeated: [], linesOf }
  if (isPlain) return { ...same, path: text.path, records: lines.count, malformed: none }
  const malformed = collector()
  const path = join(scratch, `text-${++files}.ndjson`)
  const out = writerTo(path)
  let records = 0
  for await (const some of values()) {
    let good = ''
    for (const value of some) {
      const fault = faultOfValue(value)
      if (fault !== null) malformed.add({ line: value.line, reason: fault, text: value.text }, 1)
      else {
        records++
        good += `${value.text.replaceAll('\r', ' ')}\n`
      }
    }
    await out.write(good)
  }
  await out.end()
  return { ...same, path, records, malformed: malformed.all }
}

/** Whether all engines find the same lines in NDJSON: each has a value, none is too long, there is no NUL and no byte order mark. */
class PlainLines {
  isPlain = true
  count = 0
  #bytes = 0
  #isBlank = true
  #hasValue = false
  #isFirst = true

  feed(chunk: Buffer): void {
    if (this.#isFirst && chunk[0] === 0xef) this.isPlain = false
    this.#isFirst = false
    let from = 0
    while (from < chunk.length && this.isPlain) {
      const end = chunk.indexOf(0x0a, from)
      const to = end < 0 ? chunk.length : end
      for (let at = from; at < to && !this.#hasValue; at++) {
        const byte = chunk[at]
        if (byte !== 0x0d) this.#isBlank = false
        if (byte === 0x0d || byte === 0x20 || byte === 0x09) continue
        this.#hasValue = true
        // An array, or an object over several lines, has to be read value by value.
        if (byte === 0x5b || (byte === 0x7b && end >= 0 && to - at <= 2)) this.isPlain = false
      }
      this.#bytes += to - from
      if (end >= 0) this.end()
      from = to + 1
    }
    if (chunk.includes(0)) this.isPlain = false
  }

  /** Ends a line. */
  end(): void {
    if (this.#hasValue) this.count++
    else if (!this.#isBlank) this.isPlain = false
    if (this.#bytes > 16_000_000) this.isPlain = false
    this.#bytes = 0
    this.#isBlank = true
    this.#hasValue = false
  }
}

/**
 * The file itself where it is not packed and is in UTF-8, else its content in the scratch folder. `look` sees every byte of the result;
 * `isUtf8` tells whether they are UTF-8.
 */
async function plainText(
  source: string,
  declared: CsvOptions['encoding'],
  scratch: string,
  look: (chunk: Buffer) => void,
): Promise<{ readonly path: string; readonly isUtf8: boolean }> {
  const packing = await packingOf(source)
  const encoding = declared ?? (await encodingByMark(source, packing))
  const isCopied = packing !== null || encoding !== 'UTF-8'
  const path = isCopied ? join(scratch, `text-${++files}.plain`) : source
  const out = isCopied ? writerTo(path) : null
  const check = new Utf8Check()
  for await (const chunk of decoded(unpacked(source, packing), encoding)) {
    look(chunk)
    check.feed(chunk)
    await out?.write(chunk)
  }
  await out?.end()
  return { path, isUtf8: check.end() }
}

/** A byte order mark of UTF-16 is no UTF-8, so it can mean nothing else. */
async function encodingByMark(source: string, packing: Awaited<ReturnType<typeof packingOf>>): Promise<string> {
  for await (const chunk of unpacked(source, packing)) {
    const mark = chunk.subarray(0, 2).toString('hex')
    return mark === 'fffe' ? 'UTF-16LE' : mark === 'feff' ? 'UTF-16BE' : 'UTF-8'
  }
  return 'UTF-8'
}

async function* decoded(bytes: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  if (encoding === 'UTF-8') {
    yield* bytes
    return
  }
  let decoder: InstanceType<typeof TextDecoder> | null = null
  const text = (chunk: Buffer | undefined) => {
    const isBigEndian = encoding === 'UTF-16' && chunk?.[0] === 0xfe && chunk[1] === 0xff
    decoder ??= new TextDecoder(isBigEndian ? 'UTF-16BE' : encoding, { fatal: true })
    try {
      return Buffer.from(chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true }))
    } catch (error) {
      throw new JobError(
        'UnreadableFile',
        `it is not ${encoding}, which csv.encoding says. Correct that, or deliver it again.`,
        error,
      )
    }
  }
  for await (const chunk of bytes) yield text(chunk)
  yield text(undefined)
}

/** Whether bytes that come in pieces are UTF-8. Each piece is cut after a line, and no character spans two lines. */
class Utf8Check {
  #rest: Buffer = Buffer.alloc(0)
  #isValid = true

  feed(chunk: Buffer): void {
    if (!this.#isValid) return
    const cut = chunk.lastIndexOf(0x0a) + 1
    const whole = chunk.subarray(0, cut)
    if (cut > 0) {
      this.#isValid = isUtf8(this.#rest.length === 0 ? whole : Buffer.concat([this.#rest, whole]))
      this.#rest = chunk.subarray(cut)
    } else if (this.#rest.length > longestPlainRecord) this.#isValid = false
    else this.#rest = Buffer.concat([this.#rest, chunk])
  }

  end(): boolean {
    return this.#isValid && isUtf8(this.#rest)
  }
}

function collector() {
  const listed: Malformed['listed'][number][] = []
  let rows = 0
  return {
    add(one: Malformed['listed'][number], count: number): void {
      rows += count
      if (listed.length < listedMalformed)
        listed.push({ ...one, text: Buffer.from(one.text.slice(0, 10_000), 'latin1').toString('utf8') })
    },
    get all(): Malformed {
      return { rows, listed }
    },
  }
}

/** Writes text with one character a byte, or bytes. */
function writerTo(path: string) {
  const stream: WriteStream = createWriteStream(path)
  // Thrown by the next write or by the end.
  let failure: Error | null = null
  stream.on('error', (error) => {
    failure = error
  })
  return {
    async write(some: string | Buffer): Promise<void> {
      if (failure) throw failure
      if (some.length === 0) return
      if (stream.write(typeof some === 'string' ? Buffer.from(some, 'latin1') : some)) return
      await new Promise<void>((resolve) => {
        const go = () => {
          stream.off('drain', go).off('close', go)
          resolve()
        }
        stream.once('drain', go).once('close', go)
      })
    },
    async end(): Promise<void> {
      if (failure) throw failure
      stream.end()
      await finished(stream)
    },
  }
}
