import {
  type Compilation,
  conditionsQuery,
  expressionQuery,
  expressionWaterfall,
  type NumberOf,
  numbersOf,
  type StoreModel,
  sweepOf,
  valuesAround,
} from '#compiler'
import { type Command, choice, exitCodes, type Io, instant, text, texts, UsageError } from '../command.ts'
import { expressionFindings, sayFindings } from '../expression-findings.ts'
import { compilePaths } from '../sources.ts'
import { volumesOption, whereabouts } from '../whereabouts.ts'

/** How many values of an attribute are shown; the others are counted. */
const mostValues = 20

export const command: Command = {
  summary: 'Size of an expression, what each of its conditions keeps, by an attribute; sample and cost',
  operands: ['NOTHING', 'PATH'],
  usage: 'query EXPR [PATH…] [--store STORE] [--by ATTRIBUTE] [--sweep NUMBER] [--overlap] [--volumes DIR] [--at TIME]',
  description:
    'Reads only. Segments named by inSegment count as they were at the last evaluation. The cost is what the query reads and how long it took.\n' +
    '--sweep 30 or --sweep "30 days" says how many there would be with other numbers in that place, --sweep 30=14,60 with these.\n' +
    'The sample is profile ids; values of attributes stand beside them only where --attribute names these.',
  options: {
    store: { type: 'string', value: 'STORE', help: 'ProfileStore (default: the only one)' },
    volumes: volumesOption,
    at: { type: 'string', value: 'TIME', help: 'evaluation instant (default: now)' },
    by: { type: 'string', value: 'ATTRIBUTE', help: 'how many have which value of a profile attribute' },
    sample: { type: 'string', value: 'N', help: 'how many profile ids to show, 0 for none (default: 5)' },
    sweep: { type: 'string', value: 'NUMBER', help: 'with other values of that number of the expression' },
    overlap: { type: 'boolean', help: 'how many of them are in which Segments (-o json always has it)' },
    attribute: { type: 'string', multiple: true, value: 'ATTRIBUTE', help: 'of the sample, this attribute too' },
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['text', 'json'], help: 'text (default) or json' },
  },
  examples: [
    `convoke query 'loyalty.tier = "gold"' examples/minimal --volumes examples/minimal/volumes --at 2026-01-15T06:00:00Z`,
    `convoke query 'xEvent.count() >= 2 and not inSegment("gold-members")' . --by loyalty.tier`,
    `convoke query 'xEvent[timestamp occurs <= 30 days before now].count() >= 1' . --sweep '30 days=14,30,60' --sample 0 -o json`,
  ],
  run: async ({ positionals, values, io }) => {
    const [expression, ...paths] = positionals
    if (expression === undefined) throw new UsageError('Give an expression in quotes, then the paths of the resources.')
    const sampleSize = Number(text(values, 'sample') ?? 5)
    if (!Number.isInteger(sampleSize) || sampleSize < 0) throw new UsageError('--sample takes a whole number.')
    const at = (instant(values, 'at') ?? io.now()).toISOString()
    const isDocument = choice(values, 'output', ['text', 'json']) === 'json'
    const { input, compilation } = compilePaths(paths, io)
    const { columnsNamed, storeNamed, withStore } = await import('../store-at-hand.ts')
    const store = storeNamed(compilation, text(values, 'store'))
    const compiled = expressionQuery(expression, store, compilation.model)
    const findings = expressionFindings(expression, store, input, compilation, io)
    sayFindings(findings, expression, io)
    if (compiled.kind === 'faults' || findings.some(({ severity }) => severity === 'error')) {
      if (findings.length === 0) throw new UsageError('The expression does not compile.')
      return exitCodes.findings
    }
    const { query } = compiled
    const swept = numberSwept(text(values, 'sweep'), expression)
    const isOverlapAsked = isDocument || values['overlap'] === true
    const [{ countConditions, countShared, countValues, queryStore, valuesOf }, { phraseText }] = await Promise.all([
      import('#jobs'),
      import('#views'),
    ])
    return withStore(
      compilation,
      store,
      whereabouts(values, io),
      { command: 'query', io },
      async ({ open, plan, ports }) => {
        const shown = texts(values, 'attribute')
        await columnsNamed(plan, shown)
        const [by] = await columnsNamed(plan, texts(values, 'by'))
        const sweptCounts = async (): Promise<Found['sweep']> => {
          const { number, points } = sweepOf(expression, store, compilation.model, swept!.number, swept!.values)
          const conditions = points.map(({ condition }) => condition)
          const people = await countConditions(open, plan, conditionsQuery(conditions, store), at)
          return {
            number: number.text,
            value: number.value,
            unit: number.unit,
            points: points.map(({ value }, index) => ({ value, people: people[index] ?? 0 })),
          }
        }
        const answer = await queryStore(compiled.store, query, at, sampleSize, ports)
        const fall = expressionWaterfall(expression, store, compilation.model)
        const counts =
          fall && fall.steps.length > 1
            ? await countConditions(
                open,
                plan,
                conditionsQuery(
                  fall.steps.map(({ condition }) => condition),
                  store,
                ),
                at,
              )
            : fall
              ? [answer.members]
              : []
        const waterfall = {
          joint: fall?.joint ?? 'and',
          steps: (fall?.steps ?? []).map(({ phrase }, index) => ({
            words: phraseText(phrase),
            people: counts[index] ?? 0,
          })),
        }
        const overlap = isOverlapAsked
          ? (await countShared(open, plan, query, at, segmentsOf(store, compilation, open))).filter(
              ({ people }) => people > 0,
            )
          : null
        const sweep = swept && (await sweptCounts())
        const groups = by ? await countValues(open, plan, query, at, by) : null
        const attributes = shown.length > 0 ? await valuesOf(open, plan, answer.sample, shown) : null
        const reads = { profileColumns: query.profileColumns, eventColumns: query.eventColumns }
        const { sample, ...rest } = answer
        const found = {
          at,
          ...rest,
          sample,
          ...(attributes && {
            sampleAttributes: sample.map((id) =>
              Object.fromEntries(shown.map((path, index) => [path, attributes.get(id)?.[index] ?? null])),
            ),
          }),
          waterfall,
          ...(overlap && { overlap }),
          ...(sweep && { sweep }),
          ...(groups && { by: { attribute: by!.path, values: groups } }),
          reads,
        }
        if (isDocument) io.out(`${JSON.stringify(found, null, 2)}\n`)
        else io.out(await answerText(found, { store, shown, attributes }, io))
        return exitCodes.fine
      },
    )
  },
}

