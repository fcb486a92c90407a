import { type Command, choice, exitCodes, instant, text, UsageError } from '../command.ts'
import { compilePaths } from '../sources.ts'
import { volumesOption, whereabouts } from '../whereabouts.ts'

export const command: Command = {
  summary: "A Segment's size, entries and exits over time; or when a person entered and left Segments",
  operands: ['SEGMENT', 'PATH'],
  usage: 'history SEGMENT|PROFILE [PATH…] [--store STORE] [--days N] [--volumes DIR]',
  description:
    'What no Segment is called is a person: a value of the primary identity, or Namespace:VALUE of any. As far back as the store remembers.\n' +
    'Reads only.',
  options: {
    store: { type: 'string', value: 'STORE', help: 'of a person: ProfileStore (default: the only one)' },
    days: { type: 'string', value: 'N', help: 'of a Segment: days back from the last evaluation (default: 31)' },
    volumes: volumesOption,
    at: { type: 'string', value: 'TIME', help: 'nothing after this instant (default: everything)' },
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['text', 'json'], help: 'text (default) or json' },
  },
  examples: [
    'convoke history lapsed-buyers examples/minimal --volumes examples/minimal/volumes',
    'convoke history C1 examples/minimal --volumes examples/minimal/volumes',
  ],
  run: async ({ positionals, values, io }) => {
    const [given, ...paths] = positionals
    if (given === undefined) throw new UsageError('Name a Segment or a person.')
    const isDocument = choice(values, 'output', ['text', 'json']) === 'json'
    const days = Number(text(values, 'days') ?? 31)
    if (!Number.isInteger(days) || days < 1) throw new UsageError('--days takes a whole number of days.')
    const until = instant(values, 'at')
    const { compilation } = compilePaths(paths, io)
    const [
      { segmentNamed, storeNamed, withStore },
      { evaluationsOf, findPerson, transitionsOf },
      views,
      { table },
      { sparkText },
    ] = await Promise.all([
      import('../store-at-hand.ts'),
      import('#jobs'),
      import('#views'),
      import('../table.ts'),
      import('../spark.ts'),
    ])
    const segment = segmentNamed(compilation, given)
    const store = segment?.store ?? storeNamed(compilation, text(values, 'store'))
    const isSeen = (at: string): boolean => until === null || Date.parse(at) <= until.getTime()
    return withStore(
      compilation,
      store,
      whereabouts(values, io),
      { command: 'history', io },
      async ({ open, plan, ports }) => {
        if (segment) {
          const { name } = segment.resource
          let digest: string | null = null
          const rows = evaluationsOf(plan, { days }, ports).flatMap(({ evaluatedAt, segments }) => {
            const found = segments.find((each) => each.segment === name)
            if (!found || !isSeen(evaluatedAt)) return []
            const edited = digest !== null && digest !== found.digest
            digest = found.digest
            const { members, entered, exited } = found
            return [{ at: evaluatedAt, members, entered, exited, edited }]
          })
          if (isDocument) io.out(`${JSON.stringify({ segment: name, evaluations: rows }, null, 2)}\n`)
          else if (rows.length === 0) io.out(`${name} has not been evaluated yet.\n`)
          else {
            const line = sparkText(
              rows.map(({ members }) => members),
              Math.max(10, Math.min(60, io.columns - 20)),
            )
            if (line !== null) io.out(`${name}  ${line}  ${views.count(rows.at(-1)!.members)}\n\n`)
            io.out(
              `${table(
                ['evaluated', 'members', 'came', 'went', ''],
                rows.map(({ at, members, entered, exited, edited }, index) => [
                  at.slice(0, 16).replace('T', ' '),
                  members,
                  index === 0 && entered === members ? null : entered,
                  exited,
                  edited ? 'edited' : index === 0 && entered === members ? 'first evaluation' : '',
                ]),
              )}\n`,
            )
          }
          return exitCodes.fine
        }
        const search = await findPerson(plan, given, [], ports)
        if (search.kind === 'not one') {
          io.err(
            search.ids.length === 0
              ? `convoke history: \`${given}\` is neither a Segment there, nor anybody in ${plan.name}.\n`
              : `convoke history: ${search.ids.length} profiles of ${plan.name} have \`${given}\`: ${search.ids.slice(0, 5).join(', ')}.\n`,
          )
          return exitCodes.findings
        }
        const { id } = search.person
        const transitions = (await transitionsOf(open, id)).filter(({ at }) => isSeen(at))
        if (isDocument) io.out(`${JSON.stringify({ profile: id, store: plan.name, transitions }, null, 2)}\n`)
        else if (transitions.length === 0) io.out(`${id} has been in no Segment.\n`)
        else
          io.out(
            `${table(
              ['at', '', 'Segment'],
              transitions.map(({ at, change, segment: name }) => [
                at.slice(0, 16).replace('T', ' '),
                change === 'entered' ? 'came into' : 'left',
                name,
              ]),
            )}\n`,
          )
        return exitCodes.fine
      },
    )
  },
}
