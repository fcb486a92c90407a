import {
  type ChangePlan,
  type Compilation,
  changePlan,
  compile,
  compileObjects,
  oneLine,
  renderText,
  summaryText,
  visible,
} from '#compiler'
import { type JobPlan, largeAudiencePercent, type StorePlan } from '#crds'
import type { KnownRecipients, Ports } from '#jobs'
import type { AudienceCount, ExpectedDelivery, PlanDocument, PlannedAudience, PlanWarning, RunDocument } from '#views'
import { type Command, choice, exitCodes, type Io, instant, text, texts, UsageError } from '../command.ts'
import { readRevision } from '../git.ts'
import { clusterOptions, openCluster, resourcesIn } from '../kubernetes.ts'
import { blockMarkdown, codeMarkdown, messageMarkdown, tableMarkdown } from '../markdown.ts'
import { painterOf } from '../paint.ts'
import { progressLine } from '../progress.ts'
import { projectName, reportFile, reportOption, writeReport } from '../report-file.ts'
import { compilePaths, readConfig, readSources } from '../sources.ts'
import { table } from '../table.ts'
import { type Whereabouts, whereabouts, whereOptions } from '../whereabouts.ts'

export const command: Command = {
  summary: 'What applying these resources would change: resources, guardrail use, audiences',
  usage: 'plan PATH… [--against DIR|REV|cluster] [--volumes DIR] [--workdir DIR] [--delivery] [--report FILE]',
  description:
    'Compares with a directory, a git revision (default: HEAD, where PATH is in a repository) or the cluster (default of `kubectl convoke plan`):\n' +
    "there with the namespaces of the files and the context's, in which resources that name none belong. With --volumes it also says who\n" +
    'would enter and leave each changed Segment, by the data of its ProfileStore; with --workdir also which next delivery the circuit breaker would\n' +
    'hold; with that or --database how many of those who enter Campaign does not know or has opted out.',
  options: {
    against: {
      type: 'string',
      value: 'WHAT',
      words: ['cluster'],
      help: 'a directory or file, a git revision, or `cluster`',
    },
    ...whereOptions,
    at: { type: 'string', value: 'TIME', help: 'evaluation instant for the audiences (default: now)' },
    delivery: {
      type: 'boolean',
      help: 'also what the next delivery of each Activation holds: files, rows, rejects; made for trial and sent to nobody',
    },
    ...clusterOptions,
    namespace: {
      type: 'string',
      short: 'n',
      multiple: true,
      value: 'NS',
      help: 'of the cluster only these; what names none is in the first',
    },
    'all-namespaces': { type: 'boolean', short: 'A', help: 'of the cluster everything' },
    report: reportOption('writes what the change does as a page to look at'),
    'detailed-exitcode': { type: 'boolean', help: 'exit code 3 where something changes' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      words: ['text', 'json', 'markdown'],
      help: 'text (default), json, or markdown for a pull-request comment',
    },
  },
  examples: [
    'convoke plan . --against origin/main -o markdown',
    'convoke plan examples/cdnow/resources --against examples/retail/resources',
    'convoke plan . --against cluster --detailed-exitcode',
    'convoke plan . --volumes volumes --workdir .convoke --delivery',
    'convoke plan . --against origin/main --volumes volumes --workdir .convoke --report plan.html',
  ],
  run: async ({ positionals, values, io }) => {
    const output = choice(values, 'output', ['text', 'json', 'markdown'])
    const against = text(values, 'against') ?? (io.program === 'kubectl convoke' ? 'cluster' : null)
    const namespaces = texts(values, 'namespace')
    const cluster = against === 'cluster' ? await openCluster({ ...values, namespace: namespaces[0] }) : null
    const { input, compilation: after } = compilePaths(positionals, io, cluster?.namespace)
    const errors = after.diagnostics.filter((diagnostic) => diagnostic.severity === 'error')
    if (after.diagnostics.length > 0)
      io.err(
        `${renderText(after.diagnostics, input.sources, { colour: io.colour, width: io.columns })}\n${summaryText(after.diagnostics, after.count)}\n`,
      )
    const config = readConfig(io)
    const { options } = config
    const before = cluster
      ? compileObjects(
          await resourcesIn(
            cluster,
            values['all-namespaces'] === true
              ? null
              : namespaces.length > 0
                ? namespaces
                : [...new Set([cluster.namespace, ...after.resources.map(({ namespace }) => namespace)])],
          ),
          options,
        )
      : earlier(against, positionals.length > 0 ? positionals : config.paths, io, options)
    const plan = changePlan(before, after)
    const at = instant(values, 'at') ?? io.now()
    const page = reportFile(values, io)
    const { planDocument, planReport } = await import('#views')
    const found = await audiencesOf(
      plan,
      before,
      after,
      { where: whereabouts(values, io), at, delivers: values['delivery'] === true },
      io,
    )
    const document = planDocument({
      plan,
      before,
      after,
      at,
      against: againstText(against, cluster !== null),
      ...found,
    })
    if (output === 'json') io.out(`${JSON.stringify(document, null, 2)}\n`)
    else
      io.out(
        output === 'markdown'
          ? markdown(document, document.audiences, errors.length)
          : plain(document, document.audiences, io),
      )
    const isWritten =
      page === null ||
      writeReport(
        page,
        planReport(document, { where: projectName(positionals.length > 0 ? positionals : config.paths, io) }),
        io,
      )
    if (!isWritten) return exitCodes.findings
    if (errors.length > 0) return exitCodes.findings
    return values['detailed-exitcode'] === true && plan.changes.length > 0 ? exitCodes.changes : exitCodes.fine
  },
}

