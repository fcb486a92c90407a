import { annotations, isKind, type JobPlan, type Kind } from '#crds'
import { type Code, codes } from './codes.ts'
import { type Diagnostic, type Fix, type Severity, sortDiagnostics } from './diagnostic.ts'
import type { Finding, LinkFinding } from './finding.ts'
import { applyFixes } from './fix.ts'
import { linkModel } from './link.ts'
import { isMeasuredCode } from './measured.ts'
import type { Model } from './model.ts'
import { plansOf } from './plan.ts'
import { type AnyResource, placeOf, type Resource, type Source } from './resource.ts'
import { type RuleContext, rules } from './rules/index.ts'
import { readSuites, type Suite } from './segment-test/suite.ts'
import { openSession, type Session } from './session.ts'
import { type Loaded, loadObjects, loadSources } from './source.ts'
import { nearest } from './suggest.ts'
import { editScalar, nodeAt, textRangeOf } from './yaml/index.ts'

export type CompileOptions = {
  /** Severities that differ from a code's own; `off` only for warnings. */
  readonly severities?: { readonly [code in Code]?: Severity | 'off' }
  /** Whether expressions may use only what PQL has; a ProfileStore can ask for that too. Default: false. */
  readonly strictPql?: boolean
  /** Findings from reading the files, which are listed first. */
  readonly reading?: readonly Diagnostic[]
  /** Whether safe fixes are verified, which costs a second compilation; if not, fixes are as their rules claim. Default: true. */
  readonly verifyFixes?: boolean
  /** Knowledge from earlier compilations. Whoever compiles repeatedly holds a session, and lets it go. Default: a new one. */
  readonly session?: Session
}

export type Compilation = {
  readonly diagnostics: readonly Diagnostic[]
  readonly resources: readonly AnyResource[]
  /** SegmentTests, as `convoke test` runs them. */
  readonly suites: readonly Suite[]
  readonly model: Model
  /** Plans of targets that can run: a target has none if it, or its Destination, instance or store, has an error. */
  readonly plans: readonly JobPlan[]
  /** How many documents of our API group were read, well-formed or not. */
  readonly count: number
}

/** Compiles YAML to plans. Never throws for what is written in it: all findings are in `diagnostics`, sorted. */
export function compile(sources: readonly Source[], options: CompileOptions = {}): Compilation {
  const ordered = [...sources].sort((a, b) => (a.file < b.file ? -1 : 1))
  const session = options.session ?? openSession()
  const compilation = compileLoaded(loadSources(ordered, session), options, session)
  return options.verifyFixes === false
    ? compilation
    : withDiagnostics(compilation, verifiedFixes(compilation.diagnostics, ordered, options, session))
}

/** Compiles resources as the API server has them; places are field paths. */
export function compileObjects(objects: readonly unknown[], options: CompileOptions = {}): Compilation {
  const session = options.session ?? openSession()
  return compileLoaded(loadObjects(objects, session), options, session)
}

function compileLoaded(loaded: Loaded, options: CompileOptions, session: Session): Compilation {
  const diagnostics: Diagnostic[] = [...loaded.diagnostics]
  const add = (finding: LinkFinding): void => {
    const severity = finding.severity ?? rules[finding.code].severity
    const configured = options.severities?.[finding.code]
    if (configured === 'off' && severity !== 'error') return
    diagnostics.push(diagnosticOf(finding, configured && configured !== 'off' ? configured : severity))
  }
  const exists = (kind: Kind, namespace: string, name: string): boolean =>
    loaded.names.has(`${kind}/${namespace}/${name}`)
  const model = linkModel(loaded.resources, exists, add, session)
  let broken: ReadonlySet<string> | null = null
  const isWhole = (kind: Kind): boolean => !(broken ??= brokenKinds(loaded)).has(kind)
  for (const code of codes) {
    const check = rules[code].check
    if (!check) continue
    for (const kind of Object.keys(check).filter(isKind)) {
      // A check is stored under the kind of resources that it takes.
      const own = check[kind] as (resource: Resource, context: RuleContext) => void
      let checked: Resource
      const context: RuleContext = {
        model,
        isWhole,
        strictPql: options.strictPql === true,
        report: (finding) => add({ resource: checked, ...finding, code }),
      }
      for (const resource of model.of(kind)) {
        checked = resource
        own(resource, context)
      }
    }
  }
  const { suites, findings } = readSuites(loaded.tests, model, exists)
  findings.forEach(add)
  const kept = sortDiagnostics(suppressed(withoutConsequences(diagnostics), loaded.resources))
  const faulty = new Set(
    kept
      .filter((diagnostic) => diagnostic.severity === 'error' && diagnostic.resource)
      .map((diagnostic) => nameOf(diagnostic.resource!)),
  )
  // Plans are made on demand: a caller that only checks needs none.
  let plans: readonly JobPlan[] | null = null
  return {
    diagnostics: [...(options.reading ?? []), ...kept],
    resources: loaded.resources,
    suites,
    model,
    count: loaded.count,
    get plans() {
      plans ??= plansOf(model, (resource) => !faulty.has(nameOf(resource)), session)
      return plans
    },
  }
}

