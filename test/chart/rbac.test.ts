// What the operator may do, and nothing else.
import { beforeAll, describe, expect, test } from 'vitest'
import { group, kinds } from '#crds'
import { fine, openCluster } from '../api/convoke.ts'
import { serverSideApply } from '../cluster/api.ts'
import { type Grants, grantsIn, grantsOf } from './grants.ts'
import { hasHelm, only, render } from './helm.ts'

const cluster = await openCluster()

const plurals = Object.values(kinds).map(({ plural }) => plural)

const work: Grants = {
  ...Object.fromEntries(plurals.map((plural) => [`${group}/${plural}`, ['get', 'list', 'watch']])),
  ...Object.fromEntries(plurals.map((plural) => [`${group}/${plural}/status`, ['patch']])),
  [`${group}/runs`]: ['create', 'delete', 'get', 'list', 'patch', 'watch'],
  'batch/jobs': ['create', 'delete', 'get', 'list', 'patch', 'watch'],
  'core/pods': ['list'],
  'core/pods/log': ['get'],
  'core/configmaps': ['create', 'delete', 'get', 'list', 'patch', 'watch'],
  'core/persistentvolumeclaims': ['get'],
  'core/events': ['create', 'list', 'patch'],
}
const lead: Grants = {
  'coordination.k8s.io/leases': ['create'],
  'coordination.k8s.io/leases:convoke': ['get', 'update'],
}
const share: Grants = { 'core/namespaces': ['list', 'watch'] }

describe.skipIf(!hasHelm)('the operator', () => {
  test('of a whole cluster may do this everywhere, and lead in its own namespace', () => {
    const manifests = render()
    expect(grantsOf(manifests)).toEqual({ '': work, convoke: lead })
  })

  test('of some namespaces may do this there and nothing elsewhere', () => {
    const manifests = render({ watchNamespaces: ['emea', 'apac'] })
    expect(grantsOf(manifests)).toEqual({ emea: work, apac: work, convoke: lead })
  })

  test('of a share of the namespaces may see which they are', () => {
    expect(grantsOf(render({ shard: 'convoke.dev/shard=a' }))['']).toEqual({ ...work, ...share })
  })

  test('gets nothing where its rights are bound by hand', () => {
    expect(grantsOf(render({ rbac: { create: false } }))).toEqual({})
  })

  test('leads under a Lease of its own name in each release', () => {
    const target = { release: 'shard-2', namespace: 'convoke' }
    const manifests = render({ shard: 'shard=2' }, target)
    expect(grantsOf(manifests, target)['convoke']).toHaveProperty('coordination.k8s.io/leases:shard-2-convoke')
    const { args } = only(manifests, 'Deployment').spec.template.spec.containers[0]
    expect(args).toContain('--lease-name=shard-2-convoke')
  })
})

describe.skipIf(!hasHelm || cluster === null)('the API server', () => {
  const account = 'system:serviceaccount:convoke:convoke'
  beforeAll(async () => {
    for (const manifest of render().filter(({ kind }) => kind === 'ClusterRole' || kind === 'ClusterRoleBinding')) {
      const plural = `${manifest.kind.toLowerCase()}s`
      const path = `/apis/rbac.authorization.k8s.io/v1/${plural}/${manifest.metadata.name}?fieldManager=test&force=true`
      await fine(cluster!.api('PATCH', path, { body: manifest, contentType: serverSideApply }))
    }
  })

  const asks: readonly (readonly [user: string, verb: string, resource: string, allowed: boolean])[] = [
    [account, 'watch', 'convoke.dev/segments', true],
    [account, 'patch', 'convoke.dev/segments/status', true],
    [account, 'create', 'batch/jobs', true],
    [account, 'get', 'core/pods/log', true],
    // Specs are the user's.
    [account, 'patch', 'convoke.dev/segments', false],
    [account, 'update', 'convoke.dev/activations', false],
    // Credentials are mounted by the kubelet, never read.
    [account, 'get', 'core/secrets', false],
    [account, 'list', 'core/secrets', false],
    // Pods are the Job controller's.
    [account, 'create', 'core/pods', false],
    [account, 'create', 'core/pods/exec', false],
    [account, 'create', 'core/serviceaccounts/token', false],
    [account, 'list', 'core/namespaces', false],
    [account, 'delete', 'core/persistentvolumeclaims', false],
    [account, 'escalate', 'rbac.authorization.k8s.io/clusterroles', false],
  ]
  test.each(asks)('for %s, %s %s: %s', async (user, verb, wanted, allowed) => {
    // A grant is there a moment after it is stored.
    await expect.poll(() => isAllowed(user, verb, wanted)).toBe(allowed)
  })

  async function isAllowed(user: string, verb: string, wanted: string): Promise<boolean> {
    const [apiGroup, resource, subresource] = wanted.split('/')
    const attributes = { group: apiGroup === 'core' ? '' : apiGroup, resource, subresource, verb, namespace: 'shop' }
    const review = await cluster!.api<{ readonly status: { readonly allowed: boolean } }>(
      'POST',
      '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      {
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SubjectAccessReview',
          spec: { user, resourceAttributes: attributes },
        },
      },
    )
    return review.body.status.allowed
  }
})

describe.skipIf(!hasHelm)('people', () => {
  const roles = (values: object = {}): Readonly<Record<string, Grants>> =>
    Object.fromEntries(
      render(values)
        .filter(({ kind }) => kind === 'ClusterRole')
        .flatMap(({ metadata, rules }) =>
          Object.keys(metadata.labels ?? {}).flatMap((label) => {
            const role = /^rbac\.authorization\.k8s\.io\/aggregate-to-(.+)$/.exec(label)?.[1]
            return role === undefined ? [] : [[role, grantsIn(rules)]]
          }),
        ),
    )
  const change = ['create', 'delete', 'deletecollection', 'patch', 'update']
  const onAll = (verbs: readonly string[], names: readonly string[]): Grants =>
    Object.fromEntries(names.map((name) => [`${group}/${name}`, verbs]))

  test('who may edit in a namespace may write audiences, but no limits and entitlements; admins may', () => {
    const authored = plurals.filter((plural) => plural !== 'organizations' && plural !== 'campaigninstances')
    expect(roles()).toEqual({
      view: onAll(['get', 'list', 'watch'], plurals),
      edit: onAll(change, authored),
      admin: onAll(change, plurals),
    })
  })

  test('get nothing where that is not wanted', () => {
    expect(roles({ rbac: { aggregate: false } })).toEqual({})
  })
})