function earlier(
  against: string | null,
  paths: readonly string[],
  io: Io,
  options: Parameters<typeof compile>[1],
): Compilation {
  const revision = readRevision(against ?? 'HEAD', paths, io)
  if (revision) return compile(revision, options)
  if (against === null) return compile([], options)
  try {
    return compile(readSources([against], io).sources, options)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    throw new UsageError(`\`${against}\` is neither a directory or file, nor a git revision here, nor \`cluster\`.`)
  }
}

/** Audience sizes of Segments that are new, redefined or newly delivered, where the store's data is at hand, and the present state. */
async function audiencesOf(
  plan: ChangePlan,
  before: Compilation,
  after: Compilation,
  { where, at, delivers }: { readonly where: Whereabouts; readonly at: Date; readonly delivers: boolean },
  io: Io,
): Promise<{
  readonly counts: readonly AudienceCount[] | null
  readonly known: RunDocument | null
  readonly gaps: readonly string[]
  readonly warnings: readonly PlanWarning[]
  readonly expected: readonly Omit<ExpectedDelivery, 'at'>[] | null
}> {
  const nothing = { counts: null, known: null, gaps: [], warnings: [], expected: null }
  if (where.volumes === null && delivers)
    throw new UsageError('--delivery makes files of the data; name them with --volumes DIR.')
  if (where.volumes === null) return nothing
  const [
    { lookAround },
    { consentChanged, runDocument, newlyDelivered },
    { deliveriesOf, evaluated, isChanged, trialOf, withOverlaps },
  ] = await Promise.all([import('../look-around.ts'), import('#views'), import('../plan-trial.ts')])
  const line = progressLine(io)
  const fresh = newlyDelivered(before, after)
  const otherwise = consentChanged(before, after)
  return lookAround(after, { where, at, isWhole: false, asksCampaign: true }, io, line, async (seen) => {
    const { knowledge, ports, baselinesOf } = seen!
    const known = runDocument({ compilation: after, at, outcomes: [], notices: [], knowledge })
    const counts: AudienceCount[] = []
    const gaps = [...knowledge.gaps]
    const warnings: PlanWarning[] = []
    const expected: Omit<ExpectedDelivery, 'at'>[] = []
    for (const job of after.plans) {
      const { evaluate, store, target } = job
      const isOther = evaluate && store ? isChanged(plan, job) : false
      const wanted = new Set([
        ...plan.segments
          .filter(
            (segment) =>
              segment.change !== 'removed' && segment.namespace === target.namespace && segment.store === store?.name,
          )
          .map((segment) => segment.name),
        ...(evaluate?.segments ?? [])
          .map(({ name }) => name)
          .filter((name) => [fresh, otherwise].some((some) => some.has(`${target.namespace}/${name}`))),
      ])
      if (!evaluate || !store || (wanted.size === 0 && !isOther && !delivers)) continue
      const asked = { job: { ...job, evaluate, store }, after, at, ports, baselinesOf }
      try {
        const { trial, ...found } = await trialOf(asked, isOther)
        using _ = trial
        warnings.push(...found.warnings)
        gaps.push(...found.gaps)
        const all = isOther ? new Set(evaluate.segments.map(({ name }) => name)) : wanted
        const own = { evaluate, store: trial.store, target }
        const changed =
          all.size === 0
            ? []
            : (await countsOf(after, own, all, at, trial.ports)).filter(
                ({ segment, entered, exited, before: known }) =>
                  wanted.has(segment) || entered + exited > 0 || known === null,
              )
        const failed = await evaluated(asked, trial)
        if (failed !== null) gaps.push(failed)
        counts.push(...(failed === null ? await withOverlaps(changed, trial) : changed))
        if (delivers && failed === null) {
          const next = await deliveriesOf(asked, trial)
          expected.push(...next.expected)
          gaps.push(...next.gaps)
        }
      } catch (error) {
        line.clear()
        if (!(error instanceof (await import('#jobs')).JobError)) throw error
        gaps.push(`No audience sizes for ${store.name}: ${error.message}`)
        io.err(`convoke plan: no audience sizes for ${store.name}: ${error.message}\n`)
      }
    }
    line.clear()
    return { counts, known, gaps: [...new Set(gaps)], warnings, expected: delivers ? expected : null }
  })
}