/** Leaves out type faults of values that readers understand differently: such a value fits its place by one reading only. */
function withoutConsequences(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const placeOf = ({ file, span }: Diagnostic): string => `${file}:${span?.start}`
  const ambiguous = new Set(diagnostics.filter(({ code }) => code === 'ambiguous-scalar').map(placeOf))
  if (ambiguous.size === 0) return diagnostics
  return diagnostics.filter(
    (each) => !(each.code === 'wrong-type' || each.code === 'invalid-value') || !ambiguous.has(placeOf(each)),
  )
}

function withDiagnostics(compilation: Compilation, diagnostics: readonly Diagnostic[]): Compilation {
  if (diagnostics === compilation.diagnostics) return compilation
  const { resources, suites, model, count } = compilation
  return {
    diagnostics,
    resources,
    suites,
    model,
    count,
    get plans() {
      return compilation.plans
    },
  }
}

/** How many single fixes are tried one by one when all of them together bring something new; further ones are left to a person. */
const maxTries = 20

/** A safe fix is safe only if the fixed text has no new finding: all are tried together, and one by one where that fails. */
function verifiedFixes(
  diagnostics: readonly Diagnostic[],
  sources: readonly Source[],
  options: CompileOptions,
  session: Session,
): readonly Diagnostic[] {
  const identity = ({ code, file, message }: Diagnostic): string => `${code} ${file} ${message}`
  const known = new Set(diagnostics.map(identity))
  const bringsNothingNew = (some: readonly Diagnostic[]): boolean => {
    const changed = new Map(applyFixes(sources, some, ['safe']).changed.map((source) => [source.file, source]))
    const fixed = sources.map((source) => changed.get(source.file) ?? source)
    const { diagnostics: after } = compileLoaded(loadSources(fixed, session), options, session)
    return after.every((diagnostic) => known.has(identity(diagnostic)))
  }
  const claimed = diagnostics.filter(({ fixes }) => fixes.some(({ safety }) => safety === 'safe'))
  if (claimed.length === 0 || bringsNothingNew(claimed)) return diagnostics
  const safe = new Set(claimed.slice(0, maxTries).filter((diagnostic) => bringsNothingNew([diagnostic])))
  return diagnostics.map((diagnostic) =>
    safe.has(diagnostic)
      ? diagnostic
      : {
          ...diagnostic,
          fixes: diagnostic.fixes.map((fix) => ({ ...fix, safety: fix.safety === 'safe' ? 'review' : fix.safety })),
        },
  )
}

/** The kinds that have a resource which is not well-formed. */
function brokenKinds({ names, resources }: Loaded): ReadonlySet<string> {
  if (names.size === resources.length) return new Set()
  const wellFormed = new Set(resources.map(nameOf))
  return new Set([...names].filter(([key]) => !wellFormed.has(key)).map(([key]) => key.split('/')[0]!))
}

function nameOf(resource: { readonly kind: string; readonly namespace: string; readonly name: string }): string {
  return `${resource.kind}/${resource.namespace}/${resource.name}`
}

function diagnosticOf(finding: LinkFinding, severity: Severity): Diagnostic {
  const { resource } = finding
  return {
    code: finding.code,
    severity,
    message: finding.message,
    ...(finding.help === '' ? {} : { help: finding.help }),
    ...whyOf(finding),
    ...placeOf(resource, finding),
    related: (finding.related ?? []).map((related) => ({
      ...placeOf(related.resource, related),
      message: related.message,
    })),
    fixes: (finding.fixes ?? []).flatMap((fix) => fixOf(resource, fix)),
    ...(finding.without && { without: finding.without }),
  }
}

