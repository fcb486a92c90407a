// What `convoke plan --against cluster` reads.

import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { UsageError } from '../../cli/command.ts'
import { openCluster as openedBy, resourcesIn } from '../../cli/kubernetes.ts'
import { bundle, exampleOf } from '../crds/documents.ts'
import { convoke, folderOf } from '../support/cli.ts'
import { applied, fine, kubeconfigWith, openCluster } from './convoke.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('the resources of a cluster', () => {
  test('are those of the namespaces that are named, as they were written', async () => {
    const { kubeconfig } = cluster!
    const [one, two] = [await cluster!.namespace(), await cluster!.namespace()]
    for (const resource of bundle()) await applied(cluster!, one, resource)
    await applied(cluster!, two, exampleOf('Organization'))
    const found = (await listed(kubeconfig, [one])) as ReturnType<typeof bundle>
    const key = ({ kind, metadata }: (typeof found)[number]): string => `${kind}/${metadata.name}`
    expect(found.map((each) => [key(each), each.spec]).sort()).toEqual(
      bundle()
        .map((each) => [key(each), each.spec])
        .sort(),
    )
    expect(found.filter(({ metadata }) => 'managedFields' in metadata)).toEqual([])
    expect(await listed(kubeconfig, [one, two])).toHaveLength(bundle().length + 1)
    expect((await listed(kubeconfig, null)).length).toBeGreaterThan(bundle().length)
  })

  test('are no change for plan when they were applied from the same files', async () => {
    const namespace = await cluster!.namespace()
    for (const resource of bundle()) await applied(cluster!, namespace, resource)
    const stdin = bundle()
      .map((resource) => stringify({ ...resource, metadata: { ...resource.metadata, namespace } }))
      .join('---\n')
    const options = ['--kubeconfig', cluster!.kubeconfig, '--namespace', namespace, '--detailed-exitcode']
    const planned = (text: string) => convoke(['plan', '-', '--against', 'cluster', ...options], { stdin: text })
    expect(planned(stdin)).toMatchObject({ code: 0, err: '' })
    const changed = planned(stdin.replace('Patrons of the club', 'Friends of the house'))
    expect(changed).toMatchObject({ code: 3, err: '' })
    expect(changed.out).toContain('0 to add, 1 to change, 0 to remove.')
  })

  test('belong, where a file names no namespace, to the one of the context; Runs and other namespaces are no part of the plan', {
    timeout: 120_000,
  }, async () => {
    const [namespace, other] = [await cluster!.namespace(), await cluster!.namespace()]
    for (const resource of bundle()) await applied(cluster!, namespace, resource)
    await applied(cluster!, other, exampleOf('Organization'))
    const { metadata, spec, ...run } = exampleOf('Run')
    await applied(cluster!, namespace, { ...run, metadata, spec } as ReturnType<typeof exampleOf>)
    const annotations = { 'convoke.dev/requestedAt': '2026-12-01T12:00:00Z', 'convoke.dev/approve': 'patrons' }
    const activation = exampleOf('Activation')
    const asked = { ...activation, metadata: { ...activation.metadata, annotations } }
    await applied(cluster!, namespace, asked)
    const kubeconfig = kubeconfigWith(cluster!, ({ contexts }) => {
      for (const { context } of contexts) context.namespace = namespace
    })
    const stdin = bundle()
      .map((resource) => stringify(resource))
      .join('---\n')
    const planned = (env: Record<string, string>, ...args: string[]) =>
      convoke(['plan', '-', '--kubeconfig', kubeconfig, '--detailed-exitcode', ...args], { stdin, env })
    expect(planned({}, '--against', 'cluster')).toEqual({
      code: 0,
      out: expect.stringMatching(/No changes\.\n$/),
      err: '',
    })
    // What kubectl starts compares with the cluster unless told otherwise.
    expect(planned({ CONVOKE_PROGRAM: 'kubectl convoke' })).toMatchObject({ code: 0, err: '' })
    expect(planned({}, '--against', 'cluster', '-n', other).out).toMatch(/^\d+ to add, 0 to change, 0 to remove\.$/m)
  })

  test('are all listed where they fill several pages', async () => {
    const namespace = await cluster!.namespace()
    const organization = exampleOf('Organization')
    const names = Array.from({ length: 501 }, (_, index) => `folio-${index}`)
    await Promise.all(names.map((name) => applied(cluster!, namespace, { ...organization, metadata: { name } })))
    const found = await listed(cluster!.kubeconfig, [namespace])
    expect(new Set(found.map((each) => (each as typeof organization).metadata.name))).toEqual(new Set(names))
  })

  test('of one namespace can be listed by whoever may not list in all, who is told so', async () => {
    const namespace = await cluster!.namespace()
    await applied(cluster!, namespace, exampleOf('Organization'))
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`
    const rules = [{ apiGroups: ['convoke.dev'], resources: ['*'], verbs: ['list'] }]
    await fine(cluster!.api('POST', `${rbac}/roles`, { body: { metadata: { name: 'reader' }, rules } }))
    await fine(
      cluster!.api('POST', `${rbac}/rolebindings`, {
        body: {
          metadata: { name: 'reader' },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
          subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: `reader-of-${namespace}` }],
        },
      }),
    )
    const kubeconfig = kubeconfigWith(cluster!, ({ users }) => {
      for (const each of users) each.user = { ...each.user, as: `reader-of-${namespace}` }
    })
    expect(await listed(kubeconfig, [namespace])).toHaveLength(1)
    await expect(faultOf(kubeconfig, null)).resolves.toMatch(
      /forbids it: \w+\.convoke\.dev is forbidden: User "reader-of-test-\w+" cannot list .* Name the namespaces that you may read with --namespace/,
    )
    await expect(faultOf(kubeconfig, ['default'])).resolves.toMatch(
      /Ask for the right to list \w+\.convoke\.dev in the namespace default\.$/,
    )
  })

  test('of which a CRD is missing are not listed as if there were none', async () => {
    // A path of the same server where no API is.
    const kubeconfig = kubeconfigWith(cluster!, ({ clusters }) => {
      for (const { cluster } of clusters) cluster.server += '/elsewhere'
    })
    await expect(faultOf(kubeconfig, null)).resolves.toMatch(
      /does not know \w+\.convoke\.dev\/v1alpha1: Convoke's CRDs are not installed there/,
    )
  })

  test('are not shown to a stranger', async () => {
    const kubeconfig = kubeconfigWith(cluster!, ({ users }) => {
      for (const each of users) each.user = { token: 'wrong' }
    })
    await expect(faultOf(kubeconfig, null)).resolves.toMatch(/does not accept the credentials of the context `/)
  })

  test('are not read from a server with a certificate of another name', async () => {
    const kubeconfig = kubeconfigWith(cluster!, ({ clusters }) => {
      for (const each of clusters) each.cluster = { ...each.cluster, 'tls-server-name': 'convoke.invalid' }
    })
    await expect(faultOf(kubeconfig, null)).resolves.toMatch(/cannot be reached: .*convoke\.invalid/)
  })
})

