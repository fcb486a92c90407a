import { CORE_SCHEMA, loadAll } from 'js-yaml'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { readFull } from '../../compiler/yaml/full-reader.ts'
import { valueOf as plain, readYaml, type YamlNode } from '../../compiler/yaml/index.ts'
import { readSubset } from '../../compiler/yaml/subset-reader.ts'
import { patience, tries } from '../support/soak.ts'
import { corpus, mutantOf, randomOf } from './corpus.ts'
import { goVersion, kubernetesReader } from './kubernetes-reader.ts'

const mutants = tries(6000, 1_000_000)
const seed = Number(process.env['CONVOKE_YAML_SEED'] ?? 1)

test('what the subset reader accepts, the full reader and js-yaml read alike, values and places', {
  timeout: patience(600_000),
}, () => {
  const random = randomOf(seed)
  let accepted = 0
  for (let count = 0; count < mutants; count += 1) {
    const text = count < corpus.length ? corpus[count]! : mutantOf(corpus[random(corpus.length)]!, random)
    if (isCut(text) || !text.isWellFormed()) continue
    const read = readSubset(text, 0, text.length)
    if (read === 'handed-on' || read === 'empty') continue
    accepted += 1
    const full = readFull(text, 0)
    if (isBelowComment(text) && full.faults.length > 0) continue
    expect({ text, faults: full.faults, node: full.documents }).toEqual({ text, faults: [], node: [read] })
    expect({ text, value: plain(read) }).toEqual({ text, value: loadAll(text, { schema: CORE_SCHEMA })[0] })
  }
  expect(accepted).toBeGreaterThan(mutants / 6)
  expect(corpus.filter((text) => readSubset(text, 0, text.length) === 'handed-on')).toEqual([])
})

test('what is read without a fault has the value that `yaml` gives it', { timeout: patience(600_000) }, () => {
  const random = randomOf(seed + 1)
  for (let count = 0; count < mutants; count += 1) {
    const text = mutantOf(corpus[random(corpus.length)]!, random)
    const read = readYaml(text)
    // `yaml` ends a block scalar with a line break even where the file has none, and loses blank lines behind an escaped
    // line break; YAML 1.2 and Kubernetes do not.
    if (read.faults.length > 0 || !text.endsWith('\n') || /\\\r?\n/.test(text) || isBelowComment(text)) continue
    const documents = parseAllDocuments(text, { prettyErrors: false, logLevel: 'silent' })
    const values = (Array.isArray(documents) ? documents : [])
      // -0 is 0, as in Kubernetes' integers.
      .map((document): unknown =>
        JSON.parse(JSON.stringify(document.toJS(), (_, value) => (value === undefined ? null : value))),
      )
      .filter((value) => value !== null)
    expect({ text, values: read.documents.map(plain) }).toEqual({ text, values })
  }
})

test('every node of a mutant lies inside its parent behind its sibling, and every fault inside the text', {
  timeout: patience(600_000),
}, () => {
  const random = randomOf(seed + 2)
  for (let count = 0; count < mutants; count += 1) {
    const text = mutantOf(corpus[random(corpus.length)]!, random)
    const { documents, faults } = readYaml(text)
    const outside = faults.filter(({ start, end }) => start < 0 || end < start || end > text.length)
    if (outside.length > 0) expect({ text, outside }).toBe('inside the text')
    // An alias stands where its anchor does.
    if (faults.length === 0 && !text.includes('*')) for (const document of documents) checkPlaces(text, document)
  }
})

test.skipIf(goVersion === null)(
  `what is read without a fault is what Kubernetes reads${goVersion === null ? ' (skipped: no go on this machine)' : ''}`,
  () => {
    const random = randomOf(seed + 3)
    const texts: string[] = []
    const values: unknown[] = []
    for (let count = 0; count < mutants; count += 1) {
      const text = mutantOf(corpus[random(corpus.length)]!, random)
      const { documents, faults } = readYaml(text)
      if (faults.length > 0 || documents.length !== 1 || isCut(text)) continue
      texts.push(text)
      values.push(plain(documents[0]!))
    }
    const readings = kubernetesReader()(texts)
    const differing = texts.flatMap((text, index) => {
      const reading = readings[index]!
      return reading.kind === 'value' && sameJson(reading.value, values[index])
        ? []
        : [{ text, ours: values[index], kubernetes: reading }]
    })
    expect(differing).toEqual([])
    expect(texts.length).toBeGreaterThan(mutants / 6)
  },
  3_600_000,
)

/** Below a comment that stands left of its key, `yaml` takes the text for a key. */
function isBelowComment(text: string): boolean {
  return /:\s*\n *#/.test(text)
}

/** Not for the subset reader, which is given one document at a time and no lone CR; sigs.k8s.io/yaml reads the first document only. */
function isCut(text: string): boolean {
  return /\n---(?:\s|$)|\r(?!\n)/.test(text) || /^(?:%|\.\.\.)/m.test(text)
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]) => [key, sorted(inner)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

function checkPlaces(text: string, node: YamlNode): void {
  const children =
    node.kind === 'map'
      ? node.entries.flatMap(({ key, value }) => [key, value])
      : node.kind === 'sequence'
        ? node.items
        : []
  let after = node.start
  for (const child of children) {
    const isInside = child.start >= after && child.end >= child.start && child.end <= node.end
    if (!isInside) expect({ text, child }).toBe('inside its parent')
    after = child.end
    checkPlaces(text, child)
  }
}
