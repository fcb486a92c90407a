import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { digestOf } from '#crds'
import type { Certificate, LogLine, OperatorOptions } from '#operator'
import { type Command, choice, exitCodes, type Io, text, texts, UsageError, type Values } from '../command.ts'
import { version } from '../version.ts'

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

export const command: Command = {
  summary: 'The control plane: resources become scheduled Runs and Jobs',
  usage: 'operator [--kubeconfig FILE] [--namespace NS]… [--job-image IMAGE]',
  description:
    "Watches Convoke's kinds, checks them as `convoke check` does, and runs what is due. In a Pod it uses its service account, elsewhere the\n" +
    'kubeconfig. Several at a time are safe: one leads, by a Lease, and the others wait with warm caches. Stops in order on SIGTERM.',
  options: {
    kubeconfig: {
      type: 'string',
      value: 'FILE',
      help: 'which cluster (default: as kubectl has it; in a Pod, its own)',
    },
    context: { type: 'string', value: 'NAME', help: 'of the kubeconfig (default: its current one)' },
    namespace: {
      type: 'string',
      short: 'n',
      multiple: true,
      value: 'NS',
      help: 'work there only, and may be given again (default: all)',
    },
    shard: {
      type: 'string',
      value: 'SELECTOR',
      help: 'work in Namespaces with these labels only',
    },
    'lease-namespace': {
      type: 'string',
      value: 'NS',
      help: "where the Lease is (default: the Pod's namespace, or `default`)",
    },
    'lease-name': {
      type: 'string',
      value: 'NAME',
      help: 'name of the Lease (default: convoke-operator, and one of its own for each shard)',
    },
    alone: { type: 'boolean', help: 'no Lease: this is the only one' },
    concurrency: { type: 'string', value: 'N', help: 'resources and Runs in work at the same time (default: 16)' },
    'job-image': { type: 'string', value: 'IMAGE', help: `what Jobs run (default: convoke:${version()})` },
    'job-pull-policy': { type: 'string', value: 'POLICY', help: 'IfNotPresent (default), Always or Never' },
    'job-pull-secret': { type: 'string', multiple: true, value: 'NAME', help: 'for pulling the image' },
    'job-priority-class': { type: 'string', value: 'NAME', help: "of Jobs' Pods" },
    'job-service-account': {
      type: 'string',
      value: 'NAME',
      help: "of Jobs' Pods whose template names none; they get no token",
    },
    'job-deadline': { type: 'string', value: 'SECONDS', help: 'a step that takes longer fails (default: 21600)' },
    'health-port': { type: 'string', value: 'PORT', help: '/healthz and /readyz (default: 8081)' },
    'metrics-port': { type: 'string', value: 'PORT', help: '/metrics (default: 8080)' },
    'webhook-port': {
      type: 'string',
      value: 'PORT',
      help: "the compiler's findings at `kubectl apply` (default: off)",
    },
    'webhook-certs': {
      type: 'string',
      value: 'DIR',
      help: 'folder with tls.crt and tls.key, and client-ca.crt where the API server shows a certificate',
    },
  },
  examples: [
    'convoke operator --kubeconfig ~/.kube/config --namespace shop --job-image convoke:dev',
    'convoke operator --shard convoke.dev/shard=a --lease-name convoke-a',
  ],
  run: async ({ positionals, values, io }) => {
    if (positionals.length > 0) throw new UsageError(`operator takes options only, not \`${positionals[0]}\`.`)
    const options = optionsOf(values, io)
    // The process lives for months beside others: a quarter less memory at 10,000 Segments is worth 5 % of the start.
    setFlagsFromString('--heap-growing-percent=15')
    const [{ connect }, { transportOf }, { admissionThread, compilerThreads, startOperator, realClock }] =
      await Promise.all([import('../kubernetes.ts'), import('../cluster-transport.ts'), import('#operator')])
    const load = () => connect({ kubeconfig: text(values, 'kubeconfig'), context: text(values, 'context') })
    const transport = transportOf(await load(), load)
    const log = (line: LogLine): void =>
      io.out(io.isTerminal ? lineOf(line, io) : `${JSON.stringify({ time: io.now().toISOString(), ...line })}\n`)
    const compiler = compilerThreads({ clock: realClock, ...compilerLimits, memoryMiB: compilerMiB() })
    const admitter = options.webhook
      ? admissionThread({ clock: realClock, longestMs: longestAdmissionMs, memoryMiB: compilerMiB() })
      : undefined
    const ports = { clock: realClock, transport, random: Math.random, log, compiler, ...(admitter && { admitter }) }
    const operator = await startOperator(ports, options).catch(async (error: NodeJS.ErrnoException) => {
      await transport.close()
      if (error.code === 'EADDRINUSE') throw new UsageError(`${error.message}. Choose another port with --health-port.`)
      throw error
    })
    log({
      level: 'info',
      message: `convoke operator ${version()} started`,
      identity: options.lease?.identity ?? 'alone',
      healthPort: operator.healthPort,
      metricsPort: operator.metricsPort() ?? 'down',
    })
    for (const signal of ['uncaughtException', 'unhandledRejection'] as const)
      process.on(signal, (error: unknown) => operator.crash(error))
    if (io.signal.aborted) operator.stop()
    io.signal.addEventListener('abort', () => operator.stop())
    const how = await operator.ended
    await transport.close()
    switch (how.kind) {
      case 'stopped':
        log({ level: 'info', message: 'stopped' })
        return exitCodes.fine
      case 'lost':
        log({ level: 'error', message: `no leader any more: ${how.reason}` })
        return exitCodes.findings
      case 'crashed':
        throw how.error
    }
  },
}

