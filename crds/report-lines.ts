import { digestOf } from './digest.ts'
import type { Detail, RunReport } from './generated/run-report.ts'
import { isRecord } from './record.ts'

/** Beginnings of the lines that hold a report in a Pod's log: each detail, then the rest. */
export const detailMarker = 'convoke-detail: '
export const reportMarker = 'convoke-report: '

/** How many bytes of a termination message Kubernetes keeps. */
const terminationBytes = 4096

export function detailLinesOf(report: RunReport): readonly string[] {
  return (report.details ?? []).map((detail) => `${detailMarker}${JSON.stringify(detail)}`)
}

/** A report as the last lines of a log, without line ends; `readReportLines` reads them. */
export function reportLinesOf(report: RunReport): readonly string[] {
  const { details: _, ...short } = report
  return [...detailLinesOf(report), `${reportMarker}${JSON.stringify(short)}`]
}

/**
 * The last report in a log, whatever else was written there. Details that cannot be read are left out: a log that was cut has lost some,
 * which `isWhole` tells. null where there is no report.
 */
export function readReportLines(
  log: string,
): { readonly report: RunReport; readonly details: readonly Detail[] } | null {
  const lines = log.split(/\r?\n/)
  const last = lines.findLastIndex((line) => line.startsWith(reportMarker))
  if (last === -1) return null
  const report = readTerminationMessage(lines[last]!.slice(reportMarker.length))
  if (report === null) return null
  const before = lines.slice(0, last).findLastIndex((line) => line.startsWith(reportMarker))
  const details = lines.slice(before + 1, last).flatMap((line): Detail[] => {
    const detail = line.startsWith(detailMarker) ? parsed(line.slice(detailMarker.length)) : undefined
    // Every field of a Detail is optional.
    return isRecord(detail) ? [detail] : []
  })
  return { report, details }
}

/** Whether these are all the details that the report was made with. */
export function isWhole(report: RunReport, details: readonly Detail[]): boolean {
  return digestOf(details) === report.reportDigest
}

/**
 * The report without details and warnings, in at most 4 KiB of JSON. Where that is too little, the error's message is cut and totals are
 * left out from the end, so that the outcome is always there.
 */
export function terminationMessageOf({ details: _, warnings: __, ...report }: RunReport): string {
  const { totals, error } = report
  const whole = JSON.stringify(report)
  if (Buffer.byteLength(whole) <= terminationBytes) return whole
  const bare = { ...report, totals: {}, ...(error && { error: { ...error, message: '' } }) }
  const room = terminationBytes - Buffer.byteLength(JSON.stringify(bare))
  // Totals go first, except that a quarter of the room is kept for the error's message.
  const kept = fitting(totals, room - Math.min(messageBytes(error?.message ?? ''), terminationBytes / 4))
  const used = Buffer.byteLength(JSON.stringify(kept)) - 2
  return JSON.stringify({
    ...bare,
    totals: kept,
    ...(error && { error: { ...error, message: cut(error.message, room - used) } }),
  })
}

/** The report in a Pod's termination message; null where there is none: a Pod that was killed leaves an empty message. */
export function readTerminationMessage(message: string): RunReport | null {
  const found = parsed(message)
  return isReport(found) ? found : null
}

/** Whether this is a report of this version or a later one: jobs and operator are not always upgraded together. */
function isReport(value: unknown): value is RunReport {
  return (
    isRecord(value) &&
    ['step', 'run', 'outcome'].every((name) => typeof value[name] === 'string') &&
    isRecord(value['totals'])
  )
}

/** undefined: the text is not JSON. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** The first totals, as many as fit into this many bytes. */
function fitting(totals: RunReport['totals'], bytes: number): RunReport['totals'] {
  const kept: [string, number][] = []
  let left = bytes
  for (const [name, count] of Object.entries(totals)) {
    left -= Buffer.byteLength(JSON.stringify({ [name]: count })) - 1
    if (left < 0) break
    kept.push([name, count])
  }
  return Object.fromEntries(kept)
}

/** The beginning of a text that fits into this many bytes of JSON; never half a character. */
function cut(text: string, bytes: number): string {
  if (messageBytes(text) <= bytes) return text
  const characters = Array.from(text.slice(0, terminationBytes))
  let [fits, over] = [0, characters.length + 1]
  while (over - fits > 1) {
    const middle = Math.floor((fits + over) / 2)
    if (messageBytes(`${characters.slice(0, middle).join('')}…`) <= bytes) fits = middle
    else over = middle
  }
  return fits === 0 ? '' : `${characters.slice(0, fits).join('')}…`
}

/** Bytes of a text in JSON, without its quotes. */
function messageBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2
}