type Evaluated = {
  readonly evaluate: NonNullable<JobPlan['evaluate']>
  readonly store: StorePlan
  readonly target: JobPlan['target']
}

async function countsOf(
  after: Compilation,
  { evaluate, store, target }: Evaluated,
  wanted: ReadonlySet<string>,
  at: Date,
  ports: Ports,
): Promise<AudienceCount[]> {
  const { audienceDeltas, countRecipients } = await import('#jobs')
  const exports = after.plans.flatMap((each) =>
    each.export && each.import && each.target.namespace === target.namespace && each.store?.name === store.name
      ? [{ export: each.export, import: each.import }]
      : [],
  )
  const keyOf = (segment: string) =>
    exports.flatMap((each) =>
      each.export.segments.some(({ name }) => name === segment)
        ? each.export.columns.filter((column) => column.deduplicationKey).map((column) => ({ ...each, column }))
        : [],
    )
  const keys = new Map(
    [...wanted].flatMap((segment) =>
      keyOf(segment)
        .slice(0, 1)
        .map(({ column }) => [segment, column.source] as const),
    ),
  )
  const counts: AudienceCount[] = []
  for (const { enteredKeys, ...delta } of await audienceDeltas(
    store,
    evaluate.full,
    keys,
    after.plans.flatMap((each) =>
      each.export && each.target.namespace === target.namespace && each.store?.name === store.name ? [each.export] : [],
    ),
    at.toISOString(),
    ports,
  )) {
    if (!wanted.has(delta.segment)) continue
    const campaign: Record<string, KnownRecipients> = {}
    for (const { import: into, column } of keyOf(delta.segment)) {
      if (column.source !== keys.get(delta.segment) || campaign[into.instance]) continue
      if (ports.database(into.instance) === null) continue
      campaign[into.instance] = await countRecipients(into, column.target, enteredKeys, ports)
    }
    counts.push({ ...delta, namespace: target.namespace, store: store.name, campaign })
  }
  return counts
}

function againstText(against: string | null, isCluster: boolean): string {
  return isCluster ? 'the cluster' : (against ?? 'HEAD')
}

function countOf(plan: ChangePlan, change: string): number {
  return plan.changes.filter((each) => each.change === change).length
}

const marks = { added: '+', removed: '-', changed: '~' } as const

function headline(plan: ChangePlan): string {
  if (plan.changes.length === 0) return 'No changes.'
  return `${countOf(plan, 'added')} to add, ${countOf(plan, 'changed')} to change, ${countOf(plan, 'removed')} to remove.`
}

const audienceHeaders = [
  'Segment',
  'change',
  'members',
  'after',
  'enter',
  'leave',
  'not in Campaign',
  'opted out',
] as const

function audienceRows(audiences: readonly PlannedAudience[]): (string | number | null)[][] {
  const total = (audience: PlannedAudience, count: keyof KnownRecipients): number | null => {
    const known = Object.values(audience.campaign)
    return known.length === 0 ? null : known.reduce((sum, each) => sum + each[count], 0)
  }
  return audiences.map((audience) => [
    audience.segment,
    audience.change,
    audience.before,
    audience.after,
    audience.entered,
    audience.exited,
    total(audience, 'unknown'),
    total(audience, 'optedOut'),
  ])
}

