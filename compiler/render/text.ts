import type { Diagnostic, FileSpan } from '../diagnostic.ts'
import type { Source } from '../resource.ts'
import { type LineColumn, lineIndexOf } from '../yaml/index.ts'
import { oneLine, visible } from './visible.ts'

export type TextOptions = { readonly colour: boolean /** Columns of the terminal. */; readonly width: number }

/** Findings for people: the source as written, the fault underlined, evidence from other files, reason and next step. */
export function renderText(
  diagnostics: readonly Diagnostic[],
  sources: readonly Source[],
  options: TextOptions,
): string {
  const paint = painter(options.colour)
  const pages = new Map(sources.map((source) => [source.file, pageOf(source.text)]))
  return diagnostics.map((diagnostic) => one(diagnostic, pages, options, paint)).join('\n')
}

/** `2 errors, 1 warning in 12 resources` */
export function summaryText(diagnostics: readonly Diagnostic[], resources: number): string {
  const count = (severity: string): number =>
    diagnostics.filter((diagnostic) => diagnostic.severity === severity).length
  const noun = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`
  const found = [noun(count('error'), 'error'), noun(count('warning'), 'warning')].join(', ')
  return `${found} in ${noun(resources, 'resource')}`
}

type Paint = { readonly [style in 'error' | 'warning' | 'info' | 'dim' | 'bold' | 'label']: (text: string) => string }

function painter(colour: boolean): Paint {
  const style = (code: string) => (text: string) => (colour && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text)
  return {
    error: style('1;31'),
    warning: style('1;33'),
    info: style('1;34'),
    dim: style('2'),
    bold: style('1'),
    label: style('34'),
  }
}

type Mark = { readonly span: FileSpan; readonly label: string; readonly primary: boolean }

/** A file's text by lines, which are found once, on demand, for all findings. */
type Page = { readonly positionOf: (offset: number) => LineColumn; readonly line: (number: number) => string }

function pageOf(text: string): Page {
  let index: ReturnType<typeof lineIndexOf> | null = null
  let lines: readonly string[] | null = null
  return {
    positionOf: (offset) => (index ??= lineIndexOf(text))(offset),
    line: (number) => ((lines ??= text.split('\n'))[number - 1] ?? '').replace(/\r$/, ''),
  }
}

function one(diagnostic: Diagnostic, pages: ReadonlyMap<string, Page>, options: TextOptions, paint: Paint): string {
  const lines: string[] = [
    `${paint[diagnostic.severity](`${diagnostic.severity}[${diagnostic.code}]`)}${paint.bold(`: ${oneLine(diagnostic.message)}`)}`,
  ]
  const resource = diagnostic.resource ? `${diagnostic.resource.kind} ${diagnostic.resource.name}` : ''
  const places = [
    { ...diagnostic, message: '', primary: true },
    ...diagnostic.related.map((related) => ({ ...related, primary: false })),
  ]
  const files = [...new Set(places.map((place) => place.file))]
  let gutter = 1
  for (const place of places) {
    const page = place.file === null ? undefined : pages.get(place.file)
    if (page && place.span) gutter = Math.max(gutter, String(page.positionOf(place.span.start).line).length)
  }
  for (const file of files) {
    const here = places.filter((place) => place.file === file)
    const page = file === null ? undefined : pages.get(file)
    const first = here[0]!
    const arrow = `${' '.repeat(gutter)}${paint.label(first.primary ? '-->' : '==>')}`
    if (!page || !first.span) {
      const owner = first.resource ? `${first.resource.kind} ${first.resource.name}` : ''
      const place = [file ?? owner, first.path].filter((part) => part !== '').join(' ')
      lines.push(`${arrow} ${visible(place)}${first.message ? `: ${oneLine(first.message)}` : ''}`)
      continue
    }
    const at = page.positionOf(first.span.start)
    const whose = [resource, diagnostic.path].filter((part) => part !== '').join(', ')
    lines.push(
      `${arrow} ${visible(`${file}:${at.line}:${at.column}`)}${first.primary && whose ? paint.dim(` (${visible(whose)})`) : ''}`,
    )
    const marks = here.flatMap((place) =>
      place.span ? [{ span: place.span, label: oneLine(place.message), primary: place.primary }] : [],
    )
    lines.push(...excerpt(page, marks, gutter, options.width, diagnostic.severity, paint))
  }
  const note = (word: string, text: string): void => {
    const head = `${' '.repeat(gutter)} ${paint.label('=')} ${paint.bold(`${word}:`)} `
    lines.push(
      head + wrapped(oneLine(text), Math.max(40, options.width - gutter - word.length - 6), gutter + word.length + 5),
    )
  }
  if (diagnostic.why) note('why', diagnostic.why)
  if (diagnostic.help) note('help', diagnostic.help)
  for (const fix of diagnostic.fixes)
    if (fix.safety === 'safe') note('fix', `${fix.title} (convoke check --fix does it)`)
  return `${lines.join('\n')}\n`
}

function excerpt(
  page: Page,
  marks: readonly Mark[],
  gutter: number,
  width: number,
  severity: Diagnostic['severity'],
  paint: Paint,
): string[] {
  const position = page.positionOf
  const byLine = Map.groupBy(
    [...marks].sort((a, b) => a.span.start - b.span.start),
    (mark) => position(mark.span.start).line,
  )
  const room = Math.max(20, width - gutter - 3)
  const row = (number: string, content: string): string =>
    `${paint.label(number.padStart(gutter))} ${paint.label('|')} ${content}`.trimEnd()
  const out: string[] = [row('', '')]
  let previous = 0
  for (const [line, own] of [...byLine].sort(([a], [b]) => a - b)) {
    // One line before, for orientation; a gap between distant lines is marked.
    const before = line - 1
    if (previous !== 0 && before > previous + 1) out.push(`${' '.repeat(gutter)} ${paint.label(':')}`)
    if (before > previous && page.line(before).trim())
      out.push(row(String(before), cutOut(page.line(before), 0, room).text))
    const raw = page.line(line)
    let shown: CutOut | null = null
    for (const mark of own) {
      const start = position(mark.span.start).column - 1
      const end = position(mark.span.end).line === line ? position(mark.span.end).column - 1 : raw.length
      // Marks that are too far apart for one cut-out of a long line get one each.
      if (!shown?.holds(start)) {
        shown = cutOut(raw, start, room)
        out.push(row(String(line), shown.text))
      }
      const [from, to] = [shown.columnOf(start), shown.columnOf(end)]
      const underline = (mark.primary ? '^' : '-').repeat(Math.max(1, to - from))
      const painted = mark.primary ? paint[severity](underline) : paint.label(underline)
      const label = mark.label && ` ${mark.primary ? mark.label : paint.label(mark.label)}`
      out.push(row('', `${' '.repeat(from)}${painted}${label}`))
    }
    previous = line
  }
  return out
}

/** The part of a line that is shown. Offsets count in the line, columns on the screen. */
type CutOut = {
  readonly text: string
  readonly holds: (offset: number) => boolean
  readonly columnOf: (offset: number) => number
}

/** The line, or as much of it around an offset as fits, with an ellipsis where it goes on. */
function cutOut(line: string, focus: number, room: number): CutOut {
  // Only characters nearby are taken apart: a line can be megabytes long.
  const near = Math.max(0, focus - 4 * room)
  const far = Math.min(line.length, focus + 4 * room)
  const cells = cellsOf(line, near, far)
  const whole = near === 0 && far === line.length && sum(cells) <= room
  let first = 0
  let last = cells.length
  if (!whole) {
    const at = cells.findIndex((cell) => cell.end > focus)
    first = at === -1 ? cells.length : at
    // A third of the room goes before the focus; near the line's end, so does the room that is left over.
    const after = sum(cells.slice(first))
    const before = Math.max(room / 3, room - after) - 1
    for (let width = 0; first > 0 && (width += cells[first - 1]!.width) <= before; ) first -= 1
    if (near === 0 && sum(cells.slice(0, first)) <= 1) first = 0
    last = first
    for (let width = 2; last < cells.length && (width += cells[last]!.width) <= room; ) last += 1
    if (far === line.length && sum(cells.slice(last)) <= 1) last = cells.length
  }
  const shown = cells.slice(first, last)
  const cutBefore = near > 0 || first > 0
  const cutAfter = far < line.length || last < cells.length
  return {
    text: `${cutBefore ? '…' : ''}${shown.map((cell) => cell.text).join('')}${cutAfter ? '…' : ''}`,
    holds: (offset) =>
      (!cutBefore || offset >= (shown[0]?.start ?? 0)) && (!cutAfter || offset < (shown.at(-1)?.end ?? 0)),
    columnOf: (offset) => (cutBefore ? 1 : 0) + sum(shown.filter((cell) => cell.start < offset)),
  }
}

/** What a reader sees as one character, and the columns that it fills. */
type Cell = { readonly text: string; readonly start: number; readonly end: number; readonly width: number }

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

function cellsOf(line: string, start: number, end: number): Cell[] {
  return [...graphemes.segment(line.slice(start, end))].map(({ segment, index }) => {
    const text = visible(segment)
    return { text, start: start + index, end: start + index + segment.length, width: widthOf(text) }
  })
}

function sum(cells: readonly Cell[]): number {
  return cells.reduce((total, cell) => total + cell.width, 0)
}

const wide =
  /^(?:\p{Emoji_Presentation}|.\ufe0f|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}])/u

/** Columns of one character: two for wide East Asian characters and emoji, none for a combining mark on its own. */
function widthOf(character: string): number {
  if (/^[\x20-\x7e]$/.test(character)) return 1
  if (wide.test(character)) return 2
  return /^[\p{Mark}\p{Default_Ignorable_Code_Point}]+$/u.test(character) ? 0 : 1
}

function wrapped(text: string, width: number, indent: number): string {
  const lines: string[] = ['']
  for (const word of text.split(' ')) {
    const current = lines.at(-1)!
    if (current !== '' && current.length + word.length + 1 > width) lines.push(word)
    else lines[lines.length - 1] = current === '' ? word : `${current} ${word}`
  }
  return lines.join(`\n${' '.repeat(indent)}`)
}