type Found = {
  readonly profiles: number
  readonly members: number
  readonly sample: readonly string[]
  readonly seconds: number
  readonly waterfall: {
    readonly joint: 'and' | 'or'
    readonly steps: readonly { readonly words: string; readonly people: number }[]
  }
  readonly by?: {
    readonly attribute: string
    readonly values: readonly { readonly value: string | null; readonly people: number }[]
  }
  /** Segments that have some of them at their last evaluation, most first. */
  readonly overlap?: readonly { readonly segment: string; readonly people: number }[]
  readonly sweep?: {
    readonly number: string
    readonly value: number
    readonly unit: string | null
    readonly points: readonly { readonly value: number; readonly people: number }[]
  }
  readonly reads: { readonly profileColumns: readonly string[]; readonly eventColumns: readonly string[] }
}

/** The Segments of a store that were evaluated. */
function segmentsOf(
  store: StoreModel,
  { model }: Compilation,
  { membership }: { readonly membership: { readonly segments: readonly { readonly segment: string }[] } | null },
): readonly string[] {
  const known = new Set(membership?.segments.map(({ segment }) => segment))
  return model.segments
    .filter((segment) => segment.store === store && known.has(segment.resource.name))
    .map(({ resource }) => resource.name)
}

const mostPoints = 50

