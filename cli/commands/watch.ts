import { relative, resolve } from 'node:path'
import { type Command, text, UsageError } from '../command.ts'
import { workdirOption } from '../whereabouts.ts'
import { command as status, watch } from './status.ts'

const { watch: _, output: __, ...options } = status.options

export const command: Command = {
  summary: 'What needs attention and what runs, in the cluster or in a work directory, drawn again and again',
  operands: ['KIND/NAME'],
  usage: 'watch [KIND | KIND/NAME]… [-n NS | -A]  |  watch --workdir DIR [PATH…]',
  description:
    'The screen of `convoke status` every two seconds, until Ctrl-C. It takes a terminal. With --workdir it is about this machine: what is due,\n' +
    'what is held, and how the last run of each target went. It looks only, also while `convoke run` works there.',
  options: {
    ...options,
    workdir: { ...workdirOption, help: 'what `convoke run` remembers: that, and not the cluster' },
  },
  examples: [
    'convoke watch',
    'convoke watch -A',
    'convoke watch Activation/win-back',
    'convoke watch --workdir .convoke',
  ],
  run: async ({ positionals, values, io }) => {
    const given = text(values, 'workdir')
    if (given === null) return status.run({ positionals, values: { ...values, watch: true }, io })
    const there = ['kubeconfig', 'context', 'namespace', 'all-namespaces'].find((name) => values[name] !== undefined)
    if (there !== undefined)
      throw new UsageError(`--workdir is about this machine, --${there} about a cluster; give one of them.`)
    if (io.rows === null) throw new UsageError('watch draws on a terminal; `convoke run -o json` is for programs.')
    const workdir = resolve(io.cwd, given)
    const [{ compilePaths }, { localScreen }, { readWorkState }] = await Promise.all([
      import('../sources.ts'),
      import('../local-screen.ts'),
      import('../work-directory.ts'),
    ])
    const place = relative(io.cwd, workdir) || '.'
    return watch(async () => {
      const { compilation } = compilePaths(positionals, io)
      return localScreen(compilation, readWorkState(workdir), { now: io.now(), place }, io)
    }, io)
  },
}
