import {
  type Case,
  type CaseResult,
  type Coverage,
  type Reason,
  reasonsOf,
  type StepResult,
  type Suite,
  xmlText,
} from '#compiler'
import type { TestedDocument } from '#views'
import { table } from './table.ts'

export type CaseReport = {
  readonly suite: Suite
  readonly case: Case
  readonly engine: string
  readonly result: CaseResult
  /** Diagnostics as `convoke check -o json` prints them. */
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

/** What the page of `convoke test --report` shows. */
export function testedDocument(
  reports: readonly CaseReport[],
  coverage: readonly Coverage[],
  { at, segments }: { readonly at: Date; readonly segments: number },
): TestedDocument {
  return {
    at: at.toISOString(),
    segments,
    cases: reports.map((report) => {
      const [first] = report.case.expressions
      return {
        suite: report.suite.document.name,
        name: report.case.name,
        engine: report.engine,
        passed: report.result.passed,
        // A name that no Segment can have stands for a case's own expression.
        segment: first === undefined || first.name.startsWith('$') ? null : first.name,
        lines: report.result.passed ? [] : failureOf(report),
      }
    }),
    coverage: coverage.map(({ segment, case: own, leaves }) => ({
      of: segment ?? `${own?.suite}: ${own?.name}`,
      leaves,
    })),
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

/** null for a case that could not be run; for an expected error the codes found, or null where there were none. */
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

/** For people: a line for each case; for a failed one also what was expected, what was found, and why. */
export function testText(reports: readonly CaseReport[], colour: boolean): string {
  const paint = (code: string, text: string): string => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)
  const engines = [...new Set(reports.map(({ engine }) => engine))]
  const lines: string[] = []
  let [passed, failed] = [0, 0]
  for (const [suite, ofSuite] of Map.groupBy(reports, (report) => report.suite)) {
    lines.push(suite.document.name)
    for (const [each, ofCase] of Map.groupBy(ofSuite, (report) => report.case)) {
      const broken = ofCase.filter(({ result }) => !result.passed)
      if (broken.length > 0) failed += 1
      else passed += 1
      lines.push(`  ${broken.length > 0 ? paint('31', '✗') : paint('32', '✓')} ${each.name}`)
      // What fails in the same way on all engines is told once.
      for (const [text, alike] of Map.groupBy(broken, (report) => failureOf(report).join('\n'))) {
        const names = alike.map(({ engine }) => engine).join(', ')
        if (alike.length < engines.length) lines.push(`      on ${names}:`)
        lines.push(...text.split('\n').map((line) => `      ${line}`))
      }
    }
    lines.push('')
  }
  const where = engines.some((engine) => engine !== 'reference') ? `, on ${listed(engines)}` : ''
  lines.push(`${passed} passed, ${failed} failed${where}`)
  return `${lines.join('\n')}\n`
}

/** `reference, duckdb and spark` */
function listed(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

/** How many people of a failed step are explained, and how many ids listed; the others are counted. */
const maxReasons = 3
const maxIds = 10
const maxLeafLength = 160

function failureOf({ suite, case: each, engine, result }: CaseReport): string[] {
  switch (result.kind) {
    case 'blocked':
      return [...each.obstacles]
    case 'error': {
      const found = result.codes.length > 0 ? `it is refused with ${result.codes.join(', ')}` : 'it compiles'
      return [`expected the error ${each.expected.kind === 'error' ? each.expected.code : ''}, but ${found}`]
    }
    case 'steps':
      return result.steps.flatMap((step, index) => {
        if (step.passed) return []
        const place = each.expected.kind === 'timeline' ? `step ${index + 1}, ` : ''
        const reasons = reasonsOf(each, step, suite.types)
        return [
          `${place}at ${iso(step.step.at)}:`,
          ...differences(step).map((line) => `  ${line}`),
          ...reasons.slice(0, maxReasons).flatMap((reason) => reasonLines(reason, engine).map((line) => `  ${line}`)),
          ...(reasons.length > maxReasons ? [`  and ${reasons.length - maxReasons} more`] : []),
        ]
      })
  }
}

function differences({ step, members, entered, exited, incremental }: StepResult): string[] {
  const found = { members, entered, exited }
  const lines = (['members', 'entered', 'exited'] as const).flatMap((field) => {
    const wanted = step[field]
    return wanted && !same(wanted, found[field])
      ? [`${field}: expected ${idList(wanted)}; found ${idList(found[field])}`]
      : []
  })
  if (incremental && !same(incremental, members))
    lines.push(
      `The incremental evaluation finds ${idList(incremental)}, the full one ${idList(members)}: that is a fault in Convoke, please report it.`,
    )
  return lines
}

function reasonLines({ id, kind, leaves, isDisputed }: Reason, engine: string): string[] {
  const head = kind === 'missing' ? `${id} should be in and is not:` : `${id} is in and should not be:`
  return [
    head,
    ...leaves.map(
      ({ text, isNegated, truth }) =>
        `  ${truth ? 'true ' : 'false'}  ${oneLine(text, maxLeafLength)}${isNegated ? '  (under not)' : ''}`,
    ),
    ...(isDisputed
      ? [`  The reference interpreter says otherwise than ${engine}: that is a fault in Convoke, please report it.`]
      : []),
  ]
}

/** `p1, p2`, or `nobody`. */
function idList(ids: readonly string[]): string {
  if (ids.length === 0) return 'nobody'
  const more = ids.length - maxIds
  return `${sorted(ids).slice(0, maxIds).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** The whole text on one line, cut where it is longer. */
function oneLine(text: string, length: number): string {
  const line = text.replace(/\s+/g, ' ')
  return line.length > length ? `${line.slice(0, Math.max(20, length) - 1)}…` : line
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
        const lines = failureOf(report)
        return `${head}>\n    <failure message="${xmlText(
          lines
            .slice(0, 2)
            .map((line) => line.trim())
            .join(' '),
        )}">${xmlText(lines.join('\n'))}</failure>\n  </testcase>`
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
