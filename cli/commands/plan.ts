import { resolve } from 'node:path'
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
import type { AudienceDelta, KnownRecipients } from '#jobs'
import { type Command, choice, exitCodes, type Io, instant, text, texts, UsageError } from '../command.ts'
import { databasesOf } from '../databases.ts'
import { readRevision } from '../git.ts'
import { clusterOptions, openCluster, resourcesIn } from '../kubernetes.ts'
import { blockMarkdown, codeMarkdown, messageMarkdown, tableMarkdown } from '../markdown.ts'
import { painterOf } from '../paint.ts'
import { progressLine } from '../progress.ts'
import { compilePaths, readConfig, readSources } from '../sources.ts'
import { table } from '../table.ts'

export const command: Command = {
  summary: 'What applying these resources would change: resources, guardrail use, audiences',
  usage: 'plan PATH… [--against DIR|REV|cluster] [--volumes DIR] [--database INSTANCE=URL]',
  description:
    'Compares with a directory, a git revision (default: HEAD, where PATH is in a repository) or the cluster (default of `kubectl convoke plan`):\n' +
    "there with the namespaces of the files and the context's, in which resources that name none belong. With --volumes it also says who\n" +
    'would enter and leave each changed Segment, by the data of its ProfileStore; with --database how many of those who enter Campaign does not\n' +
    'know or has opted out.',
  options: {
    against: {
      type: 'string',
      value: 'WHAT',
      words: ['cluster'],
      help: 'a directory or file, a git revision, or `cluster`',
    },
    volumes: { type: 'string', value: 'DIR', help: 'a claim is the folder of its name there' },
    database: {
      type: 'string',
      multiple: true,
      value: 'INSTANCE=URL',
      help: "that CampaignInstance's PostgreSQL; read only",
    },
    secrets: { type: 'string', value: 'DIR', help: 'a secret key is the file NAME/KEY there' },
    at: { type: 'string', value: 'TIME', help: 'evaluation instant for the audiences (default: now)' },
    ...clusterOptions,
    namespace: {
      type: 'string',
      short: 'n',
      multiple: true,
      value: 'NS',
      help: 'of the cluster only these; what names none is in the first',
    },
    'all-namespaces': { type: 'boolean', short: 'A', help: 'of the cluster everything' },
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
    const options = readConfig(io).options
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
      : earlier(against, positionals, io, options)
    const plan = changePlan(before, after)
    const volumes = text(values, 'volumes')
    const secrets = text(values, 'secrets')
    const audiences =
      volumes === null
        ? []
        : await audiencesOf(
            plan,
            after,
            {
              volumes: resolve(io.cwd, volumes),
              secrets: secrets === null ? null : resolve(io.cwd, secrets),
              databases: databasesOf(texts(values, 'database')),
            },
            (instant(values, 'at') ?? io.now()).toISOString(),
            io,
          )
    const summary = {
      resources: after.count,
      errors: errors.length,
      added: countOf(plan, 'added'),
      changed: countOf(plan, 'changed'),
      removed: countOf(plan, 'removed'),
    }
    if (output === 'json') io.out(`${JSON.stringify({ ...plan, audiences, summary }, null, 2)}\n`)
    else io.out(output === 'markdown' ? markdown(plan, audiences, errors.length) : plain(plan, audiences, io))
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

type Audience = AudienceDelta & {
  readonly store: string /** CampaignInstance → what it makes of those who enter. */
  readonly campaign: Readonly<Record<string, KnownRecipients>>
}

type Surroundings = {
  readonly volumes: string
  readonly secrets: string | null
  readonly databases: ReadonlyMap<string, string>
}

/** Sizes of what is new or redefined, where the store's data is at hand; a store without data is said and passed over. */
async function audiencesOf(
  plan: ChangePlan,
  after: Compilation,
  places: Surroundings,
  now: string,
  io: Io,
): Promise<Audience[]> {
  const [{ audienceDeltas, countRecipients, JobError }, { portsFor }] = await Promise.all([
    import('#jobs'),
    import('../ports.ts'),
  ])
  const line = progressLine(io)
  using ports = portsFor({ ...places, scratchParent: null }, io, line.show)
  const audiences: Audience[] = []
  for (const { evaluate, store, target } of after.plans) {
    const wanted = new Set(
      plan.segments
        .filter(
          (segment) =>
            segment.change !== 'removed' && segment.namespace === target.namespace && segment.store === store?.name,
        )
        .map((segment) => segment.name),
    )
    if (!evaluate || !store || wanted.size === 0) continue
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
    try {
      const deltas = await audienceDeltas(store, evaluate.full, keys, now, ports)
      for (const delta of deltas.filter(({ segment }) => wanted.has(segment))) {
        const campaign: Record<string, KnownRecipients> = {}
        for (const { import: into, column } of keyOf(delta.segment)) {
          if (
            column.source !== keys.get(delta.segment) ||
            campaign[into.instance] ||
            !places.databases.has(into.instance)
          )
            continue
          campaign[into.instance] = await countRecipients(into, column.target, delta.enteredKeys, ports)
        }
        audiences.push({ ...delta, enteredKeys: [], store: store.name, campaign })
      }
    } catch (error) {
      line.clear()
      if (!(error instanceof JobError)) throw error
      io.err(`convoke plan: no audience sizes for ${store.name}: ${error.message}\n`)
    }
  }
  line.clear()
  return audiences
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

function audienceRows(plan: ChangePlan, audiences: readonly Audience[]): (string | number | null)[][] {
  const total = (audience: Audience, count: keyof KnownRecipients): number | null => {
    const known = Object.values(audience.campaign)
    return known.length === 0 ? null : known.reduce((sum, each) => sum + each[count], 0)
  }
  return audiences.map((audience) => [
    audience.segment,
    plan.segments.find((segment) => segment.name === audience.segment)?.change ?? '',
    audience.before,
    audience.after,
    audience.entered,
    audience.exited,
    total(audience, 'unknown'),
    total(audience, 'optedOut'),
  ])
}

function guardrailRows(plan: ChangePlan): (string | number | null)[][] {
  return plan.guardrails.map((use) => [`${use.kind} ${use.name}`, use.what, use.before, use.after, use.limit])
}

function plain(plan: ChangePlan, audiences: readonly Audience[], io: Io): string {
  const paint = painterOf(io)
  const colours = { added: paint.green, removed: paint.red, changed: paint.yellow } as const
  const parts: string[] = []
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
  if (audiences.length > 0) parts.push(table(audienceHeaders, audienceRows(plan, audiences)))
  if (plan.guardrails.length > 0)
    parts.push(table(['Guardrail', 'counts', 'before', 'after', 'limit'], guardrailRows(plan)))
  parts.push(headline(plan))
  return `${parts.join('\n\n')}\n`
}

function indented(mark: string, value: string): string[] {
  return value.split('\n').map((line, index) => `      ${index === 0 ? mark : '  '}${visible(line)}`)
}

function markdown(plan: ChangePlan, audiences: readonly Audience[], errors: number): string {
  const parts = [
    `### Convoke plan\n\n${errors > 0 ? `**${errors} ${errors === 1 ? 'error' : 'errors'}: nothing of this can be applied yet.** ` : ''}${headline(plan)}`,
  ]
  if (plan.breaking.length > 0)
    parts.push(
      `#### Take care\n\n${plan.breaking.map((each) => `- **${each.kind} ${codeMarkdown(each.name)}** ${messageMarkdown(each.message)}. ${messageMarkdown(each.help)}`).join('\n')}`,
    )
  const named = (rows: (string | number | null)[][]): (string | number | null)[][] =>
    rows.map(([name, ...rest]) => [codeMarkdown(String(name), true), ...rest])
  if (audiences.length > 0)
    parts.push(`#### Audiences\n\n${tableMarkdown(audienceHeaders, named(audienceRows(plan, audiences)))}`)
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
  if (plan.guardrails.length > 0)
    parts.push(
      `<details><summary>Guardrails</summary>\n\n${tableMarkdown(['', 'counts', 'before', 'after', 'limit'], named(guardrailRows(plan)))}\n\n</details>`,
    )
  return `${parts.join('\n\n')}\n`
}