/** 10,000 Segments compile in a few seconds, on a busy machine in fifteen. Namespaces that need longer wait only for each other. */
const compilerLimits = { quickMs: 30_000, longestMs: 120_000 }

/** Less than the ten seconds that the API server waits. */
const longestAdmissionMs = 7000

/** The heap of each of the compiler's threads: three tenths of the container's memory, so that two threads and the rest find room. */
function compilerMiB(): number {
  const mostMiB = 1024
  const constrained = process.constrainedMemory() / 2 ** 20
  return constrained > 0 ? Math.max(96, Math.min(mostMiB, Math.floor(constrained * 0.3))) : mostMiB
}

function optionsOf(values: Values, io: Io): OperatorOptions {
  const namespaces = texts(values, 'namespace')
  const shard = text(values, 'shard')
  const instance = io.env['POD_NAME'] ?? hostname()
  const certs = text(values, 'webhook-certs')
  const webhookPort = number(values, 'webhook-port', 0, 65_535)
  if ((webhookPort === null) !== (certs === null))
    throw new UsageError('--webhook-port and --webhook-certs go together.')
  return {
    namespaces: namespaces.length === 0 ? null : [...new Set(namespaces)],
    shard,
    concurrency: number(values, 'concurrency', 1, 1000) ?? 16,
    instance,
    lease:
      values['alone'] === true
        ? null
        : {
            namespace: text(values, 'lease-namespace') ?? ownNamespace() ?? 'default',
            name:
              text(values, 'lease-name') ??
              (shard === null ? 'convoke-operator' : `convoke-operator-${digestOf(shard).slice(-8)}`),
            identity: `${instance}_${randomUUID()}`,
          },
    healthPort: number(values, 'health-port', 0, 65_535) ?? 8081,
    metricsPort: number(values, 'metrics-port', 0, 65_535) ?? 8080,
    webhook:
      webhookPort === null || certs === null
        ? null
        : { port: webhookPort, certificate: () => certificateIn(resolve(io.cwd, certs)) },
    jobs: {
      image: text(values, 'job-image') ?? `convoke:${version()}`,
      imagePullPolicy: choice(values, 'job-pull-policy', ['IfNotPresent', 'Always', 'Never']),
      imagePullSecrets: texts(values, 'job-pull-secret'),
      priorityClassName: text(values, 'job-priority-class'),
      serviceAccountName: text(values, 'job-service-account'),
      activeDeadlineSeconds: number(values, 'job-deadline', 60, 604_800) ?? 21_600,
    },
  }
}

/** null where the option is absent. */
function number(values: Values, name: string, least: number, most: number): number | null {
  const given = text(values, name)
  if (given === null) return null
  const value = Number(given)
  if (!Number.isInteger(value) || value < least || value > most)
    throw new UsageError(`--${name} takes a number from ${least} to ${most}, not \`${given}\`.`)
  return value
}

/** The Pod's namespace; null outside of a Pod. */
function ownNamespace(): string | null {
  const file = join(serviceAccountFolder, 'namespace')
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : null
}

function certificateIn(folder: string): Certificate {
  try {
    const read = (file: string): string => readFileSync(join(folder, file), 'utf8')
    const clientCa = existsSync(join(folder, 'client-ca.crt')) ? { clientCa: read('client-ca.crt') } : {}
    return { cert: read('tls.crt'), key: read('tls.key'), ...clientCa }
  } catch (error) {
    throw new Error(`its certificate cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

/** The line for people at a terminal. */
function lineOf({ level, message, ...fields }: LogLine, io: Io): string {
  const rest = Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
  const mark = { info: ' ', warning: '!', error: '✗' }[level]
  return `${io.now().toISOString().slice(11, 19)} ${mark} ${message}${rest === '' ? '' : `  ${rest}`}\n`
}
