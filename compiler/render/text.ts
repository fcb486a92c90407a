import type { Diagnostic, FileSpan } from '../diagnostic.ts'
import type { Source } from '../resource.ts'
import { lineIndexOf } from '../yaml/index.ts'

export type TextOptions = { readonly colour: boolean /** Columns of the terminal. */; readonly width: number }

/** Findings for people: the source as written, what is wrong underlined, evidence from other files, reason and next step. */
export function renderText(
  diagnostics: readonly Diagnostic[],
  sources: readonly Source[],
  options: TextOptions,
): string {
  const paint = painter(options.colour)
  const texts = new Map(sources.map((source) => [source.file, source.text]))
  return diagnostics.map((diagnostic) => one(diagnostic, texts, options, paint)).join('\n')
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

function one(diagnostic: Diagnostic, texts: ReadonlyMap<string, string>, options: TextOptions, paint: Paint): string {
  const lines: string[] = [
    `${paint[diagnostic.severity](`${diagnostic.severity}[${diagnostic.code}]`)}${paint.bold(`: ${diagnostic.message}`)}`,
  ]
  const resource = diagnostic.resource ? `${diagnostic.resource.kind} ${diagnostic.resource.name}` : ''
  const places = [
    { ...diagnostic, message: '', primary: true },
    ...diagnostic.related.map((related) => ({ ...related, primary: false })),
  ]
  const files = [...new Set(places.map((place) => place.file))]
  let gutter = 1
  for (const place of places) {
    const text = place.file === null ? undefined : texts.get(place.file)
    if (text !== undefined && place.span)
      gutter = Math.max(gutter, String(lineIndexOf(text)(place.span.start).line).length)
  }
  for (const file of files) {
    const here = places.filter((place) => place.file === file)
    const text = file === null ? undefined : texts.get(file)
    const first = here[0]!
    if (file === null || text === undefined || !first.span) {
      lines.push(
        `${' '.repeat(gutter)}${paint.label(first.primary ? '-->' : ':::')} ${file ?? resource}${first.path ? ` ${first.path}` : ''}${first.message ? `: ${first.message}` : ''}`,
      )
      continue
    }
    const at = lineIndexOf(text)(first.span.start)
    lines.push(
      `${' '.repeat(gutter)}${paint.label(first.primary ? '-->' : ':::')} ${file}:${at.line}:${at.column}${first.primary && resource ? paint.dim(` (${resource}${diagnostic.path ? `, ${diagnostic.path}` : ''})`) : ''}`,
    )
    const marks = here.flatMap((place) =>
      place.span ? [{ span: place.span, label: place.message, primary: place.primary }] : [],
    )
    lines.push(...excerpt(text, marks, gutter, options.width, diagnostic.severity, paint))
  }
  const note = (word: string, text: string): void => {
    const head = `${' '.repeat(gutter)} ${paint.label('=')} ${paint.bold(`${word}:`)} `
    lines.push(head + wrapped(text, Math.max(40, options.width - gutter - word.length - 6), gutter + word.length + 5))
  }
  if (diagnostic.why) note('why', diagnostic.why)
  if (diagnostic.help) note('help', diagnostic.help)
  for (const fix of diagnostic.fixes)
    if (fix.safety === 'safe') note('fix', `${fix.title} (convoke check --fix does it)`)
  return `${lines.join('\n')}\n`
}

function excerpt(
  text: string,
  marks: readonly Mark[],
  gutter: number,
  width: number,
  severity: Diagnostic['severity'],
  paint: Paint,
): string[] {
  const position = lineIndexOf(text)
  const source = text.split('\n')
  const byLine = Map.groupBy(
    [...marks].sort((a, b) => a.span.start - b.span.start),
    (mark) => position(mark.span.start).line,
  )
  const bar = paint.label('|')
  const out: string[] = [`${' '.repeat(gutter)} ${bar}`]
  let previous = 0
  for (const [line, own] of [...byLine].sort(([a], [b]) => a - b)) {
    // One line before, for orientation; a gap between far lines is said.
    const before = line - 1
    if (previous !== 0 && before > previous + 1) out.push(`${' '.repeat(gutter)} ${paint.label(':')}`)
    if (before > previous && source[before - 1]?.trim())
      out.push(
        `${paint.label(String(before).padStart(gutter))} ${bar} ${clip(source[before - 1]!, 0, width - gutter - 3).text}`,
      )
    const raw = (source[line - 1] ?? '').replace(/\r$/, '')
    const focus = position(own[0]!.span.start).column - 1
    const shown = clip(raw, focus, width - gutter - 3)
    out.push(`${paint.label(String(line).padStart(gutter))} ${bar} ${shown.text}`)
    for (const mark of own) {
      const start = position(mark.span.start).column - 1
      const end = position(mark.span.end).line === line ? position(mark.span.end).column - 1 : raw.length
      const indent = displayWidth(raw.slice(0, start)) - shown.removed + shown.lead
      const length = Math.max(1, Math.min(displayWidth(raw.slice(start, end)), width - gutter - 3 - indent))
      const underline = (mark.primary ? '^' : '-').repeat(length)
      const painted = mark.primary ? paint[severity](underline) : paint.label(underline)
      out.push(
        `${' '.repeat(gutter)} ${bar} ${' '.repeat(Math.max(0, indent))}${painted}${mark.label ? ` ${mark.primary ? mark.label : paint.label(mark.label)}` : ''}`,
      )
    }
    previous = line
  }
  return out
}

/** A long line around its point of interest. `removed` columns were cut on the left and `lead` put there instead. */
function clip(line: string, focus: number, room: number): { text: string; removed: number; lead: number } {
  const text = line.replaceAll('\t', ' ').replace(/\r$/, '')
  if (text.length <= room || room < 20) return { text, removed: 0, lead: 0 }
  const start = Math.max(0, Math.min(focus - Math.floor(room / 3), text.length - room + 1))
  const end = Math.min(text.length, start + room - 2)
  return {
    text: `${start > 0 ? '…' : ''}${text.slice(start, end)}${end < text.length ? '…' : ''}`,
    removed: start,
    lead: start > 0 ? 1 : 0,
  }
}

/** Columns a text takes: wide East Asian characters and emoji take two, combining marks none. */
function displayWidth(text: string): number {
  let width = 0
  for (const character of text) {
    const code = character.codePointAt(0)!
    if (/\p{Mark}|\u200d|\ufe0f/u.test(character)) continue
    width +=
      code >= 0x1100 &&
      (/\p{Emoji_Presentation}/u.test(character) ||
        code <= 0x115f ||
        (code >= 0x2e80 && code <= 0xa4cf) ||
        (code >= 0xac00 && code <= 0xd7a3) ||
        (code >= 0xf900 && code <= 0xfaff) ||
        (code >= 0xff00 && code <= 0xff60))
        ? 2
        : 1
  }
  return width
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
