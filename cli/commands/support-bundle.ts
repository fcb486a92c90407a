import { renameSync, writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { type Command, exitCodes, text, UsageError } from '../command.ts'
import { clusterOptions } from '../kubernetes.ts'

export const command: Command = {
  summary: 'All that a person who helps has to see, in one file: no secrets, nothing of anybody',
  operands: ['NOTHING'],
  usage: 'support-bundle [-n NS] [--file FILE]',
  description:
    "Versions, Convoke's resources with their statuses, what `status` says, Jobs, Pods, Events and the ends of their logs, the operator's too\n" +
    'where you may read them. Secrets and the contents of ConfigMaps are not read; texts in expressions, e-mail addresses, phone numbers, account\n' +
    "data, tokens and passwords are masked, as are the values of other tools' annotations. Look through it before you send it.",
  options: {
    ...clusterOptions,
    file: { type: 'string', value: 'FILE', help: 'where it is written (default: convoke-support-NS-TIME.tar.gz)' },
  },
  examples: ['convoke support-bundle -n marketing'],
  run: async ({ positionals, values, io }) => {
    if (positionals.length > 0)
      throw new UsageError(`support-bundle takes options only, not \`${positionals[0]}\`. A namespace is given by -n.`)
    const [{ openCluster }, { supportFiles }, { packed }] = await Promise.all([
      import('../kubernetes.ts'),
      import('../cluster/support.ts'),
      import('../tar.ts'),
    ])
    const cluster = await openCluster(values)
    const now = io.now()
    const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '')
    const path = resolve(io.cwd, text(values, 'file') ?? `convoke-support-${cluster.namespace}-${time}.tar.gz`)
    const files = await supportFiles(cluster, cluster.namespace, now, io.signal)
    try {
      writeFileSync(`${path}.part`, packed(files, now))
      renameSync(`${path}.part`, path)
    } catch (error) {
      throw new UsageError(`\`${path}\` cannot be written: ${error instanceof Error ? error.message : String(error)}.`)
    }
    const shown = relative(io.cwd, path).startsWith('..') ? path : relative(io.cwd, path)
    io.out(`${shown}: ${files.size} files.\n`)
    const missing = files.get('left-out.txt')
    if (missing !== undefined) io.err(missing.replaceAll(/^/gm, '! ').replace(/! $/, ''))
    return exitCodes.fine
  },
}
