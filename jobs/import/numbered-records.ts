const lineFeed = 10
const quote = 34

/** A count of records that goes on over several files. */
export type RecordCounter = { records: number }

/**
 * The records of an RFC 4180 CSV stream without its header, each with more fields before it: its number over all files, `prefix`, the
 * line on which it begins (the header is line 1), and what makes it unfit for a database, empty for nothing. PostgreSQL gives no such
 * line numbers, and one NUL character would make it refuse the whole file.
 */
export async function* numberedRecords(
  chunks: AsyncIterable<Buffer>,
  {
    prefix,
    delimiter,
    counter,
  }: { readonly prefix: string; readonly delimiter: string; readonly counter: RecordCounter },
): AsyncGenerator<Buffer> {
  let pending: Buffer = Buffer.alloc(0)
  let line = 1
  let out: Buffer = Buffer.alloc(0)
  let filled = 0

  const write = (fields: string, record: Buffer) => {
    const needed = filled + fields.length * 3 + record.length + 1
    if (needed > out.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, out.length * 2))
      out.copy(larger, 0, 0, filled)
      out = larger
    }
    filled += out.write(fields, filled)
    filled += record.copy(out, filled)
  }

  const emit = (record: Buffer, startLine: number) => {
    if (startLine === 1) return
    const unfit = record.includes(0)
    const fields = [++counter.records, prefix, startLine, unfit ? 'holds a NUL character' : '', '']
    write(fields.join(delimiter), unfit ? withoutNul(record) : record)
  }

  const take = (): Buffer => {
    const taken = out.subarray(0, filled)
    out = Buffer.allocUnsafe(out.length)
    filled = 0
    return taken
  }

  for await (const chunk of chunks) {
    const buffer = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    let start = 0
    let from = 0
    let quoted = false
    let lines = 0
    let nextQuote = buffer.indexOf(quote)
    for (let end = buffer.indexOf(lineFeed); end !== -1; end = buffer.indexOf(lineFeed, from)) {
      while (nextQuote !== -1 && nextQuote < end) {
        quoted = !quoted
        nextQuote = buffer.indexOf(quote, nextQuote + 1)
      }
      from = end + 1
      lines++
      if (quoted) continue
      emit(buffer.subarray(start, from), line)
      line += lines
      lines = 0
      start = from
    }
    pending = buffer.subarray(start)
    if (filled > 0) yield take()
  }
  // The last line may lack its line end.
  if (pending.length > 0) emit(Buffer.concat([pending, Buffer.from('\n')]), line)
  if (filled > 0) yield take()
}

function withoutNul(record: Buffer): Buffer {
  return Buffer.from(record.toString('utf8').replaceAll('\0', '\uFFFD'))
}
