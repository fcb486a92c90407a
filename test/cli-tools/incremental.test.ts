import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compile, compileObjects, openSession, readYaml, type Source, valueOf } from '#compiler'

const bundle = readFileSync(new URL('../fixtures/retail.yaml', import.meta.url), 'utf8')
const documents = bundle.split(/^---\n/m)

/** Edits that reach beyond their own file: names, references, types, kinds, whole files. */
const edits: readonly (readonly [from: RegExp, to: string])[] = [
  [/name: patrons/, 'name: donors'],
  [/name: donors/, 'name: patrons'],
  [/inSegment\("patrons"\)/, 'inSegment("donors")'],
  [/inSegment\("donors"\)/, 'inSegment("patrons")'],
  [/inSegment\("quiet-buyers"\)/, 'inSegment("quiet-patrons")'],
  [/level: \{ type: string/, 'level: { type: strin'],
  [/level: \{ type: strin,/, 'level: { type: string,'],
  [/credits: \{ type: integer/, 'credits: { type: boolean'],
  [/credits: \{ type: boolean/, 'credits: { type: integer'],
  [/kind: Segment\n/, 'kind: Segmant\n'],
  [/kind: Segmant\n/, 'kind: Segment\n'],
  [/name: readers/, 'name: reader'],
  [/name: reader(?!s)/, 'name: readers'],
  [/namespace: other, /, ''],
  [/metadata: \{ name/, 'metadata: { namespace: other, name'],
  [/spec:\n/, 'spec:\n\t'],
  [/spec:\n\t/, 'spec:\n'],
  [/evaluation: Streaming/, 'evaluation: Batch'],
  [/segments: 50/, 'segments: 2'],
  [/every: 5m/, 'every: 10m'],
  [/segmentRefs: .*/, 'segmentSelector: { matchLabels: { team: club } }'],
  [/segmentSelector: .*/, 'segmentSelector: { matchExpressions: [{ key: team, operator: Exists }] }'],
  [/labels: \{ team: club \}/, 'labels: { team: shop }'],
]

/** As the API server would hold them; the same objects for the same source. */
const objectsOf = (source: Source): readonly unknown[] => {
  const known = objects.get(source)
  if (known) return known
  const { documents: nodes, faults } = readYaml(source.text)
  const own = faults.length === 0 ? nodes.map(valueOf) : []
  objects.set(source, own)
  return own
}
const objects = new WeakMap<Source, readonly unknown[]>()

test('compiling what is kept from before gives what compiling everything anew gives', () => {
  const step = fc.record({
    file: fc.nat(),
    edit: fc.nat(),
    action: fc.constantFrom('edit', 'edit', 'edit', 'drop', 'copy'),
  })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const [session, objectSession] = [openSession(), openSession()]
      let sources: readonly Source[] = documents.map((text, index) => ({ file: `${index}.yaml`, text }))
      compile(sources, { session })
      for (const [number, { file, edit, action }] of steps.entries()) {
        const [from, to] = edits[edit % edits.length]!
        // An edit goes to one of the files that have what it changes.
        const fitting = [...sources.keys()].filter((index) => action !== 'edit' || from.test(sources[index]!.text))
        const at = fitting[file % fitting.length]
        if (at === undefined) continue
        const chosen = sources[at]!
        if (action === 'drop') sources = sources.toSpliced(at, 1)
        else if (action === 'copy') sources = [...sources, { file: `copy-${number}.yaml`, text: chosen.text }]
        else sources = sources.with(at, { file: chosen.file, text: chosen.text.replace(from, to) })
        const anew = sources.map((source) => ({ ...source }))
        const [kept, fresh] = [compile(sources, { session }), compile(anew)]
        expect(kept.diagnostics).toEqual(fresh.diagnostics)
        expect(kept.count).toBe(fresh.count)
        expect(kept.plans.map(({ digest }) => digest)).toEqual(fresh.plans.map(({ digest }) => digest))
        const held = sources.flatMap(objectsOf)
        const [again, first] = [compileObjects(held, { session: objectSession }), compileObjects(structuredClone(held))]
        expect(again.diagnostics).toEqual(first.diagnostics)
        expect(again.count).toBe(first.count)
        expect(again.plans.map(({ digest }) => digest)).toEqual(first.plans.map(({ digest }) => digest))
      }
    }),
    { numRuns: 60 },
  )
})

test('an object that was compiled before is not read again', () => {
  const held = documents.flatMap((text, index) => objectsOf({ file: `${index}.yaml`, text }))
  const session = openSession()
  const before = compileObjects(held, { session })
  const changed = held.with(-1, structuredClone(held.at(-1)))
  const after = compileObjects(changed, { session })
  expect(after.resources.slice(0, -1).every((resource, index) => resource === before.resources[index])).toBe(true)
  expect(after.resources.at(-1)).not.toBe(before.resources.at(-1))
})
