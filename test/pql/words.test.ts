// Expressions in words, and what each condition of one keeps: nothing is guessed, and every bound is kept.
import { expect, test } from 'vitest'
import {
  compile,
  expressionWaterfall,
  type Model,
  type Phrase,
  type StoreModel,
  segmentWords,
  type Words,
} from '#compiler'
import { phraseText } from '../../views/expression.ts'

const store = `apiVersion: convoke.dev/v1alpha1
kind: ProfileStore
metadata: { name: people }
spec:
  organizationRef: { name: org }
  schema:
    profile:
      type: object
      properties:
        id: { type: string }
        optOut: { type: boolean }
        birthday: { type: string, format: date }
        homeAddress: { type: object, properties: { countryCode: { type: string } } }
        kids: { type: integer }
    event:
      type: object
      properties:
        timestamp: { type: string, format: date-time }
        eventType: { type: string }
        order: { type: object, properties: { priceTotal: { type: number }, sku: { type: string } } }
  identities: [{ namespace: ReaderId, path: id, primary: true }]
  storage: { volume: { claimName: store } }
`

function modelOf(expression: string): { readonly model: Model; readonly store: StoreModel } {
  const segments = { gold: 'kids >= 1', asked: expression }
  const text = [
    store,
    ...Object.entries(segments).map(
      ([name, own]) =>
        `apiVersion: convoke.dev/v1alpha1\nkind: Segment\nmetadata: { name: ${name} }\nspec: ${JSON.stringify({ profileStoreRef: { name: 'people' }, expression: own })}\n`,
    ),
  ].join('---\n')
  const { model } = compile([{ file: 'all.yaml', text }], { verifyFixes: false })
  return { model, store: model.stores[0]! }
}

const say = (words: Words | null): unknown =>
  words === null ? null : words.kind === 'phrase' ? phraseText(words.phrase) : { [words.kind]: words.items.map(say) }

const wordsOf = (expression: string): unknown => {
  const { model } = modelOf(expression)
  return say(segmentWords(model.segments.find(({ resource }) => resource.name === 'asked')!, model))
}

test.each<readonly [expression: string, words: unknown]>([
  ['kids >= 2', 'kids is 2 or more'],
  ['kids > 2', 'kids is more than 2'],
  ['kids < 2', 'kids is less than 2'],
  ['not (kids < 2)', 'kids is 2 or more, or is not known'],
  ['kids != 2', 'kids is not 2'],
  ['homeAddress.countryCode = "DE"', 'home address country code is “DE”'],
  ['homeAddress.countryCode in ["DE", "AT", "CH"]', 'home address country code is one of “DE”, “AT” or “CH”'],
  ['homeAddress.countryCode.startsWith("D", false)', 'home address country code begins with “D” (large or small)'],
  ['not (optOut = true)', 'opt out is not true, or is not known'],
  ['birthday occurs <= 30 days before now', 'birthday in the last 30 days'],
  ['inSegment("gold")', 'is in gold'],
  ['not inSegment("gold")', 'is not in gold'],
  ['kids >= 1 and inSegment("gold")', { and: ['kids is 1 or more', 'is in gold'] }],
  [
    'kids >= 1 and (inSegment("gold") or optOut = true)',
    { and: ['kids is 1 or more', { or: ['is in gold', 'opt out is true'] }] },
  ],
  ['xEvent[eventType = "purchase"].count() >= 10', '10 or more purchases, ever'],
  ['xEvent[eventType = "purchase"].count() < 10', 'fewer than 10 purchases, ever'],
  ['xEvent[eventType = "purchase"].count() = 0', 'no purchase, ever'],
  ['xEvent.count() = 1', 'exactly 1 event, ever'],
  [
    'xEvent[eventType = "mail.opened" and timestamp occurs last month].count() > 2',
    'more than 2 “mail.opened” events last month',
  ],
  [
    'not (exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= 30 days before now)',
    'no purchase in the last 30 days',
  ],
  [
    'exists E from xEvent where E.timestamp occurs > 30 days before now and E.timestamp occurs <= 60 days before now',
    'an event more than 30 and up to 60 days ago',
  ],
  [
    'xEvent[order.priceTotal >= 50 and order.sku.contains("x")].count() >= 2',
    '2 or more events whose order price total is 50 or more and order sku contains “x”, ever',
  ],
  [
    'xEvent[eventType = "purchase" and timestamp occurs <= 1 months before now].sum(order.priceTotal) >= 100.5',
    'the sum of order price total of purchases in the last month is 100.5 or more',
  ],
  [
    'xEvent[eventType = "purchase"].average(order.priceTotal) > 2 * xEvent.average(order.priceTotal)',
    'the average of order price total of all purchases is more than 2 times the average of order price total of all events',
  ],
  [
    'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "mail.sent"), B: WHAT(eventType = "purchase") WHEN(<= 3 days before now)])',
    'a “mail.sent” event, ever, and after it a purchase in the last 3 days',
  ],
  // What has no good words stands as it is written.
  ['homeAddress.countryCode like "D%"', 'homeAddress.countryCode like "D%"'],
  ['not (homeAddress.countryCode  like   "D%")', 'not: homeAddress.countryCode like "D%"'],
  [
    'xEvent[(order.sku = "a" or order.sku = "b") and order.priceTotal > 1].count() >= 1',
    'xEvent[(order.sku = "a" or order.sku = "b") and order.priceTotal > 1].count() >= 1',
  ],
  ['kidz >= 1', null],
])('%s', (expression, words) => {
  expect(wordsOf(expression)).toEqual(words)
})

test.each<readonly [expression: string, joint: string, steps: readonly (readonly [string, string])[]]>([
  ['kids >= 1', 'and', [['kids is 1 or more', 'kids is less than 1, or is not known']]],
  [
    'xEvent.count() >= 2 and not inSegment("gold")',
    'and',
    [
      ['2 or more events, ever', 'fewer than 2 events, ever'],
      ['is not in gold', 'is in gold'],
    ],
  ],
  [
    'inSegment("gold") or (kids > 3 and optOut = true)',
    'or',
    [
      ['is in gold', 'is not in gold'],
      [
        'kids is more than 3 and opt out is true',
        'kids is 3 or less, or is not known or opt out is not true, or is not known',
      ],
    ],
  ],
])('what each condition of %s keeps, and whom it drops', (expression, joint, steps) => {
  const { model, store: people } = modelOf(expression)
  const fall = expressionWaterfall(expression, people, model)
  const text = (phrase: Phrase): string => phraseText(phrase)
  expect(fall?.joint).toBe(joint)
  expect(fall?.steps.map(({ phrase, otherwise }) => [text(phrase), text(otherwise)])).toEqual(steps)
})
