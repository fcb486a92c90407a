import { expect, test } from 'vitest'
import { type LinkedIdentity, parted } from '../../jobs/merge/linking.ts'

/** Namespaces in order of priority; capital letters are unique ones. */
type Case = readonly [title: string, namespaces: string, records: readonly string[], graphs: readonly string[]]

// Situations that Adobe's pages on identity graph linking rules describe, and some more. Records are in order of time.
const cases: readonly Case[] = [
  ['one person is one graph', 'Crm ecid', ['Crm:tom ecid:1', 'Crm:tom ecid:2'], ['Crm:tom ecid:1 ecid:2']],
  [
    'a shared device belongs to who linked with it last',
    'Crm ecid',
    ['Crm:tom ecid:1', 'Crm:sue ecid:1'],
    ['Crm:tom', 'Crm:sue ecid:1'],
  ],
  [
    'and goes back to who links with it again',
    'Crm ecid',
    ['Crm:sue ecid:1', 'Crm:tom ecid:1'],
    ['Crm:sue', 'Crm:tom ecid:1'],
  ],
  [
    'with addresses that are known besides, the device alone moves',
    'Crm Email ecid',
    ['Crm:jane Email:jane', 'Crm:john Email:john', 'Crm:jane Email:jane ecid:1', 'Crm:john Email:john ecid:1'],
    ['Crm:jane Email:jane', 'Crm:john Email:john ecid:1'],
  ],
  [
    'an address that two people give belongs to the later',
    'Crm Email ecid',
    ['Crm:jane ecid:1', 'Crm:john ecid:2', 'Crm:jane Email:test', 'Crm:john Email:test'],
    ['Crm:jane ecid:1', 'Crm:john Email:test ecid:2'],
  ],
  [
    'an address that is not unique links no two customers either',
    'Crm email ecid',
    ['Crm:tom email:a', 'Crm:tom ecid:1', 'Crm:sue email:b', 'Crm:sue ecid:2', 'Crm:sue email:a'],
    ['Crm:tom ecid:1', 'Crm:sue email:a email:b ecid:2'],
  ],
  [
    'a unique phone number takes the place of the earlier one',
    'Crm email Phone ecid',
    ['Crm:tom email:a Phone:1', 'Crm:tom ecid:1', 'Crm:sue email:b Phone:2', 'Crm:sue ecid:2', 'Crm:sue Phone:1'],
    ['Crm:tom email:a ecid:1', 'Crm:sue email:b Phone:1 ecid:2', 'Phone:2'],
  ],
  [
    'a login keeps to its customer where only the device is shared',
    'Crm login ecid',
    [
      'Crm:tom login:a',
      'Crm:tom login:b',
      'login:a ecid:1',
      'Crm:sue login:c',
      'Crm:sue login:d',
      'login:c ecid:2',
      'login:c ecid:1',
    ],
    ['Crm:tom login:a login:b', 'Crm:sue login:c login:d ecid:1 ecid:2'],
  ],
  [
    'also where the customer is named beside the login',
    'Crm login ecid',
    [
      'Crm:tom login:a',
      'login:a ecid:1',
      'Crm:sue login:c',
      'login:c ecid:2',
      'Crm:sue login:c ecid:1',
      'login:a ecid:1',
    ],
    ['Crm:tom login:a ecid:1', 'Crm:sue login:c ecid:2'],
  ],
  [
    'a login that is said to be of another customer goes to that one',
    'Crm login ecid',
    ['Crm:tom login:a', 'login:a ecid:1', 'Crm:sue login:c', 'Crm:sue login:d', 'Crm:tom login:d'],
    ['Crm:tom login:a login:d ecid:1', 'Crm:sue login:c'],
  ],
  [
    'a login of nobody joins whose device it is seen on',
    'Crm login ecid',
    ['Crm:tom login:a', 'login:a ecid:1', 'login:c ecid:1'],
    ['Crm:tom login:a login:c ecid:1'],
  ],
  [
    'a guest on a customer’s device takes the device along',
    'Crm Email ecid',
    ['Crm:tom Email:tom', 'Crm:tom ecid:1', 'Email:sue ecid:1'],
    ['Crm:tom Email:tom', 'Email:sue ecid:1'],
  ],
  [
    'nothing says that a guest is not the customer who has no address',
    'Crm Email ecid',
    ['Crm:tom ecid:1', 'Email:sue ecid:1'],
    ['Crm:tom Email:sue ecid:1'],
  ],
  [
    'a guest who becomes a customer is one person',
    'Crm Email ecid',
    ['Email:tom ecid:1', 'Crm:tom Email:tom', 'Crm:tom ecid:1'],
    ['Crm:tom Email:tom ecid:1'],
  ],
  ['two guests are two', 'Crm Email ecid', ['Email:tom ecid:1', 'Email:sue ecid:1'], ['Email:tom', 'Email:sue ecid:1']],
  ['where nothing is unique all are one', 'crm ecid', ['crm:tom ecid:1', 'crm:sue ecid:1'], ['crm:sue crm:tom ecid:1']],
  [
    'a chain of devices parts at the older link',
    'Crm ecid',
    ['Crm:tom ecid:1', 'Crm:sue ecid:2', 'Crm:sue ecid:1', 'Crm:ann ecid:2'],
    ['Crm:tom', 'Crm:sue ecid:1', 'Crm:ann ecid:2'],
  ],
]

test.each(cases)('%s', (_title, namespaces, records, expected) => {
  const names = namespaces.split(' ')
  const ids = new Map<string, number>()
  const identityOf = (text: string): LinkedIdentity => {
    if (!ids.has(text)) ids.set(text, ids.size + 1)
    return { id: ids.get(text)!, priority: names.indexOf(text.split(':')[0]!) + 1 }
  }
  const unique = new Set(names.flatMap((name, index) => (/^[A-Z]/.test(name) ? [index + 1] : [])))
  const graphs = parted(
    records.map((record) => record.split(' ').map(identityOf)),
    unique,
  )
  const texts = [...ids.keys()]
  const inWords = (graph: readonly number[]) =>
    graph
      .map((id) => texts[id - 1]!)
      .sort((a, b) => names.indexOf(a.split(':')[0]!) - names.indexOf(b.split(':')[0]!) || (a < b ? -1 : 1))
      .join(' ')
  expect(graphs.map(inWords).sort()).toEqual([...expected].sort())
})

test('ten thousand people at one kiosk are parted in no time, and it belongs to the last', () => {
  const records = Array.from({ length: 10_000 }, (_, person) => [
    { id: person + 1, priority: 1 },
    { id: 20_000 + (person % 3), priority: 2 },
  ])
  const graphs = parted(records, new Set([1]))
  expect(graphs.length).toBe(10_000)
  expect(graphs.filter((graph) => graph.length > 1).map((graph) => Math.min(...graph))).toEqual([10_000, 9998, 9999])
})
