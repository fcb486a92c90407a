// The examples as stories: their resources, their data, and what a change in them ought to do.
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Kind, ResourceByKind } from '#crds'

const examples = join(import.meta.dirname, '../../examples')

/** What the story must know of an example. SQL on `files` reads the volumes' files, SQL on `campaign` its database. */
type Facts = {
  readonly store: string
  /** Primary identity of its profiles, by which Campaign's external_id means them. */
  readonly identity: string
  /** Of three kinds where the example has them: one with a list, and others. */
  readonly activations: readonly string[]
  /** What the store says that it holds. */
  readonly counted: { readonly profiles: number; readonly events: number }
  /** What an import writes into recipients, the same from the files and from Campaign, in one order. */
  readonly updated: { readonly files: string; readonly campaign: string }
  /** A Segment of the first Activation whose expression is made narrower, and who is left in it `$now`. */
  readonly edit: { readonly segment: string; readonly from: string; readonly to: string; readonly left: string }
}

const facts = {
  retail: {
    store: 'grocery',
    identity: 'HouseholdId',
    counted: { profiles: 2_469, events: 1_633_846 },
    activations: ['retention', 'in-store-moments', 'household-profiles'],
    updated: {
      files: `SELECT external_id::VARCHAR AS id, kids::INTEGER AS kids, size::INTEGER AS size
        FROM 'campaign/production/recipients.csv' JOIN 'landing/households/households.csv' ON household_id = external_id
        WHERE kids >= 1 ORDER BY id`,
      campaign: `SELECT external_id AS id, household_kids::integer AS kids, household_size::integer AS size
        FROM recipients WHERE household_kids >= 1 ORDER BY external_id COLLATE "C"`,
    },
    edit: {
      segment: 'coupon-lovers',
      from: '.count() >= 3',
      to: '.count() >= 5',
      left: `SELECT household AS id FROM 'landing/coupon-redemptions/redemptions.ndjson'
        WHERE "at"::TIMESTAMP BETWEEN $now::TIMESTAMP - INTERVAL 180 DAY AND $now::TIMESTAMP GROUP BY household HAVING count(*) >= 5`,
    },
  },
  minimal: {
    store: 'customers',
    identity: 'CustomerId',
    counted: { profiles: 8, events: 14 },
    activations: ['newsletter'],
    updated: {
      files: `SELECT id, tier FROM 'landing/customers/customers.csv' WHERE id IN ('C1', 'C2', 'C5', 'C6') ORDER BY id`,
      campaign: `SELECT external_id AS id, loyalty_tier AS tier FROM recipients WHERE external_id IN ('C1', 'C2', 'C5', 'C6') ORDER BY 1`,
    },
    edit: {
      segment: 'big-spenders',
      from: '>= 200',
      to: '>= 250',
      left: `SELECT customer AS id FROM 'landing/orders/orders.ndjson'
        WHERE type = 'purchase' AND "at"::TIMESTAMP BETWEEN $now::TIMESTAMP - INTERVAL 30 DAY AND $now::TIMESTAMP
        GROUP BY customer HAVING sum(total) >= 250`,
    },
  },
} as const satisfies Readonly<Record<string, Facts>>

export type Example = Facts & {
  readonly name: keyof typeof facts
  readonly resources: readonly ResourceByKind[Kind][]
  /** The whole text of its files of resources. */
  readonly files: readonly { readonly file: string; readonly text: string }[]
  /** Two instants a day apart. */
  readonly at: readonly [string, string]
  /** Instant → Segment → members. */
  readonly members: Readonly<Record<string, Readonly<Record<string, number>>>>
}

/** Retail, or where its data cannot be had or CONVOKE_TEST_EXAMPLE is `minimal`, the one that brings its own. Its data is in `volumes` then. */
export function openExample(volumes: string): Example {
  if (process.env['CONVOKE_TEST_EXAMPLE'] === 'minimal') return minimal(volumes)
  const { status, stderr } = spawnSync(process.execPath, [join(examples, 'fetch.ts'), 'retail', volumes], {
    encoding: 'utf8',
  })
  if (status === 0) return exampleOf('retail')
  // No Python, pip or network here.
  if (status !== 3) throw new Error(stderr)
  console.warn(`The story is of examples/minimal: ${stderr.split('\n')[0]}`)
  return minimal(volumes)
}

function minimal(volumes: string): Example {
  cpSync(join(examples, 'minimal/volumes'), volumes, { recursive: true })
  return exampleOf('minimal')
}

function exampleOf(name: keyof typeof facts): Example {
  const folder = join(examples, name)
  const demo: { readonly resources: string; readonly at: readonly [string, string] } = read(join(folder, 'demo.json'))
  const path = join(examples, '..', demo.resources)
  const paths = statSync(path).isDirectory() ? readdirSync(path).map((file) => join(path, file)) : [path]
  const files = paths.map((file) => ({ file, text: readFileSync(file, 'utf8') }))
  return {
    name,
    ...facts[name],
    files,
    resources: files.flatMap(({ text }) => parseAllDocuments(text).map((document) => document.toJS())),
    at: demo.at,
    members: read(join(folder, 'expected.json')),
  }
}

function read<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8'))
}