/** A number of the expression with other values for it: `30`, `30 days`, `30 days=14,60`. */
function numberSwept(
  given: string | null,
  expression: string,
): { readonly number: NumberOf; readonly values: readonly number[] } | null {
  if (given === null) return null
  const [written = '', listed] = given.split('=')
  const wanted = written.trim().replaceAll(/\s+/g, ' ')
  const numbers = numbersOf(expression)
  const number =
    numbers.find(({ text: each }) => each === wanted) ??
    numbers.find(({ value }) => wanted !== '' && value === Number(wanted))
  if (!number)
    throw new UsageError(
      numbers.length === 0
        ? 'The expression has no number to be swept.'
        : `--sweep takes a number of the expression: ${numbers.map(({ text: each }) => each).join(', ')}.`,
    )
  const values =
    listed === undefined ? valuesAround(number) : listed.split(',').map((each) => Number(each.trim() || '-'))
  if (values.some((value) => !Number.isFinite(value) || value < 0) || values.length > mostPoints)
    throw new UsageError(
      `After \`=\` --sweep takes up to ${mostPoints} numbers with commas between: \`30 days=14,60\`.`,
    )
  return { number, values }
}

async function answerText(
  { profiles, members, sample, seconds, waterfall, by, overlap, sweep, reads }: Found,
  {
    store,
    shown,
    attributes,
  }: {
    readonly store: StoreModel
    readonly shown: readonly string[]
    readonly attributes: ReadonlyMap<string, readonly (string | null)[]> | null
  },
  io: Io,
): Promise<string> {
  const [{ table }, { barRows }] = await Promise.all([import('../table.ts'), import('../bars.ts')])
  const share = profiles === 0 ? 0 : (100 * members) / profiles
  const parts = [
    `${members.toLocaleString('en')} of ${profiles.toLocaleString('en')} profiles (${share.toFixed(1)} %) in ${seconds.toFixed(2)} s`,
  ]
  if (waterfall.steps.length > 1) {
    const and = waterfall.joint === 'and'
    parts.push(
      barRows(
        [
          ...(and ? [{ label: `all of ${store.resource.name}`, value: profiles }] : []),
          ...waterfall.steps.map(({ words, people }, index) => ({
            label: index === 0 ? words : `${waterfall.joint} ${words}`,
            value: people,
          })),
        ],
        io.columns,
      ),
    )
  }
  if (by) {
    const head = by.values.slice(0, mostValues)
    const rest = by.values.slice(mostValues)
    parts.push(
      `by ${by.attribute}\n${barRows(
        [
          ...head.map(({ value, people }) => ({ label: value ?? '(absent)', value: people })),
          ...(rest.length > 0
            ? [{ label: `${rest.length} others`, value: rest.reduce((sum, { people }) => sum + people, 0) }]
            : []),
        ],
        io.columns,
      )}`,
    )
  }
  if (sweep) {
    const words = / .*/.exec(sweep.number)?.[0] ?? ''
    parts.push(
      `if it said another number than ${sweep.number}\n${barRows(
        sweep.points.map(({ value, people }) => ({ label: `${value}${words}`, value: people })),
        io.columns,
      )}`,
    )
  }
  if (overlap)
    parts.push(
      overlap.length === 0
        ? 'none of them is in a Segment'
        : `also in\n${barRows(
            overlap.slice(0, mostValues).map(({ segment, people }) => ({ label: segment, value: people })),
            io.columns,
          )}`,
    )
  const columns = [...reads.profileColumns, ...reads.eventColumns.map((path) => `xEvent.${path}`)]
  parts.push(`reads ${columns.join(', ') || 'no column'}`)
  if (attributes && sample.length > 0)
    parts.push(
      table(
        ['for example', ...shown],
        sample.map((id) => [id, ...(attributes.get(id) ?? [])]),
      ),
    )
  else if (sample.length > 0) parts.push(`for example ${sample.join(', ')}`)
  const [first, ...more] = parts
  // The short form has three lines.
  return `${more.length > 2 || more.some((part) => part.includes('\n')) ? parts.join('\n\n') : [first, ...more].join('\n')}\n`
}
