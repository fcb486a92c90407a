// `make kind`: from nothing to a running example in a cluster of its own. May be run again at any time: what is there stays, what changed is replaced.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const cluster = 'convoke'
const context = `kind-${cluster}`
const namespace = 'shop'
const image = 'convoke:dev'
const data = ['landing/customers/customers.csv', 'landing/orders/orders.ndjson', 'campaign/production/recipients.csv']

/** What it needs, how one sees that it is there, and where it is from. */
const needed: readonly (readonly [name: string, asks: readonly string[], from: string])[] = [
  ['docker', ['info'], 'Install Docker (https://docs.docker.com/engine/install/), or start it if it is installed'],
  ['kind', ['version'], 'Install kind (https://kind.sigs.k8s.io/docs/user/quick-start/#installation)'],
  ['kubectl', ['version', '--client'], 'Install kubectl (https://kubernetes.io/docs/tasks/tools/)'],
  ['helm', ['version'], 'Install Helm (https://helm.sh/docs/intro/install/)'],
]

class Missing extends Error {}

try {
  checkTools()
  const started = Date.now()
  if (!run('kind', 'get', 'clusters').includes(cluster)) show('kind', 'create', 'cluster', '--name', cluster)
  show('docker', 'build', '--tag', image, '.')
  show('kind', 'load', 'docker-image', image, '--name', cluster)

  const [repository, tag] = image.split(':')
  const values = [`image.repository=${repository}`, `image.tag=${tag}`, 'image.pullPolicy=Never']
  const place = ['--kube-context', context, '--namespace', 'convoke', '--create-namespace']
  show('helm', 'upgrade', '--install', 'convoke', 'charts/convoke', ...place, '--set', values.join(','), '--wait')
  // An image that was built anew has the name of the one before.
  show('kubectl', '--context', context, '-n', 'convoke', 'rollout', 'restart', 'deployment/convoke')
  show('kubectl', '--context', context, '-n', 'convoke', 'rollout', 'status', 'deployment/convoke', '--timeout=3m')

  apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'shop-data', namespace },
    data: Object.fromEntries(
      data.map((file) => [basename(file), readFileSync(join(root, 'examples/minimal/volumes', file), 'utf8')]),
    ),
  })
  inShop('apply', '--server-side', '-f', 'examples/kind/shop.yaml', '-f', 'examples/minimal/minimal.yaml')
  inShop('rollout', 'status', 'deployment/campaign-db', '--timeout=5m')
  inShop('wait', '--for=condition=Ready', 'profilestore/customers', 'activation/newsletter', '--timeout=2m')

  // They would run by themselves at two in the morning. Once is enough: the next delivery is three hours after the last at the earliest.
  if (run('kubectl', '--context', context, '-n', namespace, 'get', 'runs', '-o', 'name').join('') === '')
    for (const target of ['ProfileStore/customers', 'Activation/newsletter'])
      show('bin/convoke', 'run', target, '--wait', '--timeout', '10m', '--context', context, '-n', namespace)
  show('bin/convoke', 'status', '--context', context, '-n', namespace)
  inShop('exec', 'deployment/campaign-db', '-c', 'postgres', '--', 'find', '/landing-zone', '-type', 'f')
  inShop(...psql('SELECT segment, count(*) FROM convoke.audience_members GROUP BY 1 ORDER BY 1'))
  inShop(...psql('SELECT * FROM recipients ORDER BY 1'))
  console.log(
    [
      '',
      `Done in ${Math.round((Date.now() - started) / 1000)} s. What to look at next:`,
      `  kubectl --context ${context} -n ${namespace} get convoke                 every resource and how it is`,
      `  kubectl --context ${context} -n ${namespace} edit segment gold-members   who leaves is in the next delivery, three hours after this one`,
      `  kubectl --context ${context} -n convoke logs deployment/convoke    what the operator does`,
      '  make kind                                                             after a change of the source',
      '  kind delete cluster --name convoke                                    the end',
    ].join('\n'),
  )
} catch (error) {
  if (!(error instanceof Missing)) throw error
  console.error(`make kind: ${error.message}`)
  process.exitCode = 2
}

function checkTools(): void {
  for (const [name, asks, from] of needed) {
    const { status, error, stderr } = spawnSync(name, asks, { encoding: 'utf8', timeout: 30_000 })
    if (error && 'code' in error && error.code === 'ENOENT') throw new Missing(`there is no ${name} here. ${from}.`)
    if (status !== 0)
      throw new Missing(
        `\`${name} ${asks.join(' ')}\` says: ${stderr
          .trim()
          .split('\n')
          .at(-1)
          ?.replace(/[.?]+$/, '')}. ${from}.`,
      )
  }
}

/** A command of which people see what it prints; the end where it fails. */
function show(...command: readonly [string, ...string[]]): void {
  console.log(`\n── ${command.join(' ')}`)
  finish(command, 'inherit')
}

/** What it printed. */
function run(...command: readonly [string, ...string[]]): readonly string[] {
  return finish(command, 'pipe').split('\n')
}

function inShop(...args: readonly string[]): void {
  show('kubectl', '--context', context, '-n', namespace, ...args)
}

function apply(object: object): void {
  finish(['kubectl', '--context', context, 'apply', '--server-side', '-f', '-'], 'pipe', JSON.stringify(object))
}

function psql(sql: string): readonly string[] {
  return ['exec', 'deployment/campaign-db', '-c', 'postgres', '--', 'psql', '-U', 'campaign', '-c', sql, 'campaign']
}

function finish([name, ...args]: readonly [string, ...string[]], output: 'inherit' | 'pipe', input = ''): string {
  const { status, stdout } = spawnSync(name, args, {
    cwd: root,
    input,
    encoding: 'utf8',
    stdio: ['pipe', output, 'inherit'],
  })
  if (status !== 0) {
    console.error(`\nmake kind: \`${[name, ...args].join(' ')}\` failed, see above.`)
    process.exit(1)
  }
  return stdout ?? ''
}
