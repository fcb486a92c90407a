// Whether `convoke check` and the API server give the same verdict on a document, under the same code, wherever one resource alone decides it.
import { describe, expect, test } from 'vitest'
import type { Kind, Resource } from '#crds'
import { compile, type Diagnostic } from '../../compiler/index.ts'
import type { Cause, Refusal } from '../cluster/api.ts'
import { bundle, type Change, changed, exampleOf } from '../crds/documents.ts'
import { convoke, folderOf } from '../support/cli.ts'
import { openCluster, pathOf } from './convoke.ts'

const cluster = await openCluster()

type Verdict = { readonly refused: boolean; readonly codes: readonly string[]; readonly message: string }

const table: readonly (readonly [
  title: string,
  kind: Kind,
  changes: readonly Change[],
  code: string | null,
  message: string,
])[] = [
  [
    'an encrypted file',
    'Destination',
    [['spec.file.encryption', 'PGP']],
    'encrypted-file',
    'encrypted-file: file encryption is not supported',
  ],
  ['a file that is not', 'Destination', [['spec.file.encryption', 'None']], null, ''],
  [
    'an instance that creates profiles',
    'CampaignInstance',
    [['spec.unknownProfiles', 'Create']],
    'creates-profiles',
    'creates-profiles: Campaign is the source of truth',
  ],
  [
    'two organizational units',
    'CampaignInstance',
    [['spec.organizationalUnits', ['north', 'south']]],
    'multiple-organizational-units',
    'multiple-organizational-units: only',
  ],
  ['one organizational unit', 'CampaignInstance', [['spec.organizationalUnits', ['north']]], null, ''],
  [
    'Campaign Classic',
    'CampaignInstance',
    [['spec.version', '7.3']],
    'unsupported-campaign-version',
    'unsupported-campaign-version: audiences are delivered',
  ],
  [
    'an IMS Organization of another form',
    'Organization',
    [['spec.imsOrgId', 'folio']],
    'invalid-ims-org',
    'invalid-ims-org: an IMS Organization identifier ends in',
  ],
  [
    'no location',
    'Destination',
    [['spec.location', {}]],
    'missing-field',
    'missing-field: a location is exactly one of',
  ],
  [
    'two locations',
    'Destination',
    [['spec.location.s3', { bucket: 'b' }]],
    'invalid-value',
    'invalid-value: a location is exactly one of',
  ],
  [
    'no primary identity',
    'ProfileStore',
    [['spec.identities.0.primary', false]],
    'missing-field',
    'missing-field: exactly one identity is primary',
  ],
  [
    'two primary identities',
    'ProfileStore',
    [['spec.identities.1.primary', true]],
    'invalid-value',
    'invalid-value: exactly one identity is primary',
  ],
  [
    'events of nobody',
    'Dataset',
    [['spec.record', 'Event']],
    'missing-field',
    'missing-field: a Dataset of events says whose they are',
  ],
  [
    'Segments named and selected',
    'Activation',
    [['spec.segmentSelector', {}]],
    'invalid-value',
    'invalid-value: name the Segments by exactly one',
  ],
  [
    'two schedules',
    'Activation',
    [['spec.schedule.after', 'Evaluation']],
    'invalid-value',
    'invalid-value: a schedule is either',
  ],
  [
    'an interval that begins nowhere',
    'Activation',
    [['spec.schedule.startAt', undefined]],
    'missing-field',
    'missing-field: ',
  ],
  [
    'a name that does not fit into a label',
    'Activation',
    [['metadata.name', 'a'.repeat(64)]],
    'invalid-value',
    'Too long',
  ],
  ['an unknown field', 'Segment', [['spec.expresion', 'true']], 'unknown-field', 'unknown field "spec.expresion"'],
  [
    'an unknown field in a list',
    'Activation',
    [['spec.mapping.0.targte', 'x']],
    'unknown-field',
    'unknown field "spec.mapping[0].targte"',
  ],
  ['no expression', 'Segment', [['spec.expression', undefined]], 'missing-field', 'spec.expression: Required value'],
  ['a number for a text', 'CampaignInstance', [['spec.version', 8.7]], 'wrong-type', 'must be of type string'],
  [
    'a text for a number',
    'CampaignInstance',
    [['spec.limits.segments', '50']],
    'wrong-type',
    'must be of type integer',
  ],
  [
    'a word that is not in the list',
    'Segment',
    [['spec.evaluation', 'Stream']],
    'invalid-value',
    'Unsupported value: "Stream"',
  ],
  [
    'a duration in words',
    'ProfileStore',
    [['spec.evaluation.streaming.every', '5 minutes']],
    'invalid-value',
    'spec.evaluation.streaming.every',
  ],
]