/** Next deliveries that a circuit breaker would hold, as sentences. */
function heldLines(audiences: readonly PlannedAudience[]): readonly string[] {
  return audiences.flatMap(({ segment, deliveries }) =>
    deliveries.flatMap(({ activation, held, list }) =>
      held === null
        ? []
        : [
            held.direction === 'empty'
              ? `${segment} would have nobody any more: ${activation} would hold it.`
              : `${segment}: ${held.people} would ${held.direction === 'exited' ? 'leave' : 'join'}${list === null ? '' : ` a list of ${list}`}, ${held.percent} %; ${activation} lets ${held.limit} % and would hold it.`,
          ],
    ),
  )
}

/** Who is left out of next deliveries for lack of consent, as sentences. */
function consentLines(audiences: readonly PlannedAudience[]): readonly string[] {
  return audiences.flatMap(({ segment, after, deliveries }) =>
    deliveries.flatMap(({ activation, withoutConsent }) =>
      withoutConsent === null || withoutConsent === 0
        ? []
        : [`${segment}: ${activation} leaves out ${withoutConsent} of ${after}, who may not be sent.`],
    ),
  )
}

function guardrailRows(plan: ChangePlan): (string | number | null)[][] {
  return plan.guardrails.map((use) => [`${use.kind} ${use.name}`, use.what, use.before, use.after, use.limit])
}

/** What an ingest would say, audiences that are too large, and what is not known, as sentences. */
function warningLines({ warnings, gaps, audiences }: PlanDocument): readonly string[] {
  return [
    ...warnings.map(({ code, message }) => `${message}${code === '' ? '' : ` (${code})`}`),
    ...audiences
      .filter(({ isLarge }) => isLarge)
      .map(
        ({ segment, after }) =>
          `${segment} would have ${after} members, more than ${largeAudiencePercent} % of all profiles (large-audience).`,
      ),
    ...gaps,
  ]
}

const deliveryHeaders = [
  'Activation',
  'Segment',
  'next',
  'files',
  'realized',
  'exited',
  'left out',
  'rejects',
  'held',
] as const

function deliveryRows(expected: readonly ExpectedDelivery[]): (string | number | null)[][] {
  return expected.map((each) => [
    each.activation,
    each.segment,
    each.at,
    each.files.length,
    each.realized,
    each.exited,
    each.leftOut,
    each.rejects,
    each.held === null ? '' : each.files.length > 0 ? 'entries' : 'all',
  ])
}

/** Where a changed audience goes and what else its people are in, as sentences. */
function reachLines(audiences: readonly PlannedAudience[]): readonly string[] {
  return audiences.flatMap(({ segment, deliveries, overlaps = [] }) => [
    ...deliveries.map(
      ({ activation, rows, isFirst, at, latency }) =>
        `${segment} → ${activation}: about ${rows} ${rows === 1 ? 'row' : 'rows'}${isFirst ? ' in full' : ''}${at === null ? '' : ` at ${at}`}${latency === null ? '' : `; from an event to Campaign up to ${latency}`}.`,
    ),
    ...(overlaps.length > 0
      ? [`${segment} shares ${overlaps.map((each) => `${each.people} with ${each.segment}`).join(', ')}.`]
      : []),
  ])
}