test('a server that is not there is named, with the reason', async () => {
  const port = await new Promise<number>((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })
  const config = {
    clusters: [{ name: 'gone', cluster: { server: `https://127.0.0.1:${port}` } }],
    users: [{ name: 'me', user: { token: 'x' } }],
    contexts: [{ name: 'gone', context: { cluster: 'gone', user: 'me' } }],
    'current-context': 'gone',
  }
  await expect(faultOf(fileOf(JSON.stringify(config)), null)).resolves.toMatch(
    `https://127.0.0.1:${port} cannot be reached: connect ECONNREFUSED`,
  )
})

const configs: readonly (readonly [title: string, text: string, message: RegExp])[] = [
  ['no YAML', 'clusters: [', /kubeconfig cannot be read: .+\.$/],
  ['an empty file', '', /kubeconfig cannot be read/],
  ['no current context', 'contexts: [{name: a, context: {cluster: c}}]', /has no current context; its contexts: a\./],
  [
    'a context that is not there',
    'current-context: b\ncontexts: [{name: a, context: {cluster: c}}]',
    /has no cluster for the context `b`; its contexts: a\./,
  ],
]
test.each(configs)('of a kubeconfig, %s is said in one line', async (_, text, message) => {
  const fault = await faultOf(fileOf(text), null)
  expect(fault).toMatch(message)
  expect(fault).not.toMatch('\n')
})

test('where no cluster is configured, plan says how to name one', () => {
  using folder = folderOf({ 'folio.yaml': stringify(exampleOf('Organization')) })
  const env = { HOME: folder.path, KUBECONFIG: '' }
  expect(convoke(['plan', folder.path, '--against', 'cluster'], { env })).toMatchObject({
    code: 2,
    err: expect.stringMatching(/No cluster is configured: .*--kubeconfig FILE\.\n/),
  })
})

test('a kubeconfig that is not there is named', async () => {
  await expect(faultOf('/nowhere/kubeconfig', null)).resolves.toMatch(/^\/nowhere\/kubeconfig cannot be read: ENOENT/)
})

async function listed(kubeconfig: string, namespaces: readonly string[] | null): Promise<readonly unknown[]> {
  return resourcesIn(await openedBy({ kubeconfig }), namespaces)
}

function fileOf(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'convoke-list-')), 'kubeconfig')
  writeFileSync(path, text)
  return path
}

async function faultOf(kubeconfig: string, namespaces: readonly string[] | null): Promise<string> {
  const error = await listed(kubeconfig, namespaces).then(
    () => 'nothing',
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(UsageError)
  return error instanceof UsageError ? error.message : ''
}