/** Codes that the form of one document decides: the API server knows all of it, but for what is in the next table. */
const form = ['unknown-field', 'missing-field', 'wrong-type', 'invalid-value']

/** Under codes of form, but seen by the compiler alone: the resources by name, a mutation's title, and why. */
const onlyCompiler: readonly (readonly [resources: RegExp, change: RegExp, reason: string])[] = [
  [/reader-cards/, /^spec\.mapping = \[\]/, 'the primary identity, which must be mapped, stands in the ProfileStore'],
  [
    /reader-cards/,
    /^spec\.mapping\.0\.target = "Zzz/,
    'the primary identity, which must be mapped, stands in the ProfileStore',
  ],
  [/till-receipts|letter-logs/, /^spec\.identity\.namespace = "Zzz/, 'the identities stand in the ProfileStore'],
  [/reader-cards|till-receipts|win-back/, /^spec\.(segmentRefs|mapping) = \[.*\((twice|often)\)/, 'lists are atomic'],
  [/letters/, /^spec\.targetMapping\.columns = \[.*\(twice\)/, 'lists are atomic'],
  [/act-win-back/, /^spec\.scheduledTime = \[\]/, 'the API server takes a list for a text that has a format'],
]

// Thousands of documents: on a busy machine that takes its time.
describe.skipIf(cluster === null)('the API server and convoke check', { timeout: 120_000 }, () => {
  test('give the same verdict under the same code', async () => {
    const namespace = await cluster!.namespace()
    const documents = table.map(([, kind, changes]) => changed(exampleOf(kind), ...changes))
    using folder = folderOf(
      Object.fromEntries(documents.map((document, index) => [`${index}.yaml`, bundleWith(document, `case-${index}`)])),
    )
    const check = convoke(['check', '.', '-o', 'json'], { cwd: folder.path })
    const found: readonly Diagnostic[] = JSON.parse(check.out).diagnostics
    for (const [index, [title, , , code, message]] of table.entries()) {
      const { refused, codes, message: said } = await verdictOfServer(namespace, documents[index]!)
      expect([title, refused, codes], said).toEqual([title, code !== null, code === null ? [] : [code]])
      expect(said).toContain(message)
      const ours = found.filter(({ file, severity }) => file === `${index}.yaml` && severity === 'error')
      expect([title, ...new Set(ours.map(({ code }) => code))]).toEqual(code === null ? [title] : [title, code])
    }
  })

  const documents = [...bundle(), exampleOf('Run')].map(
    (resource) => [resource.kind, resource.metadata.name, resource] as const,
  )
  test.each(documents)('agree on whatever is done to the %s %s', async (_, name, resource) => {
    const namespace = await cluster!.namespace()
    const all = mutations(resource)
    expect(all.length).toBeGreaterThan(20)
    const verdicts = await Promise.all(
      all.map(async ([title, document]) => {
        const server = await verdictOfServer(namespace, document)
        return { title, server, ours: verdictOfCompiler(document) }
      }),
    )
    const alone = (title: string): boolean =>
      onlyCompiler.some(([resources, change]) => resources.test(name) && change.test(title))
    const disagreements = verdicts.filter(({ title, server, ours }) => {
      if (alone(title)) return server.refused || !ours.some((code) => form.includes(code))
      return server.refused
        ? server.codes.length === 0 || server.codes.some((code) => !ours.includes(code))
        : ours.some((code) => form.includes(code))
    })
    expect(disagreements).toEqual([])
    expect(verdicts.filter(({ server }) => server.refused).length).toBeGreaterThan(20)
  })
})

async function verdictOfServer(namespace: string, document: Record<string, unknown>): Promise<Verdict> {
  const { status, body } = await cluster!.api<Refusal>(
    'POST',
    `${pathOf(String(document['kind']), namespace)}?dryRun=All&fieldValidation=Strict`,
    { body: document },
  )
  if (status < 300) return { refused: false, codes: [], message: '' }
  // Under no field it says that rules were not checked, after saying why. Of several faults of a field the first is the cause of the rest:
  // a value of a wrong type is not in the list of values either.
  const causes = (body.details?.causes ?? []).filter(({ field }) => field !== '<nil>')
  const codes = [...new Map(causes.toReversed().map((cause) => [cause.field, codeOf(cause, document)])).values()]
  if (/strict decoding error: unknown field/.test(body.message)) codes.push('unknown-field')
  return { refused: true, codes: [...new Set(codes)], message: body.message }
}

/** What we call it: the message of a rule of ours begins with the code, the rest is metav1.CauseType. */
function codeOf({ reason, message, field }: Cause, document: Record<string, unknown>): string {
  const rule = /^Invalid value: (?:"[^"]*": )?([a-z]+(?:-[a-z]+)+): /.exec(message)
  if (rule) return rule[1]!
  if (reason === 'FieldValueRequired') return 'missing-field'
  // What a rule is given that reads a list where a text should be.
  if (/invalid data, expected \w+, got/.test(message)) return 'wrong-type'
  // A text of another form is of another type to the server, too.
  const isText = /must be of type date-time/.test(message) && typeof valueAt(document, field) === 'string'
  return reason === 'FieldValueTypeInvalid' && !isText ? 'wrong-type' : 'invalid-value'
}

function verdictOfCompiler(document: Record<string, unknown>): readonly string[] {
  const { diagnostics } = compile([{ file: 'case.yaml', text: bundleWith(document, 'readers') }], {
    verifyFixes: false,
  })
  const own = diagnostics.filter(
    ({ severity, resource }) =>
      severity === 'error' && (!resource || resource.name === Object(document['metadata']).name),
  )
  return [...new Set(own.map(({ code }) => code))]
}

/** The bundle in a namespace, with the document in the place of its own of that name, or else of the first of that kind. */
function bundleWith(document: Record<string, unknown>, namespace: string): string {
  const own = bundle().filter(({ kind }) => kind === document['kind'])
  const replaced = own.find(({ metadata }) => metadata.name === Object(document['metadata']).name) ?? own[0]
  const rest = bundle().filter(
    ({ kind, metadata }) => kind !== replaced?.kind || metadata.name !== replaced.metadata.name,
  )
  return [...rest, document]
    .map((each) => JSON.stringify({ ...each, metadata: { ...Object(each.metadata), namespace } }))
    .join('\n---\n')
}

function valueAt(document: Record<string, unknown>, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => Object(value)[name], document)
}

/** What people and tools get wrong, done to each field of `spec` in turn, but not inside the union schema, which only the compiler reads. */
function mutations(resource: Resource): readonly (readonly [title: string, document: Record<string, unknown>])[] {
  const found: (readonly [string, Record<string, unknown>])[] = []
  const add = (path: string, value: unknown, note = ''): void => {
    found.push([
      `${path} = ${(JSON.stringify(value) ?? 'nothing').slice(0, 40)}${note}`,
      changed(resource, [path, value]),
    ])
  }
  const visit = (path: string, value: unknown): void => {
    add(path, undefined)
    for (const other of others(value)) add(path, other)
    if (path === 'spec.schema') return
    if (Array.isArray(value)) {
      add(path, [...value, value[0]], ' (twice)')
      add(
        path,
        Array.from({ length: 2000 }, () => value[0]),
        ' (often)',
      )
      visit(`${path}.0`, value[0])
    } else if (typeof value === 'object' && value !== null) {
      add(`${path}.zzz`, 1)
      for (const [name, field] of Object.entries(value)) visit(`${path}.${name}`, field)
    }
  }
  visit('spec', resource.spec)
  return found
}

function others(value: unknown): readonly unknown[] {
  if (typeof value === 'string') return [7, true, [], {}, '', 'Zzz?', 'x'.repeat(20_000)]
  if (typeof value === 'number') return ['7', true, [], -1, 0, 1.5, 1e12]
  if (typeof value === 'boolean') return ['yes', 1, !value]
  if (Array.isArray(value)) return [{}, 'x', []]
  return [[], 'x', 7, {}]
}
