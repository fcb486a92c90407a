import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Dataset } from '#crds'
import { type Command, exitCodes, UsageError } from '../command.ts'
import { clusterOptions } from '../kubernetes.ts'
import { isWorkDirectory, volumesOption, whereabouts, workdirOption } from '../whereabouts.ts'

export const command: Command = {
  summary: 'Let held Segments, or refused files of a Dataset, pass once',
  operands: ['ACTIVATION', 'HELD'],
  usage:
    'approve ACTIVATION SEGMENT… [--wait]  |  approve Dataset/NAME [--wait]  |  approve ACTIVATION SEGMENT… [PATH…] --workdir DIR --volumes DIR',
  description:
    'Makes a manual Run that delivers these Segments whatever the circuit breaker says; the others are delivered as ever. `convoke status`\n' +
    'says what is held, and why.\n\n' +
    'With --workdir, or where convoke.toml says it: the next `convoke run` on this machine delivers them.\n\n' +
    'Of a Dataset: makes a manual Run of its ProfileStore that takes in, as they are, the files that were refused for what they lack. A file that\n' +
    'has changed since is looked at anew.',
  options: {
    ...clusterOptions,
    workdir: workdirOption,
    volumes: volumesOption,
    all: { type: 'boolean', help: 'every Segment that the circuit breaker holds' },
    force: { type: 'boolean', help: 'also a Segment that is not held: should this Run hold it, it passes' },
    wait: { type: 'boolean', help: 'until the Run is finished; exit code 1 where it failed' },
    timeout: { type: 'string', value: 'DURATION', help: 'wait no longer than that, for example 30m' },
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['text', 'json'], help: 'text (default) or json' },
  },
  examples: [
    'convoke approve win-back quiet-buyers --wait',
    'convoke approve win-back --all',
    'convoke approve Dataset/customers --wait',
    'convoke approve win-back quiet-buyers . --workdir .convoke --volumes volumes',
  ],
  run: async ({ positionals, values, io }) => {
    const [target, ...named] = positionals
    const isDataset = /^(datasets?|dset)\//i.test(target ?? '')
    if (
      target === undefined ||
      (isDataset ? named.length > 0 : named.length === 0 && values['all'] !== true) ||
      (values['all'] === true && named.length > 0 && values['workdir'] === undefined)
    )
      throw new UsageError(
        'Name an Activation, and its held Segments or --all. A Dataset is named alone, as Dataset/NAME.',
      )
    const isThere = ['kubeconfig', 'context', 'namespace', 'wait', 'timeout'].some((name) => values[name] !== undefined)
    const where = io.program === 'convoke' && !isDataset ? whereabouts(values, io) : null
    if (where && (values['workdir'] !== undefined || (!isThere && isWorkDirectory(where.workdir)))) {
      const isPath = (given: string): boolean => existsSync(resolve(io.cwd, given))
      const { approveHere } = await import('../approve-here.ts')
      const asked = {
        activation: target.replace(/^activations?\//i, ''),
        segments: named.filter((given) => !isPath(given)),
        paths: named.filter(isPath),
        isAll: values['all'] === true,
        force: values['force'] === true,
      }
      return approveHere(asked, where, io)
    }
    const [{ openCluster, pathOf }, { existing, started }, { didYouMean, kindAndName }] = await Promise.all([
      import('../kubernetes.ts'),
      import('../cluster/make-run.ts'),
      import('../cluster/kind-name.ts'),
    ])
    const { kind, name } = await kindAndName(target, 'Activation')
    const cluster = await openCluster(values)
    if (kind === 'Dataset') {
      const dataset = await cluster.get<Dataset>(pathOf('Dataset', cluster.namespace, name))
      if (!dataset) throw new UsageError(`There is no Dataset \`${name}\` in namespace \`${cluster.namespace}\`.`)
      const store = await existing(cluster, 'ProfileStore', dataset.spec.profileStoreRef.name)
      return started(cluster, store, { evaluation: 'Batch', approved: [name] }, values, io)
    }
    if (kind !== 'Activation') throw new UsageError(`Only an Activation holds Segments, not a ${kind}.`)
    const activation = await existing(cluster, 'Activation', name)
    const held = activation.status?.held ?? []
    const approvable = held.filter(({ reason }) => reason === 'CircuitBreaker').map(({ segment }) => segment)
    const segments = values['all'] === true ? approvable : [...new Set(named.map((each) => each.replace(/^.*\//, '')))]
    if (segments.length === 0) {
      io.err(`The circuit breaker holds nothing of ${name}.\n`)
      return exitCodes.fine
    }
    for (const segment of values['force'] === true ? [] : segments) {
      if (approvable.includes(segment)) continue
      const other = held.find((each) => each.segment === segment)
      throw new UsageError(
        other
          ? `\`${segment}\` is not delivered for another reason, ${other.reason}, which no approval lifts${other.message ? `: ${other.message}` : '.'}`
          : `\`${segment}\` is not held. ${approvable.length === 0 ? `The circuit breaker holds nothing of ${name}.` : `Held: ${approvable.join(', ')}.`}${await didYouMean(segment, approvable)} --force approves it all the same.`,
      )
    }
    return started(cluster, activation, { evaluation: null, approved: segments }, values, io)
  },
}
