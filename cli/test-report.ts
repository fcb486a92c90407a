import { type Case, type CaseResult, type Coverage, reasonsOf, type StepResult, type Suite, xmlText } from '#compiler'
import { table } from './table.ts'

export type CaseReport = {
  readonly suite: Suite
  readonly case: Case
  readonly engine: string
  readonly result: CaseResult
  /** As `convoke check -o json` prints them. */
  readonly diagnostics: readonly object[]
}

/** The document of `convoke test -o json`. */
export function testDocument(reports: readonly CaseReport[], coverage: readonly Coverage[] | null): object {
  const passed = reports.filter(({ result }) => result.passed).length
  return {
    passed,
    failed: reports.length - passed,
    cases: reports.map((report) => ({
      suite: report.suite.document.name,
      name: report.case.name,
      engine: report.engine,
      status: report.result.passed ? 'passed' : 'failed',
      expected: expectedOf(report.case),
      actual: actualOf(report),
      diagnostics: report.diagnostics,
    })),
    ...(coverage ? { coverage: coverage.map((entry) => ({ ...entry, leaves: entry.leaves.map(leafDocument) })) } : {}),
  }
}

function expectedOf({ expected }: Case): unknown {
  switch (expected.kind) {
    case 'error':
      return expected.code
    case 'members':
      return sorted(expected.step.members)
    case 'timeline':
      return expected.steps.map(({ at, members, entered, exited }) => ({
        at: iso(at),
        ...(members ? { members: sorted(members) } : {}),
        ...(entered ? { entered: sorted(entered) } : {}),
        ...(exited ? { exited: sorted(exited) } : {}),
      }))
  }
}

/** Null for a case that could not be run; for an expected error the codes found, or null when there was none. */
function actualOf({ case: { expected }, result }: CaseReport): unknown {
  switch (result.kind) {
    case 'blocked':
      return null
    case 'error':
      return result.codes.length > 1 ? result.codes : (result.codes[0] ?? null)
    case 'steps':
      if (expected.kind === 'members') return result.steps[0]?.members ?? []
      return result.steps.map(({ step, members, entered, exited, incremental }) => ({
        at: iso(step.at),
        members,
        entered,
        exited,
        ...(incremental && !same(incremental, members) ? { incremental } : {}),
      }))
  }
}

function leafDocument(leaf: Coverage['leaves'][number]): object {
  return { ...leaf, status: statusOf(leaf) }
}

type LeafStatus = 'covered' | 'never true' | 'never false' | 'never evaluated'

function statusOf(leaf: Coverage['leaves'][number]): LeafStatus {
  if (leaf.true > 0 && leaf.false > 0) return 'covered'
  if (leaf.true === 0 && leaf.false === 0) return 'never evaluated'
  return leaf.true === 0 ? 'never true' : 'never false'
}

export type TextOptions = { readonly colour: boolean; readonly width: number }

/** For people: a line for each case, and for those that failed what was expected, what was found, and why. */
export function testText(reports: readonly CaseReport[], options: TextOptions): string {
  const several = new Set(reports.map(({ engine }) => engine)).size > 1
  const paint = (code: string, text: string): string => (options.colour ? `\x1b[${code}m${text}\x1b[0m` : text)
  const lines: string[] = []
  for (const [suite, own] of Map.groupBy(reports, (report) => report.suite)) {
    lines.push(suite.document.name)
    for (const report of own) {
      const mark = report.result.passed ? paint('32', '✓') : paint('31', '✗')
      const engine = several || report.engine !== 'reference' ? ` (${report.engine})` : ''
      lines.push(`  ${mark} ${report.case.name}${engine}`)
      if (!report.result.passed) lines.push(...failureOf(report, options.width - 6).map((line) => `      ${line}`))
    }
    lines.push('')
  }
  const failed = reports.filter(({ result }) => !result.passed).length
  lines.push(`${reports.length - failed} passed, ${failed} failed`)
  return `${lines.join('\n')}\n`
}

/** At most so many people of a failed case are explained; the others are counted. */
const maxReasons = 3

function failureOf(report: CaseReport, width: number): string[] {
  const { case: each, result } = report
  switch (result.kind) {
    case 'blocked':
      return [...each.obstacles]
    case 'error': {
      const found = result.codes.length > 0 ? `it is refused with ${result.codes.join(', ')}` : 'it compiles'
      return [`expected the error ${each.expected.kind === 'error' ? each.expected.code : ''}, but ${found}`]
    }
    case 'steps':
      return result.steps
        .map((step, index) => ({ step, index }))
        .filter(({ step }) => !step.passed)
        .flatMap(({ step, index }) => {
          const place = each.expected.kind === 'timeline' ? `step ${index + 1}, ` : ''
          return [
            `${place}at ${iso(step.step.at)}:`,
            ...stepFailure(report, step, width - 2).map((line) => `  ${line}`),
          ]
        })
  }
}

