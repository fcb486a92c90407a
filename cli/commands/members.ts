import { readFileSync, renameSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Command, choice, exitCodes, text, texts, UsageError } from '../command.ts'
import { compilePaths } from '../sources.ts'
import { volumesOption, whereabouts } from '../whereabouts.ts'

const shownRows = 100

export const command: Command = {
  summary: 'Who is in a Segment, by the last evaluation: profile ids, and attributes that are named',
  operands: ['SEGMENT', 'PATH'],
  usage: 'members SEGMENT [PATH…] [--attribute PATH]… [--format csv|parquet|json] [--volumes DIR]',
  description:
    'Prints profile ids and since when each is a member; other attributes only where --attribute names them. Without --format a table of the\n' +
    'first ones; with it all of them, on standard output or into --out FILE.',
  options: {
    attribute: {
      type: 'string',
      multiple: true,
      value: 'ATTRIBUTE',
      help: 'a profile attribute to show, for example loyalty.tier',
    },
    format: {
      type: 'string',
      value: 'FORMAT',
      words: ['csv', 'parquet', 'json'],
      help: 'all members as csv, parquet or json',
    },
    out: { type: 'string', value: 'FILE', help: 'where they go (default: standard output)' },
    limit: { type: 'string', value: 'N', help: `rows of the table (default: ${shownRows})` },
    volumes: volumesOption,
  },
  examples: [
    'convoke members gold-members examples/minimal --volumes examples/minimal/volumes',
    'convoke members gold-members . --attribute loyalty.tier --format csv --out gold.csv',
  ],
  run: async ({ positionals, values, io }) => {
    const [name, ...paths] = positionals
    if (name === undefined) throw new UsageError('Name a Segment.')
    const format = text(values, 'format') === null ? null : choice(values, 'format', ['csv', 'parquet', 'json'])
    const out = text(values, 'out')
    if (out !== null && format === null)
      throw new UsageError('--out takes all members in a format: give --format csv, parquet or json.')
    if (format === 'parquet' && out === null) throw new UsageError('Parquet is no text: give a file with --out FILE.')
    const limit = Number(text(values, 'limit') ?? shownRows)
    if (!Number.isInteger(limit) || limit < 0) throw new UsageError('--limit takes a whole number.')
    const { compilation } = compilePaths(paths, io)
    const [
      { columnsNamed, neededSegment, withStore },
      { readMembers, writeMembers },
      { count, counted, fullTime },
      { table },
    ] = await Promise.all([import('../store-at-hand.ts'), import('#jobs'), import('#views'), import('../table.ts')])
    const { store, resource } = await neededSegment(compilation, name)
    return withStore(
      compilation,
      store,
      whereabouts(values, io),
      { command: 'members', io },
      async ({ open, plan, ports }) => {
        const attributes = await columnsNamed(plan, texts(values, 'attribute'))
        const asked = { segment: resource.name, attributes }
        if (format !== null) {
          const part = out === null ? join(ports.scratch, 'members') : `${resolve(io.cwd, out)}.part`
          const people = await writeMembers(open, asked, format, part)
          if (out === null) io.document(readFileSync(part, 'utf8'))
          else {
            renameSync(part, resolve(io.cwd, out))
            io.err(`${counted(people, 'member')} in ${out}\n`)
          }
          return exitCodes.fine
        }
        const { total, members } = await readMembers(open, asked, limit)
        const evaluatedAt = open.membership?.segments.find(({ segment }) => segment === resource.name)?.evaluatedAt
        if (members.length > 0)
          io.out(
            `${table(
              ['profile', 'since', ...attributes.map(({ path }) => path)],
              members.map(({ profile, since, values: own }) => [profile, since.slice(0, 16).replace('T', ' '), ...own]),
            )}\n\n`,
          )
        const more = total > members.length ? `, of whom ${count(members.length)} are shown` : ''
        io.out(`${counted(total, 'member')}${more}, as of ${fullTime(evaluatedAt ?? '')}\n`)
        return exitCodes.fine
      },
    )
  },
}
