// What GitOps does: files go to the API server again and again, and must stay as they were written.
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments, stringify } from 'yaml'
import type { Resource } from '#crds'
import { readYaml } from '../../compiler/yaml/index.ts'
import { serverSideApply } from '../cluster/api.ts'
import { bundle, exampleOf } from '../crds/documents.ts'
import { folderOf } from '../support/cli.ts'
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
      // The status that is there by default goes into the store with the second writing, the spec's generation stays.
      const again = await applied(cluster!, namespace, resource)
      expect({ ...again, metadata: null }).toEqual({ ...stored, metadata: null })
      expect(again.metadata.generation).toBe(1)
      const third = await applied(cluster!, namespace, resource)
      expect(third).toEqual(again)
    }
  })
})

/** As `displayName`, which is text: what the API server stores, or its message where it refuses. */
const scalars: readonly string[] = [
  ...['NO', 'on', 'y', 'Norway', 'tRUE', '"NO"', '~', '=', '12:30:45', '2026-01-01'],
  ...['1.5', '+1', '010', '1_000', '0b11', '0o17', '0x1F', '-0x1F', '1e400', '.nan', '9007199254740993'],
]

describe.skipIf(cluster === null)('what kubectl makes of YAML', () => {
  test.each(scalars)('%s is what the compiler says Kubernetes reads', async (scalar) => {
    const { documents, faults } = readYaml(`v: ${scalar}\n`)
    const [document] = documents
    const value = document?.kind === 'map' ? document.entries[0]?.value : undefined
    const [, type, said] = /Kubernetes reads (?:the (number|text) )?(.+), YAML/.exec(faults[0]?.message ?? '') ?? []
    const refuses = faults.length > 0 && said === undefined
    // Text alone fits; in a refusal the server names what it read.
    const expected = said ?? (value?.kind === 'scalar' ? JSON.stringify(value.value) : 'nothing')
    const isText = type === 'text' || (said === undefined && expected.startsWith('"'))
    const answer = await read(await cluster!.namespace(), scalar)
    if (isText && !refuses) expect(answer).toEqual({ stored: JSON.parse(expected) })
    else expect(answer).toEqual({ refused: refuses ? expect.any(String) : expect.stringContaining(expected) })
  })

  test.skipIf(!hasKubectl)('kubectl sends the same as the API server reads itself', async () => {
    const namespace = await cluster!.namespace()
    const files = scalars.map((scalar, index) => [`${index}.yaml`, segmentNamed(scalar, `s${index}`)] as const)
    using folder = folderOf(Object.fromEntries(files))
    const options = ['--kubeconfig', cluster!.kubeconfig, '-n', namespace, '--dry-run=server', '-o', 'json']
    const { stdout } = spawnSync('kubectl', ['create', ...options, '-f', folder.path], { encoding: 'utf8' })
    // kubectl writes one object behind the other where some were refused.
    const sent: readonly Resource[] = JSON.parse(`[${stdout.trim().replaceAll('\n}\n{', '\n},\n{')}]`).flatMap(
      (each: { readonly items?: readonly Resource[] }) => each.items ?? [each],
    )
    for (const [index, scalar] of scalars.entries()) {
      const shown = sent.find(({ metadata }) => metadata.name === `s${index}`)?.spec
      const { stored } = await read(namespace, scalar)
      // A null that is created is a field that is not there; one that is applied is refused.
      expect([scalar, Object(shown).displayName]).toEqual([scalar, stored])
    }
  })
})

async function read(
  namespace: string,
  scalar: string,
): Promise<{ readonly stored?: string; readonly refused?: string }> {
  const { status, body } = await cluster!.api<{
    readonly message: string
    readonly spec?: { readonly displayName?: string }
  }>('PATCH', `${pathOf('Segment', namespace)}/patrons?fieldManager=test&dryRun=All`, {
    body: segmentNamed(scalar),
    contentType: serverSideApply,
  })
  return status < 300 ? { stored: body.spec!.displayName! } : { refused: body.message }
}

function segmentNamed(scalar: string, name = 'patrons'): string {
  const { spec, ...segment } = exampleOf('Segment')
  return stringify({ ...segment, metadata: { name }, spec: { ...spec, displayName: 'NAME' } }).replace('NAME', scalar)
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