/** The finding's own reason, or that of its guardrail; faults of form need none. */
function whyOf({ code, why }: LinkFinding): { why?: string } {
  if (why !== undefined) return { why }
  const { check, page } = rules[code]
  return check && page.source !== 'Convoke' ? { why: `${page.why} Source: ${page.source}.` } : {}
}

/** The edit that gives a field's text, or a range in it, a new value; none where that cannot be written safely. */
function fixOf(resource: Resource, fix: NonNullable<Finding['fixes']>[number]): Fix[] {
  const { origin } = resource
  const node = origin && nodeAt(origin.node, fix.path)?.value
  if (!origin || node?.kind !== 'scalar') return []
  const { file, text } = origin.source
  const whole = (value: string): Fix[] => [
    {
      title: fix.title,
      safety: fix.safety,
      edits: [{ file, start: node.start, end: node.end, text: editScalar(text, node, value) }],
    },
  ]
  if (!fix.range) return whole(fix.value)
  const value = String(node.value)
  const plainly = node.style === 'literal' || (node.style === 'plain' && !/: |:$| #|^[^\w"(]/.test(fix.value))
  if (!plainly || fix.value.includes('\n'))
    return whole(value.slice(0, fix.range.start) + fix.value + value.slice(fix.range.end))
  const range = textRangeOf(text, node)(fix.range.start, fix.range.end)
  return [{ title: fix.title, safety: fix.safety, edits: [{ file, ...range, text: fix.value }] }]
}

/** Leaves out warnings that a resource allows with a reason; an allowance without reason or effect is a finding itself. */
function suppressed(diagnostics: readonly Diagnostic[], resources: readonly AnyResource[]): Diagnostic[] {
  const left = new Set(diagnostics)
  let byResource: ReadonlyMap<string, readonly Diagnostic[]> | null = null
  const added: Diagnostic[] = []
  for (const resource of resources) {
    const annotation = resource.metadata.annotations?.[annotations.allow]
    if (annotation === undefined) continue
    let offset = 0
    for (const line of annotation.split('\n')) {
      const start = offset
      offset += line.length + 1
      const written = line.trim()
      if (written === '') continue
      const [, code = '', reason = ''] = /^([^:\s]+)\s*:?\s*(.*)$/.exec(written) ?? []
      const from = start + line.indexOf(written)
      const path = ['metadata', 'annotations', annotations.allow]
      const say = (finding: { code: Code; message: string; help: string }): void => {
        added.push(
          diagnosticOf(
            {
              ...finding,
              resource: resource as unknown as Resource,
              path,
              range: { start: from, end: from + code.length },
            },
            rules[finding.code].severity,
          ),
        )
      }
      byResource ??= Map.groupBy(diagnostics, (diagnostic) => (diagnostic.resource ? nameOf(diagnostic.resource) : ''))
      const own = (byResource.get(nameOf(resource)) ?? []).filter(
        (diagnostic) => diagnostic.code === code && left.has(diagnostic),
      )
      if (reason === '')
        say({
          code: 'unexplained-suppression',
          message: `\`${code}\` is allowed without a reason`,
          help: `Write \`${code}: reason\`, for whoever reads it next year.`,
        })
      else if (isMeasuredCode(code))
        continue // a Run reports it, or not
      else if (own.length === 0) {
        const near = nearest(code, codes)
        const known = codes.some((each) => each === code)
        say({
          code: 'unused-suppression',
          message: `\`${code}\` is allowed here but nothing reports it`,
          help: known || near.length === 0 ? 'Remove the line.' : `Did you mean \`${near[0]}\`?`,
        })
      } else if (own.some((diagnostic) => diagnostic.severity === 'error'))
        say({
          code: 'unused-suppression',
          message: `\`${code}\` is an error, and only warnings can be allowed`,
          help: 'Correct it, or have the platform team raise the limit in the CampaignInstance.',
        })
      else for (const diagnostic of own) left.delete(diagnostic)
    }
  }
  return [...left, ...added]
}
