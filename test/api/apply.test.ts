// What GitOps does: files go to the API server again and again, and must stay as they were written.
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { Resource } from '#crds'
import { readYaml } from '../../compiler/yaml/index.ts'
import { serverSideApply } from '../cluster/api.ts'
import { bundle, exampleOf } from '../crds/documents.ts'
import { applied, openCluster, pathOf } from './convoke.ts'

const cluster = await openCluster()
const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0
if (!hasKubectl) console.warn('Skipped what needs kubectl.')

const examples = join(import.meta.dirname, '../../examples')
const sets: readonly (readonly [name: string, resources: readonly Resource[]])[] = [
  ['the bundle of the tests', bundle()],
  ...['minimal/*.yaml', 'retail/resources/*.yaml', 'cdnow/resources/*.yaml'].map(
    (pattern) =>
      [
        `examples/${pattern}`,
        globSync(pattern, { cwd: examples })
          .sort()
          .flatMap((file) => resourcesOf(readFileSync(join(examples, file), 'utf8'))),
      ] as const,
  ),
]

describe.skipIf(cluster === null).each(sets)('%s', (_, resources) => {
  test('is taken as it is written: nothing is dropped, nothing is added', async () => {
    expect(resources.length).toBeGreaterThan(0)
    const namespace = await cluster!.namespace()
    for (const resource of resources) {
      const tried = await applied(cluster!, namespace, resource, '&dryRun=All')
      const stored = await applied(cluster!, namespace, resource)
      for (const { apiVersion, kind, metadata, spec, status } of [tried, stored]) {
        const { name, labels, annotations } = metadata
        const { metadata: own, ...rest } = resource
        expect({ apiVersion, kind, spec, name, labels, annotations }).toEqual({
          ...rest,
          name: own.name,
          labels: own.labels,
          annotations: own.annotations,
        })
        // `kubectl wait` and Flux must not take an object for settled that nobody has looked at.
        expect(status).toEqual({ observedGeneration: -1 })
      }
      const { metadata } = await applied(cluster!, namespace, resource)
      expect(metadata.resourceVersion).toBe(stored.metadata.resourceVersion)
    }
  })
})

describe.skipIf(cluster === null)('what kubectl makes of YAML', () => {
  /** As `displayName`, which is text; a value that is something else is refused with its type. */
  const scalars = [
    'NO',
    'on',
    'y',
    '010',
    '1_000',
    '0b11',
    '12:30:45',
    '2026-01-01',
    '1.5',
    'Norway',
    '0o17',
    '~',
    '.nan',
    '9007199254740993',
    '"NO"',
    '1e400',
    '0x1F',
    '-0x1F',
    '+1',
    '=',
    'tRUE',
  ]
  const texts = scalars.map((scalar) => [scalar, readYaml(`v: ${scalar}\n`)] as const)

  test.each(texts)('%s is what the compiler says Kubernetes reads', async (scalar, { documents, faults }) => {
    const namespace = await cluster!.namespace()
    const text = withDisplayName(scalar)
    const { status, body } = await cluster!.api<{
      readonly message?: string
      readonly spec?: { readonly displayName?: string }
    }>('PATCH', `${pathOf('Segment', namespace)}/patrons?fieldManager=test&dryRun=All`, {
      body: text,
      contentType: serverSideApply,
    })
    const said = /Kubernetes (?:reads (.+), YAML|(refuses it))/.exec(faults[0]?.message ?? '')
    const [document] = documents
    const value =
      document?.kind === 'map' && document.entries[0]?.value.kind === 'scalar'
        ? document.entries[0].value.value
        : undefined
    const expected = said ? (said[1] === undefined ? 'refused' : JSON.parse(said[1])) : value
    const received = status < 300 ? (body.spec?.displayName ?? null) : (body.message ?? '')
    if (typeof expected === 'string' && expected !== 'refused') expect(received).toBe(expected)
    else if (expected === null) expect(received).toBe(null)
    else if (expected === 'refused') expect(status).toBeGreaterThanOrEqual(400)
    else expect(received).toContain(String(expected))
  })

  test.skipIf(!hasKubectl)('kubectl sends the same as the API server reads itself', async () => {
    const namespace = await cluster!.namespace()
    for (const [scalar] of texts) {
      const text = withDisplayName(scalar)
      const kubectl = spawnSync(
        'kubectl',
        [
          '--kubeconfig',
          cluster!.kubeconfig,
          '-n',
          namespace,
          'apply',
          '--server-side',
          '--dry-run=server',
          '-f',
          '-',
          '-o',
          'json',
        ],
        { input: text, encoding: 'utf8' },
      )
      const server = await cluster!.api<{ readonly spec?: { readonly displayName?: string } }>(
        'PATCH',
        `${pathOf('Segment', namespace)}/patrons?fieldManager=kubectl&dryRun=All`,
        { body: text, contentType: serverSideApply },
      )
      const shown = kubectl.status === 0 ? (JSON.parse(kubectl.stdout).spec.displayName ?? null) : 'refused'
      expect([scalar, shown]).toEqual([
        scalar,
        server.status < 300 ? (server.body.spec?.displayName ?? null) : 'refused',
      ])
    }
  })
})

function withDisplayName(scalar: string): string {
  const { metadata, ...segment } = exampleOf('Segment')
  const text = JSON.stringify({
    ...segment,
    metadata: { name: 'patrons' },
    spec: { ...segment.spec, displayName: '$' },
  })
  return text.replace('"$"', ` ${scalar} `)
}

/** Of our kinds: SegmentTests are for the command line alone. */
function resourcesOf(text: string): readonly Resource[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS())
    .filter(
      (document) =>
        document !== null && document.kind !== 'SegmentTest' && document.apiVersion === 'convoke.dev/v1alpha1',
    )
}