function stepFailure({ suite, case: each, engine }: CaseReport, result: StepResult, width: number): string[] {
  const { step, members, incremental } = result
  const lines: string[] = []
  for (const field of ['members', 'entered', 'exited'] as const) {
    const wanted = step[field]
    if (wanted && !same(wanted, result[field]))
      lines.push(`${field}: expected ${idList(wanted, width)}, found ${idList(result[field], width)}`)
  }
  if (incremental && !same(incremental, members))
    lines.push(
      `the incremental evaluation finds ${idList(incremental, width)}, the full one ${idList(members, width)}: a fault in Convoke, please report it`,
    )
  const reasons = reasonsOf(each, result, suite.types)
  for (const { id, kind, leaves, isDisputed } of reasons.slice(0, maxReasons)) {
    lines.push(
      isDisputed
        ? `${id} is ${kind === 'extra' ? 'in' : 'out'} for ${engine}, but not for the reference interpreter: a fault in Convoke, please report it`
        : kind === 'missing'
          ? `${id} should be in, but is out`
          : `${id} should be out, but is in`,
    )
    lines.push(...leaves.map(({ text, truth }) => `  ${truth ? 'true ' : 'false'}  ${oneLine(text, width - 9)}`))
  }
  if (reasons.length > maxReasons) lines.push(`and ${reasons.length - maxReasons} more`)
  return lines
}

/** `p1, p2` or `nobody`; a long list is cut. */
function idList(ids: readonly string[], width: number): string {
  if (ids.length === 0) return 'nobody'
  const room = Math.max(1, Math.floor(width / 24))
  const shown = sorted(ids).slice(0, Math.max(5, room)).join(', ')
  return ids.length > Math.max(5, room) ? `${shown} and ${ids.length - Math.max(5, room)} more` : shown
}

/** The whole of a text in one line, cut where it is wider. */
function oneLine(text: string, width: number): string {
  const line = text.replace(/\s+/g, ' ')
  const room = Math.max(20, width)
  return line.length > room ? `${line.slice(0, room - 1)}…` : line
}

/** A table of the leaf conditions that cases leave open, and how many there are in all. */
export function coverageText(coverage: readonly Coverage[], width: number): string {
  const entries = coverage.map((entry) => ({
    of: entry.segment ?? `${entry.case?.suite}: ${entry.case?.name}`,
    leaves: entry.leaves.map((leaf) => ({ text: leaf.text, status: statusOf(leaf) })),
  }))
  const leaves = entries.flatMap((entry) => entry.leaves)
  const covered = leaves.filter(({ status }) => status === 'covered').length
  const summary = `${covered} of ${leaves.length} leaf conditions were true for some and false for others.`
  const nameWidth = Math.min(40, Math.max(...entries.map(({ of }) => of.length)))
  const rows = entries.flatMap(({ of, leaves }) => {
    const name = oneLine(of, nameWidth)
    if (leaves.every(({ status }) => status === 'never evaluated')) return [[name, 'no case', '']]
    const open = leaves.filter(({ status }) => status !== 'covered')
    return open.map(({ text, status }, index) => [
      index === 0 ? name : '',
      status,
      oneLine(text, width - nameWidth - 15),
    ])
  })
  return rows.length === 0
    ? summary
    : `${table(['Segment or case', 'Left open', 'Leaf condition'], rows)}\n\n${summary}`
}

/** The document of `convoke test -o junit`. */
export function testJunit(reports: readonly CaseReport[]): string {
  const failures = (of: readonly CaseReport[]): number => of.filter(({ result }) => !result.passed).length
  const counts = (of: readonly CaseReport[]): string => `tests="${of.length}" failures="${failures(of)}" errors="0"`
  const suites = [...Map.groupBy(reports, ({ suite, engine }) => `${suite.document.name} (${engine})`)].map(
    ([name, own]) => {
      const cases = own.map((report) => {
        const head = `  <testcase classname="${xmlText(report.suite.document.name)}" name="${xmlText(report.case.name)}"`
        if (report.result.passed) return `${head}/>`
        const lines = failureOf(report, 120)
        return `${head}>\n    <failure message="${xmlText(lines.slice(0, 2).join(' ').trim())}">${xmlText(lines.join('\n'))}</failure>\n  </testcase>`
      })
      return [` <testsuite name="${xmlText(name)}" ${counts(own)} skipped="0">`, ...cases, ' </testsuite>'].join('\n')
    },
  )
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts(reports)}>`,
    ...suites,
    '</testsuites>',
    '',
  ].join('\n')
}

function sorted(ids: readonly string[] | null): readonly string[] {
  return [...(ids ?? [])].sort()
}

function same(left: readonly string[], right: readonly string[]): boolean {
  return sorted(left).join('\0') === sorted(right).join('\0')
}

function iso(at: number): string {
  return new Date(at).toISOString().replace('.000Z', 'Z')
}
