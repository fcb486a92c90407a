import { type Command, choice, exitCodes, type Io, text, texts, UsageError } from '../command.ts'
import { compilePaths } from '../sources.ts'
import { neededVolumes, whereabouts, whereOptions } from '../whereabouts.ts'

export const command: Command = {
  summary: "What Campaign's database has: recipients, lists, rows that wait or were rejected",
  usage:
    'campaign [PATH…] [--list SEGMENT | --recipient KEY | --rejects] [--column NAME]… [--workdir DIR] [--volumes DIR]',
  description:
    'Of the embedded database of a work directory, or of the one that --database names. Reads only. Recipients are shown by their key; other\n' +
    'columns only where --column names them.',
  options: {
    instance: { type: 'string', value: 'INSTANCE', help: 'CampaignInstance (default: the only one)' },
    list: { type: 'string', value: 'SEGMENT', help: "who is on this Segment's list" },
    recipient: {
      type: 'string',
      value: 'KEY',
      help: 'the recipient with this key, and the lists it is on; parts of a key with commas between',
    },
    rejects: {
      type: 'boolean',
      help: 'rows that wait for their recipient, and why rows of the last files were rejected',
    },
    column: { type: 'string', multiple: true, value: 'NAME', help: 'a column of the recipients to show' },
    limit: { type: 'string', value: 'N', help: 'rows to show (default: 50)' },
    ...whereOptions,
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['text', 'json'], help: 'text (default) or json' },
  },
  examples: [
    'convoke campaign examples/minimal --workdir .work/minimal --volumes examples/minimal/volumes',
    'convoke campaign examples/minimal --workdir .work/minimal --volumes examples/minimal/volumes --recipient C1 --column loyalty_tier',
    'convoke campaign . --list gold-members',
  ],
  run: async ({ positionals, values, io }) => {
    const asked = ['list', 'recipient', 'rejects'].filter((name) => values[name] !== undefined)
    if (asked.length > 1) throw new UsageError(`Give one of --list, --recipient and --rejects, not ${asked.length}.`)
    const limit = Number(text(values, 'limit') ?? 50)
    if (!Number.isInteger(limit) || limit < 1) throw new UsageError('--limit takes a whole number.')
    const where = whereabouts(values, io)
    const volumes = neededVolumes(where)
    const { compilation } = compilePaths(positionals, io)
    const { plans } = compilation
    const imports = plans.filter((plan) => plan.import)
    const instances = [...new Set(imports.map((plan) => plan.import!.instance))]
    const given = text(values, 'instance')
    const instance = given ?? (instances.length === 1 ? instances[0]! : null)
    if (instance === null || !instances.includes(instance))
      throw new UsageError(
        instances.length === 0
          ? 'No Activation there imports into a database.'
          : `Name one CampaignInstance with --instance: ${instances.join(', ')}.`,
      )
    const own = imports.filter((plan) => plan.import!.instance === instance)
    const [
      { campaignDatabases },
      { portsFor },
      { isWorkDirectory },
      { openWorkDirectory },
      { progressLine },
      jobs,
      { isWaitingReason },
    ] = await Promise.all([
      import('../campaign-databases.ts'),
      import('../ports.ts'),
      import('../whereabouts.ts'),
      import('../work-directory.ts'),
      import('../progress.ts'),
      import('#jobs'),
      import('#views'),
    ])
    const { workdir, databases: named } = where
    if (!named.has(instance) && !isWorkDirectory(workdir))
      throw new UsageError(
        workdir === null
          ? `--workdir DIR is missing: the one of \`convoke run\`; or name the database of ${instance} with --database.`
          : `Nothing was run in \`${workdir}\` yet.`,
      )
    const line = progressLine(io)
    try {
      using work = named.has(instance) ? null : openWorkDirectory(workdir!, io.now)
      await using databases = work
        ? campaignDatabases({ plans, workdir: work.path, volumes, named, say: line.say, show: line.show })
        : null
      if (databases) {
        if (!databases.isThere(instance)) throw new UsageError(`Nothing was imported into ${instance} yet.`)
        await databases.open(own)
      }
      using ports = portsFor(
        { volumes, secrets: where.secrets, databases: databases?.urls ?? named, scratchParent: null },
        io,
        line.show,
      )
      const plan = own[0]!.import!
      const overview = await jobs.campaignOverview(plan, ports)
      line.clear()
      const columns = texts(values, 'column')
      for (const column of columns)
        if (!overview.columns.includes(column))
          throw new UsageError(
            `\`${column}\` is not a column of ${overview.table}; there are ${overview.columns.join(', ')}.`,
          )
      const isDocument = choice(values, 'output', ['text', 'json']) === 'json'
      const show = (found: object, words: () => string): number => {
        io.out(isDocument ? `${JSON.stringify({ instance, ...found }, null, 2)}\n` : `${words()}\n`)
        return exitCodes.fine
      }
      const { campaignText, listText, recipientText, rejectsText } = await import('../campaign-text.ts')
      const segment = text(values, 'list')
      if (segment !== null) {
        const list = overview.lists.find((each) => each.segment === segment)
        if (!list)
          throw new UsageError(
            `There is no list of \`${segment}\`; there are ${overview.lists.map((each) => each.segment).join(', ') || 'none'}.`,
          )
        const rows = await jobs.listedRecipients(plan, { segment, columns, most: limit }, ports)
        return show({ ...list, recipients: rows }, () => listText(list, rows, { key: overview.key, columns }))
      }
      const recipient = text(values, 'recipient')
      if (recipient !== null) {
        const key = overview.key.length === 1 ? [recipient] : recipient.split(',')
        if (key.length !== overview.key.length)
          throw new UsageError(`A key has ${overview.key.length} parts: ${overview.key.join(', ')}.`)
        const rows = await jobs.recipientsWithKey(plan, { key, columns }, ports)
        if (rows.length === 0) {
          io.err(`convoke campaign: ${overview.table} has no recipient with this key.\n`)
          return exitCodes.findings
        }
        return show({ recipients: rows }, () => recipientText(rows, { key: overview.key, columns }))
      }
      if (values['rejects'] === true) {
        const waiting = await jobs.waitingRows(plan, limit, ports)
        const rejected = (
          await Promise.all(
            own.map((each) =>
              jobs.rejectsOf(
                each.store!,
                each.import!,
                { files: overview.files.map(({ file }) => file), delimiter: each.export!.destination.file.delimiter },
                ports,
              ),
            ),
          )
        )
          .flat()
          .map(({ file, reasons }) => ({
            file,
            // Rows that wait are listed above, with their keys.
            reasons: Object.fromEntries([...reasons].filter(([reason]) => !isWaitingReason(reason))),
          }))
          .filter(({ reasons }) => Object.keys(reasons).length > 0)
        const once = [...new Map(rejected.map((each) => [each.file, each])).values()]
        return show({ waiting, rejected: once }, () => rejectsText(waiting, once, overview))
      }
      return show(overview, () => campaignText(overview))
    } catch (error) {
      return said(error, jobs.JobError, line.clear, io)
    }
  },
}

function said(error: unknown, fault: new (...args: never[]) => Error, clear: () => void, io: Io): number {
  clear()
  if (!(error instanceof fault)) throw error
  io.err(`convoke campaign: ${error.message}\n`)
  return exitCodes.findings
}
