// What people meet first: that the CRDs install, and what `kubectl get` and `kubectl explain` show of them.
import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { type Kind, kinds } from '#crds'
import { readCrds } from '../../crds/generate.ts'
import { lostOf, serverSideApply } from '../cluster/api.ts'
import { bundle, exampleOf } from '../crds/documents.ts'
import { applied, definitions, fine, openCluster, pathOf } from './convoke.ts'

const cluster = await openCluster()
const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0
if (!hasKubectl) console.warn('Skipped what needs kubectl.')

/** metav1.Table: what kubectl prints. */
type Table = {
  readonly columnDefinitions: readonly { readonly name: string; readonly priority: number }[]
  readonly rows: readonly { readonly cells: readonly unknown[] }[]
}

type Schema = {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly 'x-kubernetes-group-version-kind'?: readonly { readonly kind: string }[]
}

describe.skipIf(cluster === null)('the CRDs', () => {
  test('install: their schemas are structural and all their names are free', async () => {
    for (const { plural } of Object.values(kinds)) {
      const { status } = await fine(
        cluster!.api<{
          readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] }
        }>('GET', `${definitions}/${plural}.convoke.dev`),
      )
      const conditions = Object.fromEntries(status.conditions.map(({ type, status }) => [type, status]))
      expect(conditions, plural).toEqual({ NamesAccepted: 'True', Established: 'True' })
    }
  })

  test('are stored as they are written, without a word', async () => {
    for (const { crd } of readCrds()) {
      const path = `${definitions}/${crd.metadata.name}?fieldManager=test&fieldValidation=Strict&dryRun=All`
      const { status, body, warnings } = await cluster!.api('PATCH', path, { body: crd, contentType: serverSideApply })
      expect([status, warnings], JSON.stringify(body)).toEqual([200, []])
      expect(lostOf(crd, body)).toEqual([])
    }
  })

  test('are found by their short names and by the category', async () => {
    type Found = {
      readonly name: string
      readonly kind: string
      readonly shortNames?: readonly string[]
      readonly categories?: readonly string[]
    }
    const { resources } = await fine(
      cluster!.api<{ readonly resources: readonly Found[] }>('GET', '/apis/convoke.dev/v1alpha1'),
    )
    const found = resources.filter(({ name }) => !name.includes('/'))
    expect(
      found.map(({ kind, name, shortNames = [kind.toLowerCase()] }) => [kind, name, ...shortNames]).sort(),
    ).toEqual(
      Object.entries(kinds)
        .map(([kind, { plural, shortName }]) => [kind, plural, shortName])
        .sort(),
    )
    expect(found.filter(({ categories = [] }) => !categories.includes('convoke'))).toEqual([])
    // The status is written apart from the spec.
    expect(resources.map(({ name }) => name)).toEqual(expect.arrayContaining(found.map(({ name }) => `${name}/status`)))
  })

  const ready = {
    conditions: [
      { type: 'Ready', status: 'True', reason: 'Ready', message: 'Fine.', lastTransitionTime: '2026-12-01T04:00:00Z' },
    ],
  }
  const columns: readonly (readonly [kind: Kind, status: object, shown: Readonly<Record<string, unknown>>])[] = [
    [
      'Segment',
      { ...ready, members: 1204, effectiveLatency: '24h' },
      { Ready: 'True', Members: 1204, Latency: '24h', Status: 'Fine.' },
    ],
    ['Destination', { ...ready, activations: 2 }, { Ready: 'True', Instance: 'letters', Activations: 2 }],
    [
      'Run',
      {
        step: 'export',
        conditions: [{ ...ready.conditions[0], type: 'Succeeded', status: 'Unknown', reason: 'Running' }],
      },
      { Target: 'win-back', Step: 'export', Succeeded: 'Unknown', Reason: 'Running', Trigger: 'Schedule' },
    ],
  ]
  test.each(columns)('kubectl shows of a %s what is asked first', async (kind, status, shown) => {
    const namespace = await cluster!.namespace()
    const { name } = exampleOf(kind).metadata
    const { metadata } = await applied(cluster!, namespace, exampleOf(kind))
    const path = pathOf(kind, namespace)
    await fine(
      cluster!.api('PUT', `${path}/${name}/status?fieldValidation=Strict`, {
        body: { ...exampleOf(kind), metadata: { name, resourceVersion: metadata.resourceVersion }, status },
      }),
    )
    const table = await fine(
      cluster!.api<Table>('GET', path, { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' }),
    )
    const cells = Object.fromEntries(
      table.columnDefinitions.map((column, index) => [column.name, table.rows[0]?.cells[index]]),
    )
    expect(cells).toMatchObject({ Name: name, ...shown })
    // More than fits on a line is for `-o wide`.
    expect(table.columnDefinitions.filter(({ priority }) => priority === 0).length).toBeLessThanOrEqual(7)
  })

  test('say what every field means', async () => {
    const { components } = await fine(
      cluster!.api<{ readonly components: { readonly schemas: Readonly<Record<string, Schema>> } }>(
        'GET',
        '/openapi/v3/apis/convoke.dev/v1alpha1',
      ),
    )
    const own = Object.entries(components.schemas).filter(
      ([name]) => name.startsWith('dev.convoke.') && !name.endsWith('List'),
    )
    expect(
      own.flatMap(([, schema]) => schema['x-kubernetes-group-version-kind']!.map(({ kind }) => kind)).sort(),
    ).toEqual(Object.keys(kinds).sort())
    expect(own.flatMap(([name, schema]) => mute(schema, name))).toEqual([])
  })

  test.skipIf(!hasKubectl)('answer kubectl get and kubectl explain', async () => {
    const namespace = await cluster!.namespace()
    for (const resource of bundle()) await applied(cluster!, namespace, resource)
    const kubectl = (...args: readonly string[]): string =>
      execFileSync('kubectl', ['--kubeconfig', cluster!.kubeconfig, '-n', namespace, ...args], { encoding: 'utf8' })
    expect(kubectl('get', 'convoke', '-o', 'name').trim().split('\n')).toHaveLength(bundle().length)
    expect(kubectl('get', 'seg')).toMatch(/^NAME +READY +MEMBERS +LAST EVALUATED +LATENCY +AGE\n/)
    expect(kubectl('explain', 'act.spec.schedule.every')).toContain('convoke.dev')
    expect(kubectl('explain', 'segment.spec.expression')).toContain('Profile Query Language')
  })
})

/** Paths of the fields without a description; fields that are Kubernetes' own have theirs. */
function mute(schema: Schema, path: string): readonly string[] {
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
    ...('description' in field || '$ref' in field || 'allOf' in field ? [] : [`${path}.${name}`]),
    ...mute(field, `${path}.${name}`),
  ])
  const values = typeof schema.additionalProperties === 'object' ? mute(schema.additionalProperties, `${path}.*`) : []
  return [...fields, ...(schema.items ? mute(schema.items, `${path}[]`) : []), ...values]
}
