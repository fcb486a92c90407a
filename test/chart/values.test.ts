// Values: each is described, checked, and refused in words that name it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { kinds } from '#crds'
import { chartValues } from '../../docs/chart.ts'
import settings from '../../package.json' with { type: 'json' }
import { chart, hasHelm, helm, manifestsOf } from './helm.ts'

const file = (name: string): string => readFileSync(join(chart, name), 'utf8')
const values = chartValues(file('values.yaml'))

type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly $ref?: string
  readonly type?: string
  readonly additionalProperties?: unknown
}
const schema: Schema & { readonly definitions: Readonly<Record<string, Schema>> } = JSON.parse(
  file('values.schema.json'),
)

describe('values.yaml', () => {
  test('says of each value what it is for', () => {
    const mute = values.filter(({ description, isSection }) => !isSection && description === '')
    expect(mute.map(({ path }) => path.join('.'))).toEqual([])
  })

  test('has what the schema has, and the schema allows no other', () => {
    const known = pathsOf(schema, '').filter((path) => path !== 'global')
    const written = values.filter(({ isSection }) => !isSection).map(({ path }) => path.join('.'))
    expect(known.filter((path) => !written.some((each) => path === each || path.startsWith(`${each}.`)))).toEqual([])
    expect(
      written.filter((path) => !known.includes(path) && !known.some((each) => each.startsWith(`${path}.`))),
    ).toEqual([])
  })
})

/** Where the schema ends: values, and maps of anything. An object that names its properties must be closed. */
function pathsOf(each: Schema, path: string): string[] {
  const own = each.$ref === undefined ? each : schema.definitions[each.$ref.split('/').at(-1)!]!
  if (own.properties === undefined) return [path]
  expect([path, own.additionalProperties]).toEqual([path, false])
  return Object.entries(own.properties).flatMap(([name, property]) =>
    pathsOf(property, path ? `${path}.${name}` : name),
  )
}

describe('Chart.yaml', () => {
  const { annotations, ...metadata } = parse(file('Chart.yaml'))

  test('has the version of package.json', () => {
    expect([metadata.version, metadata.appVersion]).toEqual([settings.version, settings.version])
  })

  test('tells Artifact Hub of every kind', () => {
    const listed = parse(annotations['artifacthub.io/crds'])
    expect(listed.map(({ kind, version, name }: Record<string, string>) => [kind, version, name])).toEqual(
      Object.entries(kinds).map(([kind, { plural }]) => [kind, 'v1alpha1', `${plural}.convoke.dev`]),
    )
    for (const name of ['links', 'crdsExamples'])
      expect(parse(annotations[`artifacthub.io/${name}`])).toBeInstanceOf(Array)
  })
})

describe.skipIf(!hasHelm)('Helm', () => {
  test('has nothing against the chart but that it has no icon', () => {
    const { code, out } = helm(['lint', chart, '--strict'])
    expect([code, out.match(/^\[\w+\].*$/gm)]).toEqual([0, ['[INFO] Chart.yaml: icon is recommended']])
  })

  test('packages what the chart needs and nothing of what it is made from', () => {
    const { code, out } = helm(['show', 'all', chart])
    expect(code).toBe(0)
    expect(out).toContain('# Convoke')
    expect(manifestsOf(helm(['show', 'values', chart]).out)[0]).toHaveProperty('image.repository')
  })

  const refused: readonly (readonly [title: string, values: object, message: RegExp])[] = [
    ['a value that is not there', { replicaCount: 3 }, /additional properties 'replicaCount' not allowed/],
    ['one in a section', { crds: { enabled: true } }, /'\/crds': additional properties 'enabled' not allowed/],
    ['a text for a number', { replicas: '2' }, /'\/replicas': got string, want integer/],
    ['a text for a list', { watchNamespaces: 'emea' }, /'\/watchNamespaces': got string, want array/],
    [
      'a namespace that is none',
      { watchNamespaces: ['EMEA'] },
      /'\/watchNamespaces\/0': 'EMEA' does not match pattern/,
    ],
    ['a digest that is a tag', { image: { digest: 'v1' } }, /'\/image\/digest': 'v1' does not match pattern/],
    ['a digest in the repository', { image: { repository: 'convoke@sha256:0a' } }, /'\/image\/repository'/],
    ['a port beyond all', { metrics: { port: 70000 } }, /'\/metrics\/port': maximum: got 70,000, want 65,535/],
    [
      'a mode nobody knows',
      { webhook: { certificates: { mode: 'selfsigned' } } },
      /'\/webhook\/certificates\/mode': value must be one of/,
    ],
    [
      'a duration without its unit',
      { admissionPolicy: { limits: { retention: '168' } } },
      /'\/admissionPolicy\/limits\/retention'/,
    ],
    [
      'an operator that nobody may drain',
      { podDisruptionBudget: { maxUnavailable: 0 } },
      /'\/podDisruptionBudget\/maxUnavailable': minimum/,
    ],
    [
      'a webhook without the Secret it is told to take',
      { webhook: { enabled: true, certificates: { mode: 'Secret' } } },
      /webhook\.certificates\.secretName is empty: name the Secret/,
    ],
    [
      'policies for Jobs nowhere',
      { networkPolicy: { jobs: { enabled: true } } },
      /networkPolicy\.jobs\.namespaces is empty: a NetworkPolicy holds in one namespace only\. List/,
    ],
    [
      'a monitor of a Service that is not there',
      { metrics: { service: { enabled: false }, serviceMonitor: { enabled: true } } },
      /metrics\.serviceMonitor needs metrics\.service\.enabled/,
    ],
    [
      'a share among some namespaces',
      { shard: 'shard=a', watchNamespaces: ['emea'] },
      /shard and watchNamespaces are both set: a shard is found among all Namespaces by their labels\. Choose one/,
    ],
    [
      'two monitors',
      { metrics: { serviceMonitor: { enabled: true }, podMonitor: { enabled: true } } },
      /are both enabled: every series would be there twice\. Choose one/,
    ],
    [
      'an alert to leave out that is none',
      { metrics: { prometheusRule: { enabled: true, disabled: ['ConvokeNoLeeder'] } } },
      /metrics\.prometheusRule\.disabled names ConvokeNoLeeder, which is no alert/,
    ],
  ]
  test.each(refused)('refuses %s', (_, values, message) => {
    const { code, err } = helm(['template', 'convoke', chart], { values })
    expect(err).toMatch(message)
    expect(code).toBe(1)
  })

  test('refuses a cluster that is too old', () => {
    const { code, err } = helm(['template', 'convoke', chart, '--kube-version', '1.30.4'])
    expect([code, err]).toEqual([1, expect.stringContaining('requires kubeVersion: >=1.31.0-0')])
  })

  test('hands down what other charts share', () => {
    expect(helm(['template', 'convoke', chart], { values: { global: { region: 'eu' } } }).code).toBe(0)
  })
})
