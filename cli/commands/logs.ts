import { stepNames } from '#crds'
import { type Command, choice, text, UsageError } from '../command.ts'
import { clusterOptions } from '../kubernetes.ts'
import { reportFile, reportOption } from '../report-file.ts'

export const command: Command = {
  summary: "What the Pods of a Run said, and its steps' reports",
  operands: ['RUN', 'NOTHING'],
  usage: 'logs RUN [--step STEP] [-f] [--report FILE]',
  description:
    'The log of every Pod of the Run, step by step. The report at the end of a log is shown as a table. Where Pods are gone, what the Run\n' +
    'itself remembers of the step stands in their place.',
  options: {
    ...clusterOptions,
    step: { type: 'string', value: 'STEP', words: stepNames, help: `only this one: ${stepNames.join(', ')}` },
    follow: { type: 'boolean', short: 'f', help: 'until the Run is finished' },
    tail: { type: 'string', value: 'N', help: 'of each Pod only the last lines, so many' },
    timestamps: { type: 'boolean', help: 'when each line was written' },
    report: reportOption('writes what the Run did, and how its Segments stand, as a page to look at'),
    raw: { type: 'boolean', help: 'the lines of the report as they are' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      words: ['text', 'json'],
      help: 'text (default), or json: the reports alone',
    },
  },
  examples: [
    'convoke logs act-win-back-29935320',
    'convoke logs act-win-back-29935320 --step import -f',
    'convoke logs act-win-back-29935320 --report run.html',
  ],
  run: async ({ positionals, values, io }) => {
    const [given, ...more] = positionals
    if (given === undefined || more.length > 0) throw new UsageError('Name one Run.')
    const output = choice(values, 'output', ['text', 'json'])
    const follow = values['follow'] === true
    if (follow && output === 'json') throw new UsageError('-f is for text; -o json is one document at the end.')
    const step = text(values, 'step') === null ? null : choice(values, 'step', stepNames)
    const tail = text(values, 'tail')
    if (tail !== null && !/^\d+$/.test(tail)) throw new UsageError('--tail takes a whole number.')
    const page = reportFile(values, io)
    if (page !== null && step !== null) throw new UsageError('--report tells of the whole Run; leave out --step.')
    const [{ openCluster }, { existingRun }, { showLogs }] = await Promise.all([
      import('../kubernetes.ts'),
      import('../cluster/make-run.ts'),
      import('../cluster/logs.ts'),
    ])
    const cluster = await openCluster(values)
    const run = await existingRun(cluster, given, io)
    return showLogs(
      cluster,
      run.metadata.name,
      {
        page,
        tail: tail === null ? null : Number(tail),
        timestamps: values['timestamps'] === true,
        isRaw: values['raw'] === true,
        isDocument: output === 'json',
        step,
        follow,
      },
      io,
    )
  },
}