/** One line where nothing changed and nothing else was asked for. */
function plain(plan: PlanDocument, audiences: readonly PlannedAudience[], io: Io): string {
  const paint = painterOf(io)
  const colours = { added: paint.green, removed: paint.red, changed: paint.yellow } as const
  const parts: string[] = []
  if (plan.changes.length === 0 && plan.expected === null) return `${headline(plan)}\n`
  if (plan.changes.length > 0) {
    parts.push(
      plan.changes
        .flatMap((change) => [
          colours[change.change](`${marks[change.change]} ${change.kind} ${visible(change.name)}`),
          ...change.fields.flatMap((field) => [
            `    ${visible(field.path)}`,
            ...(field.before === null ? [] : indented('- ', field.before)),
            ...(field.after === null ? [] : indented('+ ', field.after)),
          ]),
        ])
        .join('\n'),
    )
  }
  if (plan.breaking.length > 0)
    parts.push(
      [
        'Take care:',
        ...plan.breaking.map(
          (each) => `! ${each.kind} ${oneLine(`${each.name} ${each.message}`)}.\n    ${oneLine(each.help)}`,
        ),
      ].join('\n'),
    )
  if (audiences.length > 0) parts.push(table(audienceHeaders, audienceRows(audiences)))
  const reached = reachLines(audiences)
  if (reached.length > 0) parts.push(reached.map((line) => oneLine(line)).join('\n'))
  const warned = warningLines(plan)
  if (warned.length > 0) parts.push(warned.map((line) => paint.yellow(`! ${oneLine(line)}`)).join('\n'))
  if (plan.expected) parts.push(table(deliveryHeaders, deliveryRows(plan.expected)))
  const held = heldLines(audiences)
  if (held.length > 0) parts.push(held.map((line) => paint.yellow(`! ${oneLine(line)}`)).join('\n'))
  const withheld = consentLines(audiences)
  if (withheld.length > 0) parts.push(withheld.map((line) => oneLine(line)).join('\n'))
  if (plan.guardrails.length > 0 && plan.changes.length > 0)
    parts.push(table(['Guardrail', 'counts', 'before', 'after', 'limit'], guardrailRows(plan)))
  parts.push(headline(plan))
  return `${parts.join('\n\n')}\n`
}

function indented(mark: string, value: string): string[] {
  return value.split('\n').map((line, index) => `      ${index === 0 ? mark : '  '}${visible(line)}`)
}

function markdown(plan: PlanDocument, audiences: readonly PlannedAudience[], errors: number): string {
  const parts = [
    `### Convoke plan\n\n${errors > 0 ? `**${errors} ${errors === 1 ? 'error' : 'errors'}: nothing of this can be applied yet.** ` : ''}${headline(plan)}`,
  ]
  if (plan.breaking.length > 0)
    parts.push(
      `#### Take care\n\n${plan.breaking.map((each) => `- **${each.kind} ${codeMarkdown(each.name)}** ${messageMarkdown(each.message)}. ${messageMarkdown(each.help)}`).join('\n')}`,
    )
  const held = heldLines(audiences)
  if (held.length > 0)
    parts.push(`#### Would be held\n\n${held.map((line) => `- ${messageMarkdown(line)}`).join('\n')}`)
  const withheld = consentLines(audiences)
  if (withheld.length > 0)
    parts.push(`#### Left out for consent\n\n${withheld.map((line) => `- ${messageMarkdown(line)}`).join('\n')}`)
  const warned = warningLines(plan)
  if (warned.length > 0) parts.push(`#### Warnings\n\n${warned.map((line) => `- ${messageMarkdown(line)}`).join('\n')}`)
  const named = (rows: (string | number | null)[][]): (string | number | null)[][] =>
    rows.map(([name, ...rest]) => [codeMarkdown(String(name), true), ...rest])
  if (audiences.length > 0)
    parts.push(`#### Audiences\n\n${tableMarkdown(audienceHeaders, named(audienceRows(audiences)))}`)
  const reached = reachLines(audiences)
  if (reached.length > 0) parts.push(reached.map((line) => `- ${messageMarkdown(line)}`).join('\n'))
  if (plan.expected)
    parts.push(`#### Next deliveries\n\n${tableMarkdown(deliveryHeaders, named(deliveryRows(plan.expected)))}`)
  if (plan.changes.length > 0) {
    const lines = plan.changes.flatMap((change) => [
      `${marks[change.change] === '~' ? '!' : marks[change.change]} ${change.kind} ${change.name}`,
      ...change.fields.flatMap((field) => [
        `  ${field.path}`,
        ...(field.before ?? '')
          .split('\n')
          .filter(Boolean)
          .map((line) => `-   ${line}`),
        ...(field.after ?? '')
          .split('\n')
          .filter(Boolean)
          .map((line) => `+   ${line}`),
      ]),
    ])
    parts.push(`<details><summary>Resources</summary>\n\n${blockMarkdown(lines, 'diff')}\n\n</details>`)
  }
  if (plan.guardrails.length > 0 && plan.changes.length > 0)
    parts.push(
      `<details><summary>Guardrails</summary>\n\n${tableMarkdown(['', 'counts', 'before', 'after', 'limit'], named(guardrailRows(plan)))}\n\n</details>`,
    )
  return `${parts.join('\n\n')}\n`
}
